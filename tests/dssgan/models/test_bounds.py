"""What is built of hyperparameters and read of weights is bounded beforehand."""

import json

import h5py
import pytest

from dssgan.config.sizes import check_export, check_sizes
from dssgan.models import export, weights_file
from dssgan.models.bounds import limited

SMALL = {"sources": ["drums", "bass"], "stages": 1, "width": 8, "bottleneck": 8, "hidden": 8}
SMALL |= {"layers": 1, "stacks": 1, "embedding_size": 2, "code_size": 2, "mels": 0}


def test_no_more_weights_are_made_than_are_allowed():
    told = pytest.raises(ValueError, match="more than 10 weights, of this test")
    with told, limited(10, "of this test"):
        export.create_variables(export.models.build("multistage", **SMALL))
    with limited(100_000):
        assert export.create_variables(export.models.build("multistage", **SMALL)).built


def test_an_export_that_announces_more_weights_than_its_file_holds(tmp_path):
    export.save(export.models.build("multistage", **SMALL), tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["hyperparameters"] |= {"hidden": 8000, "bottleneck": 8000, "layers": 16, "stacks": 64}
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"json: cannot build .*: more than \d+ weights"):
        export.load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("width", 1e9),
        ("layers", 17),
        ("stages", 7),
        ("levels", 13),
        ("seed", 10**400),
        ("x", 1e400),
    ],
)
def test_sizes_that_no_separator_has(tmp_path, key, value):
    with pytest.raises(ValueError, match=rf"^model\.{key}=.* larger is no separator's size$"):
        check_sizes({key: value}, "model")
    (tmp_path / "config.json").write_text('{"hyperparameters": {"width": 1000000000}}')
    with pytest.raises(ValueError, match=r"config\.json: hyperparameters\.width=1000000000"):
        check_export(tmp_path / "config.json")


def test_weights_that_announce_more_than_the_model_has(tmp_path):
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/w", (2**40,), "f4", chunks=(2**20,))  # not written: no bytes
    with pytest.raises(ValueError, match=r"w\.h5: its arrays announce 4398046511104 bytes or more"):
        weights_file.check(path, 4000)


def test_weights_that_lead_to_other_files(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["w"] = [1.0]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["w"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "w")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("w", (3,), "u1", external=[(str(tmp_path / "other.h5"), 0, 3)])
    for name in ("a", "b"):
        with pytest.raises(ValueError, match=rf"{name}\.h5: w .*another file"):
            weights_file.check(tmp_path / f"{name}.h5", 4000)

"""StableHLO: the same numbers in JAX, with weights as arguments, without TensorFlow."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dssgan import export as command
from dssgan.exporting import parity, stablehlo
from dssgan.models import SEPARATORS, build, export
from dssgan.runtime.with_jax import Separator as JaxSeparator
from dssgan.separator import Separator
from tests.commands import run_without
from tests.dssgan.exporting.test_saved_model import rounding
from tests.dssgan.models.test_conformance import BANDSPLIT, QUICK

pytestmark = pytest.mark.usefixtures("jax_cache")
ALONE = """
import sys
import numpy as np
from with_jax import Separator

separate = Separator(sys.argv[1])
np.save(sys.argv[3], separate(np.load(sys.argv[2])))
print(separate.sample_rate, [name for name in sys.modules if name in ("dssgan", "tensorflow")])
"""


@pytest.fixture(scope="module")
def small():
    return Separator(build("wavenet", **QUICK["wavenet"]), segment=0.2)


@pytest.fixture(scope="module")
def written(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wavenet")
    stablehlo.write(small.model, folder, small.segment, 1)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SEPARATORS))
def test_every_system(name, tmp_path):
    separator = Separator(build(name, **QUICK[name]), segment=0.3)
    place = stablehlo.write(separator.model, tmp_path, separator.segment, 2)
    difference = parity.difference_db(separator, lambda audio: stablehlo.run(place, audio), 2)
    assert difference < max(-100.0, rounding(separator) + 6.0)


def test_other_weights_are_other_arguments(small, written, tmp_path, rng):
    audio = parity.bursts(small.segment, 1, small.sample_rate, 1)[None]
    before = JaxSeparator(written)(audio)
    with np.load(written / "weights.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    assert sum(array.size for array in arrays.values()) == small.model.count_params()
    changed = {name: 1.1 * array for name, array in arrays.items()}
    np.savez(tmp_path / "other.npz", **changed)
    after = JaxSeparator(written, tmp_path / "other.npz")(audio)
    other = Separator(build("wavenet", **QUICK["wavenet"]), segment=0.2)
    for n, variable in enumerate(other.model.variables):
        variable.assign(changed[f"model/{n:05d}"])
    np.testing.assert_allclose(after, other.inference(1)(audio), atol=1e-5)
    assert np.abs(after - before).max() > 1e-3
    averaged = arrays | {
        f"average/{n:05d}": changed[f"model/{place:05d}"]
        for n, place in enumerate(json.loads((written / "separator.json").read_text())["trainable"])
    }
    np.savez(tmp_path / "averaged.npz", **averaged)
    np.testing.assert_array_equal(JaxSeparator(written, tmp_path / "averaged.npz")(audio), after)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("separator.mlir", lambda data: data[:-100], "separator.mlir: damaged, or of another"),
        ("separator.json", lambda data: data[:-100], "separator.json: not valid JSON"),
        ("separator.json", lambda data: b"[]", "separator.json: 'format' is missing"),
        ("separator.json", lambda data: data.replace(b'"format": 1', b'"format": 2'), "format 2"),
        ("weights.npz", lambda data: data[: len(data) // 2], "weights.npz: not the arrays"),
        ("weights.npz", lambda data: b"", "weights.npz: not the arrays"),
    ],
)
def test_damaged_files_are_named(written, tmp_path, file, change, message):
    folder = tmp_path / "copy"
    shutil.copytree(written, folder)
    (folder / file).write_bytes(change((folder / file).read_bytes()))
    with pytest.raises(ValueError, match=message):
        JaxSeparator(folder)


def test_weights_of_another_shape_are_named(written, tmp_path):
    with np.load(written / "weights.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(tmp_path / "wide.npz", **arrays | {"model/00001": np.zeros((3, 4), np.float32)})
    with pytest.raises(ValueError, match=r"wide.npz: .*model/00001 has shape \(3, 4\), expected"):
        JaxSeparator(written, tmp_path / "wide.npz")
    del arrays["model/00002"]
    np.savez(tmp_path / "few.npz", **arrays)
    with pytest.raises(ValueError, match=r"few.npz: .*model/00002"):
        JaxSeparator(written, tmp_path / "few.npz")


def test_variables_are_arguments_and_stay_as_they_are(tmp_path):
    count = tf.Variable(3.0)

    def add(value):
        count.assign_add(value)
        return {"sum": count.read_value(), "constant": tf.constant([2.0])}

    inputs = {"value": tf.TensorSpec((), tf.float32)}
    facts = stablehlo.write_function(tmp_path / "add.mlir", add, inputs, {"count": count})
    assert facts["inputs"] == [["value", [], "float32"], ["count", [], "float32"]]
    assert float(count) == 3.0
    with pytest.raises(ValueError, match="none of its arguments"):
        stablehlo.write_function(tmp_path / "add.mlir", add, inputs, {})


def test_what_stands_in_the_way_is_named(tmp_path):
    def words(value):
        return {"text": tf.strings.length(tf.strings.as_string(value))}

    inputs = {"value": tf.TensorSpec((), tf.float32)}
    with pytest.raises(ValueError, match=r"StableHLO cannot carry it: .*AsString"):
        stablehlo.write_function(tmp_path / "words.mlir", words, inputs, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_and_a_program_without_the_library(tmp_path, capsys, rng):
    model = build("bandsplit", **BANDSPLIT, sources=["drums", "accompaniment"])
    export.save(model, tmp_path / "keras")
    words = [str(tmp_path / "keras"), str(tmp_path / "out"), "--to", "stablehlo", "--channels", "1"]
    assert command.main([*words, "--segment", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path / 'out' / 'separator.mlir'}: drums, accompaniment, ")
    separator = Separator.load(tmp_path / "keras", segment=1.0)
    chunk = 0.1 * rng.standard_normal((1, separator.segment, 1)).astype(np.float32)
    np.save(tmp_path / "chunk.npy", chunk)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, ".", "../chunk.npy", "../found.npy"],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["8000", "[]"]
    expected = separator.inference(1)(chunk)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-6)


def test_an_export_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    export.save(build("wavenet", **QUICK["wavenet"]), tmp_path / "keras")
    (tmp_path / "taken").write_text("a file")
    words = [str(tmp_path / "keras"), str(tmp_path / "taken"), "--to", "stablehlo"]
    with pytest.raises(OSError, match="taken"):
        command.main([*words, "--segment", "0.1"])
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(command.cli.UsageError, match="jax not installed: pip install 'jax>="):
        command.main(words)


def test_the_program_needs_neither_tensorflow_nor_jax_to_be_read():
    run_without(("tensorflow", "keras", "jax"), "import dssgan.runtime.with_jax")


def test_the_program_says_that_jax_is_missing():
    lines = [
        "import contextlib, io",
        "from dssgan.runtime.with_jax import main",
        "with contextlib.redirect_stderr(io.StringIO()) as said:",
        "    assert main(['nowhere', 'songs', '--updates', '1']) == 2",
        "assert said.getvalue() == 'error: jax is not installed: pip install jax\\n'",
    ]
    run_without(("tensorflow", "jax"), "\n".join(lines))

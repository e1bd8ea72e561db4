"""The command that exports a recipe's training step."""

import json

import numpy as np
import pytest

from common.cli import UsageError
from dssgan.models import build, export
from dssgan.runtime import with_jax
from experiments.export_step import main
from tests.dssgan.models.test_conformance import QUICK

SMALL = [
    "with",
    "wavenet_small",
    "data.batch=2",
    "data.seconds=0.1",
    "model.layers=2",
    "model.stacks=1",
    "model.residual=4",
    "model.skip=4",
    "model.final=[4,4]",
    "loss.name=wavenet",
]
NOWHERE = ["data.name=musdb18", "data.root=/nowhere", "data.also=[]", "data.train=null"]


def facts(folder):
    return json.loads((folder / "step.json").read_text())


def test_a_step_needs_no_songs(tmp_path, capsys):
    assert main([*SMALL, *NOWHERE, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path}: wavenet, ") and "updates of 2 × 0.1" in said
    names = {path.name for path in tmp_path.iterdir()}
    bundle = {"step.mlir", "separate.mlir", "start.npz", "step.json", "with_jax.py"}
    assert names == bundle
    told = facts(tmp_path)
    (stems, (batch, sources, samples, channels), _), *state = told["step"]["inputs"]
    assert stems == "stems" and (batch, sources, channels) == (2, len(told["sources"]), 1)
    assert told["separate"]["inputs"][0] == ["mixture", [2, samples, 1], "float32"]
    assert [name for name, *_ in state[1:]] == [n for n, *_ in told["step"]["outputs"][1:]]
    with np.load(tmp_path / "start.npz") as archive:
        assert set(archive.files) == {name for name, *_ in state[1:]} | {"header"}
    assert told["configuration"]["data"]["root"] == "/nowhere"
    assert not told["configuration"]["tracking"]


def test_excerpts_are_those_of_the_recipe(tmp_path):
    words = [*SMALL, "data.name=band", f"data.cache={tmp_path / 'cache'}", "--excerpts", "2"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    shape = facts(tmp_path / "out")["step"]["inputs"][0][1]
    excerpts = with_jax.Excerpts([tmp_path / "out" / "excerpts"], shape)
    (one, scale), (other, _) = excerpts.batch(0), excerpts.batch(1)
    assert one.dtype == np.int16 and np.abs(one.astype(int)).max() == 2**15 - 1
    assert 0 < scale < 1 and (one != other).any()
    assert excerpts.batch(2)[0] is one


def test_training_starts_from_a_separator_or_a_checkpoint(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main([*SMALL, "seed=5", "--out", str(first)]) == 0
    start = first / "start.npz"
    assert main([*SMALL, "--start", str(start), "--out", str(second)]) == 0
    with np.load(start) as ours, np.load(second / "start.npz") as theirs:
        np.testing.assert_array_equal(ours["model/00001"], theirs["model/00001"])
    sizes = facts(first)["hyperparameters"]
    export.save(build("wavenet", **sizes), tmp_path / "keras")
    third = tmp_path / "third"
    assert main([*SMALL, "--start", str(tmp_path / "keras"), "--out", str(third)]) == 0
    model = export.load(tmp_path / "keras")
    with np.load(third / "start.npz") as archive:
        for n, variable in enumerate(model.variables):
            np.testing.assert_array_equal(archive[f"model/{n:05d}"], variable.numpy())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["phases=[test]"], "phases=.*expected supervised among them"),
        (["data.batch=0"], "data.batch"),
        (["data.batch=3", "optimiser.accumulate=2"], "data.batch=3 is not a multiple of"),
        (["data.seconds=0"], "data.seconds"),
        (["model.layers=many"], "model.layers"),
        (["resume=runs/x"], "resume"),
        (["--excerpts", "-1"], "--excerpts -1: expected 0 or more"),
        (["--start", "nothing"], "--start nothing: no such file or folder"),
    ],
)
def test_misuse_is_told(words, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        main([*SMALL, *words, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_excerpts_need_the_songs(tmp_path):
    words = ["with", "meta_tasnet_musdb18", "data.root=/nowhere", "--excerpts", "1"]
    with pytest.raises(UsageError, match="/nowhere"):
        main([*words, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_what_does_not_fit_is_told(tmp_path):
    out = ["--out", str(tmp_path / "out")]
    export.save(build("wavenet", **QUICK["wavenet"]), tmp_path / "other")
    with pytest.raises(ValueError, match=r"--start: .*other has"):
        main([*SMALL, "--start", str(tmp_path / "other"), *out])
    (tmp_path / "last.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=r"last.npz: not a checkpoint"):
        main([*SMALL, "--start", str(tmp_path / "last.npz"), *out])
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match="taken"):
        main([*SMALL, "--out", str(tmp_path / "taken")])

"""The command that converts published weights; Meta-TasNet's from its fixture."""

import argparse
import io
import pickle
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dssgan.convert import main
from dssgan.published.meta_tasnet import from_meta_tasnet
from dssgan.separator import Separator

ROOT = Path(__file__).resolve().parents[3]


def save_zip(path, content, monkeypatch):
    """Write arrays the way `torch.save` does, with stand-ins for PyTorch's names."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    storage = type("FloatStorage", (), {"__module__": "torch"})

    def _rebuild_tensor_v2(*arguments):
        raise AssertionError("only its name is pickled")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    torch.FloatStorage, utils._rebuild_tensor_v2 = storage, _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    arrays = []

    class Kept:
        def __init__(self, key):
            self.key = key

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Kept):
                count = arrays[value.key].size
                return ("storage", storage, str(value.key), "cpu", count)
            return None

        def reducer_override(self, value):
            if isinstance(value, np.ndarray):
                value = np.ascontiguousarray(value, np.float32)
                arrays.append(value)
                strides = tuple(stride // 4 for stride in value.strides)
                given = (Kept(len(arrays) - 1), 0, value.shape, strides, False, None)
                return (_rebuild_tensor_v2, given)
            return NotImplemented

    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        for key, value in enumerate(arrays):
            archive.writestr(f"archive/data/{key}", value.tobytes())


@pytest.fixture(scope="module")
def state(shared):
    path = shared / "fixtures" / "originals" / "meta_tasnet_tiny_generated.npz"
    with np.load(path) as file:
        return {name[3:]: file[name] for name in file.files if name.startswith("sd/")}


def test_the_command_converts_a_checkpoint(tmp_path, state, monkeypatch, capsys, rng):
    arguments = argparse.Namespace(N=16, L=20, W=20, B=16, H=24, layers=3, stack=2, num_mels=8)
    checkpoint = tmp_path / "best_model.pt"
    save_zip(checkpoint, {"args": arguments, "state_dict": state, "epoch": 7}, monkeypatch)
    assert main(["meta-tasnet", str(checkpoint), str(tmp_path / "out")]) == 0
    assert "32000 Hz" in capsys.readouterr().out
    separator = Separator.load(tmp_path / "out", segment=1.0)
    expected = from_meta_tasnet(state, layers=3, stacks=2)
    for ours, theirs in zip(separator.model.weights, expected.weights):
        np.testing.assert_array_equal(ours, theirs)
    song = 0.1 * rng.standard_normal((44100, 2)).astype(np.float32)
    stems = separator.separate(song, 44100)
    assert set(stems) == {"drums", "bass", "other", "vocals"}
    np.testing.assert_allclose(sum(stems.values()), song, atol=3e-5)


def test_missing_and_left_over_tensors_are_named(state):
    fewer = {name: value for name, value in state.items() if "prelu_3" not in name}
    with pytest.raises(ValueError, match="prelu_3"):
        from_meta_tasnet(fewer, layers=3, stacks=2)
    with pytest.raises(ValueError, match="surplus"):
        from_meta_tasnet({**state, "surplus": np.zeros(3)}, layers=3, stacks=2)
    with pytest.raises(ValueError, match=r"width \(N in args\) is 32, but its layers have 16"):
        from_meta_tasnet(state, layers=3, stacks=2, width=32)
    with pytest.raises(ValueError, match="Meta-TasNet file"):
        from_meta_tasnet({"weight": np.zeros(3)})


def test_wrapped_names_are_understood(state):
    wrapped = {f"module.{name}": value for name, value in state.items()}
    model = from_meta_tasnet(wrapped, layers=3, stacks=2)
    np.testing.assert_array_equal(
        model.stages[0].mask.embedding, state["stages.0.instrument_embedding.weight"]
    )


@pytest.mark.parametrize(
    ("content", "code"), [(None, 2), (b"", 1), (b"not a checkpoint at all", 1)]
)
def test_bad_files_are_one_line_on_the_command_line(tmp_path, content, code):
    path = tmp_path / "weights.pt"
    if content is not None:
        path.write_bytes(content)
    command = [
        sys.executable,
        "-m",
        "dssgan.convert",
        "meta-tasnet",
        str(path),
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    assert "weights.pt" in lines[0]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()

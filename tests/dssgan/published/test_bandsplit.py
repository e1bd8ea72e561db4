"""Weights of the public Band-Split RNN: both kinds of file, and files that are something else."""

import pickle
import re
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from common import cli
from dssgan.convert import main
from dssgan.published.bandsplit import from_bandsplit_rnn
from dssgan.separator import Separator
from tests.dssgan.published.test_convert import save_zip


@pytest.fixture(scope="module")
def state(shared):
    with np.load(shared / "fixtures" / "originals" / "bsrnn_tiny_complex.npz") as file:
        return OrderedDict((n[3:], file[n]) for n in file.files if n.startswith("sd/"))


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        cli.run(main, [str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return ended.value.code, out, error


@pytest.mark.parametrize("kind", ["pt", "ckpt"])
def test_the_command_converts_both_kinds_of_file(tmp_path, state, monkeypatch, capsys, rng, kind):
    content = state
    if kind == "ckpt":
        wrapped = {f"model.{name}": value for name, value in state.items()}
        content = {"epoch": 139, "state_dict": wrapped, "optimizer_states": [{"state": {}}]}
    save_zip(tmp_path / f"weights.{kind}", content, monkeypatch)
    out = tmp_path / "out"
    code, text, error = run(capsys, "bandsplit", tmp_path / f"weights.{kind}", out)
    assert code == 0
    assert (
        text == f"{out}: bandsplit, {sum(v.size for v in state.values()):,} parameters, 44100 Hz\n"
    )
    assert "29 July 2023" in error
    separator = Separator.load(out)
    assert separator.sources == ("vocals", "accompaniment")
    assert separator.segment == 7 * 512
    expected = from_bandsplit_rnn(state)
    for ours, theirs in zip(separator.model.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    song = 0.1 * rng.standard_normal((9000, 2)).astype(np.float32)
    stems = separator.separate(song, 44100)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-5)


def test_the_target_may_be_named(tmp_path, state, monkeypatch, capsys):
    assert from_bandsplit_rnn(state, target="other").sources == ("other", "accompaniment")
    save_zip(tmp_path / "weights.pt", state, monkeypatch)
    command = ["bandsplit", tmp_path / "weights.pt", tmp_path / "out", "--target", "other"]
    assert run(capsys, *command)[0] == 0
    assert Separator.load(tmp_path / "out").sources == ("other", "accompaniment")
    command[0] = "meta-tasnet"
    code, _, error = run(capsys, *command)
    assert code == 2 and "--target" in error


FC = "bandsequence.bsrnn.1.0.fc.weight"
NORM = "bandsplit.layernorms.7.bias"


def test_layers_that_do_not_fit_are_named(state):
    def refused(changed, words):
        with pytest.raises(ValueError, match=words) as caught:
            from_bandsplit_rnn(changed)
        assert "\n" not in str(caught.value)

    fewer = {name: value for name, value in state.items() if name != FC}
    refused(fewer, rf"layer '{FC}': expected shape \(8, 24\), found no such layer")
    refused(state | {FC: state[FC].T}, rf"'{FC}': expected shape \(8, 24\), found \(24, 8\)")
    refused(state | {NORM: np.zeros((20, 9))}, rf"'{NORM}': expected .*\(20, 8\), found \(20, 9\)")
    refused(state | {FC: state[FC] * np.nan}, rf"'{FC}': expected finite numbers")
    refused(state | {FC: object()}, rf"'{FC}': expected shape \(8, 24\), found object")
    attention = {"bandsequence.bsrnn.0.0.attn.in_proj_weight": np.zeros((24, 8))}
    refused(state | attention, "1 layers more than expected, found '.*attn.in_proj_weight'")
    coarse = {
        n: v for n, v in state.items() if not re.search(r"\.(fcs|layernorms)\.[1-4]?[1-9]\.", n)
    }
    refused(coarse, r"bandsplit\.fcs.*v7 \(41 bands\).*found 5 bands of 20, ")
    refused({7: np.zeros(3)}, "expected a dict of tensors by their names, found int as a name")
    refused({"conv.weight": np.zeros(3)}, r"found only 'conv\.weight'; is this a file of the")
    refused({}, "found only nothing")


def kinds(state):
    """The first and the last layer of each kind."""
    found = {}
    for name in state:
        found.setdefault(re.sub(r"\d+\.", "#.", name), []).append(name)
    return sorted({names[place] for names in found.values() for place in (0, -1)})


def test_every_kind_of_layer_is_named(state):
    """Layers that sizes used to be read from are blamed themselves, as all others are."""
    names = kinds(state)
    assert len(names) > 40
    for name in names:
        value, others = state[name], {n: v for n, v in state.items() if n != name}
        changed = [np.concatenate([value, value[:1]]), value[None], np.repeat(value, 2, -1)]
        for other in [None, *changed]:
            found = "no such layer" if other is None else str(other.shape)
            with pytest.raises(ValueError) as caught:
                from_bandsplit_rnn(others if other is None else {**others, name: other})
            assert str(caught.value) == (
                f"layer {name!r}: expected shape {value.shape}, found {found}"
            )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_files_are_one_line(tmp_path, state, monkeypatch, capsys, share):
    whole = tmp_path / "whole.pt"
    save_zip(whole, state, monkeypatch)
    path = tmp_path / "cut.pt"
    data = whole.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    code, _, error = run(capsys, "bandsplit", path, tmp_path / "out")
    assert code == 1 and len(error.splitlines()) == 1 and str(path) in error
    assert not (tmp_path / "out").exists()


def test_nothing_of_a_file_is_run(tmp_path, state, capsys):
    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran code from the file')",))

    for content in (Evil(), {"state_dict": Evil()}, {"state_dict": {FC: Evil()}}):
        path = tmp_path / "evil.ckpt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(content))
        code, _, error = run(capsys, "bandsplit", path, tmp_path / "out")
        assert code == 1 and error.startswith(f"error: {path}: ")
        assert len(error.splitlines()) == 1 and "Traceback" not in error


def test_another_system_is_told(tmp_path, shared, monkeypatch, capsys):
    with np.load(shared / "fixtures" / "originals" / "meta_tasnet_tiny_generated.npz") as file:
        other = {name[3:]: file[name] for name in file.files if name.startswith("sd/")}
    save_zip(tmp_path / "tasnet.pt", {"state_dict": other}, monkeypatch)
    code, _, error = run(capsys, "bandsplit", tmp_path / "tasnet.pt", tmp_path / "out")
    assert code == 1 and "is this a file of the public BandSplitRNN?" in error

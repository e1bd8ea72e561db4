"""Files of Meta-TasNet that do not fit: every kind of layer, arguments, other content."""

import argparse

import numpy as np
import pytest

from common import cli
from dssgan.convert import main
from dssgan.published import layer_tables
from dssgan.published.meta_tasnet import from_meta_tasnet, meta_tasnet_file
from dssgan.published.meta_tasnet_layers import table
from dssgan.published.torch_files import file
from tests.dssgan.published.test_convert import save_zip

KINDS = {"stages": 2, "banks": 2, "blocks": 2, "spectrogram": True, "residual_bias": True}
SIZES = {"width": 16, "filter_length": 6, "mels": 5, "bottleneck": 8, "hidden": 24, "kernel": 3}
SIZES |= {"embedding_size": 7, "code_size": 4}
ARGUMENTS = {"N": 16, "L": 6, "W": 6, "B": 8, "H": 24, "layers": 1, "stack": 2, "num_mels": 5}
ARGUMENTS |= {"E_1": 7, "E_2": 4, "kernel": 3, "filters": 2, "stages_num": 2, "residual_bias": True}


def shapes(generated: bool, **changed):
    given = {**KINDS, "base_rate": 8000, **changed}
    return layer_tables.shapes(table(**given, generated=generated, sources=4), SIZES)


def network(generated: bool, **changed):
    """Layers of any numbers in the shapes of a small network."""
    rng = np.random.default_rng(3)
    expected = shapes(generated, **changed)
    return {name: rng.standard_normal(s).astype(np.float32) for name, s in expected.items()}


def alterations(value):
    """Other things in the place of a tensor."""
    yield None
    yield value[None]
    yield value.sum()
    yield np.concatenate([value, value[:1]])
    for axis in range(1, value.ndim):
        yield np.repeat(value, 2, axis)
    if value.ndim == 2 and value.shape != value.T.shape:
        yield value.T


def refused(state, *words, **given):
    with pytest.raises(ValueError) as caught:
        from_meta_tasnet(state, **{"layers": 1, "stacks": 2, **given})
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def every(kinds):
    """Each kind of layer once, from the first stage and block, and from the last."""
    for generated in (True, False):
        for name in shapes(generated):
            place = name.replace("stages.1", "stages.0").replace("tcn.1", "tcn.0")
            if kinds == "first" and name == place:
                yield pytest.param(generated, name, id=f"{'generated' * generated}-{name}")
            if kinds == "last" and "stages.0" not in name and "tcn.0" not in name:
                yield pytest.param(generated, name, id=f"{'generated' * generated}-{name}")


@pytest.mark.parametrize(("generated", "name"), [*every("first"), *every("last")])
def test_every_kind_of_layer_is_named(generated, name):
    state = network(generated)
    value = state.pop(name)
    expected = f"layer {name!r}: expected shape {value.shape}, found "
    refused(state, expected + "no such layer")
    for other in alterations(value):
        found = "NoneType" if other is None else np.shape(other)
        found = "float32" if isinstance(other, np.float32) else found
        refused({**state, name: other}, f"{expected}{found}")
    spoilt = value.copy()
    spoilt.flat[-1] = np.nan
    refused({**state, name: spoilt}, f"layer {name!r}: expected finite numbers, found 1 of")
    refused({**state, name: value.astype(int)}, f"layer {name!r}: expected floats, found int64")
    refused({**state, name: np.full(value.shape, 1e300)}, f"layer {name!r}: expected finite")


@pytest.mark.parametrize("generated", [True, False])
def test_one_stage_of_one_block_tells_enough(generated):
    state = network(generated, stages=1, blocks=1, residual_bias=False)
    for name, value in state.items():
        fewer = {other: state[other] for other in state if other != name}
        expected = f"layer {name!r}: expected shape {value.shape}, found "
        if name.endswith("dconv1d.conv.weight"):  # alone in telling how many taps there are
            expected = expected.replace("(96, 1, 3)", "(96, 1, any)")
        refused(fewer, expected + "no such layer")
        longer = np.concatenate([value, value[:1]])
        refused({**state, name: longer}, f"layer {name!r}: expected shape {value.shape}, found ")


def test_what_is_left_over_is_named():
    state = network(True)
    refused({**state, "surplus": np.zeros(3)}, "1 layers more than expected, found 'surplus'")
    stray = "stages.0.mask.tcn.7.junk.weight"
    refused({**state, stray: np.zeros(3)}, f"1 layers more than expected, found {stray!r}")
    refused({"weight": np.zeros(3)}, "found only 'weight'", "is this a Meta-TasNet file?")
    refused({}, "found only nothing", "is this a Meta-TasNet file?")
    some = {name: value for name, value in state.items() if ".mask." not in name}
    refused(some, "layer 'stages.0.mask.")


def test_dilations_are_asked_for_and_not_guessed():
    state = network(False, blocks=6)
    with pytest.raises(ValueError, match=r"6 blocks.*give layers \(1, 2, 3, 6; --layers"):
        from_meta_tasnet(state)
    refused(state, "layers (layers in args) × stacks (stack in args) is 1 × 2", "6 blocks")
    refused(state, "is 4 × 1", layers=4, stacks=1)
    model = from_meta_tasnet(state, layers=3)
    assert model.hyperparameters["stacks"] == 2
    assert model.stages[0].mask.dilations == [1, 2, 4, 1, 2, 4]
    assert from_meta_tasnet(state, stacks=3).hyperparameters["layers"] == 2


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        cli.run(main, [str(argument) for argument in arguments])
    return ended.value.code, capsys.readouterr().err


def fails(tmp_path, capsys, content, monkeypatch) -> str:
    """The one line with which the command refuses a file of some content."""
    path = tmp_path / "best_checkpoint"
    save_zip(path, content, monkeypatch)
    code, error = run(capsys, "meta-tasnet", path, tmp_path / "out")
    assert code == 1 and error.startswith(f"error: {path}: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    return error


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"L": 10**9}, "filter_length (L in args) is 1000000000, but its layers have 6"),
        ({"N": 32}, "width (N in args) is 32, but its layers have 16"),
        ({"N": "16"}, "width (N in args) is '16'"),
        ({"B": None}, "bottleneck (B in args) is None"),
        ({"H": 10**30}, "hidden (H in args) is a int"),
        ({"E_1": [8]}, "embedding_size (E_1 in args) is a list"),
        ({"E_2": 5}, "code_size (E_2 in args) is 5"),
        ({"kernel": 5}, "kernel (kernel in args) is 5, but its layers have 3"),
        ({"filters": 0}, "banks (filters in args) is 0"),
        ({"num_mels": 0}, "mels (num_mels in args) is 0"),
        ({"stages_num": 3}, "stages (stages_num in args) is 3, but its layers have 2"),
        ({"residual_bias": False}, "residual_bias (residual_bias in args) is False"),
        ({"stack": 0}, "stacks (stack in args) is 0, expected a whole number from 1 on"),
        ({"stack": -2}, "stacks (stack in args) is -2"),
        ({"layers": 2}, "is 2 × 2, but its layers have 2 blocks"),
        ({"layers": 1.0}, "layers (layers in args) is 1.0"),
        ({"layers": 10**9}, "1000000000 × 2"),
        ({"W": 0}, "stride is 0"),
        ({"W": "6"}, "stride is '6'"),
        ({"W": 10**9}, "at stride 1000000000"),
        ({"sampling_rate": 16000}, "spectrogram"),
        ({"sampling_rate": 0}, "base_rate (sampling_rate in args) is 0"),
    ],
)
def test_arguments_that_do_not_fit_are_one_line(tmp_path, capsys, monkeypatch, changed, words):
    content = {"args": argparse.Namespace(**{**ARGUMENTS, **changed}), "state_dict": network(True)}
    assert words in fails(tmp_path, capsys, content, monkeypatch)


ARRAY = np.zeros(3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([ARRAY], "expected a dict of tensors, found list"),
        ({"state_dict": [ARRAY]}, "state_dict: expected a dict of tensors, found list"),
        ({"state_dict": {0: ARRAY}}, "state_dict: expected a dict of tensors by their names"),
        ({7: ARRAY}, "found int as a name"),
        ({"args": [1], "state_dict": {}}, "args: expected the arguments"),
        ({"state_dict": {}}, "is this a Meta-TasNet file?"),
    ],
)
def test_other_content_is_one_line(tmp_path, capsys, monkeypatch, content, words):
    assert words in fails(tmp_path, capsys, content, monkeypatch)


def test_a_file_without_arguments_asks_for_them(tmp_path, capsys, monkeypatch):
    path, state = tmp_path / "bare.pt", network(False)
    assert "--layers" in fails(tmp_path, capsys, state, monkeypatch)
    save_zip(path, state, monkeypatch)
    code, error = run(capsys, "meta-tasnet", path, tmp_path / "out", "--layers", "2")
    assert code == 0 and "taken to be the filter length, 6 samples: give --stride" in error
    code, error = run(
        capsys, "meta-tasnet", path, tmp_path / "out2", "--layers", "1", "--stride", "2"
    )
    assert code == 0 and error == ""
    code, error = run(capsys, "bandsplit", path, tmp_path / "out3", "--layers", "1")
    assert code == 2 and "--layers is for meta-tasnet" in error


def test_arguments_of_the_original_are_kept(tmp_path, monkeypatch):
    """The base rate, and no embedding where the kernels are not generated."""
    path, state = tmp_path / "best_checkpoint", network(False, base_rate=16000)
    arguments = {**ARGUMENTS, "E_1": None, "W": 2, "sampling_rate": 16000}
    content = {"args": argparse.Namespace(**arguments), "state_dict": state}
    save_zip(path, content, monkeypatch)
    model = meta_tasnet_file(path, file.load(path))
    assert model.sample_rate == 32000
    assert model.hyperparameters["stride"] == 2 and model.hyperparameters["residual_bias"]

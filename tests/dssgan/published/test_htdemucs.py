"""Files of Demucs: packages, bare weights, bags; the public program's own numbers; damage."""

import json
import sys
import types
from fractions import Fraction

import numpy as np
import pytest
import yaml

from common import cli
from dssgan.convert import main
from dssgan.models.combined import Combined
from dssgan.published import demucs_packages
from dssgan.published.demucs_packages import htdemucs_file
from dssgan.published.torch_files import file
from dssgan.separator import Separator
from tests.dssgan.published.test_convert import save_zip

NAME = "5c90dfd2-34c22ccb.th"
SMALL = {
    "sources": ["drums", "bass", "other", "vocals"],
    "segment": Fraction(1, 4),
    "samplerate": 8000,
    "channels": 8,
    "depth": 2,
    "nfft": 256,
    "dconv_comp": 4,
    "bottom_channels": 16,
    "t_layers": 2,
    "t_heads": 2,
    "dconv_mode": 3,
    "t_dropout": 0.02,
    "norm_starts": 4,
}


@pytest.fixture(scope="module")
def fixture(shared):
    return shared / "fixtures" / "field" / "htdemucs"


@pytest.fixture(scope="module")
def reference(fixture):
    with np.load(fixture / "reference.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture(scope="module")
def converted(fixture, tmp_path_factory):
    out = tmp_path_factory.mktemp("converted")
    assert main(["htdemucs", str(fixture / NAME), str(out)]) == 0
    return out


def random_state(options=SMALL, seed=0):
    """Tensors of a small model under the program's names."""
    from dssgan.models import build
    from dssgan.published.htdemucs import entries

    rng = np.random.default_rng(seed)
    model = build("htdemucs", **demucs_packages.hyperparameters_of(options))
    return {
        entry.name: (0.1 * rng.standard_normal(entry.shape)).astype(np.float32)
        for entry in entries(model)
    }


def package(monkeypatch, state, options=SMALL, klass="HTDemucs"):
    """What Demucs writes: a class by its name, its options and its tensors."""
    module = types.ModuleType("demucs.htdemucs")
    kind = type(klass, (), {"__module__": "demucs.htdemucs"})
    setattr(module, klass, kind)
    monkeypatch.setitem(sys.modules, "demucs", types.ModuleType("demucs"))
    monkeypatch.setitem(sys.modules, "demucs.htdemucs", module)
    return {"klass": kind, "args": (), "kwargs": dict(options), "state": state, "training_args": {}}


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        cli.run(main, [str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return ended.value.code, out, error


def test_estimates_are_those_of_the_public_network(converted, reference):
    model = Separator.load(converted).model
    mixture = reference["mixture"].T[None]
    estimates = np.asarray(model(mixture))[0].transpose(0, 2, 1)
    assert np.abs(reference["estimates"]).max() > 0.05
    np.testing.assert_allclose(estimates, reference["estimates"], atol=1e-5, rtol=0)


def test_a_song_becomes_what_demucs_makes_of_it(converted, reference):
    """Level, chunks and weights are the program's: within −90 dB of full scale."""
    separator = Separator.load(converted)
    stems = separator.separate(reference["song"].T, 44100)
    for source, expected in zip(separator.sources, reference["stems"]):
        assert np.abs(stems[source].T - expected).max() < 10 ** (-90 / 20), source
    blocks = np.array_split(reference["song"].T, 7)
    parts = list(Separator.load(converted, batch_size=2).stream(blocks, 44100))
    again = np.concatenate([part["bass"] for part in parts])
    np.testing.assert_allclose(again, stems["bass"], atol=2e-7)


def test_the_song_depends_on_every_part_of_the_splitting(converted, reference, tmp_path):
    """Without any of the program's habits the numbers are others, so the test above can fail."""
    config = json.loads((converted / "config.json").read_text())
    assert set(config["chunks"]) == {
        "segment", "overlap", "window", "level", "last", "consistent",
    }  # fmt: skip
    weights = converted / "separator.weights.h5"
    (tmp_path / weights.name).symlink_to(weights)
    for key in ("window", "last", "consistent"):
        chunks = {name: value for name, value in config["chunks"].items() if name != key}
        (tmp_path / "config.json").write_text(json.dumps(config | {"chunks": chunks}))
        stems = Separator.load(tmp_path).separate(reference["song"].T, 44100)
        errors = [np.abs(stems["drums"].T - reference["stems"][0]).max()]
        assert max(errors) > 10 ** (-90 / 20), key


def test_what_users_rely_on(converted, rng):
    """Stems are as long as the song; silence stays silence, also where a song has an offset."""
    separator = Separator.load(converted)
    song = (0.1 * rng.standard_normal((100_001, 2)) + 0.02).astype(np.float32)
    song[:50_000] = 0
    song[90_000:] = 0
    stems = separator.separate(song, 44100)
    for stem in stems.values():
        assert stem.shape == song.shape and np.isfinite(stem).all()
        assert not stem[:33_075].any()  # the first chunk, but for what the second one covers
        assert not stem[95_000:].any()
        assert stem[60_000:80_000].any()
    for silent in (np.zeros((70_000, 2), np.float32), np.zeros((0, 1), np.float32)):
        for stem in separator.separate(silent, 44100).values():
            assert stem.shape == silent.shape and not stem.any()
    assert separator.separate(song[60_000:60_001, :1], 44100)["drums"].shape == (1, 1)


def test_packages_in_half_precision_and_fractions(fixture):
    content = file.load(fixture / NAME)
    assert content["kwargs"]["segment"] == Fraction(1)
    assert all(value.dtype == np.float16 for value in content["state"].values())
    model, _ = htdemucs_file(fixture / NAME)
    kernel = np.asarray(model.encoders[0].entry.kernel)
    assert kernel.dtype == np.float32
    stored = content["state"]["encoder.0.conv.weight"].astype(np.float32)
    np.testing.assert_array_equal(kernel, stored[..., 0].transpose(2, 1, 0))


@pytest.mark.parametrize("key", [None, "state", "state_dict", "model_state_dict"])
def test_bare_weights(tmp_path, monkeypatch, capsys, key):
    state = random_state()
    path = tmp_path / "model.ckpt"
    save_zip(path, state if key is None else {key: state, "epoch": 3}, monkeypatch)
    model, _ = htdemucs_file(path)
    assert "without --config" in capsys.readouterr().err
    sizes = model.hyperparameters
    assert (sizes["channels"], sizes["depth"], sizes["nfft"]) == (8, 2, 256)
    assert (sizes["bottom_channels"], sizes["t_layers"], sizes["dconv_mode"]) == (16, 2, 3)
    options = {key: value for key, value in SMALL.items() if key not in ("sources", "segment")}
    options |= {"dconv_init": "1e-3", "samplerate": 8000, "multi_freqs": [], "channels_time": None}
    training = {"instruments": ["a", "b", "c", "d"], "segment": 0.25, "channels": 2}
    config = tmp_path / "config.yaml"
    given = {"model": "htdemucs", "htdemucs": options, "training": training}
    config.write_text(yaml.safe_dump(given))
    assert main(["htdemucs", str(path), str(tmp_path / "out"), "--config", str(config)]) == 0
    separator = Separator.load(tmp_path / "out")
    assert separator.sources == ("a", "b", "c", "d") and separator.sample_rate == 8000
    assert separator.segment == 2000 and separator.model.maximum == 0
    assert separator.model.hyperparameters["t_heads"] == 2
    given["htdemucs"]["cac"] = False
    config.write_text(yaml.safe_dump(given))
    code, _, error = run(capsys, "htdemucs", path, tmp_path / "out", "--config", config)
    assert code == 1 and "cac is False, which is not supported" in error


def bag_of(tmp_path, monkeypatch, weights, count):
    """A bag of packages with different weights."""
    for place in range(count):
        content = package(monkeypatch, random_state(seed=place))
        save_zip(tmp_path / f"abc{place}-0123.th", content, monkeypatch)
    bag = {"models": [f"abc{place}" for place in range(count)]}
    path = tmp_path / "bag.yaml"
    path.write_text(yaml.safe_dump(bag | ({} if weights is None else {"weights": weights})))
    singles = [htdemucs_file(tmp_path / f"abc{place}-0123.th")[0] for place in range(count)]
    return path, singles


def test_a_bag_of_one_is_its_model(tmp_path, monkeypatch):
    path, (single,) = bag_of(tmp_path, monkeypatch, None, 1)
    model, told = htdemucs_file(path)
    assert type(model) is type(single) and told == {"bag": ["abc0-0123.th"]}


def test_a_bag_is_the_mean_by_its_weights(tmp_path, monkeypatch, rng):
    weights = [[1.0, 0.0, 3.0, 1.0], [1.0, 2.0, 1.0, 0.0]]
    path, singles = bag_of(tmp_path, monkeypatch, weights, 2)
    model, _ = htdemucs_file(path)
    assert isinstance(model, Combined)
    assert model.chunks == {"segment": 0.25, **demucs_packages.CHUNKS}
    Separator(model).save(tmp_path / "out")
    model = Separator.load(tmp_path / "out").model
    mixture = (0.1 * rng.standard_normal((1, 2000, 2))).astype(np.float32)
    parts = np.stack([np.asarray(single(mixture)) for single in singles])
    shares = np.array(weights) / np.sum(weights, 0)
    expected = np.einsum("mbstc,ms->bstc", parts, shares)
    np.testing.assert_allclose(model(mixture), expected, atol=1e-6)


def test_of_a_bag_no_model_runs_that_no_source_needs(tmp_path, monkeypatch, rng):
    """Rows of one number take a source each from a model; a row of zeros is never even read."""
    weights = [[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]]
    path, singles = bag_of(tmp_path, monkeypatch, weights, 3)
    (tmp_path / "abc1-0123.th").write_bytes(b"")
    model, _ = htdemucs_file(path)
    assert model.take == [("drums", "vocals"), ("bass", "other")]
    assert all("weights" not in member for member in model.hyperparameters["models"])
    mixture = (0.1 * rng.standard_normal((1, 2000, 2))).astype(np.float32)
    np.testing.assert_allclose(model(mixture)[:, 0], singles[0](mixture)[:, 0], atol=1e-6)
    np.testing.assert_allclose(model(mixture)[:, 1], singles[2](mixture)[:, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("bag", "words"),
    [
        ({"models": []}, "models: expected a list"),
        ({"models": ["../abc0"]}, "such as 955717e8, found"),
        ({"models": ["absent"]}, "no file absent-*.th beside it"),
        ({"models": ["abc0"], "weights": [[1, 1]]}, "weights: expected 1 rows of 4 numbers"),
        ({"models": ["abc0"], "weights": [[1, 1, 1, 0]]}, "vocals has none above 0"),
        ({"models": ["abc0"], "segment": "long"}, "segment is 'long'"),
        ([1], "expected keys and values"),
    ],
)
def test_bags_that_cannot_be(tmp_path, monkeypatch, capsys, bag, words):
    save_zip(tmp_path / "abc0-0123.th", package(monkeypatch, random_state()), monkeypatch)
    path = tmp_path / "bag.yaml"
    path.write_text(yaml.safe_dump(bag))
    code, _, error = run(capsys, "htdemucs", path, tmp_path / "out")
    assert code == 1 and error.count("\n") == 1
    assert str(path) in error and words in error


def test_the_segment_of_a_bag_may_shorten_a_model(tmp_path, monkeypatch):
    path, _ = bag_of(tmp_path, monkeypatch, None, 1)
    path.write_text(yaml.safe_dump({"models": ["abc0"], "segment": 0.125}))
    assert htdemucs_file(path)[0].maximum == 1000
    path.write_text(yaml.safe_dump({"models": ["abc0"], "segment": 44}))
    assert htdemucs_file(path)[0].maximum == 2000


def without(name):
    return lambda state: {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            without("encoder.1.conv.bias"),
            "layer 'encoder.1.conv.bias': expected shape (16,), found",
        ),
        (lambda s: s | {"encoder.9.conv.bias": s["encoder.1.conv.bias"]}, "1 layers more than"),
        (
            lambda s: s | {"tdecoder.0.conv_tr.bias": np.zeros(9, np.float32)},
            "layer 'tdecoder.0.conv_tr.bias': expected shape (8,), found (9,)",
        ),
        (
            lambda s: s | {"encoder.1.conv.bias": np.full(16, np.nan, "f")},
            "expected finite numbers",
        ),
        (lambda s: {"__quantized": True, **s}, "quantised by DiffQ, which is not supported"),
        (lambda s: {k: v for k, v in s.items() if "cross" not in k}, "no layer of a transformer"),
        (lambda s: {"a": s["encoder.1.conv.bias"]}, "none of the expected layers"),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, monkeypatch, capsys, change, words):
    path = tmp_path / "one.th"
    save_zip(path, package(monkeypatch, change(random_state())), monkeypatch)
    code, _, error = run(capsys, "htdemucs", path, tmp_path / "out")
    assert code == 1 and error.count("\n") == 1
    assert str(path) in error and words in error


@pytest.mark.parametrize(
    ("options", "klass", "words"),
    [
        ({}, "HDemucs", "a package of the class 'HDemucs': expected HTDemucs"),
        ({}, "Demucs", "a package of the class 'Demucs'"),
        (
            {"wiener_iters": 2, "end_iters": 2},
            "HTDemucs",
            "wiener_iters is 2, which is",
        ),
        (
            {"t_sparse_self_attn": True},
            "HTDemucs",
            "t_sparse_self_attn is True",
        ),
        ({"norm_starts": 1}, "HTDemucs", "norm_starts is 1, which is not supported"),
        ({"sources": "drums"}, "HTDemucs", "sources: expected a list"),
        ({"segment": [1]}, "HTDemucs", "segment: expected a number"),
        ({"segment": "long"}, "HTDemucs", "segment"),
        ({"channels": 10**7}, "HTDemucs", "channels"),
    ],
)
def test_packages_that_are_not_supported(tmp_path, monkeypatch, capsys, options, klass, words):
    path = tmp_path / "one.th"
    content = package(monkeypatch, random_state(), SMALL | options, klass)
    save_zip(path, content, monkeypatch)
    code, _, error = run(capsys, "htdemucs", path, tmp_path / "out")
    assert code == 1 and error.count("\n") == 1
    assert str(path) in error and words in error


def test_unknown_options_are_left_out_as_the_program_does(tmp_path, monkeypatch, capsys):
    path = tmp_path / "one.th"
    content = package(monkeypatch, random_state(), SMALL | {"an_old_one": 1})
    save_zip(path, content, monkeypatch)
    htdemucs_file(path)
    assert "left out: 'an_old_one'" in capsys.readouterr().err


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_truncated_files(fixture, tmp_path, capsys, share):
    data = (fixture / NAME).read_bytes()
    path = tmp_path / "cut.th"
    path.write_bytes(data[: int(share * len(data))])
    code, _, error = run(capsys, "htdemucs", path, tmp_path / "out")
    assert code == 1 and error.count("\n") == 1 and str(path) in error


class Made:
    """Pickles as a call of Fraction with these arguments."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return Fraction, self.arguments


@pytest.mark.parametrize(
    "arguments", [("1e999999999",), ("1/0",), (1, 0), ("1" * 5000,), (1.5,), (), ("0x1",)]
)
def test_fractions_that_could_take_for_ever_are_refused(tmp_path, monkeypatch, arguments):
    path = tmp_path / "one.th"
    save_zip(path, {"segment": Made(*arguments)}, monkeypatch)
    with pytest.raises(ValueError, match="makes a fraction of something else than numbers"):
        file.load(path)
    save_zip(path, {"one": Made("39/5"), "two": Made(39, 5)}, monkeypatch)
    assert file.load(path) == {"one": Fraction(39, 5), "two": Fraction(39, 5)}

"""The exported training step in JAX is the project's own in TensorFlow, there and back."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dssgan import convert
from dssgan.config.schema import from_dict
from dssgan.models import SEPARATORS
from dssgan.runtime import with_jax
from dssgan.separator import Separator
from dssgan.training import build, exported_step
from tests.dssgan.models.test_conformance import BANDSPLIT, QUICK
from tests.dssgan.stand_ins import TinySeparator

pytestmark = pytest.mark.usefixtures("jax_cache")
LOSSES = {
    "bandsplit": "bandsplit",
    "bs_roformer": "multi_resolution",
    "causal_multistage": "multistage_l1",
    "mdx23c": "mse",
    "mel_band_roformer": "multi_resolution",
    "htdemucs": "l1",
    "multistage": "multistage",
    "openunmix": "magnitudes",
    "scnet": "spectrum_rmse",
    "unet": "log_magnitudes",
    "wavenet": "wavenet",
}
SMALLEST = {
    "bandsplit": {"model": BANDSPLIT, "optimiser": {"accumulate": 2, "average": 0.9}},
    "causal_multistage": {"model": {**QUICK["multistage"], "stages": 1, "layers": 1}},
    "combined": {
        "model": {
            "models": [
                {
                    "name": "wavenet",
                    "hyperparameters": {**QUICK["wavenet"], "sources": [source, "accompaniment"]},
                    "take": [source],
                }
                for source in ("drums", "bass")
            ]
        },
        "sources": ["drums", "bass", "accompaniment"],
    },
    "bs_roformer": {"model": {**QUICK["bs_roformer"], "blocks": 1}},
    "mdx23c": {
        "model": {k: v for k, v in QUICK["mdx23c"].items() if k != "sources"} | {"scales": 1}
    },
    "mel_band_roformer": {
        "model": {**QUICK["mel_band_roformer"], "blocks": 1},
        "optimiser": {"average": 0.9},
    },
    "htdemucs": {"model": {**QUICK["htdemucs"], "segment": 0.1, "t_layers": 1}},
    "multistage": {
        "model": {**QUICK["multistage"], "stages": 1, "layers": 1},
        "optimiser": {"average": 0.9},
    },
    "openunmix": {"model": {**QUICK["openunmix"], "depth": 1}},
    "scnet": {
        "model": {**QUICK["scnet"], "widths": [4], "depths": [1, 1, 1]},
        "loss": {"frame_length": 256, "hop": 64},
    },
    "unet": {"optimiser": {"name": "adam", "lookahead_period": 0}},
    "wavenet": {
        "model": {**QUICK["wavenet"], "stacks": 1},
        "schedule": {"name": "exponential", "period": 2, "warmup": 2},
    },
}


def configuration(name, **sections):
    """A recipe of the smallest size that has every part: clipping, averages, a moving rate."""
    given = {**SMALLEST[name], **sections}
    model = {"name": name, **given.pop("model", QUICK[name])}
    values = {
        "sources": ["drums", "accompaniment"],
        "model": model,
        "loss": {"name": LOSSES.get(name, "si_sdr")},
        "data": {"batch": 2, "seconds": 0.1, "root": "/nowhere", "name": "musdb18"},
        "schedule": {"learning_rate": 1e-3, "period": 5},
        "optimiser": {"clip": 0.1},
    }
    for section, keys in given.items():
        values[section] = {**values.get(section, {}), **keys} if isinstance(keys, dict) else keys
    return from_dict(values)


def stems_of(shape, number):
    rng = np.random.default_rng(number)
    return (0.1 * rng.standard_normal(shape)).astype(np.float32)


def trained(config, updates, broken=(), model=None):
    """(figures of every update, state) by the ordinary step, on stems that follow from a number."""
    model = model or build.build_model(config)
    state = build.build_state(config, model)
    step = build.build_supervised_step(config, tf.distribute.get_strategy(), state)
    shape = exported_step.excerpt_shape(config, model)
    figures = []
    for number in range(updates):
        stems = stems_of(shape, number) * (np.nan if number in broken else 1.0)
        found = step(tf.constant(stems, tf.float32), number)
        figures.append({name: float(value) for name, value in found.items()})
    return figures, state


def exported(config, folder):
    exported_step.write(config, build.build_model(config), folder)
    return with_jax.Training(folder)


def updated(training, updates, broken=()):
    figures = []
    for number in range(updates):
        stems = stems_of(training.shape, number) * (np.nan if number in broken else 1.0)
        found = np.asarray(training.update(stems.astype(np.float32)))
        figures.append(dict(zip(training.facts["metrics"], found.tolist())))
    return figures


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A folder, its configuration, and the training after updates, the second of no number."""
    folder, config = tmp_path_factory.mktemp("bundle"), configuration("wavenet")
    training = exported(config, folder)
    figures = updated(training, 3, broken=(1,))
    training.save(folder / "state.npz")
    return folder, config, training, figures


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SEPARATORS))
def test_updates_are_those_of_the_ordinary_step(name, tmp_path):
    config = configuration(name)
    expected, state = trained(config, 3)
    training = exported(config, tmp_path)
    found = updated(training, 3)
    # Meta-TasNet makes much of the last digit, see test_saved_model: on a processor with AVX-512
    # its causal variant, too (3.6e-3 in one of the second moments).
    rounding = 2e-2 if "multistage" in name else 2e-3
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=rounding, abs=1e-6)
    assert_same_state(training, state, config, tmp_path, rounding)


def assert_same_state(training, state, config, folder, rounding=1e-2):
    """Every variable agrees to a small part of what updates changed, and to its last digits."""
    training.save(folder / "state.npz")
    again = build.build_state(config, build.build_model(config))
    first = {name: variable.numpy() for name, variable in again.variables().items()}
    again.restore(folder / "state.npz")
    assert again.progress.step == training.updates
    found, expected = again.variables(), state.variables()
    for name, variable in expected.items():
        change = np.abs(variable.numpy().astype(float) - first[name]).max(initial=0.0)
        difference = np.abs(found[name].numpy().astype(float) - variable.numpy()).max(initial=0.0)
        digits = 4 * np.finfo(np.float32).eps * np.abs(first[name]).max(initial=0.1)
        assert difference <= rounding * change + digits, name
    changed = [name for name in first if (first[name] != found[name].numpy()).any()]
    assert len(changed) > 0.8 * len(state.weights)


def test_random_states_are_arguments_too(tmp_path, monkeypatch):
    """Dropout draws what the compiled step draws; one that is not compiled draws otherwise."""
    monkeypatch.setitem(SEPARATORS, "tiny", TinySeparator)
    config = configuration("wavenet", compute={"xla": "on"})
    one, other = (TinySeparator(config.sources, dropout=0.5) for _ in range(2))
    exported_step.write(config, one, tmp_path)
    training = with_jax.Training(tmp_path)
    found, (expected, state) = updated(training, 3), trained(config, 3, model=other)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6)
    training.save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz") as saved, np.load(tmp_path / "start.npz") as start:
        (seeds,) = [n for n in saved.files if saved[n].dtype.kind in "iu" and saved[n].ndim]
        assert (saved[seeds] != start[seeds]).any()
        np.testing.assert_array_equal(saved[seeds], state.variables()[seeds].numpy())


def test_a_batch_that_is_no_number_changes_nothing(bundle):
    folder, config, training, figures = bundle
    expected, state = trained(config, 3, broken=(1,))
    assert np.isnan(figures[1]["loss"]) and np.isfinite(figures[2]["loss"])
    assert int(state.optimiser.count) == 2 and training.updates == 3
    assert figures[2] == pytest.approx(expected[2], rel=1e-3)
    assert_same_state(training, state, config, folder)


def test_the_way_back(bundle, tmp_path, rng):
    folder, config, training, _ = bundle
    assert convert.main(["jax", str(folder / "state.npz"), str(tmp_path / "back")]) == 0
    batch, _, samples, _ = training.shape
    mixture = (0.1 * rng.standard_normal((batch, samples, 1))).astype(np.float32)
    model = Separator.load(tmp_path / "back").model
    found, expected = model(mixture).numpy(), training.separate(mixture)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max() + 1e-7
    assert np.abs(build.build_model(config)(mixture).numpy() - expected).max() > 1e-4
    told = json.loads((tmp_path / "back" / "config.json").read_text())["provenance"]
    assert told["progress"]["step"] == 3 and told["configuration"]["data"]["batch"] == 2


@pytest.mark.slow
def test_averages_are_what_comes_back(tmp_path, rng):
    training = exported(configuration("wavenet", optimiser={"average": 0.9}), tmp_path)
    updated(training, 3)
    training.save(tmp_path / "state.npz")
    model, _ = exported_step.read_model(tmp_path / "state.npz")
    mixture = (0.1 * rng.standard_normal((2, training.shape[2], 1))).astype(np.float32)
    expected = training.separate(mixture)
    assert np.abs(model(mixture).numpy() - expected).max() < 1e-5 * np.abs(expected).max()
    with np.load(tmp_path / "state.npz") as archive:
        assert (archive["average/00000"] != archive["model/00000"]).any()
        np.testing.assert_array_equal(model.variables[0].numpy(), archive["average/00000"])


def test_a_run_goes_on_from_a_state(bundle):
    """The state is a checkpoint: what goes on from it is as far as the ordinary step."""
    folder, config, _, _ = bundle
    _, state = trained(config, 3, broken=(1,))
    state.restore(folder / "state.npz")
    step = build.build_supervised_step(config, tf.distribute.get_strategy(), state)
    stems = stems_of(exported_step.excerpt_shape(config, state.model), 3)
    ours = with_jax.Training(folder, folder / "state.npz")
    theirs = {name: float(value) for name, value in step(tf.constant(stems), 3).items()}
    found = dict(zip(ours.facts["metrics"], np.asarray(ours.update(stems)).tolist()))
    assert ours.updates == 4 and found == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[: len(data) // 2], "state.npz: not"),
        (lambda data: b"nothing", "state.npz: not"),
    ],
)
def test_damaged_states_are_named(bundle, tmp_path, spoil, message):
    folder = bundle[0]
    (tmp_path / "state.npz").write_bytes(spoil((folder / "state.npz").read_bytes()))
    with pytest.raises(ValueError, match=message):
        with_jax.Training(folder, tmp_path / "state.npz")
    with pytest.raises(ValueError, match=message):
        exported_step.read_model(tmp_path / "state.npz", folder)


def test_states_of_another_model_are_named(bundle, tmp_path):
    folder = bundle[0]
    with np.load(folder / "state.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(tmp_path / "state.npz", **arrays | {"model/00001": np.zeros((3, 4), np.float32)})
    for read in (
        lambda: with_jax.Training(folder, tmp_path / "state.npz"),
        lambda: exported_step.read_model(tmp_path / "state.npz", folder),
    ):
        with pytest.raises(ValueError, match=r"state.npz: .*model/00001 has shape \(3, 4\)"):
            read()
    with pytest.raises(FileNotFoundError, match=r"step.json"):
        exported_step.read_model(tmp_path / "state.npz")
    with pytest.raises(convert.cli.UsageError, match="--bundle is for jax"):
        convert.main(["wavenet", str(folder / "state.npz"), "out", "--bundle", str(folder)])


def test_excerpts_are_a_function_of_seed_and_number(tmp_path, rng):
    shape = (3, 2, 50, 1)
    songs = [rng.integers(-9000, 9000, (2, length, 2), np.int16) for length in (60, 500)]
    for number, song in enumerate(songs):
        np.savez(tmp_path / f"{number}.npz", stems=song)
    one, other = (with_jax.Excerpts([tmp_path], shape, seed=1) for _ in range(2))
    for number in (7, 2):
        stems, scale = one.batch(number)
        assert stems.shape == shape and scale == 1.0
        np.testing.assert_array_equal(stems, other.batch(number)[0])
    assert (one.batch(2)[0] != one.batch(3)[0]).any()
    excerpt = one.batch(2)[0][0, :, :, 0] * 2**15
    places = [
        (song, begin, channel)
        for song, stems in enumerate(songs)
        for begin in range(stems.shape[1] - 49)
        for channel in range(2)
        if np.array_equal(stems[:, begin : begin + 50, channel], excerpt)
    ]
    assert len(places) == 1


@pytest.mark.parametrize(
    ("stems", "message"),
    [
        (np.zeros((2, 40, 1), np.int16), r"one.npz: stems have shape \(2, 40, 1\) .*expected"),
        (np.zeros((3, 90, 1), np.int16), "or a song"),
        (np.zeros((2, 90, 1), np.int32), "type int32"),
        (np.zeros((3, 2, 51, 1), np.float32), "shape"),
    ],
)
def test_stems_that_do_not_fit_are_named(tmp_path, stems, message):
    np.savez(tmp_path / "one.npz", stems=stems)
    with pytest.raises(ValueError, match=message):
        with_jax.Excerpts([tmp_path], (3, 2, 50, 1))


def test_files_that_hold_no_stems_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"no .npz file"):
        with_jax.Excerpts([tmp_path], (3, 2, 50, 1))
    np.savez(tmp_path / "one.npz", stems=np.zeros((2, 90, 1), np.int16))
    data = (tmp_path / "one.npz").read_bytes()
    (tmp_path / "one.npz").write_bytes(data[:-60])
    with pytest.raises(ValueError, match=r"one.npz: no file of stems"):
        with_jax.Excerpts([tmp_path], (3, 2, 50, 1))


@pytest.mark.slow
def test_the_program_trains_is_stopped_and_goes_on(bundle, jax_cache, tmp_path):
    """Beside its bundle, without the library: what goes on is what never stopped."""
    folder, _, training, _ = bundle
    _, sources, samples, _ = training.shape
    rng = np.random.default_rng(3)
    song = (3000 * rng.standard_normal((sources, 3 * samples, 1))).astype(np.int16)
    np.savez(tmp_path / "song.npz", stems=song)

    def program(state, updates):
        words = ["with_jax.py", ".", tmp_path / "song.npz", "--updates", updates, "--every", 2]
        return subprocess.Popen(
            [sys.executable, *map(str, words), "--state", str(tmp_path / state)],
            cwd=folder,
            env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(jax_cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    whole = program("whole.npz", 6)
    said, error = whole.communicate()
    assert whole.returncode == 0, error
    assert said.count("ms per update") == 3 and said.endswith("whole.npz: 6 updates\n")
    first = program("parts.npz", 10**9)
    for _ in range(2):
        first.stdout.readline()
    first.send_signal(signal.SIGTERM)
    assert first.communicate() and first.returncode == 143
    with np.load(tmp_path / "parts.npz") as archive:
        reached = json.loads(str(archive["header"]))["progress"]["step"]
    assert reached >= 4
    for state in ("whole.npz", "parts.npz"):
        assert program(state, reached + 3).wait() == 0
    with np.load(tmp_path / "whole.npz") as one, np.load(tmp_path / "parts.npz") as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    (tmp_path / "song.npz").write_bytes(b"")
    broken = program("whole.npz", 10**9)
    said, error = broken.communicate()
    assert broken.returncode == 1 and error.startswith("error: ") and error.count("\n") == 1

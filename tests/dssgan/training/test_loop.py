"""The loop: best and last weights, early stopping, divergence, curves, the line of an epoch."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dssgan.monitoring.progress import duration, epoch_line
from dssgan.monitoring.step_results import NonFiniteLoss
from dssgan.monitoring.tensorboard import TensorBoard, spectrogram_picture
from dssgan.monitoring.validation import Examples, Scores, Validator
from dssgan.optimisers import rules
from dssgan.separator import Separator
from dssgan.training.checkpoints import read_progress
from tests.dssgan.small_training import bits, make_loop, make_state
from tests.dssgan.stand_ins import Excerpts, Song, TinySeparator, negative_error


class Scripted:
    """A validator whose scores are known beforehand."""

    def __init__(self, scores):
        self.scores, self.calls = list(scores), 0

    def __call__(self, step, logs, check):
        check()
        self.calls += 1
        score = self.scores[self.calls - 1]
        return Scores({"drums": score}, score)


def test_the_best_and_the_last_weights_are_kept(tmp_path):
    state, lines, seen = make_state(), [], {}
    loop = make_loop(
        tmp_path,
        state,
        epochs=3,
        validator=Scripted([1.0, 3.0, 2.0]),
        metric="si_sdr",
        log=lines.append,
        record=lambda name, value, step: seen.setdefault(name, []).append((step, value)),
    )
    progress = loop.run()
    assert (progress.step, progress.epoch, progress.finished) == (12, 3, True)
    assert (progress.best, progress.best_epoch, progress.waited) == (3.0, 2, 1)
    assert read_progress(tmp_path / "best.npz").epoch == 2
    assert read_progress(tmp_path / "last.npz").epoch == 3
    again = make_state()
    again.restore(tmp_path / "last.npz")
    assert bits(again) == bits(state)
    assert seen["validation/si_sdr"] == [(4, 1.0), (8, 3.0), (12, 2.0)]
    assert [step for step, _ in seen["train/loss"]] == [4, 8, 12]
    assert len(lines) == 3
    assert "si_sdr 2.00 (best 3.00)" in lines[-1]


def test_training_stops_early_and_goes_on_when_asked_for_more(tmp_path):
    lines, validator = [], Scripted([2.0, 1.0, 1.5, 9.0])
    loop = make_loop(
        tmp_path, make_state(), epochs=9, validator=validator, patience=2, log=lines.append
    )
    assert loop.run().epoch == 3
    assert "stopped early" in lines[-1]
    state = make_state()
    state.restore(tmp_path / "last.npz")
    validator.scores += [8.0, 7.0, 6.0]
    longer = make_loop(tmp_path, state, epochs=9, validator=validator, patience=3, log=lines.append)
    progress = longer.run()
    assert (progress.best, progress.best_epoch, progress.epoch) == (9.0, 4, 7)


def test_validation_may_be_rare_but_never_misses_the_end(tmp_path):
    validator = Scripted([1.0, 2.0, 3.0])
    loop = make_loop(tmp_path, make_state(), epochs=5, validator=validator, validate_every=2)
    assert loop.run().best == 3.0
    assert validator.calls == 3


def test_without_validation_the_last_weights_are_the_best(tmp_path):
    state = make_state()
    make_loop(tmp_path, state).run()
    best = make_state()
    best.restore(tmp_path / "best.npz")
    assert bits(best) == bits(state)


def test_as_many_checkpoints_stay_as_asked_for(tmp_path):
    loop = make_loop(tmp_path, make_state(), epochs=3, keep=2, save_steps=3)
    loop.run()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["best.npz", "last.npz", "step-000000009.npz", "step-000000012.npz"]


def test_a_batch_that_diverges_is_named_and_the_checkpoint_stays(tmp_path):
    source = Excerpts(broken=(6,))
    loop = make_loop(tmp_path, make_state(), source=source, epochs=4, save_steps=1)
    with pytest.raises(NonFiniteLoss) as caught:
        loop.run()
    message = str(caught.value)
    assert "step 6: the loss is nan" in message
    assert "song6-0@1.0s, song6-1@1.0s" in message
    assert "\n" not in message
    progress = read_progress(tmp_path / "last.npz")
    assert progress.step == 6
    good = make_state()
    good.restore(tmp_path / "last.npz")
    assert all(np.isfinite(weight.numpy()).all() for weight in good.weights)


def test_weights_without_a_loss_scale_left_are_divergence(tmp_path):
    state = make_state(scaled=True)
    state.loss_scale[0].assign(2.0**-12)
    with pytest.raises(NonFiniteLoss, match="step 0"):
        make_loop(tmp_path, state).run()


def test_checkpoints_of_other_models_are_refused(tmp_path):
    make_state().save(tmp_path / "last.npz")
    with pytest.raises(ValueError, match=r"last\.npz: .* has shape .*, expected"):
        make_state(TinySeparator(width=4)).restore(tmp_path / "last.npz")
    with pytest.raises(ValueError, match="lacks average/00000"):
        make_state(average=True).restore(tmp_path / "last.npz")
    with pytest.raises(ValueError, match="has optimiser/"):
        make_state(rule=rules.Adam()).restore(tmp_path / "last.npz")
    for content in (b"", b"PK\x03\x04 half a file", (tmp_path / "last.npz").read_bytes()[:3000]):
        (tmp_path / "broken.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"broken\.npz: not a checkpoint"):
            make_state().restore(tmp_path / "broken.npz")


def test_validation_scores_whole_songs_and_leaves_silence_out():
    separator = Separator(TinySeparator(), segment=0.5)
    songs = [Song("a"), Song("b", sample_rate=16000, seed=3)]
    scores = Validator(separator, songs, negative_error)(0, TensorBoard(None))
    expected = []
    for song in songs:
        references = song.references()
        stems = separator.separate(references.sum(0), song.sample_rate)
        expected.append(negative_error(references, np.stack([stems["drums"], stems["vocals"]])))
    np.testing.assert_allclose(list(scores.sources.values()), np.mean(expected, 0))
    assert scores.mean == pytest.approx(np.mean(expected))

    def flat(references, estimates):
        return np.array([-np.inf, 2.0])

    songs = [Song("c", silent=("drums",)), Song("d", silent=("drums",))]
    scores = Validator(separator, songs, flat)(0, TensorBoard(None))
    assert scores.mean == 2.0
    assert np.isnan(scores.sources["drums"])
    with pytest.raises(ValueError, match="no score for drums: they are silent"):
        Validator(separator, songs, flat, decisive=["drums"])(0, TensorBoard(None))
    scores = Validator(separator, [Song("e")], flat)(0, TensorBoard(None))
    assert scores.sources == {"drums": -100.0, "vocals": 2.0}


def test_sound_is_written_often_at_first_and_then_now_and_then():
    class Counting(TensorBoard):
        written = 0

        def sounds(self, *given):
            self.written += 1

    logs, counts = Counting(None), []
    separator = Separator(TinySeparator(), segment=0.5)
    validator = Validator(separator, [Song()], negative_error, examples=Examples(every=3))
    for _ in range(7):
        validator(0, logs)
        counts.append(logs.written)
    assert counts == [1, 2, 3, 4, 4, 4, 5]


def test_curves_pictures_and_sound_reach_tensorboard(tmp_path):
    logs, state = TensorBoard(tmp_path / "events"), make_state()
    validator = Validator(
        Separator(state.model), [Song("tune")], negative_error, examples=Examples(seconds=0.5)
    )
    loop = make_loop(
        tmp_path / "checkpoints",
        state,
        validator=validator,
        metric="error",
        board=logs,
        log_every=2,
        seconds_per_step=0.4,
    )
    loop.run()
    logs.close()
    events = EventAccumulator(str(tmp_path / "events"), size_guidance={"tensors": 0})
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {
        "train/loss",
        "train/loss/first_source",
        "train/learning_rate",
        "train/gradient_norm",
        "train/audio_seconds_per_second",
        "validation/error",
        "validation/error/drums",
        "sound/tune/mixture",
        "sound/tune/drums/reference",
        "spectrogram/tune/vocals/estimate",
    } <= tags
    assert [event.step for event in events.Tensors("train/loss")] == [2, 4, 6, 8]
    kinds = {events.SummaryMetadata(tag).plugin_data.plugin_name for tag in tags}
    assert {"scalars", "images", "audio"} <= kinds
    assert len(events.Tensors("sound/tune/vocals/estimate")) == 2
    assert len(events.Tensors("sound/tune/mixture")) == 1
    sound = tf.make_ndarray(events.Tensors("sound/tune/mixture")[0].tensor_proto)
    wav, rate = tf.audio.decode_wav(sound.ravel()[0])
    assert int(rate) == 8000
    assert wav.shape[0] == 4000


def test_a_spectrogram_shows_the_note_at_its_place():
    time = np.arange(16000) / 8000.0
    picture = spectrogram_picture(np.sin(2 * np.pi * 1000.0 * time)[:, None])
    assert picture.shape[0] == 513
    assert np.argmax(picture.mean(axis=(1, 2))) == 512 - 128  # 1 kHz of 4 kHz, low notes below
    assert picture.max() == 1.0
    assert spectrogram_picture(np.zeros((100, 2))).max() == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (99, "99 s"), (600, "10 min"), (11100, "3 h 05"), (212_400, "2 d 11 h")],
)
def test_durations_in_words(seconds, text):
    assert duration(seconds) == text


def test_the_line_of_an_epoch_fits_a_terminal():
    line = epoch_line(1250, 1250, -123.456, "si_sdr", -10.254, -10.25, 1234.5, "99 d 23 h")
    assert len(line) <= 80, line
    assert line.endswith("99 d 23 h left")
    assert epoch_line(1, 2, float("nan"), "", None, None, 0.0, "") == "epoch 1/2"


def test_a_state_names_every_variable_once():
    names = make_state(average=True, scaled=True).variables()
    assert len(names) == len({id(variable) for variable in names.values()})
    groups = {name.partition("/")[0] for name in names}
    assert groups == {"model", "optimiser", "average", "loss_scale"}

"""What is drawn per excerpt; songs varied in time and pitch."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.cache.song import prepare_song
from datasets.cache.variants import Variant, prepare_variants
from datasets.excerpts.augmentation import Augmentation
from datasets.track import AudioShape, Track

RATE = 22050


class Tones(Track):
    """A click track as drums, a sine of 440 Hz as bass; 1 s of silence at the end."""

    def __init__(self, name="song", split="train"):
        super().__init__(name, split, AudioShape(RATE, 2, 4 * RATE), ("drums", "bass"))

    def _read(self, stem, start, stop):
        audio = np.zeros((self.samples, 2), np.float32)
        if stem == "drums":
            audio[RATE // 2 : 3 * RATE : RATE // 2] = 0.5
        else:
            time = np.arange(3 * RATE) / RATE
            audio[: 3 * RATE] = 0.3 * np.sin(2 * np.pi * 440.0 * time)[:, None]
        return audio[start:stop]


def frequency(audio):
    """Of the strongest partial, in Hz."""
    mono = audio.mean(axis=1) * np.hanning(len(audio))
    return np.argmax(np.abs(np.fft.rfft(mono, 8 * len(mono)))) * RATE / (8 * len(mono))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gain": (1.0, 0.5)}, "gain"),
        ({"gain": (-1.0, 0.5)}, "gain"),
        ({"gain_db": (3.0, -3.0)}, "gain_db"),
        ({"swap": 1.5}, "swap=1.5"),
        ({"remix": -0.1}, "remix"),
        ({"polarity": 2}, "polarity"),
        ({"active_share": 7}, "active_share"),
        ({"normalise": "loudness"}, "track or none"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


@given(
    low=st.floats(0.0, 2.0),
    span=st.floats(0.0, 2.0),
    polarity=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
)
def test_gains_stay_within_their_range(low, span, polarity, seed):
    augmentation = Augmentation(gain=(low, low + span), polarity=polarity)
    gain = augmentation.draw_gain(np.random.default_rng(seed))
    assert low - 1e-9 <= abs(gain) <= low + span + 1e-9


@given(there=st.sampled_from([1, 2]), wanted=st.sampled_from([1, 2]), seed=st.integers(0, 1000))
def test_channels_taken_are_there(there, wanted, seed):
    taken = Augmentation().draw_channels(np.random.default_rng(seed), there, wanted)
    assert len(taken) == wanted and all(0 <= channel < there for channel in taken)
    assert len(set(taken)) == min(there, wanted)


def test_variants_of_training_songs_only_each_at_its_own_speed():
    tracks = [Tones("a"), Tones("b"), Tones("c", split="test")]
    made = prepare_variants(tracks, 3, speed=0.1)
    assert [track.name for track in made[:3]] == [f"a (variant {n})" for n in (1, 2, 3)]
    assert {track.original.name for track in made} == {"a", "b"}
    assert all(track.split == "train" for track in made)
    speeds = np.array([track.speed for track in made]).reshape(2, 3)
    assert np.all(speeds > 0.9 - 1e-9) and np.all(speeds < 1.1 + 1e-9)
    assert np.all(np.diff(speeds, axis=1) > 0) and np.all(speeds[0] != speeds[1])
    again = prepare_variants(tracks[1:], 3, speed=0.1)
    assert [track.speed for track in again] == list(speeds[1])  # whatever songs are beside it
    assert prepare_variants(tracks, 0) == []
    assert prepare_variants(tracks, 1, seed=1)[0].speed != prepare_variants(tracks, 1)[0].speed


@pytest.mark.parametrize("speed", [0.94, 1.0, 1.06])
def test_speed_moves_time_and_pitch_alike(speed):
    variant = Variant(Tones(), 1, speed, 0.0)
    assert variant.samples == round(4 * RATE / speed)
    bass, drums = variant.read("bass"), variant.read("drums")
    assert bass.shape == drums.shape == (variant.samples, 2)
    assert frequency(bass[: 2 * RATE]) == pytest.approx(440.0 * speed, rel=1e-3)
    clicks = np.flatnonzero(drums[:, 0] > 0.4 * np.max(drums))
    expected = np.arange(RATE // 2, 3 * RATE, RATE // 2) / speed
    starts = clicks[np.insert(np.diff(clicks) > 100, 0, True)]
    np.testing.assert_allclose(starts, expected, atol=2)
    assert np.std(bass[: 2 * RATE]) == pytest.approx(0.3 / 2**0.5, rel=0.01)
    assert f"× {speed:.4f}" in variant.warnings[-1]


@pytest.mark.slow  # compiles a part of librosa
def test_pitch_moves_all_but_the_drums():
    plain, moved = Variant(Tones(), 1, 1.02, 0.0), Variant(Tones(), 1, 1.02, 2.0)
    np.testing.assert_array_equal(plain.read("drums"), moved.read("drums"))
    expected = 440.0 * 1.02 * 2 ** (2 / 12)
    assert frequency(moved.read("bass")[RATE : 2 * RATE]) == pytest.approx(expected, rel=5e-3)
    assert moved.read("bass").shape == plain.read("bass").shape


def test_variants_read_like_any_track():
    variant = prepare_variants([Tones()], 1)[0]
    whole = variant.read("bass")
    np.testing.assert_array_equal(variant.read("bass", 500, 900), whole[500:900])
    np.testing.assert_array_equal(np.concatenate(list(variant.blocks("bass", 1000))), whole)
    np.testing.assert_allclose(variant.read(), whole + variant.read("drums"), atol=1e-7)
    assert not np.any(variant.read("vocals"))
    copy = pickle.loads(pickle.dumps(variant))
    np.testing.assert_array_equal(copy.read("bass"), whole)
    assert copy.fingerprint() == variant.fingerprint()
    others = [Variant(Tones(), 1, variant.speed, 0.5), Variant(Tones("b"), 1, variant.speed, 0.0)]
    assert len({variant.fingerprint(), *(other.fingerprint() for other in others)}) == 3


@pytest.mark.parametrize(
    ("count", "options"), [(-1, {}), (1, {"speed": 0.9}), (1, {"semitones": -1.0})]
)
def test_variants_out_of_range_are_refused(count, options):
    with pytest.raises(ValueError, match="expected"):
        prepare_variants([Tones()], count, **options)


def test_variants_can_be_prepared_like_songs(tmp_path):
    variant = prepare_variants([Tones()], 1)[0]
    record = prepare_song(variant, [RATE], str(tmp_path), False, {"files": {}})
    assert record["rows"] == ["drums", "bass"]
    stored = np.load(tmp_path / record["files"][str(RATE)]["path"], mmap_mode="r")
    np.testing.assert_array_equal(stored, [variant.read("drums"), variant.read("bass")])

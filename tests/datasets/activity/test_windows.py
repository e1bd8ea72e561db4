"""Source activity: parity with the original detector, both rules, stretches of a song."""

import numpy as np
import pytest

from datasets.activity.windows import ActivityRule, active_windows, activity
from datasets.track import AudioShape, Track

RATE = 100


def test_the_detector_of_the_public_program(shared):
    fixture = np.load(shared / "fixtures" / "originals" / "bsrnn_sad_sr1000.npz")
    found = windows(fixture["y"].T, 1000, variant="amanteur")
    assert np.array_equal(found, fixture["start_indices"])


def windows(audio, sample_rate, **rule):
    """The first samples of the active windows of audio in memory."""
    return active_windows(
        lambda start, stop: audio[start:stop], len(audio), sample_rate, ActivityRule(**rule)
    )


def levels(*values, seconds=3.0, channels=2, seed=0):
    """Noise that is as loud as said for `seconds` each."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    return np.concatenate([value * rng.standard_normal((count, channels)) for value in values])


class Song(Track):
    """Stems in memory."""

    def __init__(self, **stems):
        audio = next(iter(stems.values()))
        super().__init__("song", "train", AudioShape(RATE, *audio.shape[::-1]), stems, standard=())
        self.audio = {stem: data.astype(np.float32) for stem, data in stems.items()}

    def _read(self, stem, start, stop):
        assert stop - start <= 6 * RATE  # no more than a window at once
        return self.audio[stem][start:stop]


def test_a_quiet_passage_of_a_loud_song_counts_by_the_track_alone():
    audio = levels(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01)
    paper = windows(audio, RATE)
    assert paper.tolist() == [0, 300, 600, 900, 1200, 1500, 1800]
    by_window = windows(audio, RATE, variant="amanteur")
    assert by_window.tolist() == [*paper.tolist(), 2100, 2400]  # louder than the floor
    assert windows(audio, RATE, variant="amanteur", floor=0.03).tolist() == paper.tolist()


@pytest.mark.parametrize("variant", ["paper", "amanteur"])
def test_silence_is_never_active(variant):
    assert not len(windows(np.zeros((6000, 2)), RATE, variant=variant))
    assert not len(windows(levels(1e-4, 1e-4, 1e-4), RATE, variant=variant))


@pytest.mark.parametrize("variant", ["paper", "amanteur"])
def test_every_channel_has_to_be_heard(variant):
    audio = levels(0.1, 0.1, 0.1, 0.1)
    assert windows(audio, RATE, variant=variant).tolist() == [0, 300, 600]
    assert len(windows(audio * [1, -1], RATE, variant=variant)) == 3  # energy, not sums
    assert not len(windows(audio * [1, 0], RATE, variant=variant))


def test_the_end_of_a_track_and_short_tracks():
    audio = levels(0.1, 0.1, 0.1, seconds=2.5)
    assert windows(audio, RATE).tolist() == [0, 150]  # 7.5 s: the last window ends there
    assert windows(audio, RATE, variant="amanteur").tolist() == [0]
    short = levels(0.1, seconds=1.0)
    assert windows(short, RATE).tolist() == [0]
    assert not len(windows(short, RATE, variant="amanteur"))
    for samples in (0, 1, 7):
        found = windows(0.1 * np.ones((samples, 1)), RATE, floor=1e-3)
        assert found.dtype == np.int64 and len(found) == (samples == 7)  # 1: one chunk of ten


def test_a_steady_tone_is_active():
    tone = np.full((2000, 1), 0.5)
    assert windows(tone, RATE)[-1] == 1400


def test_stretches_of_a_song():
    drums = levels(0.1, 0.1, 0.1, 0, 0, 0, 0, 0.1, 0.1, 0.1, seconds=6.0)
    bass = levels(0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0, seconds=6.0)
    song = Song(drums=drums, bass=bass)
    assert activity(song, "drums") == [(0, 1800), (4200, 6000)]
    assert activity(song, "bass", hop=6.0) == [(2400, 3000)]
    together = activity(song, ("drums", "bass"), hop=6.0)
    assert together == activity(song, hop=6.0) == [(0, 1800), (2400, 3000), (4200, 6000)]
    assert activity(Song(drums=0 * drums)) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "papre"}, "variant='papre': expected paper or amanteur"),
        ({"window": 0.0}, "window=0.0"),
        ({"window": float("nan")}, "window=nan"),
        ({"hop": -1.0}, "hop=-1.0"),
        ({"hop": 1e-4}, "at 100 Hz"),
        ({"window": 0.05}, "at 100 Hz"),
        ({"chunks": 0}, "chunks=0"),
        ({"quantile": 1.5}, "quantile=1.5"),
        ({"share": -0.5}, "share=-0.5"),
        ({"floor": 0.0}, "floor=0.0"),
    ],
)
def test_options_out_of_their_range(options, message):
    with pytest.raises(ValueError, match=message):
        windows(np.zeros((1000, 1)), RATE, **options)


def test_lengths_in_samples():
    assert ActivityRule().samples(44100) == (264600, 132300)

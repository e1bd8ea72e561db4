"""Songs without stems to validate with: estimates of several songs, mixed anew."""

import numpy as np
import pytest

from dssgan.config.schema import from_dict
from dssgan.refinement.held_back import estimated_songs, middle, remixed


class Halves:
    """Gives a third of the mixture to one source and the rest to the other."""

    sources = ("drums", "vocals")

    def separate(self, audio, sample_rate, name):
        return {"drums": audio / 3, "vocals": audio - audio / 3}


class Held:
    sample_rate = 100

    def __init__(self, name, value, samples=400):
        self.name, self.value, self.samples = name, value, samples

    def mixture(self):
        return np.full((self.samples, 1), self.value, np.float32)


def test_sources_of_a_new_song_come_from_different_songs():
    songs = estimated_songs(Halves(), [Held("a", 3.0), Held("b", 6.0), Held("c", 0.0)], seconds=2)
    assert [song.name for song in songs] == ["a", "b"]  # c is silent
    first = songs[0].references()
    assert first.shape == (2, 200, 1) and first.dtype == np.float32
    np.testing.assert_allclose(first[0], 1.0)  # of a
    np.testing.assert_allclose(first[1], 4.0)  # of b
    with pytest.raises(ValueError, match="the 1 songs held back are silent"):
        estimated_songs(Halves(), [Held("c", 0.0)])


def test_a_single_song_is_mixed_with_another_place_of_itself(rng):
    stems = rng.standard_normal((2, 100, 1))
    (found,) = remixed([stems])
    np.testing.assert_allclose(found[0], stems[0], atol=1e-6)
    np.testing.assert_allclose(found[1], np.roll(stems[1], 50, axis=0), atol=1e-6)


def test_songs_of_other_lengths_and_channels_fit(rng):
    found = remixed([rng.standard_normal((2, 100, 2)), rng.standard_normal((2, 60, 1))])
    assert [song.shape for song in found] == [(2, 100, 2), (2, 60, 1)]
    assert len(middle(np.arange(10.0)[:, None], 4, 1)) == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"validation": {"references": "estimate"}}, r"^validation\.references='estimate': expec"),
        (
            {"validation": {"references": "estimates"}},
            r"^validation\.references=estimates: supervised has no separator to estimate with",
        ),
        (
            {
                "validation": {"references": "estimates"},
                "phases": ["self_training"],
                "self_training": {"init": "drums"},
            },
            r"^validation\.references=estimates: unpaired\.mixtures names no songs",
        ),
    ],
)
def test_misuse_is_one_line(values, message):
    with pytest.raises(ValueError, match=message):
        from_dict(values)

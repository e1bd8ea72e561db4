"""Which references stand beside which."""

import numpy as np
import pytest

from evaluation import protocols
from evaluation.metrics.bss_eval import bss_eval
from evaluation.protocols import ACCOMPANIMENT, PROTOCOLS, Pass, members, overlaps
from evaluation.scoring.preparation import SongAudio
from evaluation.scoring.song import score_song

FOUR = ("drums", "bass", "other", "vocals")
RATE = 1000


def frames(result, name):
    target = next(target for target in result["targets"] if target["name"] == name)
    return np.array([list(frame["metrics"].values()) for frame in target["frames"]]).T


def short(name):
    """The protocol with frames that suit a test."""
    settings = PROTOCOLS[name].settings() | {"window_s": 1.0, "hop_s": 0.5, "filter_length": 16}
    return protocols.Protocol(**settings)


@pytest.fixture
def song(rng):
    stems = {name: rng.standard_normal((2500, 2)) for name in FOUR}
    estimates = {
        name: audio + 0.3 * rng.standard_normal((2500, 2)) for name, audio in stems.items()
    }
    return SongAudio(stems, estimates, RATE, RATE)


def test_musdb18_is_museval_s_default():
    musdb18 = protocols.find("musdb18")
    assert (musdb18.version, musdb18.window_s, musdb18.hop_s) == ("v4", 1, 1)
    dsd100 = protocols.find("dsd100")
    assert (dsd100.version, dsd100.window_s, dsd100.hop_s) == ("v3-images", 30, 15)


def test_an_unknown_protocol_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'musdb18'"):
        protocols.find("musdb")


def test_what_the_accompaniment_is():
    assert members("drums", FOUR, FOUR) == ("drums",)
    assert members(ACCOMPANIMENT, ("drums", ACCOMPANIMENT), FOUR) == ("bass", "other", "vocals")
    assert members(ACCOMPANIMENT, ("vocals", ACCOMPANIMENT), FOUR) == ("drums", "bass", "other")
    five = (*FOUR, ACCOMPANIMENT)
    assert members(ACCOMPANIMENT, five, FOUR) == ("drums", "bass", "other")
    assert members(ACCOMPANIMENT, ("drums", ACCOMPANIMENT), ("drums", ACCOMPANIMENT)) == (
        ACCOMPANIMENT,
    )


def test_overlaps():
    assert overlaps((*FOUR, ACCOMPANIMENT), FOUR)
    assert not overlaps(("drums", ACCOMPANIMENT), FOUR)
    assert not overlaps(FOUR, FOUR)


def test_passes():
    five = (*FOUR, ACCOMPANIMENT)
    pair = ("vocals", ACCOMPANIMENT)
    first, second = protocols.find("musdb18").passes(five, True)
    assert first == Pass(FOUR, ("drums", "bass", "other"))
    assert second == Pass(pair, pair)
    first, second = protocols.find("dsd100").passes(five, True)
    assert first == Pass(FOUR, FOUR)
    assert second == Pass(pair, (ACCOMPANIMENT,))
    two = ("drums", ACCOMPANIMENT)
    assert protocols.find("musdb18").passes(two, False) == [Pass(two, two)]


def test_four_sources_are_scored_together(song):
    result = score_song(song, short("musdb18"))
    assert [target["name"] for target in result["targets"]] == list(FOUR)
    expected = bss_eval(
        np.stack(list(song.stems.values())),
        np.stack(list(song.estimates.values())),
        window=1000,
        hop=500,
        filter_length=16,
    )
    found = frames(result, "bass")
    np.testing.assert_allclose(found, [scores[1] for scores in expected[:4]], atol=1e-5)
    assert result["targets"][0]["frames"][1]["time"] == 0.5
    assert result["targets"][0]["frames"][1]["duration"] == 1.0


def test_museval_s_rule_for_vocals_beside_the_accompaniment(song, museval):
    estimates = dict(song.estimates)
    estimates[ACCOMPANIMENT] = sum(estimates[name] for name in FOUR[:3])
    result = score_song(SongAudio(song.stems, estimates, RATE, RATE), short("musdb18"))
    accompaniment = sum(song.stems[name] for name in FOUR[:3])
    pair = np.stack([song.stems["vocals"], accompaniment])
    theirs = museval.metrics.bss_eval(
        pair, np.stack([estimates["vocals"], estimates[ACCOMPANIMENT]]), 1000, 500, False, 16
    )
    for row, name in enumerate(("vocals", ACCOMPANIMENT)):
        expected = [scores[row] for scores in theirs[:4]]
        np.testing.assert_allclose(frames(result, name), expected, atol=1e-5)


def test_dsd100_adds_the_accompaniment_and_keeps_the_vocals_of_the_four(song):
    result = score_song(song, short("dsd100"))
    assert [target["name"] for target in result["targets"]] == [*FOUR, ACCOMPANIMENT]
    options = {"window": 1000, "hop": 500, "filter_length": 16, "version": "v3-images"}
    four = bss_eval(
        np.stack(list(song.stems.values())), np.stack(list(song.estimates.values())), **options
    )
    expected = [scores[3] for scores in four[:4]]
    np.testing.assert_allclose(frames(result, "vocals"), expected, atol=1e-5)
    pair = [
        np.stack([audio["vocals"], sum(audio[name] for name in FOUR[:3])])
        for audio in (song.stems, song.estimates)
    ]
    expected = [scores[1] for scores in bss_eval(*pair, **options)[:4]]
    np.testing.assert_allclose(frames(result, ACCOMPANIMENT), expected, atol=1e-5)


def test_two_sources_have_the_rest_for_accompaniment(song):
    estimates = {"drums": song.estimates["drums"], ACCOMPANIMENT: song.estimates["bass"]}
    result = score_song(SongAudio(song.stems, estimates, RATE, RATE), short("musdb18"))
    rest = song.stems["bass"] + song.stems["other"] + song.stems["vocals"]
    expected = bss_eval(
        np.stack([song.stems["drums"], rest]),
        np.stack(list(estimates.values())),
        window=1000,
        hop=500,
        filter_length=16,
    )
    np.testing.assert_allclose(frames(result, ACCOMPANIMENT)[0], expected.sdr[1], atol=1e-5)

"""What becomes of one song: lengths, channels, silence, errors."""

import numpy as np
import pytest

from evaluation.protocols import Protocol
from evaluation.scoring.preparation import SongAudio
from evaluation.scoring.song import map_estimates, score_song, score_songs

RATE = 1000
SHORT = Protocol("short", version="v4", window_s=0.5, hop_s=0.5, filter_length=8)


@pytest.fixture
def audio(rng):
    stems = {name: rng.standard_normal((2000, 2)) for name in ("drums", "bass")}
    return stems, {name: 0.9 * stem + 0.1 for name, stem in stems.items()}


def score(stems, estimates, rate=RATE):
    return score_song(SongAudio(stems, estimates, RATE, rate), SHORT)


def test_format(audio):
    result = score(*audio)
    assert (result["samples"], result["sample_rate"], result["warnings"]) == (2000, RATE, [])
    frame = result["targets"][1]["frames"][3]
    assert result["targets"][1]["name"] == "bass"
    assert (frame["time"], frame["duration"]) == (1.5, 0.5)
    assert list(frame["metrics"]) == ["SDR", "ISR", "SIR", "SAR"]
    assert frame["metrics"]["SDR"] == round(frame["metrics"]["SDR"], 5)


def test_infinite_scores_are_nan_as_in_museval_s_files(audio):
    stems, _ = audio
    metrics = score(stems, stems)["targets"][0]["frames"][0]["metrics"]
    assert np.isnan(metrics["SDR"])


def test_longer_estimates_are_cut_and_shorter_ones_padded_as_in_museval(audio):
    stems, estimates = audio
    expected = score(stems, estimates)
    longer = {name: np.concatenate([stem, stem]) for name, stem in estimates.items()}
    result = score(stems, longer)
    assert result["targets"] == expected["targets"]
    assert result["warnings"][0] == "estimate of drums has 4000 samples: cut to 2000"
    shorter = {name: stem[:1800] for name, stem in estimates.items()}
    result = score(stems, shorter)
    padded = {name: np.pad(stem, ((0, 200), (0, 0))) for name, stem in shorter.items()}
    assert result["targets"] == score(stems, padded)["targets"]
    assert "padded with silence to 2000" in result["warnings"][0]


def test_references_of_different_lengths_are_padded(audio):
    stems, estimates = audio
    result = score(stems | {"bass": stems["bass"][:1990]}, estimates)
    assert result["warnings"] == ["bass has 1990 samples: padded with silence to 2000"]


def test_mono_estimates_of_a_stereo_song_are_doubled(audio):
    stems, estimates = audio
    mono = {name: stem[:, :1] for name, stem in estimates.items()}
    double = {name: np.repeat(stem, 2, axis=1) for name, stem in mono.items()}
    result = score(stems, mono)
    assert result["targets"] == score(stems, double)["targets"]
    assert result["warnings"][0] == "estimate of drums is mono: the same in all 2 channels"


def test_mono_songs_are_scored_as_mono(audio):
    stems, estimates = ({name: stem[:, :1] for name, stem in some.items()} for some in audio)
    assert len(score(stems, estimates)["targets"]) == 2


def test_silent_references_are_left_out(audio):
    stems, estimates = audio
    result = score(stems | {"vocals": 0 * stems["bass"]}, estimates | {"vocals": estimates["bass"]})
    assert result["targets"] == score(stems, estimates)["targets"]
    assert result["warnings"] == ["reference vocals is silent: not scored"]


def test_clipped_audio_is_scored(audio):
    stems, estimates = audio
    clipped = {name: np.clip(stem, -0.5, 0.5) for name, stem in estimates.items()}
    assert np.isfinite(score(stems, clipped)["targets"][0]["frames"][0]["metrics"]["SDR"])


def test_empty_bands_are_told(rng):
    import scipy.signal

    low = scipy.signal.butter(20, 0.3, output="sos")
    stems = {
        name: scipy.signal.sosfilt(low, rng.standard_normal((40000, 1)), axis=0)
        for name in ("drums", "bass")
    }
    long = Protocol("long", version="v4", window_s=10, hop_s=10, filter_length=64)
    estimates = {name: stem + 0.1 for name, stem in stems.items()}
    warnings = score_song(SongAudio(stems, estimates, RATE, RATE), long)["warnings"]
    assert len(warnings) == 1
    assert "part of the band empty" in warnings[0]


def cases():
    noise = np.random.default_rng(2).standard_normal((2000, 2))
    nan = noise.copy()
    nan[7, 1] = np.nan
    good = {"drums": noise}
    return {
        "the estimate of drums is silent": (good, {"drums": 0 * noise}, RATE),
        "all references are silent": ({"drums": 0 * noise}, good, RATE),
        "estimate of drums contains NaN": (good, {"drums": nan}, RATE),
        "reference drums contains NaN": ({"drums": nan}, good, RATE),
        "reference drums is empty": ({"drums": noise[:0]}, good, RATE),
        "estimate of drums has 2 channels, its reference 1": ({"drums": noise[:, :1]}, good, RATE),
        "estimates at 44100 Hz, references at 1000 Hz": (good, good, 44100),
        "only 1 samples long": ({"drums": noise[:1]}, {"drums": noise[:1]}, RATE),
        "nothing to score": (good, {}, RATE),
        "expected the same in all": ({"drums": noise, "bass": noise[:, :1]}, good, RATE),
        "shape .2000,., not": (good, {"drums": noise[:, 0]}, RATE),
    }


@pytest.mark.parametrize("message", cases())
def test_what_cannot_be_scored_is_one_clear_line(message):
    with pytest.raises(ValueError, match=message) as caught:
        score(*cases()[message])
    assert "\n" not in str(caught.value)


def test_mapping_estimates(rng):
    four = {name: rng.standard_normal((9, 1)) for name in ("drums", "bass", "other", "vocals")}
    mixture = sum(four.values())
    two = map_estimates(four, ("drums", "accompaniment"), mixture)
    np.testing.assert_allclose(two["accompaniment"], mixture - four["drums"])
    alone = map_estimates({"drums": four["drums"]}, ("drums", "accompaniment"), mixture)
    np.testing.assert_allclose(alone["accompaniment"], mixture - four["drums"])
    assert list(map_estimates(two, ("drums",), mixture)) == ["drums"]
    with pytest.raises(ValueError, match="no estimate of bass: the separator gives drums"):
        map_estimates(two, ("bass",), mixture)


def test_songs_of_several_separators_score_as_each_alone(audio, rng):
    stems, estimates = audio
    others = {
        "as they are": estimates,
        "louder": {name: 1.1 * stem for name, stem in estimates.items()},
        "shorter": {name: stem[:1900] for name, stem in estimates.items()},
        "one source": {"drums": estimates["drums"]},
        "silent": estimates | {"drums": np.zeros((2000, 2))},
        "other rate": estimates,
    }
    rates = [2 * RATE if name == "other rate" else RATE for name in others]
    several = [SongAudio(stems, made, RATE, rate) for made, rate in zip(others.values(), rates)]
    results = dict(zip(others, score_songs(several, SHORT)))
    for name in ("as they are", "louder", "shorter", "one source"):
        alone = score(stems, others[name])
        assert results[name]["warnings"] == alone["warnings"]
        for found, expected in zip(results[name]["targets"], alone["targets"], strict=True):
            assert found["name"] == expected["name"]
            for frame, expected_frame in zip(found["frames"], expected["frames"], strict=True):
                assert frame["metrics"] == pytest.approx(
                    expected_frame["metrics"], abs=2e-5, nan_ok=True
                )
    whole = score(stems, estimates)
    for found, expected in zip(results["silent"]["targets"], whole["targets"], strict=True):
        for frame, expected_frame in zip(found["frames"], expected["frames"], strict=True):
            if found["name"] == "drums":  # as museval has it
                assert all(np.isnan(value) for value in frame["metrics"].values())
            else:
                assert frame["metrics"] == pytest.approx(
                    expected_frame["metrics"], abs=2e-5, nan_ok=True
                )
    assert "the estimate of drums is silent: it has no score" in results["silent"]["warnings"]
    assert "estimates at 2000 Hz" in str(results["other rate"])

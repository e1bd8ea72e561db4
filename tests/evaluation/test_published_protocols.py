"""The protocols of the published systems against mir_eval, and against their formulas."""

import numpy as np
import pytest
import scipy.signal

from evaluation import protocols
from evaluation.metrics.measures import KNOWN
from evaluation.protocols import ACCOMPANIMENT, PROTOCOLS
from evaluation.reports.summary import AGGREGATES
from evaluation.scoring.preparation import SongAudio
from evaluation.scoring.song import score_song

RATE = 8000
PAIR = ("vocals", ACCOMPANIMENT)

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def scores(given, name, **changes):
    """{target: {metric: (frames,)}} and warnings."""
    settings = PROTOCOLS[name].settings() | changes
    result = score_song(given, protocols.Protocol(**settings))
    found = {}
    for target in result["targets"]:
        frames = target["frames"]
        found[target["name"]] = {
            metric: np.array([frame["metrics"][metric] for frame in frames])
            for metric in frames[0]["metrics"]
        }
    return found, result["warnings"]


def song(rng, names=PAIR, samples=6000, channels=1):
    """Coloured sources, estimates with leakage and noise, and half the sum as a mixture.

    The mixture is slightly noisy: BSS Eval finds nothing but rounding in one that is not.
    """
    white = rng.standard_normal((len(names), samples, channels))
    references = scipy.signal.lfilter([1, 0.5], [1, -0.4], white, axis=1)
    estimates = 0.7 * references + 0.2 * references[::-1]
    estimates += 0.2 * rng.standard_normal(references.shape)
    return SongAudio(
        dict(zip(names, references)),
        dict(zip(names, estimates)),
        RATE,
        RATE,
        mixture=references.sum(axis=0) / 2 + 1e-3 * rng.standard_normal(references.shape[1:]),
    )


def rows(audio):
    """{name: (samples, 1)} → (sources, samples)."""
    return np.stack([one[:, 0] for one in audio.values()])


def by_mir_eval(mir_eval, given, permute, estimates=None):
    estimates = rows(given.estimates) if estimates is None else estimates
    sdr, sir, sar, _ = mir_eval.bss_eval_sources(rows(given.stems), estimates, permute)
    return {"SDR": sdr, "SIR": sir, "SAR": sar}


def by_metric(found):
    """{target: {metric: (1,)}} → {metric: (targets,)}."""
    targets = list(found.values())
    return {metric: [target[metric][0] for target in targets] for metric in targets[0]}


def assert_equal(found, expected, tolerance=2e-5):
    for row, target in enumerate(found):
        for metric, values in expected.items():
            told = f"{metric} of {target}"
            np.testing.assert_allclose(
                found[target][metric], values[row], 0, tolerance, err_msg=told
            )


def test_every_protocol_can_be_summarised():
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert set(protocol.metrics) <= set(KNOWN)
        assert set(protocol.reported) <= set(AGGREGATES)


def test_settings_on_disk_stay_valid():
    assert PROTOCOLS["musdb18"].settings() == {
        "name": "musdb18",
        "version": "v4",
        "window_s": 1.0,
        "hop_s": 1.0,
        "filter_length": 512,
        "same_rounding": False,
        "pair_decides_vocals": True,
        "adds_accompaniment": False,
    }
    for protocol in PROTOCOLS.values():
        again = protocols.Protocol(**protocol.settings())
        assert again.settings() == protocol.settings()


@pytest.mark.parametrize("name", ["ikala", "mirex"])
def test_singing_voice_equals_mir_eval_and_its_difference_to_the_mixture(mir_eval, rng, name):
    given = song(rng)
    found, warnings = scores(given, name)
    plain = by_mir_eval(mir_eval, given, permute=name == "ikala")
    beside = by_mir_eval(mir_eval, given, False, np.stack([given.mixture[:, 0]] * 2))
    expected = plain | {f"N{metric}": plain[metric] - beside[metric] for metric in plain}
    assert set(found["vocals"]) == set(expected)
    assert_equal(found, expected)
    assert warnings == []


def test_stereo_is_averaged_and_levels_do_not_matter(rng):
    given = song(rng, channels=2)
    mono = {
        "stems": {name: audio.mean(1, keepdims=True) for name, audio in given.stems.items()},
        "estimates": {
            name: audio.mean(1, keepdims=True) for name, audio in given.estimates.items()
        },
    }
    averaged = SongAudio(**mono, sample_rate=RATE, estimates_rate=RATE)
    louder = SongAudio(
        {name: 0.1 * audio for name, audio in given.stems.items()},
        {name: 5 * audio for name, audio in given.estimates.items()},
        RATE,
        RATE,
        mixture=3 * given.mixture,
    )
    averaged.mixture = given.mixture.mean(axis=1, keepdims=True)
    for name in ("ikala", "mirex", "bach10"):
        expected = by_metric(scores(given, name)[0])
        assert_equal(scores(averaged, name)[0], expected)
        assert_equal(scores(louder, name)[0], expected)


def test_the_norms_of_the_mirex_script_change_nothing(mir_eval, rng):
    """It divides references, estimates and mixture by the norms of their sums."""
    given = song(rng)
    references, estimates = (
        rows(some) / np.linalg.norm(rows(some).sum(axis=0))
        for some in (given.stems, given.estimates)
    )
    mixture = np.stack([given.mixture[:, 0]] * 2) / np.linalg.norm(2 * given.mixture)
    sdr, sir, _, _ = mir_eval.bss_eval_sources(references, estimates, False)
    beside = mir_eval.bss_eval_sources(references, mixture, False)
    assert_equal(scores(given, "mirex")[0], {"NSDR": sdr - beside[0], "NSIR": sir - beside[1]})


def test_who_looks_for_an_order_of_the_estimates(rng):
    given = song(rng)
    swapped = SongAudio(
        given.stems, dict(zip(PAIR, reversed(given.estimates.values()))), RATE, RATE
    )
    expected, _ = scores(given, "ikala")
    found, warnings = scores(swapped, "ikala")
    assert found["vocals"]["SDR"] == expected["vocals"]["SDR"]
    assert warnings[-2:] == [
        "vocals is scored with the estimate of accompaniment, which fits better",
        "accompaniment is scored with the estimate of vocals, which fits better",
    ]
    assert scores(swapped, "mirex")[0]["vocals"]["SIR"] < 0 < expected["vocals"]["SIR"]


def test_without_a_mixture_the_sum_of_the_references_takes_its_place(rng):
    given = song(rng)
    found, warnings = scores(SongAudio(given.stems, given.estimates, RATE, RATE), "mirex")
    assert warnings == ["no mixture: the sum of the references takes its place"]
    expected = by_metric(scores(given, "mirex")[0])
    # The mixture of `song` is noisy, and the sum is not.
    assert_equal(found, {metric: expected[metric] for metric in ("NSDR", "NSIR")}, 1e-3)


def test_bach10_equals_mir_eval(mir_eval, rng):
    names = ("bassoon", "clarinet", "saxophone", "violin")
    given = song(rng, names, samples=4000)
    expected = by_mir_eval(mir_eval, given, False)
    given.estimates = dict(zip(names, (given.estimates[n] for n in (*names[2:], *names[:2]))))
    found, _ = scores(given, "bach10")  # it finds out who is who
    assert_equal(found, expected)
    assert list(found["violin"]) == ["SDR", "SIR", "SAR"]


def resampled(given):
    """What librosa's polyphase resampling makes of a song at 8 kHz."""
    convert = {
        kind: {
            name: scipy.signal.resample_poly(audio.mean(axis=1, keepdims=True), 128, 125)
            for name, audio in some.items()
        }
        for kind, some in (("stems", given.stems), ("estimates", given.estimates))
    }
    mixture = scipy.signal.resample_poly(given.mixture.mean(axis=1, keepdims=True), 128, 125)
    return SongAudio(**convert, sample_rate=8192, estimates_rate=8192, mixture=mixture)


def best_snr(target, estimate):
    """10 log10 of ‖s‖² over the least ‖s − αŝ‖², found by least squares."""
    gain = np.linalg.lstsq(estimate[:, None], target, rcond=None)[0]
    return 10 * np.log10((target**2).sum() / ((target - gain * estimate) ** 2).sum())


def test_dssgan_equals_mir_eval_at_8192_hz(mir_eval, rng):
    given = song(rng, ("drums", ACCOMPANIMENT), channels=2)
    found, warnings = scores(given, "dssgan")
    mono = resampled(given)
    mixture = np.stack([mono.mixture[:, 0]] * 2)
    plain = by_mir_eval(mir_eval, mono, False)
    beside = by_mir_eval(mir_eval, mono, False, mixture)
    references, estimates = rows(mono.stems), rows(mono.estimates)
    snr = np.array([best_snr(*pair) for pair in zip(references, estimates)])
    expected = plain | {
        "NSDR": plain["SDR"] - beside["SDR"],
        "NSIR": plain["SIR"] - beside["SIR"],
        "SNR": snr,
        "NSNR": snr - [best_snr(*pair) for pair in zip(references, mixture)],
    }
    assert set(found["drums"]) == set(expected)
    assert_equal(found, expected, 1e-4)
    assert warnings == []


def test_dssgan_takes_estimates_of_any_rate_and_level(rng):
    given = song(rng)
    expected, _ = scores(given, "dssgan")
    own = resampled(given)
    louder = {name: 3 * audio for name, audio in own.estimates.items()}
    found, _ = scores(SongAudio(given.stems, louder, RATE, 8192, mixture=given.mixture), "dssgan")
    assert_equal(found, by_metric(expected))


def test_dssgan_puts_noise_in_the_place_of_silence(mir_eval, rng):
    given = song(rng, samples=20000)
    given.stems["vocals"] = np.zeros_like(given.stems["vocals"])
    found, warnings = scores(given, "dssgan")
    assert warnings == ["reference vocals is silent: noise takes its place"]
    for metric in ("NSDR", "NSIR", "SNR", "NSNR"):
        assert np.isnan([found[name][metric][0] for name in PAIR]).all()
    mono = resampled(given)
    mono.stems["vocals"] = np.random.default_rng(5).uniform(-1e-10, 1e-10, (len(mono.mixture), 1))
    expected = by_mir_eval(mir_eval, mono, False)
    # The SDR and SAR of the other source do not hang on the noise that is drawn.
    for metric in ("SDR", "SAR"):
        assert found[ACCOMPANIMENT][metric][0] == pytest.approx(expected[metric][1], abs=0.02)
    for metric in ("SDR", "SIR", "SAR"):
        assert found["vocals"][metric][0] == pytest.approx(expected[metric][0], abs=2)
    assert found["vocals"]["SDR"][0] < -10
    again, _ = scores(given, "dssgan")
    assert again["vocals"]["SDR"] == found["vocals"]["SDR"]


def test_usdr_is_defined_for_every_song(rng):
    given = song(rng, channels=2)
    given.stems["vocals"] = np.zeros_like(given.stems["vocals"])
    given.estimates[ACCOMPANIMENT] = given.stems[ACCOMPANIMENT]
    found, _ = scores(given, "usdr")
    delta = 1e-7
    error = np.square(given.estimates["vocals"]).sum()
    assert found["vocals"]["uSDR"][0] == pytest.approx(
        10 * np.log10(delta / (error + delta)), abs=1e-4
    )
    energy = np.square(given.stems[ACCOMPANIMENT]).sum()
    expected = 10 * np.log10((energy + delta) / delta)
    assert found[ACCOMPANIMENT]["uSDR"][0] == pytest.approx(expected, abs=1e-4)
    silence = {name: np.zeros_like(audio) for name, audio in given.estimates.items()}
    quiet, _ = scores(SongAudio(given.stems, silence, RATE, RATE), "usdr")
    assert quiet["vocals"]["uSDR"][0] == quiet[ACCOMPANIMENT]["uSDR"][0] == 0


def chunk_sdr(reference, estimate, start, stop):
    signal, error = reference[start:stop], (reference - estimate)[start:stop]
    return 10 * np.log10(np.square(signal).sum() / np.square(error).sum())


@pytest.mark.parametrize(
    ("name", "starts", "length"),
    [("csdr", range(0, 40000, 8000), 8000), ("csdr_repository", (0, 12000, 24000), 16000)],
)
def test_csdr_is_the_ratio_of_energies_in_every_chunk(rng, name, starts, length):
    given = song(rng, samples=41000, channels=2)
    found, _ = scores(given, name)
    for target in PAIR:
        expected = [
            chunk_sdr(given.stems[target], given.estimates[target], start, start + length)
            for start in starts
        ]
        np.testing.assert_allclose(found[target]["SDR"], expected, atol=1e-4)
        assert list(found[target]) == ["SDR"]


def test_a_silent_chunk_of_another_source_counts_in_the_repository_alone(rng):
    given = song(rng, samples=41000)
    given.stems["vocals"][:16000] = 0
    assert np.isnan(scores(given, "csdr")[0][ACCOMPANIMENT]["SDR"]).tolist() == [1, 1, 0, 0, 0]
    found, _ = scores(given, "csdr_repository")
    assert np.isnan(found["vocals"]["SDR"]).tolist() == [1, 0, 0]
    assert np.isfinite(found[ACCOMPANIMENT]["SDR"]).all()


def test_dsd100_is_cut_to_the_shortest_estimate(rng):
    names = ("drums", "bass", "other", "vocals")
    given = song(rng, names, samples=4000, channels=2)
    short = {"window_s": 0.25, "hop_s": 0.125, "filter_length": 16}
    cut = {
        name: audio[: 3500 + 10 * place]
        for place, (name, audio) in enumerate(given.estimates.items())
    }
    found, warnings = scores(SongAudio(given.stems, cut, RATE, RATE), "dsd100", **short)
    assert "drums has 4000 samples: cut to 3500" in warnings
    given.stems = {name: audio[:3500] for name, audio in given.stems.items()}
    given.estimates = {name: audio[:3500] for name, audio in given.estimates.items()}
    expected, _ = scores(given, "dsd100", **short)
    assert list(found) == [*names, ACCOMPANIMENT]
    assert len(found["drums"]["SDR"]) == (3500 - 2000 + 1000) // 1000
    np.testing.assert_equal(found, expected)


@pytest.mark.parametrize("name", [*PROTOCOLS])
def test_a_better_estimate_scores_better(rng, name):
    given = song(rng, samples=20000)
    better = {target: 0.3 * given.estimates[target] + 0.7 * given.stems[target] for target in PAIR}
    worse, _ = scores(given, name)
    found, _ = scores(SongAudio(given.stems, better, RATE, RATE, mixture=given.mixture), name)
    metric = PROTOCOLS[name].metrics[0]
    for target in PAIR:
        assert np.nanmin(found[target][metric]) > np.nanmax(worse[target][metric]) + 3


@pytest.mark.parametrize("name", [*PROTOCOLS])
def test_a_perfect_estimate_is_beyond_all_others(rng, name):
    """Infinite, which is NaN in a file of scores as in museval's, or nothing but rounding."""
    given = song(rng, samples=9000)
    perfect = SongAudio(given.stems, dict(given.stems), RATE, RATE, mixture=given.mixture)
    found, _ = scores(perfect, name)
    for metric in {"SDR", "uSDR", "SNR"} & set(PROTOCOLS[name].metrics):
        least = 80 if metric == "uSDR" else 200
        values = np.concatenate([found[target][metric] for target in PAIR])
        assert (np.isnan(values) | (values > least)).all()

"""Alignment, sum and bleed of signals whose answers are known."""

import numpy as np
import pytest

from datasets.intake import limits as judge
from datasets.intake.checks import FLOOR, Alignment, Bleed, Lag, Sum
from datasets.intake.limits import Limits, Shape
from datasets.song_files.levels import Meter

LIMITS = Limits()


def lags(stems, mixture, tolerance=100):
    heard = Alignment([f"s{n}" for n in range(len(stems))], tolerance)
    rows = np.stack([*stems, mixture]).astype(np.float32)
    for start in range(0, rows.shape[1], 50_000):
        heard.add(rows[:, start : start + 50_000])
    return heard.lags()


@pytest.mark.parametrize("late", [0, 1, -1, 480, -4800, 60_000])
def test_a_faint_stem_is_found_where_it_lies(rng, late):
    stem, loud = rng.standard_normal(700_000), 10 * rng.standard_normal(700_000)
    found = lags([np.roll(stem, late), loud], stem + loud)
    assert found["s0"].samples == late and found["s1"].samples == 0
    assert found["s1"].strength > 0.9 and 0.03 < found["s0"].strength < 0.3
    reasons = judge.judged_lags(found, 32000, LIMITS)
    assert len(reasons) == (abs(late) > 320)
    if reasons:
        side = "late" if late > 0 else "early"
        assert f"({abs(late)} samples) {side} against the mixture" in reasons[0]


def test_a_stem_that_is_not_in_the_mixture_has_no_lag(rng):
    found = lags([rng.standard_normal(300_000)], rng.standard_normal(300_000))
    assert judge.judged_lags(found, 32000, LIMITS) == []
    assert lags([np.zeros(1000)], rng.standard_normal(1000)) == {}


def test_a_loop_is_not_moved_by_a_period(rng):
    """Agreeing as well elsewhere is no reason."""
    loop = np.tile(rng.standard_normal(16_000), 30)
    found = lags([loop], loop + rng.standard_normal(len(loop)))
    assert judge.judged_lags(found, 32000, LIMITS) == []
    assert judge.judged_lags({"s": Lag(16_000, 0.5, 0.4)}, 32000, LIMITS) == []


@pytest.mark.parametrize(("gain", "noise"), [(1, 0.1), (0.25, 0.1), (2, 0.5), (1, 0)])
def test_a_sum_explains_the_mixture_up_to_its_gain(rng, gain, noise):
    total = rng.standard_normal((100_000, 2)).astype(np.float32)
    heard = Sum()
    heard.add(total, (gain * (total + noise * rng.standard_normal(total.shape))).astype(np.float32))
    expected = 10 * np.log10(1 + 1 / noise**2) if noise else 120
    assert heard.decibels() == pytest.approx(expected, abs=0.1 if noise else 10)
    assert heard.gain() == pytest.approx(20 * np.log10(gain), abs=0.05)
    reasons, notes = judge.judged_sum(heard.decibels(), heard.gain(), LIMITS)
    assert bool(reasons) == (noise == 0.5) and bool(notes) == (noise == 0.1)


def shares(stems):
    heard = Bleed([f"s{n}" for n in range(len(stems))])
    rows = np.stack(stems).astype(np.float32)
    for start in range(0, rows.shape[1], 50_000):
        heard.add(rows[:, start : start + 50_000])
    return heard.shares()


@pytest.mark.parametrize(("gain", "delay"), [(0.5, 0), (0.15, 0), (0.15, 300), (0.03, 50)])
def test_bleed_is_measured_also_late(rng, gain, delay):
    drums, voice = rng.standard_normal((2, 600_000))
    found = shares([drums, voice + gain * np.roll(drums, delay)])
    share = gain**2 / (1 + gain**2)
    assert found["s1", "s0"] == pytest.approx(10 * np.log10(share), abs=1)
    reasons, notes = judge.judged_bleed(found, LIMITS)
    assert any(
        reason.endswith(
            "energy of s1 follows s0; expected -10 dB at most; is one contained in the other?"
        )
        for reason in reasons
    ) == (gain == 0.5)
    assert bool(notes) == (gain == 0.15)


def test_stems_of_their_own_do_not_bleed(rng):
    found = shares(list(rng.standard_normal((3, 600_000))))
    assert max(found.values()) < -25 and len(found) == 6
    assert shares([np.zeros(50_000), rng.standard_normal(50_000)])["s0", "s1"] == FLOOR
    assert shares([rng.standard_normal(100)]) == {}


def shape(path, seconds=20, rate=44100, channels=2):
    return Shape(path, rate, channels, int(seconds * rate))


@pytest.mark.parametrize(
    ("files", "checked", "message"),
    [
        ([shape("a"), shape("b", 19)], False, ""),
        ([shape("a"), shape("b", channels=1)], False, ""),
        ([shape("a"), shape("b", 5)], False, "b: lasts 5.0 s and a 20.0 s; export all files"),
        ([shape("a"), shape("b", 5)], True, ""),
        ([shape("a"), shape("b", rate=48000)], False, "several rates (a 44100 Hz, b 48000 Hz)"),
        ([shape("a", rate=22050)], False, "its rate is 22050 Hz; expected 32000 Hz or more"),
        ([shape("a", channels=6)], False, "a: has 6 channels; expected 1 or 2"),
        ([shape("a", 4)], False, "it lasts 4.0 s; expected 10 s or more"),
    ],
)
def test_rates_channels_and_lengths(files, checked, message):
    reasons = judge.wrong_shapes(files, LIMITS, checked)
    assert len(reasons) == bool(message)
    assert not message or message in reasons[0]


def meter(signal):
    measured = Meter()
    measured.add(np.asarray(signal, np.float32)[:, None])
    return measured


def test_silent_and_clipped_files(rng):
    good = rng.uniform(-0.5, 0.5, 10_000)
    flat = np.clip(3 * rng.standard_normal(10_000).cumsum() / 30, -1, 1)
    click = good.copy()
    click[:4] = 1
    meters = {"a": meter(good), "b": meter(0 * good), "c": meter(1e-5 * good), "d": meter(click)}
    reasons, notes = judge.judged_files(meters, LIMITS)
    assert reasons == []
    assert notes[:2] == ["b: is silent", "c: is nearly silent (peak -106.0 dBFS)"]
    assert notes[2].startswith("d: is clipped: 1 runs of 4 to 4 equal samples")
    (reason,), _ = judge.judged_files({"a": meter(good), "e": meter(flat)}, LIMITS)
    assert reason.startswith("e: ") and "% of its samples are clipped" in reason
    assert judge.judged_files({"b": meter(0 * good)}, LIMITS)[0] == ["all of its stems are silent"]
    assert judge.judged_files({"c": meter(1e-5 * good)}, LIMITS)[0] == [
        "none of its stems is louder than -80 dBFS"
    ]


def test_limits_are_read():
    assert judge.changed(["bleed=-6", "seconds=5"]) == Limits(bleed=-6, seconds=5)
    for pair, message in (("blead=1", "did you mean bleed"), ("sum=x", "'x' is not a number")):
        with pytest.raises(ValueError, match=message):
            judge.changed([pair])
    with pytest.raises(ValueError, match="is not a number"):
        judge.changed(["sum=nan"])

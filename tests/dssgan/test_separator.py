"""Separator: shape, alignment, seams, scale, consistency; whole-file and streamed alike."""

import gc
import resource

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dssgan.separation.stream import Report
from dssgan.separator import Separator
from tests.dssgan.separator_stand_ins import Broken, Filter, Normaliser, Splitter

FOUR = ("drums", "bass", "other", "vocals")
RATES = (8000, 11025, 16000, 44100, 48000, 96000)


def noise(samples, channels=2, seed=0, level=0.1):
    audio = np.random.default_rng(seed).standard_normal((samples, channels)) * level
    return audio.astype(np.float32)


def smooth(samples, rate, channels=2):
    """Audio far below half the lowest rate, so that resampling loses nothing."""
    time = np.arange(samples)[:, None] / rate
    waves = [np.sin(2 * np.pi * f * time + f) for f in (110, 233, 441)]
    return (0.2 * sum(waves) * np.linspace(0.5, 1, channels)).astype(np.float32)


def in_blocks(audio, sizes):
    place = 0
    while place < len(audio):
        for size in sizes:
            yield audio[place : place + size]
            place += size


def streamed(separator, audio, rate, sizes, **options):
    pieces = list(separator.stream(in_blocks(audio, sizes), rate, **options))
    return {source: np.concatenate([piece[source] for piece in pieces]) for source in pieces[0]}


@pytest.fixture(scope="module")
def kinds():
    """Separators of every kind: plain, with context, levelled, scale-free, excerpt statistics."""
    options = {"segment": 0.5, "overlap": 0.25}
    free = {"unit_variance": True, "scale_free": True}
    return {
        "plain": Separator(Splitter(), **options),
        "batches": Separator(Splitter(), batch_size=3, **options),
        "context": Separator(Filter(gains=(1, 1)), overlap=0.5, segment=0.5),
        "levelled": Separator(Filter(gains=(1, 1), unit_variance=True), **options),
        "scale-free": Separator(Filter(gains=(30, -0.02), **free), **options),
        "statistics": Separator(Normaliser(gains=(1, 1), **free), segment=0.5, overlap=0.6),
        "shifted": Separator(Filter(gains=(5, 0.1), **free), shifts=3, **options),
        "strided": Separator(Splitter(multiple=20, minimum=1300), segment=0.1),
    }


@pytest.fixture(scope="module")
def passing():
    return Splitter(unit_variance=True, sample_rate=16000)


KINDS = (
    "plain",
    "batches",
    "context",
    "levelled",
    "scale-free",
    "statistics",
    "shifted",
    "strided",
)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    samples=st.integers(0, 30000) | st.integers(0, 40),
    rate=st.sampled_from(RATES),
    channels=st.integers(1, 5),
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=4).filter(any),
)
def test_streamed_equals_whole_and_keeps_the_shape(kinds, kind, samples, rate, channels, sizes):
    separator = kinds[kind]
    audio = noise(samples, channels, seed=samples)
    whole = separator.separate(audio, rate)
    assert list(whole) == ["drums", "accompaniment"]
    for stem in whole.values():
        assert stem.shape == audio.shape and stem.dtype == np.float32
        assert np.isfinite(stem).all()
    assert np.allclose(sum(whole.values()), audio, atol=1e-5)
    if samples:
        parts = streamed(separator, audio, rate, sizes)
        for source in whole:
            assert parts[source].shape == audio.shape
            assert np.abs(parts[source] - whole[source]).max() <= 1e-4


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("place", [0, 1, 99, 3999, 20000, 29900, 29999])
@pytest.mark.parametrize("options", [{}, {"shifts": 3}, {"consistent": True, "overlap": 0.6}])
def test_an_impulse_stays_at_its_sample(passing, rate, place, options):
    if rate > passing.sample_rate:  # a low-passed impulse at the very end loses half of itself
        place = np.clip(place, 20, 30000 - 20)
    audio = np.zeros((30000, 2), np.float32)
    audio[place, 1] = 0.9
    separator = Separator(passing, **{"segment": 0.5, "consistent": False} | options)
    stems = separator.separate(audio, rate)
    for stem in stems.values():
        assert not stem[:, 0].any()
        assert np.argmax(np.abs(stem[:, 1])) == place


def test_there_is_no_drift_over_ten_minutes():
    separator = Separator(Splitter(sample_rate=32000), consistent=False)
    audio = np.zeros((44100 * 600, 1), np.float32)
    audio[-1000] = 1
    assert np.argmax(separator.separate(audio, 44100, ["drums"])["drums"]) == len(audio) - 1000


def test_what_the_separator_passes_comes_out_as_it_went_in():
    audio = smooth(40000, 44100)
    for options in ({}, {"overlap": 0.9}, {"overlap": 0}, {"shifts": 4}, {"batch_size": 4}):
        separator = Separator(Splitter(), segment=0.3, consistent=False, **options)
        stems = separator.separate(audio, 44100)
        # The ends lie beside silence that the filters smear into; in between nothing changes.
        assert np.abs(stems["drums"] - 0.75 * audio)[2000:-2000].max() < 2e-4
        stems = separator.separate(audio, 8000)
        assert np.abs(stems["drums"] - 0.75 * audio).max() < 1e-6


def test_no_seams_where_chunks_meet():
    audio = noise(30000, 1)
    filtered = {"gains": (1, 1), "width": 201}
    separator = Separator(Filter(**filtered), segment=0.25, overlap=0.4, consistent=False)
    at_once = Separator(Filter(**filtered), segment=30, consistent=False)
    here, there = (one.separate(audio, 8000) for one in (separator, at_once))
    assert np.abs(here["drums"] - there["drums"]).max() < 1e-5


def test_scale_is_recovered_over_the_whole_track():
    audio = noise(30000)
    truth = Separator(Filter(gains=(1, 1)), segment=0.5).separate(audio, 8000)
    report = Report()
    model = Filter(gains=(40, -0.003), scale_free=True, unit_variance=True)
    stems = Separator(model, segment=0.5, overlap=0.5).separate(audio, 8000, report=report)
    for source in truth:
        assert np.abs(stems[source] - truth[source]).max() < 1e-4
    assert np.allclose(report.gains["drums"], 1 / 40, rtol=1e-3)
    assert np.allclose(report.gains["accompaniment"], -1 / 0.003, rtol=1e-3)
    assert np.allclose(report.level, audio.std(axis=0), rtol=1e-4)


def test_gains_are_those_of_least_squares_per_channel(rng):
    audio = noise(20000) * np.array([1, 0.01], np.float32)
    report = Report()
    model = Filter(gains=(3, 7), scale_free=True, width=5)
    separator = Separator(model, segment=3, consistent=False)
    separator.separate(audio, 8000, report=report)
    raw = Separator(Filter(gains=(3, 7), width=5), segment=3, consistent=False)
    raw = raw.separate(audio, 8000)
    for channel in range(2):
        estimates = np.stack([raw[source][:, channel] for source in raw], axis=1)
        expected = np.linalg.lstsq(estimates, audio[:, channel], rcond=None)[0]
        found = [report.gains[source][channel] for source in raw]
        assert np.allclose(found, expected, rtol=1e-4)


def test_level_is_undone_and_scales_with_the_input(kinds):
    audio = noise(20000)
    for kind in ("levelled", "scale-free", "statistics"):
        quiet = kinds[kind].separate(audio * 1e-4, 8000)["drums"]
        assert np.abs(quiet * 1e4 - kinds[kind].separate(audio, 8000)["drums"]).max() < 1e-4


def test_estimates_add_up_or_not_as_asked():
    audio = noise(30000)
    lossy = {"gains": (0.5, 0.3)}
    report = Report()
    stems = Separator(Splitter(**lossy)).separate(audio, 8000, report=report)
    assert np.abs(sum(stems.values()) - audio).max() < 1e-6
    expected = 20 * np.log10(0.2 * np.sqrt(np.mean(np.square(audio))))
    assert report.residual_db == pytest.approx(expected, abs=0.01)
    assert report.remaining_db <= -90
    assert report.peaks["drums"] == pytest.approx(np.abs(stems["drums"]).max())
    stems = Separator(Splitter(**lossy), consistent=False).separate(audio, 8000, report=report)
    assert np.allclose(stems["drums"], 0.5 * audio, atol=1e-6)
    assert report.remaining_db == report.residual_db


@pytest.mark.parametrize(
    ("sources", "complete"),
    [
        (("drums", "accompaniment"), True),
        (FOUR, True),
        (("vocals", "drums"), False),
        (("drums", "bass", "other"), False),
    ],
)
def test_consistency_is_the_default_for_complete_sources(sources, complete):
    separator = Separator(Splitter(gains=(0.1,) * len(sources), sources=sources), segment=0.1)
    assert separator.consistent == separator.complete == complete


def test_chosen_sources_are_the_same_as_in_all():
    audio = noise(9000)
    separator = Separator(Splitter(gains=(0.4, 0.3, 0.2, 0.2), sources=FOUR), segment=0.5)
    every = separator.separate(audio, 11025)
    some = separator.separate(audio, 11025, ["vocals", "drums"])
    assert list(some) == ["vocals", "drums"]
    for source in some:
        assert np.array_equal(some[source], every[source])
    with pytest.raises(ValueError, match=r"no source 'drum'.*did you mean 'drums'"):
        separator.separate(audio, 8000, ["drum"])
    with pytest.raises(ValueError, match="no source asked for"):
        separator.separate(audio, 8000, [])


def test_silence_gives_silence(kinds):
    biased = Separator(Splitter(offset=0.3), segment=0.2)
    for separator in (*kinds.values(), biased):
        report = Report()
        for stem in separator.separate(np.zeros((9000, 2)), 44100, report=report).values():
            assert not stem.any()
        assert report.residual_db == -np.inf


def test_a_silent_or_constant_channel_does_no_harm(kinds):
    audio = noise(9000, 3)
    audio[:, 1] = 0
    audio[:, 2] = 0.25
    for kind in ("levelled", "scale-free"):
        stems = kinds[kind].separate(audio, 8000)
        assert not stems["drums"][:, 1].any()
        assert np.allclose(sum(stems.values()), audio, atol=1e-5)


def test_sources_that_say_the_same_share_their_gain():
    audio = noise(9000)
    model = Splitter(gains=(2, 2, 0, 1e-9), sources=FOUR, scale_free=True)
    report = Report()
    stems = Separator(model, segment=0.5, consistent=False).separate(audio, 8000, report=report)
    assert np.allclose(stems["drums"], audio / 2, atol=1e-5)
    assert np.allclose(stems["bass"], audio / 2, atol=1e-5)
    assert not stems["other"].any() and not report.gains["vocals"].any()


def test_live_use_is_one_pass_with_bounded_lag():
    audio = noise(60000)
    free = {"unit_variance": True, "scale_free": True}
    model = Filter(gains=(9, 0.1), **free)
    separator = Separator(model, segment=0.5, overlap=0.25, temporary_folder="/does/not/exist")
    with pytest.raises(OSError, match="/does/not/exist"):
        separator.separate(audio, 11025)
    report = Report()
    whole = Separator(model, segment=0.5, overlap=0.25).separate(audio, 11025, report=report)
    went_in = 0

    def live():
        nonlocal went_in
        for block in in_blocks(audio, [256]):
            went_in += len(block)
            yield block

    came_out = 0
    pieces = []
    for piece in separator.stream(live(), 11025, level=report.level, gains=report.gains):
        # Before this piece the stream lagged by what had gone in and not come out.
        assert went_in - came_out <= (separator.latency + 0.2) * 11025
        pieces.append(piece["drums"])
        came_out += len(piece["drums"])
    assert np.abs(np.concatenate(pieces) - whole["drums"]).max() <= 1e-4


def test_levels_and_gains_given_by_hand_are_checked():
    separator = Separator(Splitter(unit_variance=True, scale_free=True), segment=0.5)
    audio = noise(1000)
    gains = {"drums": 2, "accompaniment": [1, 0]}
    stems = separator.separate(audio, 8000, level=0.1, gains=gains)
    assert np.abs(sum(stems.values()) - audio).max() < 1e-6
    for level, words in ((0, "above 0"), ([1, 2, 3], "finite numbers"), (np.nan, "finite numbers")):
        with pytest.raises(ValueError, match=words):
            separator.separate(audio, 8000, level=level)
    for gains in ({"drums": 1}, [[1], [2]], [[1, 2], [np.inf, 1]]):
        with pytest.raises(ValueError, match="gains"):
            separator.separate(audio, 8000, gains=gains)


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (np.zeros(100), r"\(samples, channels\).*audio\[:, None\]"),
        (np.zeros((2, 44100)), "44100 channels"),
        (np.zeros((100, 0)), "0 channels"),
        (np.zeros((100, 2), np.int16), "int16 samples, expected floats"),
        (np.zeros((1, 2, 3)), r"shape \(1, 2, 3\)"),
    ],
)
def test_audio_of_a_wrong_kind_is_refused(kinds, audio, words):
    with pytest.raises(ValueError, match=words):
        kinds["plain"].separate(audio, 44100)


@pytest.mark.parametrize("rate", [0, -1, 44100.5, 10**9])
def test_impossible_sample_rates_are_refused(kinds, rate):
    with pytest.raises(ValueError, match=r"sample rate .*expected"):
        kinds["plain"].separate(noise(10), rate)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sample_that_is_not_finite_is_named_by_position(kinds, value):
    audio = noise(20000)
    audio[16000, 1] = value
    for kind in ("plain", "scale-free"):
        with pytest.raises(ValueError, match=r"take 3: .* at 2.000 s \(sample 16000, channel 2\)"):
            kinds[kind].separate(audio, 8000, name="take 3")


def test_blocks_that_change_their_channels_are_refused(kinds):
    with pytest.raises(ValueError, match="a block of 1 channels after blocks of 2"):
        list(kinds["plain"].stream([noise(100), noise(100, 1)], 8000))


def test_a_separator_that_gives_nan_says_so_instead_of_writing_it():
    audio = noise(20000)
    audio[9000] = 0.95
    with pytest.raises(ValueError, match=r"output is not finite near 0.* float32"):
        Separator(Broken(), segment=1).separate(audio, 8000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"segment": 0}, "segment is 0"),
        ({"overlap": 1}, "overlap is 1"),
        ({"overlap": -0.1}, "overlap is -0.1"),
        ({"shifts": 0}, "shifts is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"precision": "int8"}, "unknown precision 'int8'"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Separator(Splitter(), **options)


def test_a_large_model_gets_shorter_chunks_unless_told_otherwise(monkeypatch):
    assert Separator(Splitter()).segment == 8 * 8000
    monkeypatch.setattr("dssgan.separator.LARGE", 2)  # the weights of a Splitter of two sources
    assert Separator(Splitter()).segment == 3 * 8000
    assert Separator(Splitter(), segment=6).segment == 6 * 8000


def test_channels_one_at_a_time_are_those_at_once(monkeypatch):
    options = {"segment": 0.5, "batch_size": 2, "consistent": False}
    free = {"unit_variance": True, "scale_free": True}
    audio = noise(30000, 3)
    audio[:15000, 1] = 0
    at_once = Separator(Filter(gains=(30, -0.02), **free), **options).separate(audio, 11025)
    model = Filter(gains=(30, -0.02), **free)
    model.channels_apart = True
    shapes, call = [], model.call

    def watched(mixture, **options):
        shapes.append(tuple(mixture.shape))
        return call(mixture, **options)

    monkeypatch.setattr(model, "call", watched)
    separator = Separator(model, **options)
    stems = separator.separate(audio, 11025)
    for source in at_once:
        np.testing.assert_allclose(stems[source], at_once[source], atol=1e-6)
    separator.separate(audio[:, :1], 11025)
    assert separator.traces == 1
    assert set(shapes[1:]) == {(2, 4000, 1)}  # the first call creates the variables


def test_precision_is_handed_to_the_model():
    audio = noise(5000)
    half = Separator(
        Splitter(gains=(0.7, 0.2)), segment=0.5, precision="bfloat16", consistent=False
    )
    assert half.model.hyperparameters["precision"] == "bfloat16"
    error = half.separate(audio, 8000)["drums"] - 0.7 * audio
    assert 1e-5 < np.abs(error).max() < 1e-2


def test_a_full_disk_is_said_before_the_work_starts(monkeypatch, tmp_path):
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    model = Splitter(scale_free=True)
    separator = Separator(model, temporary_folder=tmp_path)
    with pytest.raises(OSError, match=r"song needs 0.00 GB .* free") as caught:
        separator.separate(noise(100000), 8000, name="song")
    assert caught.value.errno == 28 and caught.value.filename == str(tmp_path)
    assert not model.states


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path):
    separator = Separator(Splitter(scale_free=True), segment=0.5, temporary_folder=tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50000, hard))
    try:
        with pytest.raises(OSError, match="while writing audio"):
            separator.separate(noise(100000), 8000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_one_trace_and_one_state_per_track(kinds):
    model = Splitter(unit_variance=True)
    separator = Separator(model, segment=0.5, batch_size=2)
    for samples in (1, 999, 8000, 40001):
        separator.separate(noise(samples), 44100)
    assert separator.traces == 1
    assert model.states == 4
    separator.separate(noise(100, 1), 44100)
    assert separator.traces == 2


def test_a_hundred_songs_leave_the_memory_flat():
    model = Filter(gains=(9, 0.1), unit_variance=True, scale_free=True)
    separator = Separator(model, segment=1)
    audio = noise(60000)
    process = psutil.Process()
    for _ in range(10):
        separator.separate(audio, 44100)
    gc.collect()
    before = process.memory_info().rss
    for _ in range(100):
        separator.separate(audio, 44100)
    gc.collect()
    assert process.memory_info().rss - before < 50e6
    assert separator.traces == 1


def test_a_long_stream_needs_no_more_memory_than_a_short_one():
    model = Filter(gains=(9, 0.1), unit_variance=True, scale_free=True)
    separator = Separator(model, segment=4)
    process = psutil.Process()
    block = noise(44100)

    def highest(seconds):
        peak = 0
        for _ in separator.stream((block for _ in range(seconds)), 44100):
            peak = max(peak, process.memory_info().rss)
        return peak

    short = highest(20)
    # 4 minutes are 85 MB of input and 61 MB of estimates.
    assert highest(240) - short < 40e6
    assert separator.traces == 1


def test_a_report_tells_of_the_last_separation_alone(kinds):
    report = Report()
    for samples, level in ((9000, 0.2), (5000, 0.1)):
        audio = noise(samples, level=level)
        stems = kinds["scale-free"].separate(audio, 8000, report=report)
        assert report.samples == samples and (report.sample_rate, report.channels) == (8000, 2)
        assert report.peaks["drums"] == np.abs(stems["drums"]).max()


def test_progress_counts_every_second_once(kinds):
    for kind in ("batches", "shifted"):
        seconds = []
        kinds[kind].separate(noise(30000), 8000, progress=seconds.append)
        assert sum(seconds) == pytest.approx(30000 / 8000)

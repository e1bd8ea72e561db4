"""Effects on batches: off means the bits of before, seeds, sums, speed, parts, silence."""

import zlib

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.effect_chain import EffectChain
from datasets.excerpts.effects import (
    Compression,
    Effects,
    Level,
    Lowpass,
    Parts,
    Room,
    Saturation,
    Speed,
    Tone,
    Width,
)
from datasets.excerpts.paired import PairedExcerpts
from datasets.excerpts.shape import ExcerptShape
from datasets.excerpts.unpaired import UnpairedExcerpts
from datasets.track import AudioShape, Track

RATE = 8000
SOURCES = ("drums", "accompaniment")
ALL = Effects(
    tone=Tone(0.7),
    lowpass=Lowpass(0.5, (1000.0, 3000.0)),
    room=Room(0.6),
    saturation=Saturation(0.5),
    compression=Compression(0.5),
    speed=Speed(0.5),
    width=Width(0.5),
    level=Level(0.8),
    parts=Parts((0.8, 0.5)),
    silence={"drums": 0.2, "accompaniment": 0.1},
)


class Ramps(Track):
    """Each sample tells position, channel and stem."""

    def __init__(self, number):
        stems = ("drums", "bass", "other")
        super().__init__(f"song{number}", "train", AudioShape(1000, 2, 3000 + number), stems)

    def _read(self, stem, start, stop):
        place = np.arange(start, stop)[:, None] * [1, 3] + 7 * len(stem) + len(self.name)
        return (place % 256 / 256).astype(np.float32)


class Tones(Track):
    """A sine per stem, of 200 Hz (drums), 300 Hz and 500 Hz, plus 50 Hz per song."""

    def __init__(self, number=0, samples=4 * RATE):
        stems = ("drums", "bass", "other")
        super().__init__(f"song{number}", "train", AudioShape(RATE, 1, samples), stems)
        self.shift = 50.0 * number

    def _read(self, stem, start, stop):
        hertz = {"drums": 200.0, "bass": 300.0, "other": 500.0}[stem] + self.shift
        return np.sin(2 * np.pi * hertz * np.arange(start, stop) / RATE).astype(np.float32)[:, None]


def paired(effects, tracks=None, **options):
    plain = {"gain": (1.0, 1.0), "swap": 0.0, "remix": 0.0, "normalise": "none"}
    shape = {"samples": RATE, "batch_size": 8, "sources": SOURCES}
    for name in ("samples", "batch_size", "channels"):
        if name in options:
            shape[name] = options.pop(name)
    seed = options.pop("seed", 3)
    augmentation = Augmentation(**plain | options, effects=effects)
    tracks = [Tones(number) for number in range(3)] if tracks is None else tracks
    return PairedExcerpts(tracks, ExcerptShape(**shape), augmentation, seed=seed)


def chain(effects, rate=44100, sources=SOURCES):
    return EffectChain(effects, sources, rate, 1, 0)


def noise(sources=2, samples=44100, channels=1, seed=0):
    shape = (sources, samples, channels)
    return 0.1 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def frequency(audio):
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 8 * len(audio)))
    return np.argmax(spectrum) * RATE / (8 * len(audio))


def test_without_effects_batches_are_those_of_before():
    """Checksums of batches that were drawn before there were effects."""
    songs = [Ramps(number) for number in range(4)]
    shape = ExcerptShape(400, 6, channels=2, sources=SOURCES)
    varied = Augmentation(polarity=0.5, drop=0.1, normalise="none", active_share=0.5)
    batch = PairedExcerpts(songs, shape, varied, seed=5).batch(3)
    assert zlib.crc32(batch["stems"].tobytes()) == 2637165897
    plain = Augmentation(gain=(0.2, 1.2), remix=0.0, normalise="none")
    batch = UnpairedExcerpts(songs, {"drums": songs}, shape, plain, seed=5).batch(3)
    assert zlib.crc32(batch["mixtures"].tobytes()) == 3411886179
    assert zlib.crc32(batch["solos"]["drums"].tobytes()) == 631013084


@pytest.mark.parametrize("channels", [1, 2])
def test_a_batch_depends_on_seed_and_number_alone(channels):
    options = {"remix": 0.5, "channels": channels, "samples": 3000}
    first = paired(ALL, **options)
    batches = [first.batch(number)["stems"] for number in range(4)]
    second = paired(ALL, **options)
    for number in (3, 1, 0, 2):
        np.testing.assert_array_equal(second.batch(number)["stems"], batches[number])
    assert batches[0].shape == (8, 2, 3000, channels) and batches[0].dtype == np.float32
    assert not np.array_equal(batches[0], batches[1])
    assert not np.array_equal(paired(ALL, seed=4, **options).batch(0)["stems"], batches[0])


def test_places_of_a_batch_draw_apart():
    draws = [chain(ALL).draws(*key)("tone").random() for key in ((0, 0), (0, 1), (1, 0), (0, 0, 1))]
    assert len(set(draws)) == 4


def test_a_family_leaves_what_the_others_draw():
    alone = Effects(speed=Speed(0.5))
    lengths = [
        [chain(effects).length(1000, chain(effects).draws(0, place)) for place in range(20)]
        for effects in (alone, ALL)
    ]
    assert lengths[0] == lengths[1] and len(set(lengths[0])) > 5


@pytest.mark.parametrize(
    "effects",
    [
        Effects(lowpass=Lowpass(1.0)),
        Effects(compression=Compression(1.0)),
        Effects(speed=Speed(1.0)),
    ],
)
def test_sources_that_are_treated_alike_still_are_their_mixture(effects):
    """What becomes of the sources adds up to what becomes of the mixture by itself."""
    audio = noise(samples=50000, channels=2)
    one = chain(effects)
    found = one.apply(audio, 44100, one.draws(0, 0))
    alone = chain(effects, sources=("mixture",))
    mixture = alone.apply(audio.sum(axis=0, keepdims=True), 44100, alone.draws(0, 0))
    assert found.shape == (2, 44100, 2)
    np.testing.assert_allclose(found.sum(axis=0), mixture[0], atol=2e-6)
    assert not np.allclose(mixture[0], audio.sum(axis=0)[:44100], atol=1e-3)


def test_compression_multiplies_all_sources_by_one_curve():
    audio = noise(channels=2)
    one = chain(Effects(compression=Compression(1.0)))
    found = one.apply(audio, 44100, one.draws(0, 0))
    curves = found / audio
    usable = np.abs(audio) > 1e-3
    reference = np.median(curves, axis=(0, 2), keepdims=True)
    assert np.max(np.abs(curves - reference)[usable]) < 1e-3
    assert np.ptp(reference) > 0.05


def test_tone_and_room_differ_from_source_to_source_and_keep_energy():
    audio = np.repeat(noise(1), 2, axis=0)
    toned = chain(Effects(tone=Tone(1.0)))
    found = toned.apply(audio, 44100, toned.draws(0, 0))
    assert np.max(np.abs(found[0] - found[1])) > 1e-2
    roomy = chain(Effects(room=Room(1.0, wet=(0.5, 0.5))))
    found = roomy.apply(audio, 44100, roomy.draws(0, 0))
    rms = np.sqrt(np.mean(np.square(found), axis=(1, 2)))
    np.testing.assert_allclose(rms, np.sqrt(np.mean(np.square(audio[0]))), rtol=1e-3)
    for source in found:  # direct sound in place: correlation 1 / sqrt(1 + 0.5²) without delay
        assert np.corrcoef(source[:, 0], audio[0, :, 0])[0, 1] == pytest.approx(0.894, abs=0.02)
    assert np.max(np.abs(found[0] - found[1])) > 1e-2


def test_measured_rooms_take_the_place_of_noise(tmp_path):
    response = np.zeros(2000)
    response[[10, 1010]] = 1.0, 0.5  # an echo
    soundfile.write(tmp_path / "echo.wav", response, 44100)
    one = chain(Effects(room=Room(1.0, wet=(0.3, 0.3), folder=str(tmp_path))))
    audio = np.zeros((2, 44100, 1), np.float32)
    audio[:, 5000] = 1.0
    found = one.apply(audio, 44100, one.draws(0, 0))[0, :, 0]
    assert np.flatnonzero(np.abs(found) > 0.01).tolist() == [5000, 6000]
    assert found[6000] / found[5000] == pytest.approx(0.3, abs=1e-3)


def test_speed_moves_pitch_by_its_factor_and_reads_as_much_more():
    source = paired(Effects(speed=Speed(1.0, (0.8, 1.25))), [Tones()], samples=2 * RATE)
    speeds = []
    for item in source.batch(0)["stems"]:
        drums, rest = item[:, :, 0]
        speeds.append(frequency(drums) / 200.0)
        assert np.min(np.abs(frequency(rest) - np.array([300, 500]) * speeds[-1])) < 1.0
        assert np.std(drums[-1000:]) == pytest.approx(0.7, abs=0.05)  # filled to the end
    assert 0.79 < min(speeds) < 0.95 and 1.05 < max(speeds) < 1.26


def test_shares_are_shares():
    source = paired(Effects(speed=Speed(0.3), silence={"drums": 0.25}), samples=400, batch_size=500)
    stems = source.batch(0)["stems"]
    silent = ~np.any(stems, axis=(2, 3))
    assert np.mean(silent[:, 0]) == pytest.approx(0.25, abs=0.06)
    assert not np.any(silent[:, 1])
    draws = [source._chain.length(400, source._chain.draws(0, place)) for place in range(500)]
    assert np.mean(np.array(draws) != 400) == pytest.approx(0.3, abs=0.06)


def test_the_level_of_the_drums_spreads_over_its_range():
    stems = paired(Effects(level=Level(1.0, "drums", (-12.0, 7.0))), batch_size=100).batch(0)
    rms = np.sqrt(np.mean(np.square(stems["stems"]), axis=(2, 3)))
    levels = 20 * np.log10(rms[:, 0] / rms[:, 1])
    assert np.all(levels > -12.01) and np.all(levels < 7.01)
    assert np.min(levels) < -11.0 and np.max(levels) > 6.0
    assert np.mean(levels) == pytest.approx(-2.5, abs=1.5)


def test_parts_of_further_songs_are_added_to_remixed_excerpts():
    songs = [Tones(number) for number in range(8)]
    options = {"remix": 1.0, "samples": RATE, "split_accompaniment": False}
    before = paired(Effects(), songs, **options).batch(0)["stems"]
    effects = Effects(parts=Parts((1.0, 1.0)))
    found = paired(effects, songs, **options)
    after = found.batch(0)["stems"]
    np.testing.assert_array_equal(after[:, 0], before[:, 0])  # the drums
    assert np.all(np.any(after[:, 1] != before[:, 1], axis=(1, 2)))
    plan = found.plan(0)
    assert all(len(sources[0]) == 1 for sources in plan.segments)
    counts = []
    for sources, item in zip(plan.segments, after):
        songs_there = [one.track.name for one in sources[1]]
        assert len(set(songs_there)) == len(songs_there)
        counts.append(len(songs_there))
        expected = np.zeros((RATE, 1), np.float32)
        for one in sources[1]:
            one.read(expected)
        np.testing.assert_allclose(item[1], expected, atol=1e-5)
    assert counts == [3] * 8
    unmixed = paired(effects, songs, remix=0.0).plan(0)
    assert all(len(sources[1]) == 1 for sources in unmixed.segments)


def test_names_tell_of_all_songs_within_an_excerpt():
    songs = [Tones(number) for number in range(8)]
    source = paired(Effects(parts=Parts((1.0,))), songs, remix=1.0)
    plan = source.plan(0)
    for name, sources in zip(plan.names, plan.segments):
        assert name.split("+") == [one.title for source in sources for one in source]


def test_plain_files_are_not_read_in_the_graph():
    assert paired(ALL).paths() is None


def test_unpaired_excerpts_are_varied_and_stay_a_function_of_their_number():
    songs = [Tones(number) for number in range(3)]
    shape = ExcerptShape(RATE, 5, sources=SOURCES)

    def lists(effects):
        options = {"gain": (1.0, 1.0), "remix": 0.0, "normalise": "none", "effects": effects}
        return UnpairedExcerpts(songs, {"drums": songs}, shape, Augmentation(**options), seed=1)

    first, second, plain = lists(ALL), lists(ALL), lists(Effects())
    batches = [first.batch(number) for number in range(3)]
    for number in (2, 0, 1):
        again = second.batch(number)
        np.testing.assert_array_equal(again["mixtures"], batches[number]["mixtures"])
        np.testing.assert_array_equal(again["solos"]["drums"], batches[number]["solos"]["drums"])
    found = batches[0]["mixtures"]
    assert found.shape == (5, RATE, 1) and np.all(np.any(found, axis=(1, 2)))
    assert not np.allclose(found, plain.batch(0)["mixtures"], atol=1e-3)
    speed = lists(Effects(speed=Speed(1.0, (1.25, 1.25)))).batch(0)["solos"]["drums"]
    hertz = [frequency(one[:, 0]) / 1.25 for one in speed]
    assert all(np.min(np.abs(np.array([200, 250, 300]) - one)) < 1.0 for one in hertz)
    assert all(np.std(one[-1000:]) > 0.5 for one in speed)


@settings(max_examples=80, deadline=None)
@given(
    samples=st.integers(1, 300),
    channels=st.sampled_from([1, 2]),
    scales=st.tuples(*[st.sampled_from([0.0, 1e-42, 1e-20, 1e-4, 1.0, 30.0])] * 2),
    rate=st.sampled_from([1000, 8000, 44100]),
    seed=st.integers(0, 2**32),
    place=st.integers(0, 100),
    speed=st.tuples(st.floats(0.5, 1.0), st.floats(1.0, 2.0)),
)
def test_short_and_silent_excerpts_survive(samples, channels, scales, rate, seed, place, speed):
    on = Effects(
        tone=Tone(1.0, 40.0),
        lowpass=Lowpass(1.0, (20.0, 20000.0)),
        room=Room(1.0, (0.001, 10.0), (0.0, 10.0)),
        saturation=Saturation(1.0, (-20.0, 60.0)),
        compression=Compression(1.0, (-60.0, 40.0), (1.0, 100.0)),
        speed=Speed(1.0, speed),
        width=Width(1.0, (0.0, 4.0)),
        level=Level(1.0, "drums", (-60.0, 60.0)),
    )
    one = EffectChain(on, SOURCES, rate, seed, 0)
    draws = one.draws(7, place)
    length = one.length(samples, draws)
    assert 1 <= length <= max(one.longest(samples), 1)
    audio = noise(2, length, channels, seed % 100) * np.array(scales, np.float32)[:, None, None]
    kept = audio.copy()
    found = one.apply(audio, samples, draws)
    assert found.shape == (2, samples, channels) and found.dtype == np.float32
    assert np.all(np.isfinite(found))
    np.testing.assert_array_equal(audio, kept)
    for source, scale in enumerate(scales):
        assert scale or not np.any(found[source])

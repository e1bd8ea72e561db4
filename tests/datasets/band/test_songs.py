"""The procedural band: songs, splits, levels, structure, sounds."""

import itertools
import pickle
import threading

import numpy as np
import pytest

import datasets
from datasets.band import mix, plan
from datasets.band import songs as songs_module
from datasets.band.drums import strokes
from datasets.band.kits import DRUMS, build
from datasets.band.sound import gliding, oscillate, pluck, wavetable
from datasets.band.styles import STYLES
from datasets.render_cache import RenderCache

RATE = 16000
STEMS = ("drums", "bass", "other", "vocals")


def generator(*key):
    return np.random.default_rng(np.random.SeedSequence(key))


def decibels(power):
    return 10.0 * np.log10(power + 1e-12)


@pytest.fixture(scope="module")
def songs():
    """Six songs of ten seconds: float32 (songs, stems, samples, 2)."""
    return np.stack([songs_module.render(number, 10.0, 0, RATE) for number in range(6)])


def first_of_style(style):
    for number in range(10_000):
        key = np.random.SeedSequence(0, spawn_key=(number, 0))
        if plan.plan(np.random.default_rng(key), 4.0).style.name == style:
            return number
    raise AssertionError(f"{style} is never drawn")


def test_splits_are_disjoint_and_named_by_number():
    everything = datasets.load("band", None, songs=20)
    assert [track.split for track in everything].count("train") == 20
    assert {track.split for track in everything} == {"train", "valid", "test"}
    assert len({track.name for track in everything}) == len(everything)
    train = datasets.load("band", None, split="train", songs=3)
    assert [track.name for track in train] == ["band-000000", "band-000001", "band-000002"]
    valid = datasets.load("band", None, split="valid", songs=2, seconds=2, sample_rate=RATE)
    assert [track.name for track in valid] == ["band-800000", "band-800001"]
    assert valid[0].samples == 2 * RATE and valid[0].duration == 2.0
    assert valid[0].stems == STEMS and valid[0].channels == 2 and not valid[0].own_mixture


def test_reading_an_excerpt_is_reading_the_whole_and_cutting():
    track = songs_module.load(songs=1, seconds=3, sample_rate=RATE, seed=5)[0]
    whole = {stem: track.read(stem) for stem in STEMS}
    assert all(audio.shape == (3 * RATE, 2) for audio in whole.values())
    assert all(audio.dtype == np.float32 for audio in whole.values())
    np.testing.assert_array_equal(track.read("bass", 1000, 9000), whole["bass"][1000:9000])
    np.testing.assert_allclose(track.read("mixture"), sum(whole.values()), atol=1e-6)
    track.read("drums")[:] = 0.0  # what was read belongs to the reader
    np.testing.assert_array_equal(track.read("drums"), whole["drums"])


def test_a_song_is_a_function_of_seed_and_number():
    first = songs_module.render(3, 2.0, 7, RATE)
    np.testing.assert_array_equal(first, songs_module.render(3, 2.0, 7, RATE))
    for other in (songs_module.render(4, 2.0, 7, RATE), songs_module.render(3, 2.0, 8, RATE)):
        assert np.max(np.abs(first - other)) > 0.01


def test_fingerprint_follows_what_is_heard():
    def fingerprint(**options):
        return songs_module.load(songs=1, split="train", **options)[0].fingerprint()

    assert fingerprint() == fingerprint(seed=0)
    assert len({fingerprint(), fingerprint(seed=1), fingerprint(seconds=31)}) == 3


def test_tracks_can_be_sent_to_another_process():
    track = songs_module.load(songs=1, seconds=1, sample_rate=RATE)[0]
    copy = pickle.loads(pickle.dumps(track))
    np.testing.assert_array_equal(copy.read("vocals"), track.read("vocals"))


def test_threads_that_want_the_same_song_compute_it_once(monkeypatch):
    computed = []

    def render(number, seconds, seed, rate):
        computed.append(number)
        return np.full((4, round(seconds * rate), 2), 0.1, np.float32)

    recent = RenderCache(lambda key: render(*key), limit=2 * 4 * RATE * 2 * 4)
    monkeypatch.setattr(songs_module, "_RECENT", recent)
    tracks = songs_module.load(songs=3, split="train", seconds=1, sample_rate=RATE, seed=91)
    threads = [threading.Thread(target=tracks[0].read, args=("bass",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert computed == [0]
    for track in (tracks[1], tracks[0], tracks[2], tracks[0], tracks[1]):
        track.read("drums", 0, 10)
    assert computed == [0, 1, 2, 1]  # two fit; the one that was not read the longest goes first


@pytest.mark.parametrize(
    "options",
    [{"songs": 0}, {"seconds": 0.1}, {"seconds": 1e5}, {"sample_rate": 100}, {"split": "all"}],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        songs_module.load(**options)


def test_levels_are_those_of_recordings(songs):
    mixtures = songs.sum(axis=1)
    assert np.max(np.abs(mixtures)) < 1.0 and np.max(np.abs(songs)) < 1.0
    level = decibels(np.mean(mixtures**2, axis=(1, 2)))
    assert np.all(level > -23.0) and np.all(level < -16.0)
    assert abs(np.median(level) + 18.0) < 1.5
    for song in songs:
        active = [mix.active_rms(stem.T, RATE) for stem in song]
        relative = 20 * np.log10(active[0] / np.mean(active[1:]))
        assert abs(relative) < 9.0


def test_every_stem_of_every_song_is_heard(songs):
    assert np.all(np.isfinite(songs))
    assert np.all(decibels(np.mean(songs**2, axis=(2, 3))) > -45.0)


def test_stems_are_stereo_but_not_unrelated(songs):
    left, right = songs[..., 0], songs[..., 1]
    middle = np.mean((left + right) ** 2, axis=2)
    side = np.mean((left - right) ** 2, axis=2)
    assert np.all(middle > side)  # no song falls apart in mono
    assert np.all(side[:, 0] > 1e-5 * middle[:, 0])  # drums have width
    assert np.all(side[:, 0] / middle[:, 0] > side[:, 1] / middle[:, 1] * 1e-3)


def test_stems_keep_to_their_registers(songs):
    spectrum = np.abs(np.fft.rfft(songs.mean(axis=3), axis=2)) ** 2
    frequency = np.fft.rfftfreq(songs.shape[2], 1 / RATE)
    high = spectrum[..., frequency > 3000].sum(axis=2) / spectrum.sum(axis=2)
    low = spectrum[..., frequency < 250].sum(axis=2) / spectrum.sum(axis=2)
    drums, bass, other, vocals = range(4)
    assert np.all(low[:, bass] > 0.4)
    assert np.median(high[:, drums]) > 3 * np.median(high[:, bass])
    assert np.all(low[:, vocals] < low[:, bass])
    assert np.median(low[:, other]) < np.median(low[:, bass])


def test_songs_differ_in_timbre(songs):
    spectrum = np.abs(np.fft.rfft(songs.mean(axis=3), axis=2)) ** 2
    frequency = np.fft.rfftfreq(songs.shape[2], 1 / RATE)
    edges = [0, 100, 200, 400, 800, 1600, 3200, 8000]
    bands = [
        spectrum[..., (frequency >= a) & (frequency < b)].sum(axis=2)
        for a, b in itertools.pairwise(edges)
    ]
    shares = decibels(np.stack(bands, axis=2) / spectrum.sum(axis=2, keepdims=True))
    assert np.all(shares.std(axis=0).max(axis=1) > 2.0)  # dB, in some band of every stem


@pytest.mark.parametrize("style", [style.name for style in STYLES])
def test_every_style_plays(style):
    song = songs_module.render(first_of_style(style), 3.0, 0, RATE)
    assert np.all(np.isfinite(song)) and np.max(np.abs(song.sum(axis=0))) < 1.0
    assert np.mean(song**2) > 1e-5


def test_grooves_fit_their_bars():
    for style in STYLES:
        for groove in style.grooves:
            assert {"kick", "snare", "hat"} <= set(groove) <= set(DRUMS)
            for pattern in groove.values():
                assert len(pattern) == style.beats * style.steps and set(pattern) <= set("XxoO.")


@pytest.mark.parametrize("seconds", [1.0, 8.0, 30.0, 240.0])
def test_form_covers_the_song_and_everybody_plays(seconds):
    for seed in range(30):
        song = plan.plan(generator(seed), seconds)
        bars = 0
        for section in song.sections:
            assert section.first == bars and section.bars > 0 and section.plays <= set(STEMS)
            bars += section.bars
        assert len(song.chords) == bars == len(song.kicks)
        assert song.time(bars, 0) >= seconds
        assert np.all(np.diff(song.beat_times) > 0.0)
        assert set().union(*(section.plays for section in song.sections)) == set(STEMS)


def test_instruments_rest():
    plays = []
    for seed in range(40):
        song = plan.plan(generator(seed), 60.0)
        plays += [stem in section.plays for section in song.sections for stem in STEMS]
    assert 0.6 < np.mean(plays) < 0.97


def test_drummers_are_human_and_machines_are_not():
    spread = {}
    for seed in range(60):
        song = plan.plan(generator(seed), 20.0)
        steps = [song.time(bar, step) for bar in range(60) for step in range(song.steps)]
        kicks = [s for s in strokes(generator(seed, 1), song) if s.drum == "kick"]
        away = [np.min(np.abs(np.array(steps) - stroke.seconds)) for stroke in kicks]
        if away:
            # The median: in fills, some hits lie half-way between steps on purpose.
            spread.setdefault(song.style.name, []).append(float(np.median(away)))
            assert np.median(away) < 0.03
            assert len({round(stroke.force, 3) for stroke in kicks}) > 1
    tight = [np.mean(spread[name]) for name in ("techno", "trap") if name in spread]
    loose = [np.mean(spread[name]) for name in ("rock", "punk", "ballad") if name in spread]
    assert tight and loose and max(tight) < 0.001 and min(loose) > 0.002


def test_swing_delays_off_steps():
    song = plan.plan(generator(3), 10.0)
    straight = song.time(2, 2) - song.time(2, 0)
    assert song.time(2, 1) - song.time(2, 0) == pytest.approx(
        straight * (1.0 + song.swing) / 2.0, rel=0.05
    )


@pytest.mark.parametrize("family", sorted({kit for style in STYLES for kit in style.kits}))
def test_kits_have_low_kicks_and_high_hats(family):
    kit = build(generator(11), family, {"kick", "hat", "snare", "crash"}, RATE)
    again = build(generator(11), family, {"kick"}, RATE)
    for old, new in zip(kit.hits["kick"][1], again.hits["kick"][1]):
        np.testing.assert_array_equal(old, new)  # whatever else the kit has

    def centroid(drum):
        sound = kit.hits[drum][1][0]
        spectrum = np.abs(np.fft.rfft(sound, 65536)) ** 2
        return np.sum(spectrum * np.fft.rfftfreq(65536, 1 / RATE)) / np.sum(spectrum)

    assert centroid("kick") < 900.0 < centroid("snare") < centroid("hat")
    assert centroid("hat") > 3000.0 and centroid("crash") > 1500.0
    kick = kit.hits["kick"][1][0]
    spectrum = np.abs(np.fft.rfft(kick, 65536)) ** 2
    assert np.sum(spectrum[: 65536 * 200 // RATE]) > 0.5 * np.sum(spectrum)


def test_kits_of_one_family_differ():
    kits = [build(generator(seed), "acoustic", {"snare"}, RATE) for seed in (1, 2)]
    first, second = (kit.hits["snare"][1][0] for kit in kits)
    count = min(len(first), len(second))
    assert abs(np.corrcoef(first[:count], second[:count])[0, 1]) < 0.9


@pytest.mark.parametrize("hz", [41.2, 110.0, 329.63, 987.8])
def test_plucked_strings_are_in_tune_and_die_away(hz):
    sound = pluck(
        generator(1), hz, 2 * RATE, RATE, t60=1.5, brightness=0.6, position=0.2, damping=1.0
    )
    assert sound.shape == (2 * RATE,) and np.all(np.isfinite(sound))
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound)))
    near = (np.fft.rfftfreq(8 * len(sound), 1 / RATE) / hz > 0.7) & (
        np.fft.rfftfreq(8 * len(sound), 1 / RATE) / hz < 1.4
    )
    found = np.fft.rfftfreq(8 * len(sound), 1 / RATE)[near][np.argmax(spectrum[near])]
    assert found == pytest.approx(hz, rel=0.003)
    start, end = np.std(sound[: RATE // 4]), np.std(sound[-RATE // 4 :])
    assert 20 * np.log10(end / start) < -50.0


@pytest.mark.parametrize("hz", [55.0, 440.0, 3000.0])
def test_oscillators_are_in_tune_and_do_not_alias(hz):
    table = wavetable(1.0 / np.arange(1, 400), hz, RATE)
    sound = oscillate(table, hz, RATE, RATE)
    spectrum = np.abs(np.fft.rfft(sound * np.blackman(RATE)))
    harmonics = np.zeros(len(spectrum), bool)
    for multiple in range(1, int(0.5 * RATE / hz) + 1):
        harmonics[round(multiple * hz) - 3 : round(multiple * hz) + 4] = True
    assert np.argmax(spectrum) == round(hz)
    assert decibels(np.max(spectrum[~harmonics] ** 2) / np.max(spectrum**2)) < -60.0


def test_gliding_tone_follows_its_frequency():
    hz = np.linspace(200.0, 800.0, RATE)
    sound = gliding(np.array([1.0]), hz, RATE)
    crossings = np.sum((sound[:-1] < 0.0) & (sound[1:] >= 0.0))
    assert crossings == pytest.approx(np.mean(hz), abs=2)


def test_compressor_takes_its_share_of_the_excess():
    loud = np.full((2, RATE), 0.4, np.float32)
    options = {"strength": 0.5, "attack": 0.005, "release": 0.1}
    out = mix.compress(loud, RATE, threshold=0.1, **options)
    np.testing.assert_allclose(out[:, RATE // 2 :], 0.2, rtol=1e-3)
    np.testing.assert_allclose(mix.compress(loud, RATE, threshold=0.5, **options), loud)
    swell = np.where(np.arange(RATE) < RATE // 2, 0.4, 0.05).astype(np.float32)
    out = mix.compress(np.stack([swell, swell]), RATE, threshold=0.1, **options)
    assert out[0, RATE // 2 + 100] < 0.04  # still held down
    assert out[0, -1] == pytest.approx(0.05, rel=1e-3)  # let go


def test_both_rates_play_the_same_song():
    low, high = songs_module.render(6, 4.0, 0, 22050), songs_module.render(6, 4.0, 0, 44100)
    assert high.shape[1] == 2 * low.shape[1]
    for place in range(4):
        loudness = [
            decibels(1e-6 + np.mean(song[place].reshape(40, -1) ** 2, axis=1))
            for song in (low, high)
        ]
        assert np.median(np.abs(loudness[0] - loudness[1])) < 1.5
        assert np.max(np.abs(loudness[0] - loudness[1])) < 10.0

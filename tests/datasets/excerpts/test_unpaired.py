"""Unpaired excerpts: a pure function of seed and number, lists apart, levels, short files."""

import re
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import load
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.levels import mono_level, usual_levels
from datasets.excerpts.shape import ExcerptShape
from datasets.excerpts.unpaired import UNPAIRED, UnpairedExcerpts
from datasets.track import SOURCES, AudioShape, Track
from tests.datasets.caches import prepare

RATE = 1000
PLAIN = {"gain": (1.0, 1.0), "swap": 0.0, "normalise": "none"}


class Sound(Track):
    """Stems in memory; "mixture" is a recorded one."""

    def __init__(self, name, rate=RATE, standard=(), **stems):
        first = next(iter(stems.values()))
        known = [stem for stem in stems if stem != "mixture"]
        super().__init__(
            name, "train", AudioShape(rate, first.shape[1], len(first)), known,
            standard=standard, own_mixture="mixture" in stems,
        )  # fmt: skip
        self.audio = {stem: np.asarray(data, np.float32) for stem, data in stems.items()}
        self.reads = 0

    def _read(self, stem, start, stop):
        self.reads += 1
        return self.audio[stem][start:stop].copy()


def ramp(number, samples=3000, channels=2):
    """Each sample tells list entry, channel and position."""
    values = number + np.arange(samples)[:, None] / 1e4
    return values * (1 - 2 * np.arange(channels))


def noise(level, samples=3000, channels=2, seed=0):
    return level * np.random.default_rng(seed).standard_normal((samples, channels))


def lists():
    mixtures = [Sound(f"mix{n}", mixture=ramp(n + 1)) for n in range(5)]
    solos = {
        "drums": [Sound(f"drum{n}", drums=ramp(n + 11)) for n in range(3)],
        "accompaniment": [Sound("song", **{s: ramp(n + 21) for n, s in enumerate(SOURCES)})],
    }
    return mixtures, solos


def excerpts(mixtures=None, solos=None, **options):
    known, others = lists()
    mixtures = known if mixtures is None else mixtures
    solos = others if solos is None else solos
    options = {"samples": 400, "batch_size": 6, "seed": 3} | PLAIN | options
    shape, augmentation = (
        {field.name: options.pop(field.name) for field in fields(kind) if field.name in options}
        for kind in (ExcerptShape, Augmentation)
    )
    augmentation = replace(UNPAIRED, **augmentation)
    return UnpairedExcerpts(mixtures, solos, ExcerptShape(**shape), augmentation, **options)


def solo(source=None, **options):
    """Batches of the one list of drums."""
    sounds = [source] if isinstance(source, Track) else source
    return excerpts(solos={"drums": sounds}, **options)


def same(one, two):
    assert one["names"] == two["names"]
    np.testing.assert_array_equal(one["mixtures"], two["mixtures"])
    assert one["solos"].keys() == two["solos"].keys()
    for source in one["solos"]:
        np.testing.assert_array_equal(one["solos"][source], two["solos"][source])


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    index=st.integers(0, 2**40),
    channels=st.sampled_from([1, 2]),
    solo_batch_size=st.sampled_from([None, 1, 9]),
    short=st.sampled_from(["loop", "pad"]),
    normalise=st.sampled_from(["track", "none"]),
    active_share=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_a_batch_depends_on_seed_and_number_alone(index, **options):
    options |= {"gain": (0.2, 1.2), "swap": 0.5, "polarity": 0.5, "samples": 3500}
    first = excerpts(**options)
    batch = first.batch(index)
    count = options["solo_batch_size"] or 6
    assert batch["mixtures"].shape == (6, 3500, options["channels"])
    for audio in (batch["mixtures"], *batch["solos"].values()):
        assert audio.dtype == np.float32 and np.all(np.isfinite(audio))
    for source in ("drums", "accompaniment"):
        assert batch["solos"][source].shape == (count, 3500, options["channels"])
        assert len(batch["names"][source]) == count
    for other in (0, 1, index + 1):
        first.batch(other)
    same(batch, first.batch(index))
    same(batch, excerpts(**options).batch(index))


def test_numbers_streams_and_seeds_give_other_excerpts():
    sources = [excerpts(), excerpts(), excerpts(seed=4), excerpts(stream=1)]
    names = [source.batch(index)["names"] for source, index in zip(sources, (0, 1, 0, 0))]
    for role in names[0]:
        assert len({tuple(found[role]) for found in names}) == 4


def test_what_is_drawn_from_a_list_does_not_depend_on_the_others():
    mixtures, solos = lists()
    both = excerpts().batch(7)
    alone = excerpts(solos={"drums": solos["drums"]}, batch_size=2, solo_batch_size=6).batch(7)
    np.testing.assert_array_equal(alone["solos"]["drums"], both["solos"]["drums"])
    turned = excerpts(mixtures[:1], dict(reversed(solos.items()))).batch(7)
    assert turned["names"]["drums"] == both["names"]["drums"]
    assert turned["names"]["accompaniment"] == both["names"]["accompaniment"]
    # Nor do places in two lists of the same length go together.
    equal = excerpts(solos={"drums": [Sound(f"mix{n}", drums=ramp(n)) for n in range(5)]})
    pairs = [equal.batch(n)["names"] for n in range(40)]
    together = [one == two for p in pairs for one, two in zip(p["mixtures"], p["drums"])]
    assert np.mean(together) < 0.05


def test_excerpts_are_cut_from_the_songs():
    batch = excerpts(channels=2).batch(5)
    for role, audio in (("mixtures", batch["mixtures"]), ("drums", batch["solos"]["drums"])):
        for name, excerpt in zip(batch["names"][role], audio):
            number, seconds = re.fullmatch(r"[a-z]+(\d+)@([\d.]+)s", name).groups()
            value = int(number) + (1 if role == "mixtures" else 11)
            start = round((float(excerpt[0, 0]) - value) * 1e4)
            assert abs(start - float(seconds) * RATE) <= 50
            np.testing.assert_allclose(excerpt, ramp(value)[start : start + 400], atol=1e-5)


def test_accompaniment_is_what_the_other_sources_do_not_name():
    song = lists()[1]["accompaniment"]
    stems = dict(zip(SOURCES, range(21, 25)))

    def total(solos, **options):
        source = excerpts(solos=solos, channels=2, **options)
        audio = source.batch(0)["solos"]["accompaniment"]
        return {round(float(value)) for value in np.floor(audio[:, 0, 0])}

    rest = sum(stems.values()) - stems["drums"]
    assert all(value in (rest, rest + 1) for value in total(lists()[1]))
    everything = total({"accompaniment": song})
    assert all(value in (sum(stems.values()), sum(stems.values()) + 1) for value in everything)
    named = total({"accompaniment": song}, sources=("vocals", "accompaniment"))
    rest = sum(stems.values()) - stems["vocals"]
    assert all(value in (rest, rest + 1) for value in named)
    # A song of two stems, and a recording of accompaniment, say it themselves.
    two = [Sound("two", drums=ramp(1), accompaniment=ramp(5))]
    assert total({"drums": two, "accompaniment": two}) == {5}


def test_mixtures_are_recorded_ones_or_sums():
    recorded = Sound("mastered", mixture=ramp(9), drums=ramp(1), bass=ramp(2))
    summed = Sound("summed", drums=ramp(1), bass=ramp(2))
    for track, value in ((recorded, 9), (summed, 3)):
        audio = excerpts([track], channels=2).batch(0)["mixtures"]
        assert np.all(np.floor(audio[:, 0, 0]) == value)


def test_levels_and_gains():
    mixtures = [Sound("m", mixture=noise(0.3)), Sound("n", mixture=noise(3.0), drums=noise(0.01))]
    drums = [Sound("a", drums=noise(0.002)), Sound("b", drums=noise(0.5, channels=1))]
    options = {"normalise": "track", "samples": 3000, "batch_size": 40, "channels": 2}
    batch = excerpts(mixtures, {"drums": drums}, levels={"drums": 0.4}, **options).batch(0)
    level = np.std(np.mean(batch["mixtures"], axis=2), axis=1)
    np.testing.assert_allclose(level, 1.0, rtol=1e-4)  # the recorded mixture's, not the stems'
    level = np.std(np.mean(batch["solos"]["drums"], axis=2), axis=1)
    np.testing.assert_allclose(level, 0.4, rtol=1e-4)
    source = excerpts(mixtures, {"drums": drums}, **options | {"gain": (0.2, 1.2)})
    batches = [source.batch(n) for n in range(10)]
    for audio in ([b["mixtures"] for b in batches], [b["solos"]["drums"] for b in batches]):
        level = np.std(np.mean(np.concatenate(audio), axis=2), axis=1)
        assert 0.2 <= np.min(level) < 0.23 and 1.17 < np.max(level) <= 1.2001
        assert abs(np.mean(level) - 0.7) < 0.06
    plain = excerpts(mixtures, {"drums": drums}, levels={"drums": 9.0}, **options | PLAIN).batch(0)
    assert np.max(np.abs(plain["solos"]["drums"])) < 3.0  # "none" leaves levels alone


def test_levels_agree_with_paired_excerpts():
    track = Sound("song", drums=noise(0.3, seed=1), bass=noise(0.4, seed=2))
    source = excerpts([track], normalise="track", samples=3000, channels=2)
    expected = track.read() / mono_level(track)
    np.testing.assert_allclose(source.batch(0)["mixtures"][0], expected, rtol=1e-5)


@pytest.mark.parametrize("polarity", [0.0, 1.0, 0.5])
def test_polarity_and_channels(polarity):
    source = excerpts(channels=2, polarity=polarity, swap=0.5, batch_size=60)
    left = source.batch(0)["mixtures"][:, 0, 0]
    assert 0.3 < np.mean(left < 0) < 0.7  # left and right change places half the time
    source = excerpts(channels=2, polarity=polarity, batch_size=60)
    audio = source.batch(0)["mixtures"][:, 0]
    assert abs(np.mean(audio[:, 0] < 0) - polarity) < 0.2
    assert np.all(np.sign(audio[:, 0]) == -np.sign(audio[:, 1]))
    mono = excerpts(batch_size=60).batch(0)["mixtures"][:, 0, 0]
    assert 0.3 < np.mean(mono < 0) < 0.7  # the left or the right
    wide = excerpts([Sound("m", mixture=ramp(1, channels=1))], channels=2).batch(0)["mixtures"]
    np.testing.assert_array_equal(wide[..., 0], wide[..., 1])


@pytest.mark.parametrize("samples", [2, 7, 399])
def test_short_recordings_are_looped_from_a_random_point(samples):
    sound = ramp(1, samples, channels=1)
    batch = solo(Sound("hit", drums=sound), batch_size=30).batch(0)
    starts = set()
    for name, excerpt in zip(batch["names"]["drums"], batch["solos"]["drums"]):
        start = round((float(excerpt[0, 0]) - 1) * 1e4)
        starts.add(start)
        expected = np.tile(sound, (400 // samples + 2, 1))[start : start + 400]
        np.testing.assert_allclose(excerpt, expected, atol=1e-6)
        assert name == f"hit@{start / RATE:.1f}s"
    assert len(starts) > min(samples, 30) // 2


@pytest.mark.parametrize("samples", [2, 7, 399])
def test_short_recordings_are_set_into_silence(samples):
    sound = ramp(1, samples, channels=1)
    batch = solo(Sound("hit", drums=sound), batch_size=30, short="pad").batch(0)
    starts = set()
    for excerpt in batch["solos"]["drums"]:
        heard = np.flatnonzero(excerpt[:, 0])
        starts.add(heard[0])
        assert len(heard) == samples
        np.testing.assert_allclose(excerpt[heard[0] : heard[0] + samples], sound, atol=1e-6)
    assert len(starts) > 10 or samples == 399


def test_chances_follow_durations_and_no_file_is_below_a_second():
    sounds = [Sound(name, drums=noise(0.1, n)) for name, n in (("a", 4000), ("b", 1000), ("c", 2))]
    source = solo(sounds, batch_size=1, solo_batch_size=600)
    names = [name.split("@")[0] for name in source.batch(0)["names"]["drums"]]
    shares = [names.count(name) / 600 for name in "abc"]
    np.testing.assert_allclose(shares, [4 / 6, 1 / 6, 1 / 6], atol=0.06)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_excerpts_is_drawn_until_something_plays(share):
    audio = np.concatenate([np.zeros((6000, 2)), noise(0.1, 6000)])
    sounds = [Sound("half", drums=audio)]
    mixtures = [Sound("half", mixture=audio * [1, -1])]  # anti-phase is not silence
    source = excerpts(mixtures, {"drums": sounds}, active_share=share, batch_size=200)
    batch = source.batch(0)
    for role in (batch["mixtures"], batch["solos"]["drums"]):
        heard = np.mean(np.any(role != 0, axis=(1, 2)))
        assert abs(heard - (0.53 + 0.47 * share)) < 0.12


def test_excerpts_within_active_stretches():
    asked = []

    def intervals(track, stems):
        asked.append((track.name, stems))
        return {"mix0": [(500, 700), (1000, 2000)], "drum0": [(0, 3000)], "mix1": []}[track.name]

    mixtures, solos = lists()
    source = excerpts(
        mixtures[:2], {"drums": solos["drums"][:1]}, channels=2, batch_size=50, intervals=intervals
    )
    batch = source.batch(0)
    starts = []
    for excerpt, name in zip(batch["mixtures"], batch["names"]["mixtures"]):
        if name.startswith("mix1"):  # plays nowhere: drawn again, up to eight times
            continue
        starts.append(round((float(excerpt[0, 0]) - 1) * 1e4))
    assert len(starts) >= 48
    for start in starts:
        assert 1000 <= start <= 1600 or 300 <= start <= 500
    around = [start for start in starts if start <= 500]  # the stretch is shorter than an excerpt
    assert 0.03 < len(around) / len(starts) < 0.4 and len(set(around)) > 2
    source.batch(1)
    assert sorted(set(asked)) == sorted(asked)  # each song once
    assert ("mix0", ("mixture",)) in asked and ("drum0", ("drums",)) in asked


def test_lists_shorter_than_a_batch_and_silent_recordings_among_others():
    silence = Sound("silent", drums=np.zeros((3000, 2)))
    lacking = Sound("lacking", standard=("drums", "bass"), bass=ramp(1))
    batch = solo([silence, lacking, Sound("drum", drums=ramp(1))], batch_size=40).batch(0)
    found = {name.split("@")[0] for name in batch["names"]["drums"]}
    assert found == {"silent", "lacking", "drum"}
    for name, audio in zip(batch["names"]["drums"], batch["solos"]["drums"]):
        assert audio.any() == name.startswith("drum")
    quiet = solo([silence, Sound("drum", drums=ramp(1))], normalise="track").batch(0)
    assert np.all(np.isfinite(quiet["solos"]["drums"]))


def test_silence_is_looked_for_no_further_than_the_first_sound():
    mixtures, solos = lists()
    excerpts(mixtures, solos)
    assert [track.reads for track in mixtures] == [1, 0, 0, 0, 0]


BAD = Sound("bad", drums=np.zeros((0, 1)))
ONE = Sound("one", drums=np.ones((1, 1)))
MANY = Sound("many", drums=ramp(1, channels=3))
QUIET = [Sound(f"quiet{n}", drums=np.zeros((9, 1))) for n in range(7)]


@pytest.mark.parametrize(
    ("mixtures", "drums", "options", "message"),
    [
        ([], None, {}, "unpaired mixtures: the list is empty"),
        (None, [], {}, "solo recordings of 'drums': the list is empty"),
        (None, [BAD], {}, "bad: expected 2 samples or more, it has 0; leave it out"),
        (None, [ONE], {}, "one: expected 2 samples or more, it has 1"),
        (None, [MANY], {}, "many has 3 channels; expected 1 or 2"),
        (None, QUIET[:2], {}, r"of 'drums': all are silent \(quiet0, quiet1\); check"),
        (None, QUIET, {}, r"all are silent \(quiet0, .*, quiet4 and 2 more\)"),
        (QUIET[:1], None, {}, r"unpaired mixtures: all are silent \(quiet0\)"),
        (None, [Sound("x", rate=8000, drums=ramp(1))], {}, "x has 8000 Hz and mix0 1000; prepare"),
        (None, [Sound("x", mixture=ramp(1))], {}, "x has no stem 'drums', only a mixture"),
        (None, [Sound("x", bass=ramp(1))], {}, "x has no stem 'drums', only bass"),
        (None, None, {"samples": 0}, "samples=0"),
        (None, None, {"batch_size": 0}, "batch_size=0"),
        (None, None, {"solo_batch_size": -1}, "solo_batch_size=-1"),
        (None, None, {"channels": 3}, "channels=3"),
        (None, None, {"seed": -1}, "seed=-1"),
        (None, None, {"short": "drop"}, "short='drop': expected loop or pad"),
        (None, None, {"gain": (1.2, 0.2)}, "gain="),
        (None, None, {"gain": (0.2, float("nan"))}, "gain="),
        (None, None, {"active_share": 1.5}, "active_share=1.5"),
        (None, None, {"normalise": "song"}, "normalise='song'"),
        (None, None, {"levels": {"bass": 1.0}}, "levels: none for 'drums', only bass"),
        (None, None, {"levels": {"drums": 0.0}}, "levels: drums=0.0"),
        (None, None, {"levels": {"drums": float("nan")}}, "levels: drums=nan"),
        (None, None, {"sources": ("bass",)}, "of 'drums': not one of the sources bass"),
    ],
)
def test_bad_lists_and_options_are_one_clear_line(mixtures, drums, options, message):
    drums = lists()[1]["drums"] if drums is None else drums
    with pytest.raises(ValueError, match=message) as caught:
        excerpts(mixtures, {"drums": drums}, **options)
    assert "\n" not in str(caught.value)


def test_solo_recordings_of_mixtures_make_no_sense():
    for name in ("mixture", "mixtures"):
        with pytest.raises(ValueError, match=f"solo recordings of '{name}'"):
            excerpts(solos={name: lists()[0]})
    recording = [Sound("kit", standard=("drums",), drums=ramp(1))]
    with pytest.raises(ValueError, match="kit has no stem 'accompaniment', only drums"):
        excerpts(solos={"drums": recording, "accompaniment": recording})


def test_mixtures_alone():
    batch = excerpts(solos={}).batch(0)
    assert batch["solos"] == {} and batch["names"].keys() == {"mixtures"}


def test_usual_levels():
    parts = [noise(1.0, seed=seed, channels=1) for seed in range(3)]
    tracks = []
    for number, level in enumerate((0.1, 0.5, 0.6, 0.0)):
        others = {"bass": parts[1], "vocals": parts[2]}
        tracks.append(Sound(f"s{number}", drums=level * parts[0], **others))
    found = usual_levels(tracks, ("drums", "accompaniment"))
    ratios = [
        np.std(level * parts[0]) / np.std(level * parts[0] + parts[1] + parts[2])
        for level in (0.1, 0.5, 0.6)
    ]
    assert found["drums"] == pytest.approx(np.median(ratios), rel=1e-4)
    assert 0.9 < found["accompaniment"] < 1.01
    with pytest.raises(ValueError, match="silent in all 1 paired songs; add one"):
        usual_levels(tracks[3:], ("drums",))
    with pytest.raises(ValueError, match="no stem 'piano'"):
        usual_levels(tracks, ("piano",))


def test_recordings_of_a_cache(tmp_path, make_audio):
    from datasets import audio

    for name, rate, samples in (("a", 44100, 9000), ("b", 48000, 9000), ("c", 22050, 9)):
        audio.write(tmp_path / "raw" / f"{name}.wav", make_audio(samples), rate)
    audio.write(tmp_path / "quiet" / "zero.wav", np.zeros((900, 1), np.float32), 44100)
    for folder in ("raw", "quiet"):
        prepare(
            "recordings",
            tmp_path / folder,
            tmp_path / f"{folder} drums",
            rates=[8000],
            stem="drums",
        )
    prepare("recordings", tmp_path / "raw", tmp_path / "mixtures", rates=[8000])
    raw, quiet, mixtures = (
        load("cache", tmp_path / name) for name in ("raw drums", "quiet drums", "mixtures")
    )
    source = UnpairedExcerpts(mixtures, {"drums": [*raw, *quiet]}, ExcerptShape(2000, 3))
    assert source.sample_rate == 8000
    batch = source.batch(0)
    assert batch["mixtures"].any() and batch["solos"]["drums"].shape == (3, 2000, 1)
    for track in quiet:
        track._read = None  # its level is known from the manifest: it is not read
    with pytest.raises(ValueError, match=r"all are silent \(zero\)"):
        UnpairedExcerpts(mixtures, {"drums": quiet}, ExcerptShape(2000, 3))
    raw_files = load("recordings", tmp_path / "raw")
    with pytest.raises(ValueError, match="b has 48000 Hz and a 44100; prepare caches at one rate"):
        UnpairedExcerpts(raw_files, {}, ExcerptShape(2000, 3))


def test_real_recordings(shared):
    songs = load("recordings", shared / "audio" / "songs_cc", songs=["spleeter_audio_example"])
    drums = load("recordings", shared / "audio" / "drums_cc0" / "sonic-pi", stem="drums")
    drums = [track for track in drums if track.sample_rate == 44100]
    source = UnpairedExcerpts(
        songs,
        {"drums": drums},
        ExcerptShape(88200, 2, channels=2, solo_batch_size=6),
        replace(UNPAIRED, active_share=1.0),
        levels={"drums": 0.5},
    )
    batch = source.batch(0)
    assert np.all(np.std(batch["mixtures"], axis=(1, 2)) > 0.05)
    assert np.all(np.any(batch["solos"]["drums"], axis=(1, 2)))

"""Excerpts: a pure function of seed and number, sums, gains, remix, silence, short songs."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.levels import mono_level
from datasets.excerpts.paired import PairedExcerpts
from datasets.excerpts.shape import ExcerptShape
from datasets.sources import read_sources
from datasets.track import SOURCES, AudioShape, Track

RATE = 1000
PLAIN = Augmentation(gain=(1.0, 1.0), swap=0.0, remix=0.0, normalise="none")


class ArrayTrack(Track):
    """A song in memory. Each sample tells song, stem, channel and position."""

    def __init__(self, number=0, samples=3000, channels=2, stems=SOURCES, rate=RATE, audio=None):
        super().__init__(f"song{number}", "train", AudioShape(rate, channels, samples), stems)
        position = np.arange(samples)[:, None] / 1e5
        self.audio = {
            stem: (0.1 * (number + 1) * (place + 1) * (1 - 2 * np.arange(channels)) + position)
            .astype(np.float32)
            .reshape(samples, channels)
            for place, stem in enumerate(SOURCES)
            if stem in stems
        }
        self.audio.update(audio or {})

    def _read(self, stem, start, stop):
        return self.audio[stem][start:stop].copy()


def excerpts(tracks=None, **options):
    tracks = [ArrayTrack(number) for number in range(4)] if tracks is None else tracks
    options = {"samples": 400, "batch_size": 6, "augmentation": PLAIN, "seed": 3} | options
    fields = [field.name for field in dataclasses.fields(ExcerptShape)]
    shape = {name: options.pop(name) for name in fields if name in options}
    return PairedExcerpts(tracks, ExcerptShape(**shape), **options)


def origin(names):
    """[(song, first sample), …] per item."""
    found = [re.findall(r"song(\d+)@([\d.]+)s", name) for name in names]
    return [[(int(song), float(seconds)) for song, seconds in item] for item in found]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    index=st.integers(0, 2**40),
    channels=st.sampled_from([1, 2]),
    remix=st.sampled_from([0.0, 0.5, 1.0]),
    polarity=st.sampled_from([0.0, 0.5]),
    gains=st.tuples(st.floats(0.1, 1.0), st.floats(1.0, 3.0)),
)
def test_a_batch_depends_on_seed_and_number_alone(seed, index, channels, remix, polarity, gains):
    augmentation = Augmentation(gain=gains, remix=remix, polarity=polarity)
    options = {"seed": seed, "channels": channels, "augmentation": augmentation}
    first = excerpts(**options)
    batch = first.batch(index)
    assert batch["stems"].shape == (6, 4, 400, channels)
    assert batch["stems"].dtype == np.float32 and np.all(np.isfinite(batch["stems"]))
    assert len(batch["names"]) == 6
    for other in (0, 1, index + 1):
        first.batch(other)
    second = excerpts(**options)
    for again in (first.batch(index), second.batch(index)):
        np.testing.assert_array_equal(again["stems"], batch["stems"])
        assert again["names"] == batch["names"]


def test_numbers_streams_and_seeds_give_other_excerpts():
    batches = [
        excerpts().batch(0),
        excerpts().batch(1),
        excerpts(seed=4).batch(0),
        excerpts(stream=1).batch(0),
    ]
    assert len({tuple(batch["names"]) for batch in batches}) == 4


def test_plain_excerpts_are_cut_from_the_songs():
    tracks = [ArrayTrack(number) for number in range(4)]
    batch = excerpts(tracks, channels=2).batch(5)
    for stems, [(song, seconds)] in zip(batch["stems"], origin(batch["names"])):
        near = round(seconds * RATE)  # names are rounded to a tenth of a second
        start = round(float(stems[0, 0, 0] - 0.1 * (song + 1)) * 1e5)
        assert abs(start - near) <= 50
        expected = read_sources(tracks[song], SOURCES, start, start + 400)
        np.testing.assert_allclose(stems, expected, atol=1e-6)


def test_mono_takes_the_left_or_the_right_of_each_stem():
    taken = []
    for index in range(20):
        stems = excerpts(channels=1).batch(index)["stems"]
        taken.append(stems[:, :, 0, 0] > 0)  # the right channel is negative
    taken = np.concatenate(taken)
    assert np.all(np.abs(taken.mean(axis=0) - 0.5) < 0.2)
    correlation = np.corrcoef(taken.T)[np.triu_indices(4, 1)]
    assert np.max(np.abs(correlation)) < 0.4  # each stem for itself


@pytest.mark.parametrize(("swap", "expected"), [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5)])
def test_stereo_stems_are_swapped_by_chance(swap, expected):
    augmentation = Augmentation(gain=(1, 1), swap=swap, remix=0.0, normalise="none")
    source = excerpts(channels=2, augmentation=augmentation)
    swapped = np.concatenate([source.batch(n)["stems"][:, :, 0, 0] < 0 for n in range(20)])
    assert abs(np.mean(swapped) - expected) < 0.12
    stems = source.batch(0)["stems"]
    assert np.all(np.sign(stems[:, :, 0, 0]) == -np.sign(stems[:, :, 0, 1]))


def test_mono_songs_fill_both_channels():
    stems = excerpts([ArrayTrack(0, channels=1)], channels=2).batch(0)["stems"]
    np.testing.assert_array_equal(stems[..., 0], stems[..., 1])
    assert np.all(stems[:, :, 0, 0] > 0.0)


def factors(source, batches=30):
    """The factor of every stem of songs that are constant."""
    return np.concatenate([source.batch(n)["stems"][:, :, 0, 0] for n in range(batches)])


def constant(value=1.0, **options):
    audio = {stem: np.full((3000, 1), value, np.float32) for stem in SOURCES}
    return ArrayTrack(0, channels=1, audio=audio, **options)


@pytest.mark.parametrize("gains", [(0.75, 1.25), (0.0, 0.5)])
def test_gains_are_uniform_within_their_range(gains):
    augmentation = Augmentation(gain=gains, remix=0.5, normalise="none")
    drawn = factors(excerpts([constant()], augmentation=augmentation))
    assert np.min(drawn) >= gains[0] and np.max(drawn) <= gains[1]
    assert abs(np.mean(drawn) - np.mean(gains)) < 0.05 * (gains[1] - gains[0])
    assert abs(np.std(drawn) - (gains[1] - gains[0]) / 12**0.5) < 0.05 * (gains[1] - gains[0])
    assert np.max(np.abs(np.corrcoef(drawn.T)[np.triu_indices(4, 1)])) < 0.25


def test_gains_in_decibels_are_uniform_in_decibels():
    augmentation = Augmentation(gain_db=(-12.0, 6.0), remix=0.0, normalise="none")
    drawn = 20 * np.log10(factors(excerpts([constant()], augmentation=augmentation)))
    assert np.min(drawn) > -12.01 and np.max(drawn) < 6.01
    assert abs(np.mean(drawn) + 3.0) < 0.7


def test_polarity_is_inverted_by_chance():
    augmentation = Augmentation(gain=(1, 1), polarity=0.3, remix=0.0, normalise="none")
    drawn = factors(excerpts([constant()], augmentation=augmentation))
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    assert abs(np.mean(drawn < 0) - 0.3) < 0.07


@pytest.mark.parametrize(("share", "portion"), [(0.5, 3), (1.0, 6), (0.1, 0), (0.34, 2)])
def test_remix_takes_sources_from_items_in_turn(share, portion):
    tracks = [ArrayTrack(number) for number in range(9)]
    augmentation = Augmentation(gain=(1, 1), swap=0.0, remix=share, normalise="none")
    plain = excerpts(tracks, channels=2)
    mixed = excerpts(tracks, channels=2, augmentation=augmentation)
    positions = []
    for index in range(12):
        names = mixed.batch(index)["names"]
        before = plain.batch(index)["names"]  # the same draws, in the same new order
        parts = [name.split("+") for name in names]
        remixed = [place for place, part in enumerate(parts) if len(part) == 4]
        positions.append(remixed)
        assert len(remixed) == portion
        order = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(0, index)))
        for _ in range(6):
            mixed._draw(order)
        order = order.permutation(6)
        for place, item in enumerate(order):
            if item >= portion:
                assert names[place] == before[place]
                continue
            drums = before[place]
            assert parts[place][0] == drums
            for source in range(4):
                other = list(order).index((item + source) % portion)
                assert parts[place][source] == before[other]
    if 0 < portion < 6:
        assert len({tuple(position) for position in positions}) > 1  # the order is shuffled


def test_remixed_stems_belong_to_their_songs():
    tracks = [ArrayTrack(number) for number in range(9)]
    augmentation = Augmentation(gain=(1, 1), swap=0.0, remix=1.0, normalise="none")
    batch = excerpts(tracks, channels=2, augmentation=augmentation).batch(0)
    for stems, songs in zip(batch["stems"], origin(batch["names"])):
        for source, (song, _) in enumerate(songs):
            start = round((float(stems[source, 0, 0]) - 0.1 * (song + 1) * (source + 1)) * 1e5)
            assert 0 <= start <= 2600
            expected = tracks[song].read(SOURCES[source], start, start + 400)
            np.testing.assert_allclose(stems[source], expected, atol=1e-6)


def test_mixes_are_the_same_moment_with_other_gains():
    augmentation = dataclasses.replace(PLAIN, gain=(0.5, 1.5), mixes=3)
    source = excerpts(augmentation=augmentation)
    batch = source.batch(5)
    assert batch["stems"].shape == (6, 4, 400, 3)
    assert source.paths() is None
    for item, ((song, seconds), *_) in enumerate(origin(batch["names"])):
        start = round(seconds * RATE)
        stem = source.tracks[song].read("drums", start, start + 400)
        found = []
        for mix in batch["stems"][item, 0].T:
            picks = [float(mix[0] / channel[0]) for channel in stem.T]
            fits = [np.allclose(mix, pick * c, rtol=1e-3) for pick, c in zip(picks, stem.T)]
            assert any(fits)
            found.append(picks[fits.index(True)])
        assert len({round(gain, 4) for gain in found}) == 3
        assert all(0.5 <= gain <= 1.5 for gain in found)


def test_songs_are_as_likely_as_they_are_long():
    tracks = [ArrayTrack(0, samples=1000), ArrayTrack(1, samples=3000)]
    source = excerpts(tracks)
    songs = [song for n in range(60) for [(song, _)] in origin(source.batch(n)["names"])]
    assert abs(np.mean(songs) - 0.75) < 0.08
    source = excerpts(tracks, weights=[3.0, 1.0])
    songs = [song for n in range(60) for [(song, _)] in origin(source.batch(n)["names"])]
    assert abs(np.mean(songs) - 0.25) < 0.08
    source = excerpts(tracks, weights=[0.0, 1.0])
    assert all("song1" in name for n in range(20) for name in source.batch(n)["names"])


def test_positions_reach_the_first_and_the_last_sample():
    track = ArrayTrack(0, samples=403, channels=1)
    source = excerpts([track])
    starts = {
        round((float(stem[0, 0, 0]) - 0.1) * 1e5)
        for n in range(20)
        for stem in source.batch(n)["stems"]
    }
    assert starts == {0, 1, 2, 3}


def test_short_songs_are_filled_with_silence():
    track = ArrayTrack(0, samples=150, channels=1)
    stems = excerpts([track]).batch(0)["stems"]
    np.testing.assert_allclose(stems[0, 1, :150], track.read("bass"), atol=1e-7)
    assert not np.any(stems[:, :, 150:])


def test_missing_stems_are_silent():
    stems = excerpts([ArrayTrack(0, stems=("drums", "other"))]).batch(0)["stems"]
    assert not np.any(stems[:, [1, 3]]) and np.all(np.any(stems[:, [0, 2]], axis=2))


@pytest.mark.parametrize("split", [False, True])
def test_accompaniment_is_all_but_the_other_sources(split):
    augmentation = Augmentation(
        gain=(1, 1), swap=0.0, remix=0.0, normalise="none", split_accompaniment=split
    )
    tracks = [ArrayTrack(0), ArrayTrack(1, stems=("drums", "bass", "other"))]
    options = {"channels": 2, "augmentation": augmentation}
    batch = excerpts(tracks, sources=("drums", "accompaniment"), **options).batch(0)
    assert batch["stems"].shape == (6, 2, 400, 2)
    for stems, [(song, _)] in zip(batch["stems"], origin(batch["names"])):
        start = round((float(stems[0, 0, 0]) - 0.1 * (song + 1)) * 1e5)
        expected = read_sources(tracks[song], ("drums", "accompaniment"), start, start + 400)
        np.testing.assert_allclose(stems, expected, atol=1e-5)


def test_a_split_accompaniment_is_remixed_stem_by_stem():
    tracks = [ArrayTrack(number) for number in range(9)]
    augmentation = Augmentation(remix=1.0, split_accompaniment=True)
    options = {"sources": ("drums", "accompaniment"), "augmentation": augmentation}
    names = excerpts(tracks, **options).batch(0)["names"]
    assert all(len(name.split("+")) == 4 for name in names)
    assert len(set(names[0].split("+"))) > 1


def test_a_recorded_accompaniment_is_used_where_there_is_one():
    audio = {"accompaniment": np.full((3000, 2), 0.25, np.float32)}
    track = ArrayTrack(0, stems=("drums", "accompaniment"), audio=audio)
    for split in (False, True):
        augmentation = Augmentation(
            gain=(1, 1), remix=0.0, normalise="none", split_accompaniment=split
        )
        source = excerpts(
            [track, track], sources=("drums", "accompaniment"), augmentation=augmentation
        )
        assert np.all(source.batch(0)["stems"][:, 1] == np.float32(0.25))


@pytest.mark.parametrize("channels", [1, 2])
def test_songs_are_normalised_to_their_own_level(rng, channels):
    audio = {
        stem: (0.1 + 0.05 * rng.standard_normal((3000, channels))).astype(np.float32)
        for stem in SOURCES
    }
    track = ArrayTrack(0, channels=channels, audio=audio)
    level = float(np.std(sum(a.astype(np.float64) for a in audio.values()).mean(axis=1)))
    assert mono_level(track) == pytest.approx(level, rel=1e-6)
    augmentation = Augmentation(gain=(1, 1), remix=0.0, swap=0.0)
    source = excerpts([track], samples=3000, channels=channels, augmentation=augmentation)
    expected = np.stack([audio[stem] for stem in SOURCES]) / level
    np.testing.assert_allclose(source.batch(0)["stems"][0], expected, rtol=1e-5)


def test_silent_songs_stay_silent():
    silent = constant(0.0)
    assert mono_level(silent) == 1.0
    assert not np.any(excerpts([silent], augmentation=Augmentation()).batch(0)["stems"])


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0.15, 0.35), (1.0, 0.8, 1.0)])
def test_a_source_can_be_made_to_play(share, low, high):
    drums = np.zeros((4000, 2), np.float32)
    drums[3400:3700, 1] = 0.2
    drums[3400:3700, 0] = -0.2  # anti-phase: silent in a sum of channels, yet not silent
    track = ArrayTrack(0, samples=4000, audio={"drums": drums})
    augmentation = Augmentation(
        gain=(1, 1), remix=0.0, normalise="none", active="drums", active_share=share
    )
    source = excerpts([track], augmentation=augmentation)
    heard = [np.any(stems[0]) for n in range(20) for stems in source.batch(n)["stems"]]
    assert low <= np.mean(heard) <= high


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tracks": []}, "no songs"),
        ({"samples": 0}, "samples=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"channels": 3}, "channels=3"),
        ({"seed": -1}, "seed=-1"),
        ({"sources": ()}, "sources"),
        ({"sources": ("drums", "drums")}, "each once"),
        ({"sources": ("drums", "guitar")}, "no stem 'guitar'"),
        ({"tracks": [ArrayTrack(0), ArrayTrack(1, rate=44100)]}, "44100"),
        ({"tracks": [ArrayTrack(0, samples=0)]}, "no samples"),
        ({"weights": [1.0]}, "4 finite weights"),
        ({"weights": [0.0] * 4}, "above 0"),
        ({"weights": [1.0, 1.0, 1.0, -1.0]}, "0 or more"),
        ({"weights": [1.0, 1.0, 1.0, float("nan")]}, "finite"),
        ({"sources": ("bass",), "augmentation": Augmentation(active_share=1.0)}, "active"),
    ],
)
def test_misuse_is_one_line(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        excerpts(**options)
    assert "\n" not in str(caught.value)


def test_songs_that_cannot_be_read_raise_their_own_error():
    class Broken(ArrayTrack):
        def _read(self, stem, start, stop):
            raise OSError(5, "Input/output error", "song.wav")

    with pytest.raises(OSError, match=r"song\.wav"):
        excerpts([Broken(0)]).batch(0)


def test_real_songs(shared):
    import datasets

    tracks = datasets.load("folders", shared / "audio" / "mdb9_mono")
    source = PairedExcerpts(tracks, ExcerptShape(2 * 44100, 4, channels=2), seed=1)
    batch = source.batch(0)
    assert batch["stems"].shape == (4, 4, 88200, 2)
    assert 0.3 < np.std(batch["stems"].sum(axis=1)) < 3.0

"""Performances are played exactly: layers, turns, ends, levels; the same for a seed."""

import pickle

import numpy as np
import pytest

import datasets
from datasets import audio
from datasets.kits.opening import open_kit
from datasets.kits.pieces import STEMS
from datasets.kits.playing import FADE, Hit, Playing, render
from datasets.midi.track import loudness

RATE = 8000
KICK, SNARE, HATS = (STEMS.index(stem) for stem in ("kick", "snare", "hats"))


@pytest.fixture
def samples(tmp_path, make_audio):
    """A kit in SFZ; its samples by their names."""
    found = {}
    for seed, name in enumerate(("soft", "loud", "one", "two", "open", "closed")):
        audio.write(tmp_path / f"{name}.wav", make_audio(2000, 2, seed), RATE, bits="32f")
        found[name] = audio.read(tmp_path / f"{name}.wav")[0]
    (tmp_path / "kit.sfz").write_text(
        "<global> amp_veltrack=0\n"
        "<region> key=36 sample=soft.wav hivel=63 <region> key=36 sample=loud.wav lovel=64\n"
        "<region> key=38 sample=one.wav seq_length=2 seq_position=1\n"
        "<region> key=38 sample=two.wav seq_length=2 seq_position=2\n"
        "<region> key=46 sample=open.wav group=1 off_by=1\n"
        "<region> key=42 sample=closed.wav group=1\n"
    )
    return found


@pytest.fixture
def kit(samples, tmp_path):
    return open_kit(tmp_path / "kit.sfz")


def play(kit, hits, length=8000, **options):
    return render(kit, [Hit(*hit) for hit in hits], length, Playing(RATE, **options))


def at(start, part, length=8000):
    whole = np.zeros((length, 2), np.float32)
    whole[start : start + len(part)] = part[: max(0, length - start)]
    return whole


def test_layers_follow_the_velocity(kit, samples):
    stems = play(kit, [(0.0, 36, 63), (0.5, "kick", 64)])
    assert np.array_equal(stems[KICK], at(0, samples["soft"]) + at(4000, samples["loud"]))
    assert not np.delete(stems, KICK, axis=0).any()


def test_samples_sound_in_turn(kit, samples):
    stems = play(kit, [(0.5, 40, 90), (0.0, 38, 90), (0.75, 38, 90)])
    expected = at(0, samples["one"]) + at(6000, samples["two"])
    expected += at(4000, samples["one"])  # key 40 has no instrument of its own: the first snare
    both = play(kit, [(0.0, 38, 90), (0.25, 38, 90), (0.75, 38, 90)])
    assert np.array_equal(
        both[SNARE],
        at(0, samples["one"]) + at(2000, samples["two"]) + at(6000, samples["one"]),
    )
    assert stems[SNARE].any()


def test_an_open_hat_is_ended_by_a_closed_one(kit, samples):
    stems = play(kit, [(0.0, 46, 100), (0.125, 42, 100)])
    fade = round(FADE * RATE)
    ended = samples["open"][: 1000 + fade].copy()
    ended[1000:] *= np.linspace(1, 0, fade, endpoint=False, dtype=np.float32)[:, None]
    assert np.array_equal(stems[HATS], at(0, ended) + at(1000, samples["closed"]))
    stems = play(kit, [(0.0, 46, 100), (0.0, 42, 100)])  # at once: none is later
    assert np.array_equal(stems[HATS], at(0, samples["open"]) + at(0, samples["closed"]))


def test_a_song_ends_and_begins_within_a_sample(kit, samples):
    stems = play(kit, [(0.0, 36, 100), (0.2, 36, 100)], length=1800)
    expected = at(0, samples["loud"], 1800) + at(1600, samples["loud"], 1800)
    assert np.array_equal(stems[KICK], expected)


def test_levels_tuning_and_parts(kit, samples, tmp_path):
    hits = [(0.0, 36, 100), (0.5, 38, 100)]
    stems = play(kit, hits, levels={"kick": -20.0})
    assert np.allclose(stems[KICK], 0.1 * at(0, samples["loud"]), atol=1e-7)
    assert np.array_equal(stems[SNARE], at(4000, samples["one"]))
    high = play(kit, hits, tuning={"kick": 12.0})
    assert np.abs(high[KICK][1010:4000]).max() < 0.01 * np.abs(high[KICK]).max()
    (tmp_path / "other").mkdir()
    audio.write(tmp_path / "other" / "snare.wav", samples["two"], RATE, bits="32f")
    other = open_kit(tmp_path / "other")
    stems = play(kit, [(0.0, 36, 127), (0.5, 38, 127)], parts={"snare": other})
    assert np.array_equal(stems[SNARE], at(4000, samples["two"]))
    assert np.array_equal(stems[KICK], at(0, samples["loud"]))
    with pytest.raises(ValueError, match="'drum' is no piece and no stem"):
        play(kit, hits, levels={"drum": 1.0})


def test_a_seed_gives_the_same_bits_in_any_order(kit):
    hits = [(0.1 * n, key, 80 + n) for n in range(8) for key in (36, 38, 42, 46)]
    first = play(kit, hits, timing=0.01, seed=3)
    assert np.array_equal(first, play(kit, hits[::-1], timing=0.01, seed=3))
    assert not np.array_equal(first, play(kit, hits, timing=0.01, seed=4))
    fewer = play(kit, [hit for hit in hits if hit[1] != 38], timing=0.01, seed=3)
    assert np.array_equal(first[KICK], fewer[KICK])  # a draw depends on its own hit


def test_missing_pieces_are_played_by_near_ones(kit, samples):
    stems = play(kit, [(0.0, 44, 100), (0.3, 51, 100), (0.3, 20, 100)])
    assert np.array_equal(stems[HATS], at(0, samples["closed"]))  # a pedal hat by the closed one
    assert not stems[STEMS.index("cymbals")].any()


@pytest.fixture
def songs(tmp_path, make_band):
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "one.mid").write_bytes(make_band())
    (tmp_path / "songs" / "two.mid").write_bytes(make_band(bars=3, shift=2))
    return tmp_path / "songs"


def test_drummers_are_a_dataset(kit, tmp_path, songs):
    options = {"kits": [str(tmp_path / "kit.sfz")], "sample_rate": RATE}
    whole = datasets.load("kits", songs, **options)
    parts = datasets.load("kits", songs, pieces=True, **options)
    assert [track.name for track in whole] == [track.name for track in parts]
    assert {track.name for track in whole} == {"one", "two"}
    for one, other in zip(whole, parts, strict=True):
        assert (one.stems, other.stems) == (("drums",), STEMS)
        drums = other.read("drums")
        assert drums.dtype == np.float32 and drums.shape == (other.samples, 2)
        summed = sum(other.read(stem).astype(np.float64) for stem in STEMS)
        assert np.abs(summed - drums).max() < 1e-6
        assert np.abs(one.read("drums")).max() > 0.05
        assert np.array_equal(other.read("kick", 100, 900), other.read("kick")[100:900])
        assert one.fingerprint() != other.fingerprint()


def test_dataset_draws_by_its_seed(kit, tmp_path, songs):
    options = {"kits": [str(tmp_path / "kit.sfz")], "sample_rate": RATE}
    options |= {"timing": 0.01, "levels": 3.0, "tuning": 1.0}
    first, again, other = (
        datasets.load("kits", songs, seed=seed, **options)[0] for seed in (1, 1, 2)
    )
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert np.array_equal(first.render(), again.render())
    assert not np.array_equal(first.render(), other.render())
    copy = pickle.loads(pickle.dumps(first))
    assert np.array_equal(copy.read("drums"), first.read("drums"))


def test_performances_are_left_out_by_name_or_folder(kit, tmp_path, songs, make_band):
    for place, name in enumerate(("drummer1", "drummer10")):
        (songs / name).mkdir()
        (songs / name / "take.mid").write_bytes(make_band(bars=4, shift=5 * place + 3))

    def names(*without):
        options = {"kits": [str(tmp_path / "kit.sfz")], "sample_rate": RATE, "without": without}
        return {track.name for track in datasets.load("kits", songs, **options)}

    assert names() == {"one", "two", "drummer1/take", "drummer10/take"}
    assert names("drummer1", "two") == {"one", "drummer10/take"}
    with pytest.raises(ValueError, match="without: there is no performance and no folder 'drum'"):
        names("drum")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "kits: expected folders or files of drum kits"),
        ({"kits": ["gone"], "mix": 2}, "mix=2: expected 0 to 1"),
        ({"kits": ["gone"], "seed": -1}, "seed=-1: expected 0 or more"),
    ],
)
def test_options_are_checked(songs, options, message):
    with pytest.raises(ValueError, match=message):
        datasets.load("kits", songs, **options)


def test_a_file_that_changes_is_refused(kit, tmp_path, songs, make_band):
    track = datasets.load("kits", songs, kits=str(tmp_path / "kit.sfz"), seed=99)[0]
    (songs / f"{track.name}.mid").write_bytes(make_band(bars=1))
    with pytest.raises(ValueError, match="has changed since the songs were listed"):
        track.read("drums")


def test_songs_have_drums_of_a_kit(kit, tmp_path, songs, soundfont):
    options = {"songs": ["one"], "soundfont": soundfont, "sample_rate": RATE, "balance": (-9, 3)}
    font = datasets.load("midi", songs, **options)[0]
    own = datasets.load("midi", songs, kits=[str(tmp_path / "kit.sfz")], **options)[0]
    assert font.fingerprint() != own.fingerprint()
    by_font, by_kit = (
        np.stack([one.read(stem) for stem in ("drums", "bass", "other")]).astype(np.float64)
        for one in (font, own)
    )
    fits = [np.vdot(a, b) / np.sqrt(np.vdot(a, a) * np.vdot(b, b))
            for a, b in zip(by_font, by_kit, strict=True)]  # fmt: skip
    assert fits[0] < 0.5 and min(fits[1:]) > 0.999999  # other drums, the same other stems
    ratio = 20 * np.log10(loudness(by_kit[0], RATE) / loudness(own.read("mixture"), RATE))
    assert -12 < ratio < 3


def test_groove_has_its_own_splits_and_keys(shared):
    names = ["drummer1/session1/1", "drummer1/session1/2"]
    tracks = datasets.load(
        "kits",
        shared / "midi" / "groove",
        songs=names,
        kits=[shared / "audio" / "kits" / "muldjord"],
        sample_rate=RATE,
        pieces=True,
        seconds=8,
    )
    assert [track.name for track in tracks] == names
    assert all(track.read("hats").any() or track.read("cymbals").any() for track in tracks)

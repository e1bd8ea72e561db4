"""Songs and drummers rendered by FluidSynth: sound, levels, splits, what is refused."""

import os
import pickle
import shutil
import warnings

import numpy as np
import pytest

import datasets
from datasets import render_cache
from datasets.midi import (
    fluidsynth,
    groove,
    notes,
)
from datasets.midi import track as midi_track
from datasets.midi.file import read
from datasets.midi.stems import split as split_stems
from datasets.midi.track import loudness, normalise
from tests.datasets.caches import prepare

RATE = 16000
STEMS = ("drums", "bass", "other", "vocals")


def decibels(ratio):
    return 20.0 * np.log10(ratio + 1e-12)


@pytest.fixture
def songs(tmp_path, make_band):
    """Two songs, the second without a lead; a file without drums; the first under another name."""
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "one.mid").write_bytes(make_band())
    (tmp_path / "two.MIDI").write_bytes(make_band(bars=1, shift=3, lead=False))
    return tmp_path


@pytest.fixture
def load(soundfont, songs):
    def load(name="midi", root=songs, **options):
        options = {"soundfont": soundfont, "sample_rate": RATE} | options
        return datasets.load(name, root, **options)

    return load


@pytest.fixture(scope="module")
def whole(soundfont, make_band, tmp_path_factory):
    """A rendered song: the track and its stems, in the order of `STEMS`."""
    root = tmp_path_factory.mktemp("songs")
    (root / "song.mid").write_bytes(make_band())
    track = datasets.load("midi", root, soundfont=soundfont, sample_rate=RATE)[0]
    return track, np.stack([track.read(stem) for stem in STEMS])


def test_a_song_has_its_stems(whole):
    track, stems = whole
    assert track.name == "song" and track.stems == STEMS and not track.missing
    assert track.channels == 2 and not track.own_mixture
    # Two bars of four quarter notes at 120 per minute, less what the last note is short of it.
    assert track.duration == pytest.approx(4.0 + midi_track.TAIL, abs=0.1)
    assert stems.shape == (4, track.samples, 2) and stems.dtype == np.float32
    np.testing.assert_allclose(track.read("mixture"), stems.sum(axis=0), atol=1e-6)
    np.testing.assert_array_equal(track.read("bass", 1000, 9000), stems[1, 1000:9000])
    for stem in stems:
        assert loudness(stem, RATE) > 0.01
        assert np.abs(stem[-10:]).max() < 1e-3 * np.abs(stem).max()  # faded out


def test_what_is_played_is_what_is_heard(whole):
    track, stems = whole
    frequency = np.fft.rfftfreq(RATE, 1 / RATE)
    for stem, key in (("bass", 38), ("vocals", 72)):
        spectrum = np.abs(np.fft.rfft(track.read(stem, 0, RATE // 4).mean(axis=1), RATE))
        low = frequency < 700
        expected = 440 * 2 ** ((key - 69) / 12)
        at = frequency[low][spectrum[low].argmax()]
        assert min(abs(at - expected * harmonic) for harmonic in (1, 2)) < 6, stem
    hits = np.abs(stems[0]).max(axis=1)
    for quarter in range(8):  # each begins with the bass drum
        now = quarter * RATE // 2
        assert hits[now : now + 1600].max() > 0.3 * hits.max()


def test_stems_add_up_to_the_song_in_one_go(whole):
    """But for a few of FluidSynth's blocks of 64 samples, in which a note ends."""
    track, stems = whole
    with open(track.path, "rb") as file:
        song = read(file.read())
    data = midi_track.ended(song, song.events, track.stop)
    together = fluidsynth.render(data, track._font_path, RATE, track.samples)
    total = stems.sum(axis=0)
    together *= np.vdot(together, total) / np.vdot(together, together)  # the level
    blocks = (track.samples - RATE) // 64  # the end fades out
    difference = (total - together)[: blocks * 64].reshape(blocks, -1)
    level = total.std()
    alike = decibels(difference.std(axis=1) / level) < -60.0
    print(
        alike.mean(), decibels(difference.std() / level), decibels(difference[alike].std() / level)
    )
    assert alike.mean() > 0.9
    assert decibels(difference.std() / level) < -30.0


def test_rendering_repeats_its_bits(whole, monkeypatch):
    track, stems = whole
    monkeypatch.setattr(midi_track, "_RECENT", render_cache.RenderCache(lambda key: None, 0))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(track)).render(), stems)


def test_a_song_is_rendered_once_for_all_its_stems(load, monkeypatch):
    rendered = []

    def render(data, font, rate, samples):
        rendered.append(font)
        return np.full((samples, 2), 0.01, np.float32)

    monkeypatch.setattr(fluidsynth, "render", render)
    for track in (load(level=-19)[0], load(level=-19)[0]):  # the same song, listed twice
        for stem in ("mixture", *track.stems):
            track.read(stem, 0, 10)
    assert len(rendered) == len(track.stems)


def test_levels(whole, load):
    _, stems = whole
    mixture = stems.sum(axis=0)
    assert np.abs(mixture).max() <= 0.981 and np.abs(stems).max() <= 0.981
    level = decibels(loudness(mixture, RATE))
    peak = decibels(np.abs(mixture).max())
    assert level == pytest.approx(-18.0, abs=0.05) or (level < -18 and peak > -0.5)
    soft = next(track for track in load(level=-30.0) if track.name == "album/one")
    assert decibels(loudness(soft.read(), RATE)) == pytest.approx(-30.0, abs=0.05)
    # The stems are as loud to each other as before.
    for place, stem in enumerate(STEMS):
        np.testing.assert_allclose(
            soft.read(stem).std() / stems[place].std(), soft.read().std() / mixture.std(), rtol=1e-4
        )


def test_loudness_leaves_pauses_out(rng):
    noise = rng.standard_normal((RATE * 2, 2)).astype(np.float32) * 0.1
    silence = np.zeros((RATE * 20, 2), np.float32)
    assert loudness(noise, RATE) == pytest.approx(0.1, rel=0.02)
    assert loudness(np.concatenate([noise, silence]), RATE) == pytest.approx(0.1, rel=0.02)
    assert loudness(silence, RATE) == 0.0
    assert loudness(np.stack([noise[:, 0], -noise[:, 0]], 1), RATE) == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(("drums_db", "expected"), [(-30.0, -9.0), (-2.0, -2.0), (12.0, 3.0)])
def test_balance_moves_the_drums_no_further_than_it_must(rng, drums_db, expected):
    stems = rng.standard_normal((3, RATE * 2, 2)).astype(np.float32) * 0.01
    stems[1] *= np.float32(10 ** (drums_db / 20) * np.sqrt(2))
    before = stems.copy()
    stems = normalise(stems, RATE, -25.0, 1, (-9.0, 3.0))
    rest = loudness(stems[0] + stems[2], RATE)
    assert decibels(loudness(stems[1], RATE) / rest) == pytest.approx(expected, abs=0.2)
    assert decibels(loudness(stems.sum(axis=0), RATE)) == pytest.approx(-25.0, abs=0.01)
    np.testing.assert_allclose(stems[0] / before[0], stems[2] / before[2], rtol=1e-4)


def test_peaks_stay_below_full_scale_and_silence_stays_silent():
    click = np.zeros((2, RATE, 1), np.float32)
    click[0, 100] = click[1, 200] = 0.5
    assert np.abs(normalise(click, RATE, 0.0)).max() == pytest.approx(0.98)
    cancelling = np.stack([np.ones((RATE, 1)), -0.9 * np.ones((RATE, 1))]).astype(np.float32)
    assert np.abs(normalise(cancelling, RATE, -3.0)).max() == pytest.approx(0.98)
    assert not normalise(np.zeros((2, RATE, 1), np.float32), RATE, -18.0, 0, (-9, 3)).any()


def test_names_missing_stems_and_files_that_are_left_out(load, songs, make_band):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracks = {track.name: track for track in load()}
    assert set(tracks) == {"album/one", "two"}
    assert tracks["two"].missing == ("vocals",)
    assert "vocals is missing: silence" in tracks["two"].warnings
    assert not tracks["two"].read("vocals", 0, 100).any()
    assert load(lead=False)[0].missing == ("vocals",)
    (songs / "solo.mid").write_bytes(make_band(drums=False))
    (songs / "zwei.mid").write_bytes(make_band(bars=1, shift=3, lead=False) + b"\x00")
    (songs / ".hidden.mid").write_bytes(b"")
    (songs / os.fsdecode(b"caf\xe9.mid")).write_bytes(make_band(bars=1, shift=5))
    with pytest.warns(UserWarning, match="2 of 5 files left out: 1 with fewer than 16 drum notes"):
        found = load()
    assert len(found) == 3
    named = next(track for track in found if track.name.startswith("caf"))
    assert pickle.loads(pickle.dumps(named)).fingerprint() == named.fingerprint()


def test_splits_follow_from_the_music_alone(load, songs, make_band):
    for number in range(40):
        (songs / f"song {number}.mid").write_bytes(make_band(1, number - 20, number % 2 == 0))
    with pytest.warns(UserWarning, match="same music"):  # one is "two" again
        all_of_them = load(valid=0.25, test=0.25)
    splits = {track.composition: track.split for track in all_of_them}
    assert {"train", "valid", "test"} == set(splits.values())
    assert 4 <= sum(split == "test" for split in splits.values()) <= 18
    for number in range(0, 40, 2):
        (songs / f"song {number}.mid").unlink()
    (songs / "song 1.mid").rename(songs / "renamed.mid")
    fewer = load(valid=0.25, test=0.25, soundfont=["TimGM6mb"])
    assert all(track.split == splits[track.composition] for track in fewer)
    more = {track.composition: track.split for track in load(valid=0.5, test=0.25)}
    assert all(
        more[piece] == "test"
        for piece, split in splits.items()
        if split == "test" and piece in more
    )
    assert {track.split for track in load(valid=0, test=0)} == {"train"}
    moved = {track.name: track.split for track in load(valid=["renamed"], test=["album/one"])}
    assert moved["renamed"] == "valid" and moved["album/one"] == "test"
    assert set(moved.values()) == {"train", "valid", "test"}
    assert [track.name for track in load(songs=["renamed"])] == ["renamed"]


def test_each_song_draws_a_sound_font(load, songs, make_band, tmp_path_factory):
    for number in range(12):
        (songs / f"song {number}.mid").write_bytes(make_band(1, number - 12))
    other = tmp_path_factory.mktemp("fonts") / "other.sf2"
    other.write_bytes(b"RIFF\x04\x00\x00\x00sfbk")
    both = [str(other), "TimGM6mb"]
    drawn = {track.name: track.font[0] for track in load(soundfont=both)}
    assert set(drawn.values()) == {"other", "TimGM6mb"}
    assert drawn == {track.name: track.font[0] for track in load(soundfont=both)}
    assert drawn != {track.name: track.font[0] for track in load(soundfont=both, seed=1)}


def test_fingerprint_follows_what_is_heard(load, songs, make_band, tmp_path_factory, monkeypatch):
    def track(**options):
        return next(track for track in load(**options) if track.name == "album/one")

    first = track()
    assert first.fingerprint() == track(valid=1.0, test=0.0).fingerprint()
    away = tmp_path_factory.mktemp("away") / "songs"
    shutil.copytree(songs, away)
    assert track(root=away).fingerprint() == first.fingerprint()
    font = tmp_path_factory.mktemp("fonts") / "TimGM6mb.sf2"
    font.write_bytes(b"RIFF\x04\x00\x00\x00sfbk")
    variants = [
        track(**options)
        for options in (
            {"soundfont": font},
            {"sample_rate": 22050},
            {"level": -20},
            {"balance": (-6, 6)},
            {"lead": False},
            {"seconds": 2},
        )
    ]
    monkeypatch.setattr(midi_track, "RECIPE", midi_track.RECIPE + 1)
    variants.append(track())
    monkeypatch.undo()
    (songs / "album" / "one.mid").write_bytes(make_band() + b"\x00")  # the same notes
    variants.append(track())
    assert len({one.fingerprint() for one in (first, *variants)}) == len(variants) + 1
    assert {one.composition for one in variants} == {first.composition}


def test_long_songs_are_cut_and_held_notes_end(load, songs, make_band):
    hanging = bytearray(make_band(bars=3, shift=1))
    at = hanging.rindex(b"\x83")  # the end of the lead's last note
    hanging[at : at + 3] = b"\xb3\x40\x7f"  # becomes a pedal that is held down
    (songs / "hanging.mid").write_bytes(hanging)
    track = load(songs=["hanging"], seconds=2)[0]
    assert track.duration == 2.0 + midi_track.TAIL
    assert any("cut after 2 s" in warning for warning in track.warnings)
    late = track.read("mixture", round(4.4 * RATE))
    assert np.abs(late).max() < 0.05 * np.abs(track.read()).max()
    whole = load(songs=["hanging"])[0]
    assert whole.samples == len(whole.read("vocals"))


def test_songs_are_prepared_once_and_read_from_the_cache(songs, soundfont, tmp_path_factory):
    out = tmp_path_factory.mktemp("cache")
    options = {"soundfont": soundfont, "sample_rate": RATE, "seconds": 1.0}
    manifest = prepare("midi", songs, out, rates=[8000], workers=2, **options)
    assert len(manifest["songs"]) == 2
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    prepare("midi", songs, out, rates=[8000], **options)
    assert written == {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    cached = {track.name: track for track in datasets.load("cache", out)}
    for track in datasets.load("midi", songs, **options):
        assert (
            cached[track.name].split == track.split and cached[track.name].missing == track.missing
        )
        ours, theirs = cached[track.name].read("drums"), track.read("drums")
        assert loudness(ours, 8000) == pytest.approx(loudness(theirs, RATE), rel=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_rate": 4000}, "sample_rate=4000: expected 8000 to 96000"),
        ({"seconds": 0.5}, "seconds=0.5: expected 1 to 900"),
        ({"seconds": 1e4}, "seconds="),
        ({"level": 3.0}, "level=3.0: expected -60 to 0"),
        ({"balance": (3, -3)}, "balance="),
        ({"valid": 1.5}, "valid=1.5: expected a share"),
        ({"valid": 0.6, "test": 0.6}, "sum is at most 1"),
        ({"valid": ["three"]}, "there is no song 'three'"),
        ({"soundfont": []}, "names no sound font"),
        ({"soundfont": "Nothing"}, "there is no sound font 'Nothing'"),
        ({"soundfont": __file__}, "is no sound font"),
    ],
)
def test_options_out_of_range_are_refused(load, options, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        load(**options)


def test_bad_files_are_named(load, songs, make_band, tmp_path_factory):
    (songs / "cut.mid").write_bytes(make_band()[:-100])
    (songs / "text.mid").write_bytes(b"no music")
    with pytest.raises(ValueError, match=r"cut\.mid is cut short"):
        load()
    broken = []
    assert len(load(broken=broken)) == 2
    assert len(broken) == 2 and "text.mid is no MIDI file" in broken[1]
    nothing = tmp_path_factory.mktemp("nothing")
    with pytest.raises(ValueError, match="no songs; expected"):
        load(root=nothing)
    (nothing / "solo.mid").write_bytes(make_band(drums=False))
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="none of its 1 MIDI files"):
        load(root=nothing)
    (songs / "two.mid").write_bytes(make_band(shift=7))
    with pytest.raises(ValueError, match="two songs are called 'two'"):
        load(broken=[])


def test_without_fluidsynth_or_its_fonts_it_says_what_to_install(songs, monkeypatch):
    monkeypatch.setattr(fluidsynth.shutil, "which", lambda name: None)
    for name in ("midi", "groove"):
        with pytest.raises(ValueError, match="apt-get install fluidsynth fluid-soundfont-gm"):
            datasets.load(name, songs)
    monkeypatch.undo()
    monkeypatch.setattr(fluidsynth, "FOLDERS", ("/nowhere",))
    with pytest.raises(ValueError, match="apt-get install fluid-soundfont-gm"):
        fluidsynth.fonts("FluidR3_GM")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kill -9 $$", "signal 9, perhaps for lack of memory.*50% of the song"),
        ("echo warning >&2; echo no memory left >&2; exit 1", "code 1: no memory left.*50% of"),
        ("exit 0", "code 0: it said nothing"),
    ],
)
def test_a_fluidsynth_that_ends_early_is_an_error(tmp_path, monkeypatch, script, message):
    program = tmp_path / "fluidsynth"
    program.write_text(f"#!/bin/sh\nhead -c 800 /dev/zero\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(fluidsynth, "program", lambda: str(program))
    with pytest.raises(OSError, match=message):
        fluidsynth.render(b"", "font.sf2", RATE, 200)


def test_a_file_that_changed_since_it_was_listed_is_refused(load, songs, make_band):
    track = load(songs=["two"])[0]
    (songs / "two.MIDI").write_bytes(make_band(shift=9))
    with pytest.raises(ValueError, match=r"two\.MIDI: has changed"):
        track.read()


def test_real_songs(shared, soundfont):
    root = shared / "midi" / "songs" / "liquidwar5"
    tracks = datasets.load("midi", root, soundfont=soundfont, sample_rate=RATE)
    assert len(tracks) == 8 and all(30.0 < track.duration < 903.0 for track in tracks)
    assert all("drums" in track.stems and len(track.stems) > 1 for track in tracks)
    name = tracks[0].name
    track = datasets.load(
        "midi", root, songs=[name], soundfont=soundfont, sample_rate=RATE, seconds=10
    )[0]
    mixture = track.read()
    assert track.duration == 13.0
    assert np.isfinite(mixture).all() and loudness(mixture, RATE) > 0.03


def test_real_drummers(shared, soundfont):
    root = shared / "midi" / "groove"
    name = "drummer1/eval_session/1"
    track = datasets.load("groove", root, songs=[name], soundfont=soundfont, sample_rate=RATE)[0]
    assert track.split == "test" and track.duration == pytest.approx(27.87 + midi_track.TAIL, abs=1)
    assert -24.0 < decibels(loudness(track.read(), RATE)) < -17.9


# Drummers


@pytest.fixture
def drummers(tmp_path, make_midi):
    """Two beats and a fill, one of them short; the first has every note of the kit."""
    keys = [36, 38, 37, 48, 45, 43, 46, 42, 44, 49, 57, 51, 59, 53, *groove.KEYS]
    hits = [(48 * n, bytes((0x99, key, 100))) for n, key in enumerate(keys)]
    hits += [(tick + 24, bytes((0x89, message[1], 0))) for tick, message in hits]
    rows = ["drummer,id,style,beat_type,midi_filename,duration,split"]
    for number, (kind, split, count) in enumerate(
        (("beat", "train", 99), ("fill", "validation", 8), ("beat", "test", 1))
    ):
        part = [hit for hit in hits if hit[0] < 48 * count]
        (tmp_path / f"{number}.mid").write_bytes(make_midi([(0, b"\xc9\x07"), *part]))
        rows.append(f"drummer1,drummer1/{number},rock,{kind},{number}.mid,1.0,{split}")
    (tmp_path / "info.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_drummers(load, drummers):
    tracks = load("groove", drummers)
    assert [(track.name, track.split) for track in tracks] == [
        ("drummer1/0", "train"),
        ("drummer1/1", "valid"),
    ]  # the third is too short
    assert len(load("groove", drummers, shortest=0.1)) == 3
    assert [track.name for track in load("groove", drummers, beats_only=True)] == ["drummer1/0"]
    assert [t.name for t in load("groove", drummers, split="valid")] == ["drummer1/1"]
    track = tracks[0]
    assert track.stems == track.standard == ("drums",)
    assert decibels(loudness(track.read("drums"), RATE)) < -17.9
    np.testing.assert_array_equal(track.read("drums"), track.read())
    kits = load("groove", drummers, kit=[25, 40])
    assert {track.kit for track in kits} <= {25, 40}
    assert kits[0].fingerprint() != track.fingerprint()
    assert kits[0].composition == track.composition


def test_every_note_of_the_kit_is_heard(load, drummers, make_midi):
    """Also those that General MIDI does not have, or has as another instrument."""
    hits = [(768 * n, bytes((0x99, key, 100))) for n, key in enumerate(groove.KEYS)]
    (drummers / "0.mid").write_bytes(make_midi(hits))
    audio = np.abs(load("groove", drummers)[0].read()).max(axis=1)
    for number in range(len(groove.KEYS)):
        now = 4 * RATE * number
        assert audio[now : now + 1600].max() > 3 * audio[max(0, now - 400) : now].max(initial=0.003)


def test_notes_of_the_kit_become_those_of_general_midi(drummers):
    song = groove._general_midi(read((drummers / "0.mid").read_bytes()), 16)
    assert [e.data for e in song.events if e.data[0] == 0xC9] == [b"\xc9\x10"]
    keys = {note.key for note in notes.notes(song)}
    assert keys == {36, 37, 38, 42, 43, 44, 45, 46, 48, 49, 51, 53, 57, 59}
    assert set(split_stems(song, None)) == set(STEMS)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("id,split\n", "no column 'midi_filename'"),
        ("id,midi_filename,split,beat_type\n1,0.mid,dev,beat\n", "line 2: split 'dev' is none of"),
        ("id,midi_filename,split,beat_type\n1,,train,beat\n", "line 2: names no MIDI file"),
        ("id,midi_filename,split,beat_type\n1,none.mid,train,beat\n", "none.mid: No such file"),
    ],
)
def test_tables_that_are_not_the_datasets(load, drummers, table, message):
    (drummers / "info.csv").write_text(table)
    with pytest.raises(ValueError, match=message):
        load("groove", drummers)


@pytest.mark.parametrize("kit", [128, -1, [], ["jazz"]])
def test_kits_that_there_cannot_be(load, drummers, kit):
    with pytest.raises(ValueError, match="kit="):
        load("groove", drummers, kit=kit)

"""Names of files and folders → stems."""

import pytest

from datasets.intake.naming import (
    BEGINNINGS,
    MEANINGS,
    WORDS,
    assign,
    check_mapping,
    is_part,
    meaning_of,
)

TABLE = {
    "drums": "01_KickIn, Drums (Stem), OH_L, OverheadsR, HHClosed, 08_Hi-Hat, Bass Drum, Drum Mix, "
    "BD 03, snare_muffled02.ogg, TR606_Tom_H.ds, Room, Perc 2, SHAKER, Tamborine, DrumBus, "
    "Kick_2.ds, Percussion Loop, Baßdrum, Floor Tom, HiHat, sd top, Claps, "
    "Schlagzeug, cowbell, Toms",
    "bass": "Bass, BASS_DI, SynthBass, Bass Synth, Bass Guitar, bassslap01.ogg, Sub, E-Bass, "
    "808 Bass, Upright Bass, basse",
    "other": "Gtr1, ElecGtr2DI, EGtr, Lead Gtr, Lead, E-Piano, Keys, Synth Pad, Steel Drums, "
    "FXRiser, Acoustic Guitar L, Strings (high), Orgel, Other, Rhodes 2, Violin, Bass Clarinet, "
    "brass, guitare",
    "vocals": "LeadVox, BVs 2, BGVox, Vocals, Lead Vocal Double, Choir, Gesang Höhe, vox_main, BV, "
    "Backing Vocals, Vocal Synth, rap, Acapella",
    "mixture": "Mix, MASTER, Full Mix, mixture, Song Mixdown, Stereo Mix",
    "ignore": "Click Track, No Drums, Metronome, Instrumental, Backing Track, Guide Vocal",
    None: "song, Track 07, Default preset, Drum Bass, 808, Ioioioioi, Vox and Drums",
}


@pytest.mark.parametrize(
    ("name", "meaning"),
    [(name, meaning) for meaning, names in TABLE.items() for name in names.split(", ")],
)
def test_table(name, meaning):
    assert meaning_of(f"{name}.wav", "A Song", frozenset(), {}) == meaning


def test_a_word_has_one_meaning():
    words = [word for words in WORDS.values() for word in words]
    assert len(words) == len(set(words))
    assert set(WORDS) == set(MEANINGS)
    assert all(any(one in words for words in WORDS.values()) for one in BEGINNINGS)


def test_words_that_all_files_share_say_nothing():
    files = ["Bass Culture - Kick.wav", "Bass Culture - Bass.wav", "Bass Culture - Vox.wav"]
    found, problems = assign(files, "Bass Culture", {})
    assert not problems
    assert {meaning: len(paths) for meaning, paths in found.items()} == {
        "drums": 1,
        "bass": 1,
        "vocals": 1,
    }


def test_a_folder_s_name_stands_in():
    assert meaning_of("Drums/01.wav", "Song", frozenset(), {}) == "drums"
    assert meaning_of("Drums/Gtr.wav", "Song", frozenset(), {}) == "other"
    assert meaning_of("Song/01.wav", "Song", frozenset(), {}) is None


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("Drums", True), ("Stems", True), ("drum stems", True), ("KICK 1", True),
        ("WAV Files", True), ("My Song", False), ("Bass Culture", False),
        ("Bells of Rome", False), ("02", False),
    ],
)  # fmt: skip
def test_folders_that_are_parts(folder, part):
    assert is_part(folder) == part


def test_a_mapping_comes_first_and_in_its_order():
    mapping = {"*kick*take*": "ignore", "KICK*": "other", "Song/Gtr.wav": "vocals"}
    files = ["Kick take 2.wav", "kick.wav", "Gtr.wav", "Bass.wav"]
    found, problems = assign(files, "Song", mapping)
    assert not problems
    assert found == {
        "bass": ["Bass.wav"],
        "other": ["kick.wav"],
        "vocals": ["Gtr.wav"],
        "ignore": ["Kick take 2.wav"],
    }


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["a.wav", "Kick.wav"],
            "what 1 of its files hold is unknown (a.wav); name them",
        ),
        (["Mix.wav"], "none of its files is a stem"),
        (["Kick.wav", "Mix.wav", "Master.wav"], "2 files are its mixture (Master.wav, Mix.wav)"),
    ],
)
def test_what_is_wrong_is_said(files, message):
    (problem,) = assign(files, "Song", {})[1]
    assert problem.startswith(message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a"], "map.yaml: expected lines such as"),
        ({"*a*": "drumz"}, "'drumz' is none of drums.*; did you mean drums"),
        ({1: "drums"}, "'1': 'drums' is none of"),
        ({"*a*": ["drums"]}, "is none of"),
    ],
)
def test_a_mapping_is_checked(given, message):
    with pytest.raises(ValueError, match=message):
        check_mapping(given, "map.yaml")

"""Estimates as the programs of the published systems leave them on disk."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest
import soundfile

from datasets import audio
from datasets.audio import stem_mp4
from evaluation.protocols import PROTOCOLS, Protocol
from evaluation.scoring import runner
from evaluation.scoring.folders import pair_songs, read_file, song_folders
from evaluation.scoring.names import Containers

RATE, SAMPLES = 8000, 6000
STEMS = ("drums", "bass", "other", "vocals")
#: The protocol of DSD100 with short frames and filters.
DSD100 = Protocol(
    **PROTOCOLS["dsd100"].settings() | {"window_s": 0.5, "hop_s": 0.25, "filter_length": 16}
)


def write(path, audio):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, RATE, subtype="PCM_16" if path.suffix == ".flac" else "FLOAT")
    return audio


@pytest.fixture
def folders(tmp_path, rng):
    """References of one song, and estimates of it as DeepConvSep's scripts name them."""
    for stem in STEMS:
        audio = write(tmp_path / f"ref/Song/{stem}.wav", 0.1 * rng.standard_normal((SAMPLES, 2)))
        name = "others" if stem == "other" else stem
        estimate = 0.8 * audio + 0.02 * rng.standard_normal(audio.shape)
        write(tmp_path / f"est/Song/mixture_{name}.wav", estimate)
    return tmp_path


def scored(folders, out, protocol, **options):
    """{target: {metric: (frames,)}}, warnings and the summary of the only song."""
    songs, _ = pair_songs(folders / "ref", folders / "est", protocol, **options)
    summary = runner.run(songs, protocol, folders / out, report=pytest.fail)
    (song,) = (folders / out).glob("test/*.json")
    found = json.loads(song.read_text())
    table = {
        target["name"]: {
            metric: np.array([frame["metrics"][metric] for frame in target["frames"]], float)
            for metric in ("SDR", "ISR", "SIR", "SAR")
        }
        for target in found["targets"]
    }
    return table, found["warnings"], summary


def test_a_missing_estimate_counts_as_zeros_in_the_protocol_of_dsd100(folders):
    """What its script makes of zeros: all is distortion, 0 dB; the others stay what they were."""
    whole, warnings, _ = scored(folders, "whole", DSD100)
    assert warnings == []
    file = folders / "est/Song/mixture_bass.wav"
    silent = np.zeros_like(soundfile.read(file)[0])
    file.unlink()
    found, warnings, summary = scored(folders, "missing", DSD100, targets=STEMS)
    assert warnings == ["no estimate of bass: counts as silence"]
    for target in ("drums", "other", "vocals"):
        for metric, values in whole[target].items():
            np.testing.assert_allclose(found[target][metric], values, atol=1e-4)
    assert (found["bass"]["SDR"] == 0).all() and (found["bass"]["ISR"] == 0).all()
    assert np.isnan(found["bass"]["SIR"]).all() and np.isnan(found["bass"]["SAR"]).all()
    # The accompaniment is the sum of the other two, which lacks the bass.
    assert (found["accompaniment"]["SDR"] < whole["accompaniment"]["SDR"] - 3).all()
    assert summary["median"]["bass"]["SDR"] == 0
    write(file, silent)  # a file of zeros is the same
    again, warnings, _ = scored(folders, "zeros", DSD100)
    assert warnings == []
    np.testing.assert_equal(again, found)


def test_only_that_protocol_takes_a_missing_estimate_for_zeros(folders):
    (folders / "est/Song/mixture_bass.wav").unlink()
    told = []
    songs, _ = pair_songs(folders / "ref", folders / "est", PROTOCOLS["musdb18"], targets=STEMS)
    runner.run(songs, "musdb18", folders / "out", report=told.append)
    assert "no estimate of bass, only drums, other, vocals" in told[0]


def test_a_frame_without_a_reference_has_no_score_of_silence_either(folders):
    path = folders / "ref/Song/drums.wav"
    audio = soundfile.read(path)[0]
    audio[:4000] = 0
    write(path, audio)
    (folders / "est/Song/mixture_bass.wav").unlink()
    found, _, _ = scored(folders, "out", DSD100, targets=STEMS)
    assert np.isnan(found["bass"]["SDR"]).tolist() == [True, False]


def test_flat_folders_of_ikala(tmp_path, rng):
    """output/METHOD/ID-voice.wav beside the songs of `python -m datasets export ikala`."""
    for song in ("10161_chorus", "21025_verse"):
        for stem, name in (("vocals", "voice"), ("accompaniment", "music")):
            audio = write(tmp_path / f"ref/test/{song}/{stem}.wav", rng.random((SAMPLES, 1)))
            write(tmp_path / f"est/{song}-{name}.wav", 0.9 * audio)
    write(tmp_path / "ref/test/21025_verse/mixture.wav", rng.random((SAMPLES, 1)))
    songs, without = pair_songs(tmp_path / "ref", tmp_path / "est", PROTOCOLS["ikala"])
    assert [(song.name, song.split) for song in songs] == [
        ("10161_chorus", "test"),
        ("21025_verse", "test"),
    ]
    assert without == 0
    given = songs[1].read()
    assert list(given.stems) == list(given.estimates) == ["vocals", "accompaniment"]
    for stem in given.stems:
        np.testing.assert_allclose(given.estimates[stem], 0.9 * given.stems[stem], atol=1e-6)
    assert given.mixture is not None and songs[0].read().mixture is None


def test_flat_folders_of_bach10(tmp_path, rng):
    """METHOD/PIECE-violin.wav beside Sources/PIECE/PIECE-violin.wav."""
    pieces = ("01-AchGottundHerr", "02-AchLiebenChristen")
    for piece in pieces:
        for name in ("bassoon", "clarinet", "saxphone", "violin"):
            audio = rng.random((SAMPLES, 1))
            write(tmp_path / f"ref/Sources/{piece}/{piece}-{name}.wav", audio)
            write(tmp_path / f"est/{piece}-{name}.wav", audio)
    songs, without = pair_songs(tmp_path / "ref", tmp_path / "est", PROTOCOLS["bach10"])
    assert [song.name for song in songs] == list(pieces) and without == 0
    given = songs[0].read()
    assert set(given.estimates) == {"bassoon", "clarinet", "saxophone", "violin"}
    np.testing.assert_array_equal(given.estimates["violin"], given.stems["violin"])


def test_names_that_only_look_like_it_are_stems(tmp_path, rng):
    for name in ("lead-guitar", "voice", "Song-mix"):
        write(tmp_path / f"Song/{name}.wav", rng.random((9, 1)))
    assert {str(path): set(files) for path, files in song_folders(tmp_path).items()} == {
        "Song": {"lead-guitar", "vocals", "song-mix"}
    }


@pytest.mark.parametrize("format", [*sorted(set(audio.FORMATS) - {"alac"}), "aif", "mka"])
def test_what_the_separator_writes_and_more_is_read(tmp_path, rng, format):
    """References and estimates of one format, and the scores are those of the same audio."""
    sound = (0.1 * rng.standard_normal((12_000, 2))).astype(np.float32)
    for side, gain in (("ref", 1), ("est", 0.5)):
        path = tmp_path / side / "Song" / f"drums.{format}"
        path.parent.mkdir(parents=True)
        if format in audio.FORMATS:
            audio.write(path, gain * sound, 48_000)
        else:  # an extension says nothing of the content
            soundfile.write(path, gain * sound, 48_000, format="AIFF")
    folders = (tmp_path / "ref", tmp_path / "est")
    songs, _ = pair_songs(*folders, PROTOCOLS["musdb18"], read=audio.read, report=pytest.fail)
    given = pickle.loads(pickle.dumps(songs[0].read))()
    reference, estimate = given.stems["drums"], given.estimates["drums"]
    assert reference.shape == estimate.shape and reference.any()
    assert np.sum(reference * estimate) == pytest.approx(0.5 * np.sum(reference**2), rel=0.2)


def test_files_that_are_not_used_are_told_in_one_line(tmp_path, rng):
    for name in ("drums.wav", "drums.flac", "vocals.wav"):
        for side in ("ref", "est"):
            write(tmp_path / side / "Song" / name, rng.random((9, 1)).clip(0, 0.9))
    for name in ("Song/bass.xyz", "Song.stem.mp4", "Song/notes.txt", ".Trash/x.wav"):
        (tmp_path / "est" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "est" / name).write_bytes(b"x")
    said = []
    (song,), _ = pair_songs(
        tmp_path / "ref", tmp_path / "est", PROTOCOLS["musdb18"], report=said.append
    )
    assert [line.partition(": ")[2] for line in said] == [
        "1 files are not used (a second file of a stem, a format that is not read): "
        "Song/drums.flac",
        "3 files are not used (a second file of a stem, a format that is not read): "
        "Song/bass.xyz, Song/drums.flac, Song.stem.mp4",
    ]
    assert sorted(song.read().estimates) == ["drums", "vocals"]


def test_a_pipe_among_the_estimates_is_told_at_once(tmp_path, rng):
    for side in ("ref", "est"):
        write(tmp_path / side / "Song" / "drums.wav", rng.random((9, 1)))
    (tmp_path / "est/Song/drums.wav").unlink()
    os.mkfifo(tmp_path / "est/Song/drums.wav")
    (song,), _ = pair_songs(tmp_path / "ref", tmp_path / "est", PROTOCOLS["musdb18"])
    with pytest.raises(ValueError, match=r"drums\.wav: is a pipe"):
        song.read()


def test_a_promise_of_too_many_samples_is_told_and_no_memory_taken(tmp_path, rng):
    path = tmp_path / "drums.flac"
    soundfile.write(path, rng.random((9000, 2)) * 0.9, RATE)
    data = bytearray(path.read_bytes())
    data[18:26] = ((int.from_bytes(data[18:26], "big") >> 36 << 36) | 2**36 - 1).to_bytes(8, "big")
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"drums\.flac: cannot be read as audio"):
        read_file(path)


def test_estimates_without_references_say_what_was_looked_for_and_found(tmp_path, rng):
    def song(folder):
        audio.write(tmp_path / folder / "drums.wav", rng.uniform(-0.5, 0.5, (4410, 1)), 44100)

    song("references/train/One")
    song("references/test/One")
    song("references/test/Two")
    song("estimates/other/One")
    song("estimates/Three")
    found, _ = pair_songs(tmp_path / "references", tmp_path / "estimates", PROTOCOLS["musdb18"])
    told = {}
    for task in found:
        with pytest.raises(ValueError) as caught:
            task.read()
        told[task.name] = str(caught.value)
    where = tmp_path / "references"
    assert told["Three"] == (
        f"no reference folder of this name; looked for {where / 'Three'} and for 'Three' anywhere "
        f"in {where}, found test/One, test/Two, train/One"
    )
    assert told["One"] == (
        f"2 reference folders of this name in {where}: test/One, train/One; expected one, or the "
        "same path below it"
    )


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("{song}_({Stem}).wav", "SONG_(STEM): 8"),
        ("1_{song}_({Stem})_model_bs_roformer.wav", "SONG_(STEM): 8"),
        ("{song}/1_mixture_({Stem})_model.wav", "SONG_(STEM): 8"),
        ("{song} ({Stem}).flac", "SONG (STEM): 8"),
        ("{song}_{stem}.wav", "SONG_STEM: 8"),
        ("deep/{song}_{stem}.wav", "SONG_STEM: 8"),
        ("{song}/{stem}.wav", ""),
    ],
)
def test_estimates_named_by_other_programs(tmp_path, rng, pattern, rule):
    songs = ("A - Song_one", "2_Two (live)")
    for song in songs:
        for stem in STEMS:
            sound = 0.1 * rng.standard_normal((900, 1))
            write(tmp_path / "ref" / "test" / song / f"{stem}.wav", sound)
            name = pattern.format(song=song, stem=stem, Stem=stem.capitalize())
            write(tmp_path / "est" / name, sound)
    said = []
    found, without = pair_songs(
        tmp_path / "ref", tmp_path / "est", PROTOCOLS["musdb18"], report=said.append
    )
    assert sorted(task.name for task in found) == sorted(songs) and without == 0
    for task in found:
        given = task.read()
        assert set(given.estimates) == set(STEMS)
        for stem in STEMS:
            np.testing.assert_allclose(given.estimates[stem], given.stems[stem], atol=1e-4)
    expected = f"{tmp_path / 'est'}: songs and stems by the names of files ({rule} files)"
    assert said == ([expected] if rule else [])


def test_two_estimates_of_one_stem_are_one_line_that_names_both(tmp_path, rng):
    write(tmp_path / "ref/Song/vocals.wav", rng.random((9, 1)))
    for name in ("1_Song_(Vocals)_a.wav", "1_Song_(Vocals)_b.wav"):
        write(tmp_path / "est" / name, rng.random((9, 1)))
    with pytest.raises(ValueError, match=r"_a\.wav and 1_Song_\(Vocals\)_b\.wav are both vocals"):
        pair_songs(tmp_path / "ref", tmp_path / "est", PROTOCOLS["musdb18"])


def test_names_of_no_known_song_are_names_of_stems(tmp_path, rng):
    write(tmp_path / "ref/Song/lead_vocals.wav", rng.random((9, 1)))
    write(tmp_path / "est/Song/lead_vocals.wav", rng.random((9, 1)))
    (task,), _ = pair_songs(tmp_path / "ref", tmp_path / "est", PROTOCOLS["musdb18"])
    assert list(task.read().estimates) == ["lead_vocals"]


def test_estimates_in_a_stem_file(tmp_path, rng):
    stems = {stem: (0.1 * rng.standard_normal((30_000, 2))).astype("f4") for stem in STEMS}
    for stem, sound in stems.items():
        audio.write(tmp_path / "ref" / "Song" / f"{stem}.wav", sound, 44100)
    (tmp_path / "est").mkdir()
    stem_mp4.write(tmp_path / "est" / "Song.stem.mp4", sum(stems.values()), stems, 44100)
    said = []
    (task,), _ = pair_songs(
        tmp_path / "ref", tmp_path / "est", PROTOCOLS["musdb18"], report=said.append,
        containers=Containers(stem_mp4.stem_names, stem_mp4.read),
    )  # fmt: skip
    given = pickle.loads(pickle.dumps(task.read))()
    assert "SONG.stem.mp4: 1 files" in said[0] and set(given.estimates) == set(STEMS)
    for stem in STEMS:
        match = np.sum(given.estimates[stem] * given.stems[stem]) / np.sum(given.stems[stem] ** 2)
        assert match == pytest.approx(1, abs=0.3)
    (tmp_path / "packed").mkdir()
    shutil.copy(tmp_path / "est" / "Song.stem.mp4", tmp_path / "packed")
    (task,), without = pair_songs(
        tmp_path / "packed", tmp_path / "est", PROTOCOLS["musdb18"],
        containers=Containers(stem_mp4.stem_names, stem_mp4.read),
    )  # fmt: skip
    same = task.read()
    assert not without and set(same.stems) == set(STEMS)
    for stem in STEMS:
        np.testing.assert_array_equal(same.stems[stem], same.estimates[stem])

"""Tags of songs: kept in every format that is written, without what is not true of a stem."""

import resource
import struct

import av
import mutagen
import numpy as np
import pytest
import soundfile

from common.audio_files import OUTPUT_FORMATS
from datasets import audio
from datasets.audio import stem_mp4, tags
from datasets.audio.tags import Tags, read_tags

PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 900
TEXTS = {
    "title": "Söng", "artist": "A;B", "album": "X", "album_artist": "AA", "track": "3/12",
    "disc": "1/2", "date": "2001", "genre": "Rock", "comment": "hé", "isrc": "US1",
    "composer": "C", "copyright": "c", "publisher": "P", "mood": "sad", "lyrics": "la\nla",
}  # fmt: skip


def written(path, format, kept=None, samples=50_001):
    data = (np.random.default_rng(1).standard_normal((samples, 2)) * 0.1).astype(np.float32)
    rate = 48000 if format == "opus" else 44100
    with audio.Writer(path, rate, 2, format=format, tags=kept) as file:
        file.write(data)
    assert not file.warnings
    return audio.read(path)[0]


@pytest.mark.parametrize("format", OUTPUT_FORMATS)
def test_tags_and_pictures_come_back_and_the_audio_stays(tmp_path, format):
    extension = OUTPUT_FORMATS[format].extension
    plain = written(tmp_path / f"plain.{extension}", format)
    path = tmp_path / f"tagged.{extension}"
    assert np.array_equal(written(path, format, Tags(TEXTS, (PICTURE,))), plain)
    found = read_tags(path)
    assert found.texts == TEXTS and found.pictures == (PICTURE,) and not found.warnings
    again = tmp_path / f"again.{extension}"
    written(again, format, found.of_stem("drums", "song"))
    assert read_tags(again).texts == TEXTS | {"title": "Söng (drums)"}
    assert mutagen.File(path) is not None


def test_a_stem_file_keeps_its_stems_beside_the_tags(tmp_path):
    data = (np.random.default_rng(1).standard_normal((30_000, 2)) * 0.1).astype(np.float32)
    found = []
    for name, kept in (("a", None), ("b", Tags(TEXTS, (PICTURE,)))):
        path = tmp_path / f"{name}.stem.mp4"
        with stem_mp4.StemWriter(path, 44100, 2, ("drums", "bass"), tags=kept) as file:
            file.write({"mixture": data, "drums": data, "bass": data})
        assert stem_mp4.stem_names(path) == ("drums", "bass")
        found.append(stem_mp4.read_all(path)[0])
    assert np.array_equal(*found)
    assert read_tags(path).texts == TEXTS and read_tags(path).pictures == (PICTURE,)


def test_what_is_not_true_of_a_stem_is_left_out(tmp_path):
    path = tmp_path / "x.flac"
    written(path, "flac")
    file = mutagen.File(path)
    names = ("REPLAYGAIN_TRACK_GAIN", "replaygain_album_peak", "R128_TRACK_GAIN", "iTunNORM")
    names += ("encoder", "ENCODED_BY", "TLEN", "CUESHEET", "Acoustid Fingerprint", "LENGTH")
    for name in names:
        file.tags[name] = ["1"]
    file.tags["title"] = ["T"]
    file.save()
    assert read_tags(path).texts == {"title": "T"}


def test_a_title_falls_back_on_the_name_of_the_song():
    assert Tags({"artist": "A"}).of_stem("bass", "take").texts["title"] == "take (bass)"
    assert not Tags({})


def test_letters_that_are_not_utf8_are_one_warning(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros((100, 1)), 8000)
    text = b"INFOINAM" + struct.pack("<I", 6) + b"caf\xe9 \0"
    data = path.read_bytes() + b"LIST" + struct.pack("<I", len(text)) + text
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    found = read_tags(path)
    assert found.texts == {"title": "café"} and found.warnings == (tags.NOT_UTF8,)


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".m4a", ".ogg", ".wav"])
def test_broken_tags_are_no_error(tmp_path, suffix):
    """Every tenth byte of the beginning is broken, one place after the other."""
    format = suffix[1:]
    path = tmp_path / f"x{suffix}"
    written(path, format, Tags(TEXTS, (PICTURE[:200],)), 3000)
    data = path.read_bytes()
    for place in range(0, min(len(data), 3000), 37):
        path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        found = read_tags(path)
        assert isinstance(found, Tags) and len(found.warnings) <= 2


def test_large_pictures_and_texts_are_left_out_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(tags, "LARGEST_PICTURE", 300_000)
    path = tmp_path / "x.flac"
    written(path, "flac", Tags({"title": "T", "lyrics": "x" * 70_000}, (PICTURE, PICTURE)))
    found = read_tags(path)
    assert found.texts == {"title": "T"} and found.pictures == (PICTURE,)
    assert len(found.warnings) == 2 and "more than 20 MB" in found.warnings[0]


def test_a_picture_too_large_for_a_block_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(tags, "LARGEST_FLAC_PICTURE", 1000)
    with audio.Writer(tmp_path / "x.flac", 44100, 1, tags=Tags(TEXTS, (PICTURE,))) as file:
        file.write(np.zeros((100, 1)))
    assert "too large for the format" in file.warnings[0]
    assert read_tags(tmp_path / "x.flac").texts == TEXTS


def test_what_cannot_be_written_is_a_warning_and_the_audio_stays(tmp_path, monkeypatch):
    def refuse(path, kept, warnings):
        raise mutagen.MutagenError("no\nroom")

    monkeypatch.setitem(tags.WRITERS, "wav", refuse)
    with audio.Writer(tmp_path / "x.wav", 8000, 1, tags=Tags(TEXTS)) as file:
        file.write(np.ones((100, 1)) / 2)
    assert file.warnings == ["has tags that wav cannot hold (no room)"]
    assert audio.read(tmp_path / "x.wav")[0].shape == (100, 1)


def test_a_file_without_tags_has_none_and_bpm_is_a_number_in_mp4(tmp_path):
    written(tmp_path / "x.m4a", "m4a")
    assert not read_tags(tmp_path / "x.m4a") and not read_tags(tmp_path / "absent.m4a").texts
    written(tmp_path / "y.m4a", "m4a", Tags({"bpm": "120"}))
    assert mutagen.File(tmp_path / "y.m4a").tags["tmpo"] == [120]
    with av.open(str(tmp_path / "y.m4a")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "ogg", "opus", "m4a", "aiff"])
def test_a_disk_that_is_full_once_the_tags_come_leaves_nothing(tmp_path, format):
    """A limit on file sizes stands in for the end of the disk."""
    path = tmp_path / f"x.{format}"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    sound = np.zeros((9000, 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, hard))
    try:
        file = audio.Writer(path, 48000, 2, format=format, tags=Tags(TEXTS, (PICTURE,)))
        file.write(sound)
        with pytest.raises(OSError, match=r"File too large|x\."):
            file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())

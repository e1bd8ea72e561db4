"""Native Instruments stem files."""

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import audio
from datasets.audio import pyav, stem_mp4
from experiments.benchmarks.stems import import_stempeg

STEMS = ("drums", "bass", "other", "vocals")


@pytest.fixture(scope="session")
def stempeg():
    module, _ = import_stempeg()
    return module


@pytest.fixture(scope="module")
def written(tmp_path_factory, make_audio):
    """A stem file and what was put in: (path, (tracks, samples, channels))."""
    path = tmp_path_factory.mktemp("stems") / "song.stem.mp4"
    stems = {stem: make_audio(150_001, seed=place) for place, stem in enumerate(STEMS)}
    mixture = sum(stems.values())
    stem_mp4.write(path, mixture, stems, 44100)
    return path, np.stack([mixture, *stems.values()])


def stem_files(shared):
    return sorted((shared / "audio" / "stem_mp4").glob("*.stem.mp4"))


def test_real_files_as_stempeg_reads_them(shared, stempeg):
    assert len(stem_files(shared)) == 2
    for path in stem_files(shared):
        expected, rate = stempeg.read_stems(str(path), dtype=np.float32)
        whole, our_rate = stem_mp4.read_all(path)
        assert our_rate == rate == 44100
        assert whole.shape == expected.shape
        assert np.abs(whole - expected).max() <= 1e-6
        for track in range(5):
            one, _ = stem_mp4.read(path, track, 200_000, 203_000)
            assert np.array_equal(one, whole[track, 200_000:203_000])


def test_names_in_real_files(shared):
    names = {stem_mp4.stem_names(path) for path in stem_files(shared)}
    assert names == {(), ("Drums", "Bass", "Other", "Vox")}


def test_written_file_as_stempeg_reads_it(written, stempeg):
    path, tracks = written
    read, rate = stempeg.read_stems(str(path), dtype=np.float32)
    assert rate == 44100 and read.shape == tracks.shape
    ours, _ = stem_mp4.read_all(path)
    assert np.abs(read - ours).max() <= 1e-6
    titles = stempeg.Info(str(path)).title_streams
    assert titles == ["mixture", *STEMS]
    noise = np.square(ours - tracks).sum((1, 2)) / np.square(tracks).sum((1, 2))
    assert (noise < 0.05).all()  # aligned and in order: AAC of noise at 256 kbit/s keeps 13 dB


def test_box_is_as_specified(written):
    path, _ = written
    assert stem_mp4.stem_names(path) == STEMS
    data = path.read_bytes()
    place = data.index(b"stem", data.index(b"udta"))
    (size,) = struct.unpack(">I", data[place - 4 : place])
    content = json.loads(data[place + 4 : place - 4 + size])
    assert content["version"] == 1
    assert [stem["name"] for stem in content["stems"]] == list(STEMS)
    assert all(len(stem["color"]) == 7 for stem in content["stems"])
    assert set(content["mastering_dsp"]) == {"compressor", "limiter"}
    with open(path, "rb") as file:  # boxes fill the file and each other without a gap
        end = os.fstat(file.fileno()).st_size
        outer = list(stem_mp4._boxes(file, 0, end))
        assert sum(size for _, _, size, _ in outer) == end
        at, head, size, name = outer[-1]
        assert name == b"moov"
        inner = list(stem_mp4._boxes(file, at + head, end))
        assert sum(part for _, _, part, _ in inner) == size - head


@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_excerpts(written, data):
    path, _ = written
    start = data.draw(st.integers(0, 150_001))
    stop = data.draw(st.integers(start, min(start + 5000, 150_001)))
    whole, _ = stem_mp4.read_all(path)
    assert np.array_equal(stem_mp4.read_all(path, start, stop)[0], whole[:, start:stop])
    assert np.array_equal(stem_mp4.read(path, 3, start, stop)[0], whole[3, start:stop])


def test_blocks_and_streaming_agree_with_the_whole(tmp_path, written):
    path, tracks = written
    whole, _ = stem_mp4.read_all(path)
    blocks = np.concatenate(list(stem_mp4.blocks(path, 2, 10_000)))
    assert np.array_equal(blocks, whole[2])
    with stem_mp4.StemWriter(tmp_path / "x.stem.mp4", 44100, 2, STEMS) as file:
        for start in range(0, tracks.shape[1], 9999):
            block = tracks[:, start : start + 9999]
            file.write(dict(zip(("mixture", *STEMS), block)))
    assert np.array_equal(stem_mp4.read_all(tmp_path / "x.stem.mp4")[0], whole)
    assert audio.read(tmp_path / "x.stem.mp4")[0].shape == tracks[0].shape  # plays the mixture


@pytest.mark.parametrize("samples", [1, 3, 1024, 5000])
@pytest.mark.parametrize("channels", [1, 2])
def test_short_and_mono(tmp_path, make_audio, samples, channels):
    data = make_audio(samples, channels)
    path = tmp_path / "x.stem.mp4"
    stem_mp4.write(path, data, {"drums": data, "accompaniment": data * 0}, 48000)
    whole, rate = stem_mp4.read_all(path)
    assert rate == 48000 and whole.shape == (3, samples, channels)
    assert stem_mp4.stem_names(path) == ("drums", "accompaniment")


def test_name_that_is_not_utf8(tmp_path, make_audio):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.stem.mp4")
    stem_mp4.write(path, make_audio(3000), {"drums": make_audio(3000)}, 44100)
    assert stem_mp4.read_all(path)[0].shape == (2, 3000, 2)
    assert stem_mp4.stem_names(path) == ("drums",)


def test_what_does_not_fit(tmp_path, make_audio):
    data = make_audio(100)
    path = tmp_path / "x.stem.mp4"
    for mixture, stems, rate, message in (
        (data, {"drums": data}, 44000, "AAC cannot hold 44000 Hz"),
        (make_audio(100, 3), {"drums": make_audio(100, 3)}, 44100, "1 or 2 channels, not 3"),
        (data, {"drums": data[:50]}, 44100, r"drums is \(50, 2\), expected \(100, 2\)"),
        (data, {"drums": data * np.nan}, 44100, "drums is not finite"),
        (data, {}, 44100, "different names beside the mixture"),
        (data[:0], {"drums": data[:0]}, 44100, "no samples"),
    ):
        with pytest.raises(ValueError, match=message):
            stem_mp4.write(path, mixture, stems, rate)
    with (
        pytest.raises(ValueError, match="got mixture, bass, expected mixture, drums"),
        stem_mp4.StemWriter(path, 44100, 2, ("drums",)) as file,
    ):
        file.write({"mixture": data, "bass": data})
    assert list(tmp_path.iterdir()) == []


def test_broken_files(tmp_path, written):
    path, _ = written
    data = path.read_bytes()
    cut = tmp_path / "cut.stem.mp4"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"cut\.stem\.mp4: not audio that can be decoded"):
        stem_mp4.read_all(cut)
    odd = tmp_path / "odd.stem.mp4"
    odd.write_bytes(data.replace(b'"version": 1', b'"version"; 1'))
    with pytest.raises(ValueError, match=r"odd\.stem\.mp4: the box moov/udta/stem is not the JSON"):
        stem_mp4.stem_names(odd)
    with pytest.raises(ValueError, match="has tracks 0 to 4, no track 5"):
        stem_mp4.read(path, 5)
    assert len(pyav.describe(path)) == 5

"""Files that are written: bit for bit, block by block, large, and never half."""

import errno
import resource
import struct
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import audio
from datasets.audio import wav, writing

SUFFIXES = [".wav", ".flac", ".aiff", ".ogg", ".mp3", ".m4a"]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
@pytest.mark.parametrize(("bits", "subtype"), [(16, "PCM_16"), (24, "PCM_24")])
def test_reading_and_writing_again_changes_no_bit(tmp_path, rng, suffix, bits, subtype):
    limit = 2 ** (bits - 1)
    whole = rng.integers(-limit, limit, (5001, 3), dtype=np.int32)
    whole[0], whole[1] = -limit, limit - 1
    soundfile.write(tmp_path / f"a{suffix}", whole << (32 - bits), 44100, subtype=subtype)
    data, rate = audio.read(tmp_path / f"a{suffix}")
    audio.write(tmp_path / f"b{suffix}", data, rate, bits=bits)
    info = soundfile.info(tmp_path / f"b{suffix}")
    assert (info.subtype, info.channels, info.samplerate) == (subtype, 3, 44100)
    again = soundfile.read(tmp_path / f"b{suffix}", dtype="int32")[0] >> (32 - bits)
    assert np.array_equal(again, whole)


@pytest.mark.parametrize("suffix", [".wav", ".aiff"])
def test_floats_keep_everything(tmp_path, rng, suffix):
    data = (rng.standard_normal((1000, 2)) * 3).astype(np.float32)  # beyond full scale too
    audio.write(tmp_path / f"x{suffix}", data, 48000, bits="32f")
    assert np.array_equal(audio.read(tmp_path / f"x{suffix}")[0], data)
    assert soundfile.info(tmp_path / f"x{suffix}").subtype == "FLOAT"


@pytest.mark.parametrize("samples", [1, 4096, 50_001])
@pytest.mark.parametrize(("bits", "channels"), [(16, 2), (24, 1)])
def test_alac_changes_no_bit(tmp_path, rng, samples, bits, channels):
    limit = 2 ** (bits - 1)
    whole = rng.integers(-limit, limit, (samples, channels)).astype(np.float32) / limit
    audio.write(tmp_path / "x.m4a", whole, 44100, format="alac", bits=bits)
    assert audio.probe(tmp_path / "x.m4a").format == "alac"
    assert np.array_equal(audio.read(tmp_path / "x.m4a")[0], whole)


@pytest.mark.parametrize("samples", [1, 959, 48_000, 100_001])
def test_opus_keeps_length_and_place(tmp_path, make_audio, samples):
    data = make_audio(samples, 2)
    audio.write(tmp_path / "x.opus", data, 48000)
    found, rate = audio.read(tmp_path / "x.opus")
    assert rate == 48000 and found.shape == data.shape
    with av.open(str(tmp_path / "x.opus")) as container:  # FFmpeg skips the same beginning
        other = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], 1)
        assert other.shape[1] >= samples
    if samples > 9000:
        part = data[4000:8096, 0]
        heard = np.correlate(found[3900:8196, 0], part, "valid")
        assert int(np.argmax(heard)) == 100


@pytest.mark.parametrize(
    ("suffix", "bitrate"), [("mp3", 128), ("ogg", 96), ("opus", 64), ("m4a", 96)]
)
def test_a_bit_rate_is_what_the_file_has(tmp_path, rng, suffix, bitrate):
    data = (0.1 * rng.standard_normal((48000 * 8, 2))).astype(np.float32)
    path = tmp_path / f"x.{suffix}"
    with audio.Writer(path, 48000, 2, bitrate=bitrate) as file:
        file.write(data)
    assert path.stat().st_size * 8 / 8000 == pytest.approx(bitrate, rel=0.2)


@pytest.mark.parametrize(
    ("name", "rate", "bitrate", "message"),
    [
        ("x.mp3", 44100, 130, "mp3 at 44100 Hz has 32, 40, .* 320"),
        ("x.mp3", 8000, 128, "mp3 at 8000 Hz has 8, .* 64$"),
        ("x.ogg", 44100, 20, "ogg of 2 channels at 44100 Hz has 64 to 499"),
        ("x.ogg", 96000, 128, "has no bit rate to choose"),
        ("x.opus", 48000, 5, "opus of 2 channels at 48000 Hz has 12 to 512"),
        ("x.m4a", 8000, 200, "m4a of 2 channels at 8000 Hz has 16 to 98"),
        ("x.wav", 8000, 128, "wav has no bit rate"),
    ],
)
def test_a_bit_rate_out_of_range_names_the_range(tmp_path, name, rate, bitrate, message):
    with pytest.raises(ValueError, match=message):
        audio.Writer(tmp_path / name, rate, 2, bitrate=bitrate)
    assert list(tmp_path.iterdir()) == []


def test_aiff_is_no_larger_than_its_sizes_can_say(tmp_path, make_audio, monkeypatch):
    monkeypatch.setattr(writing, "AIFF_LIMIT", 10_000)
    audio.write(tmp_path / "x.aiff", make_audio(2500, 2), 44100)
    with pytest.raises(OSError, match="aiff holds 2 GiB at most; choose wav or flac"):
        audio.write(tmp_path / "y.aiff", make_audio(2501, 2), 44100)
    assert [path.name for path in tmp_path.iterdir()] == ["x.aiff"]


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_too_loud_is_clipped_not_wrapped(tmp_path, suffix):
    data = np.array([[1.0], [1.5], [-1.0], [-7.0]], np.float32)
    with audio.Writer(tmp_path / f"x{suffix}", 44100, 1) as file:
        file.write(data)
        assert file.peak == 7.0
    top = 32767 / 32768
    assert audio.read(tmp_path / f"x{suffix}")[0][:, 0].tolist() == [top, top, -1.0, -1.0]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=6),
    place=st.integers(0, len(SUFFIXES) - 1),
)
def test_blocks_make_the_same_file(tmp_path_factory, make_audio, sizes, place):
    data = make_audio(sum(sizes) + 1, 2)
    folder = tmp_path_factory.mktemp("blocks")
    suffix = SUFFIXES[place]
    audio.write(folder / f"whole{suffix}", data, 44100)
    with audio.Writer(folder / f"parts{suffix}", 44100, 2) as file:
        for end, size in zip(np.cumsum(sizes), sizes):
            file.write(data[end - size : end])
        file.write(data[sum(sizes) :])
        assert file.samples == len(data)
    whole, parts = (audio.read(folder / f"{name}{suffix}")[0] for name in ("whole", "parts"))
    assert np.array_equal(whole, parts)


@pytest.mark.parametrize(("bits", "channels"), [(16, 2), (24, 1), (24, 3), ("32f", 2)])
def test_wav_that_outgrows_riff_becomes_rf64(tmp_path, make_audio, monkeypatch, bits, channels):
    data = make_audio(5001, channels)
    audio.write(tmp_path / "small.wav", data, 44100, bits=bits)
    monkeypatch.setattr(wav, "RIFF_LIMIT", 10_000)
    audio.write(tmp_path / "large.wav", data, 44100, bits=bits)
    small, large = ((tmp_path / f"{name}.wav").read_bytes() for name in ("small", "large"))
    assert small[:4] == b"RIFF" and large[:4] == b"RF64" and len(small) == len(large)
    assert len(large) % 2 == 0
    assert struct.unpack("<Q", large[20:28])[0] == len(large) - 8
    assert soundfile.info(tmp_path / "large.wav").format == "RF64"
    expected = audio.read(tmp_path / "small.wav")[0]
    assert np.array_equal(audio.read(tmp_path / "large.wav")[0], expected)
    with av.open(str(tmp_path / "large.wav")) as container:  # FFmpeg reads it too
        assert sum(frame.samples for frame in container.decode(audio=0)) == len(data)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_after_an_error_the_older_file_is_there(tmp_path, make_audio, suffix):
    path = tmp_path / f"x{suffix}"
    audio.write(path, make_audio(2000), 44100)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="stop"), audio.Writer(path, 44100, 2) as file:
        file.write(make_audio(100_000, seed=9))
        raise RuntimeError("stop")
    assert path.read_bytes() == before
    file = audio.Writer(path, 44100, 2)
    file.write(make_audio(100))
    file.abort()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "rate", "channels", "bits", "message"),
    [
        ("x.xyz", 44100, 2, 16, "cannot write 'xyz', only wav, flac, aiff, alac, mp3"),
        ("x.opus", 44100, 2, 16, "opus cannot hold 44100 Hz"),
        ("x.wav", 44100, 2, 20, "20 bits are none of 16, 24, 32f"),
        ("x.flac", 44100, 2, "32f", "flac holds 16 or 24 bits"),
        ("x.mp3", 96000, 2, 16, "mp3 cannot hold 96000 Hz; choose wav or flac"),
        ("x.m4a", 44000, 2, 16, "m4a cannot hold 44000 Hz"),
        ("x.mp3", 44100, 6, 16, "mp3 holds 1 to 2 channels, not 6"),
    ],
)
def test_what_a_format_cannot_hold(tmp_path, name, rate, channels, bits, message):
    with pytest.raises(ValueError, match=message) as raised:
        audio.Writer(tmp_path / name, rate, channels, bits=bits)
    assert name in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_to_write(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    if suffix in (".wav", ".ogg", ".aiff"):
        audio.write(path, np.zeros((0, 2)), 44100)
        assert audio.probe(path).samples == 0 and audio.read(path)[0].shape == (0, 2)
    else:
        with pytest.raises(ValueError, match="no samples"):
            audio.write(path, np.zeros((0, 2)), 44100)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_not_finite_and_wrong_shape(tmp_path, suffix):
    for data, message in ((np.full((9, 2), np.nan), "not finite"), (np.zeros((9, 1)), "shape")):
        with (
            pytest.raises(ValueError, match=message),
            audio.Writer(tmp_path / f"x{suffix}", 44100, 2) as file,
        ):
            file.write(data)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".stem.mp4"])
def test_full_disk(tmp_path, suffix):
    """A limit on file sizes stands in for the end of the disk: write() fails the same way."""
    program = f"""
import numpy as np, sys
sys.path.insert(0, {str(writing.__file__.rsplit("/datasets/", 1)[0])!r})
from datasets import audio
from datasets.audio import stem_mp4
path = {str(tmp_path / f"x{suffix}")!r}
data = np.random.default_rng(0).standard_normal((44100 * 20, 2)).astype(np.float32) * 0.1
try:
    if path.endswith(".stem.mp4"):
        stem_mp4.write(path, data, {{"drums": data, "other": data}}, 44100)
    else:
        audio.write(path, data, 44100)
except OSError as error:
    print(error.errno, error.filename)
"""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, preexec_fn=limit
    )
    number, name = done.stdout.split(maxsplit=1)
    assert int(number) in (errno.EFBIG, errno.EIO, errno.ENOSPC)
    assert name.strip() == str(tmp_path / f"x{suffix}")
    assert done.stderr == "" and list(tmp_path.iterdir()) == []

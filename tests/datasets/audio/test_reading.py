"""Reading and resampling files; excerpts are exactly a part of the whole."""

import os

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from common.audio_files import AUDIO_EXTENSIONS, OUTPUT_FORMATS, STEM_FORMAT
from datasets import audio

KINDS = {
    "wav16.wav": {"bits": 16},
    "wav24.wav": {"bits": 24},
    "wav32f.wav": {"bits": "32f"},
    "flac.flac": {},
    "ogg.ogg": {},
    "mp3.mp3": {},
    "m4a.m4a": {},
}
SAMPLES = 200_000


@pytest.fixture(scope="module")
def files(tmp_path_factory, make_audio):
    """One long file of each kind: name → (path, what was written, all of it as read)."""
    folder = tmp_path_factory.mktemp("kinds")
    written = make_audio(SAMPLES)
    found = {}
    for name, options in KINDS.items():
        audio.write(folder / name, written, 44100, **options)
        found[name] = (folder / name, written, audio.read(folder / name)[0])
    opus = folder / "opus.ogg"
    with soundfile.SoundFile(opus, "w", 48000, 2, format="OGG", subtype="OPUS") as file:
        for start in range(0, SAMPLES, 4096):
            file.write(written[start : start + 4096])
    found["opus.ogg"] = (opus, written, audio.read(opus)[0])
    return found


@pytest.mark.parametrize("kind", [*KINDS, "opus.ogg"])
def test_length_rate_and_alignment_survive(files, kind):
    path, written, whole = files[kind]
    info = audio.probe(path)
    assert (info.samples, info.channels) == (SAMPLES, 2)
    assert info.sample_rate == (48000 if kind == "opus.ogg" else 44100)
    assert info.duration == SAMPLES / info.sample_rate
    assert whole.shape == written.shape and whole.dtype == np.float32
    if kind in ("ogg.ogg", "mp3.mp3", "m4a.m4a", "opus.ogg"):  # lossy: best match at no shift
        part = slice(50_000, 90_000)
        errors = {
            shift: np.square(np.roll(whole, shift, 0)[part] - written[part]).sum()
            for shift in (-1105, -1024, -312, -2, -1, 0, 1, 2, 312, 1024, 1105)
        }
        assert min(errors, key=errors.get) == 0
    else:
        step = {"wav16.wav": 2**-16, "flac.flac": 2**-16, "wav24.wav": 2**-24, "wav32f.wav": 0}
        assert np.abs(whole - written).max() <= step[kind]


@pytest.mark.parametrize("kind", [*KINDS, "opus.ogg"])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_excerpt_is_that_part_of_the_whole(files, kind, data):
    path, _, whole = files[kind]
    start = data.draw(st.integers(0, SAMPLES))
    stop = data.draw(st.integers(start, min(start + 9000, SAMPLES + 500)) | st.just(start))
    excerpt, _ = audio.read(path, start, stop)
    assert np.array_equal(excerpt, whole[start:stop])


@pytest.mark.parametrize("kind", [*KINDS, "opus.ogg"])
@pytest.mark.parametrize("block", [997, 65536, 10**7])
def test_blocks_add_up_to_the_whole(files, kind, block):
    path, _, whole = files[kind]
    blocks = list(audio.blocks(path, block))
    assert all(len(part) == block for part in blocks[:-1])
    assert np.array_equal(np.concatenate(blocks), whole)


def test_real_files_agree_with_their_excerpts(shared):
    songs = shared / "audio" / "songs_cc"
    for path in [*songs.glob("*.mp3"), *songs.glob("*Drum-bass*.ogg")]:
        whole, rate = audio.read(path)
        assert len(whole) == audio.probe(path).samples > 5 * rate
        for start in (0, 1, 150_001, len(whole) - 777):
            assert np.array_equal(audio.read(path, start, start + 777)[0], whole[start:][:777])


@pytest.mark.parametrize("bounds", [(-1, 5), (SAMPLES + 1, None), (10, 9)])
def test_excerpt_outside_the_file(files, bounds):
    with pytest.raises(ValueError, match="not within its 200000 samples"):
        audio.read(files["flac.flac"][0], *bounds)


@pytest.mark.parametrize("samples", [0, 1, 2, 441, 44101])
@pytest.mark.parametrize("to_rate", [8000, 22050, 32000, 44100, 48000, 96000])
def test_resampled_length(make_audio, samples, to_rate):
    resampled = audio.resample(make_audio(samples), 44100, to_rate)
    assert resampled.shape == (int(np.ceil(samples * to_rate / 44100)), 2)
    assert resampled.dtype == np.float32


def test_resampling_keeps_a_tone_and_drops_what_does_not_fit():
    time = np.arange(44100) / 44100
    low, high = (np.sin(2 * np.pi * f * time).astype(np.float32) for f in (1000, 15000))
    there = audio.resample(low + high, 44100, 22050)
    expected = np.sin(2 * np.pi * 1000 * np.arange(22050) / 22050)
    assert np.abs(there - expected)[1000:-1000].max() < 1e-4
    assert np.array_equal(there, soxr.resample(low + high, 44100, 22050))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".m4a"])
@pytest.mark.parametrize("samples", [1, 2, 1000])
@pytest.mark.parametrize("channels", [1, 2])
def test_tiny_files(tmp_path, make_audio, suffix, samples, channels):
    path = tmp_path / f"tiny{suffix}"
    audio.write(path, make_audio(samples, channels), 44100)
    whole, _ = audio.read(path)
    assert whole.shape == (samples, channels)
    assert np.array_equal(np.concatenate(list(audio.blocks(path, 1))), whole)
    assert audio.read(path, samples)[0].shape == (0, channels)


def test_high_rate(tmp_path, make_audio):
    for suffix in (".wav", ".flac", ".m4a"):
        audio.write(tmp_path / f"x{suffix}", make_audio(5000), 96000)
        assert audio.probe(tmp_path / f"x{suffix}").sample_rate == 96000


def test_pcm_of_every_width_and_alac(tmp_path, make_audio):
    """Scaling of whole-number samples, also through PyAV."""
    from fractions import Fraction

    import av

    data = make_audio(5000)
    for subtype, step in (("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_32", 2**-30)):
        soundfile.write(tmp_path / "x.wav", data, 44100, subtype=subtype)
        assert np.abs(audio.read(tmp_path / "x.wav")[0] - data).max() <= step
    with av.open(str(tmp_path / "x.m4a"), "w") as container:
        stream = container.add_stream("alac", rate=44100, layout="stereo")
        whole = np.ascontiguousarray(np.rint(data.T * 32768).astype(np.int16))
        frame = av.AudioFrame.from_ndarray(whole, format="s16p", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    read, _ = audio.read(tmp_path / "x.m4a")
    assert np.abs(read[:5000] - data).max() <= 2**-16


class TestBadFiles:
    """Each is one line that names the file."""

    def read(self, path):
        with pytest.raises((ValueError, OSError)) as raised:
            audio.read(path)
        message = str(raised.value)
        assert str(path) in message and "\n" not in message
        return message

    @pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".m4a", ".mp4"])
    def test_empty_and_nonsense(self, tmp_path, suffix):
        path = tmp_path / f"x{suffix}"
        path.write_bytes(b"")
        assert "is empty" in self.read(path)
        path.write_bytes(b"this is no audio " * 999)
        assert "not audio that can be decoded" in self.read(path)

    def test_absent_and_a_folder(self, tmp_path):
        assert "No such file" in self.read(tmp_path / "none.wav")
        assert "Is a directory" in self.read(tmp_path)

    def test_not_permitted(self, tmp_path, make_audio):
        path = tmp_path / "x.wav"
        audio.write(path, make_audio(10), 44100)
        path.chmod(0)
        if os.geteuid() == 0:  # root may read everything: be somebody else
            os.seteuid(65534)
            try:
                assert "Permission denied" in self.read(path)
            finally:
                os.seteuid(0)
        else:
            assert "Permission denied" in self.read(path)

    @pytest.mark.parametrize("suffix", [".flac", ".mp3", ".m4a"])
    def test_truncated(self, tmp_path, make_audio, suffix):
        path = tmp_path / f"x{suffix}"
        audio.write(path, make_audio(100_000), 44100)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        assert "truncated" in self.read(path) or "complete" in self.read(path)

    @pytest.mark.parametrize("suffix", [".wav", ".ogg"])
    def test_truncated_but_readable_is_said(self, tmp_path, make_audio, suffix):
        path = tmp_path / f"x{suffix}"
        audio.write(path, make_audio(100_000), 44100)
        assert audio.probe(path).warnings == ()
        whole, _ = audio.read(path)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        info = audio.probe(path)
        assert 0 < info.samples < 100_000 and "truncated" in info.warnings[0]
        assert np.array_equal(audio.read(path)[0], whole[: info.samples])

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, tmp_path, make_audio, value):
        data = make_audio(1000)
        data[700, 1] = value
        path = tmp_path / "x.wav"
        soundfile.write(path, data, 44100, subtype="FLOAT")
        assert "sample 700 (0.016 s) is not a finite number" in self.read(path)
        assert np.array_equal(audio.read(path, 0, 700)[0], data[:700])
        with pytest.raises(ValueError, match="sample 700"):
            list(audio.blocks(path, 256))

    def test_huge_values_are_finite(self, tmp_path):
        data = np.full((100, 2), 3e38, np.float32)
        soundfile.write(tmp_path / "x.wav", data, 44100, subtype="FLOAT")
        assert np.array_equal(audio.read(tmp_path / "x.wav")[0], data)

    @pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".m4a"])
    def test_names_that_are_not_utf8(self, tmp_path, make_audio, suffix):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff" + suffix.encode())
        audio.write(path, make_audio(3000), 44100)
        assert os.path.exists(path) and audio.probe(path).samples == 3000
        assert audio.read(path, 100, 200)[0].shape == (100, 2)
        assert sum(map(len, audio.blocks(path))) == 3000


def test_one_list_of_formats_holds_all_that_is_written():
    extensions = [facts.extension for facts in OUTPUT_FORMATS.values()]
    assert all(audio.is_audio(f"song.{extension}") for extension in (*extensions, STEM_FORMAT))
    assert audio.EXTENSIONS is AUDIO_EXTENSIONS
    for name in ("a.WEBM", "a.wma", "a.mka", "a.caf", "a.w64", "a.wv", "a.oga", "a.ac3", "a.m4b"):
        assert audio.is_audio(name)
    assert not any(map(audio.is_audio, (".a.wav", "wav", "a.txt", "a.wav.part")))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a"])
def test_blocks_of_an_excerpt_are_that_part_of_the_whole(tmp_path, make_audio, suffix):
    path = tmp_path / f"x{suffix}"
    audio.write(path, make_audio(300_000), 48000)
    whole, _ = audio.read(path)
    for start, stop in ((0, 1), (150_001, 250_003), (299_000, None), (1000, 1000), (5, 10**9)):
        found = list(audio.blocks(path, 7001, start, stop))
        assert all(len(block) == 7001 for block in found[:-1])
        expected = whole[start:stop]
        assert sum(map(len, found)) == len(expected)
        assert not len(expected) or np.array_equal(np.concatenate(found), expected)
    with pytest.raises(ValueError, match="not within its 300000 samples"):
        next(audio.blocks(path, 7001, 300_001))


def checksum(page):
    """The checksum of an Ogg page whose own is zero."""
    found = 0
    for byte in page:
        found ^= byte << 24
        for _ in range(8):
            found = (found << 1 ^ 0x04C11DB7 if found >> 31 else found << 1) & 0xFFFFFFFF
    return found


@pytest.mark.parametrize(("missing", "whole"), [(10, True), (960, True), (1500, False)])
def test_an_opus_header_may_round_up_to_a_frame(tmp_path, rng, missing, whole):
    path = tmp_path / "song.opus"
    sound = rng.normal(0, 0.1, (30000, 2)).astype(np.float32)
    soundfile.write(path, sound, 48000, format="OGG", subtype="OPUS")
    found, _ = audio.read(path)
    data = bytearray(path.read_bytes())
    last = data.rindex(b"OggS")
    end = int.from_bytes(data[last + 6 : last + 14], "little") + missing
    data[last + 6 : last + 14] = end.to_bytes(8, "little")
    data[last + 22 : last + 26] = bytes(4)
    data[last + 22 : last + 26] = checksum(data[last:]).to_bytes(4, "little")
    path.write_bytes(data)
    spare = audio.probe(path).samples - len(found)
    if not whole:
        with pytest.raises(ValueError, match="truncated"):
            audio.read(path)
        return
    assert spare == missing
    longer, _ = audio.read(path)
    np.testing.assert_array_equal(longer[: len(found) - 960], found[:-960])
    assert len(longer) == len(found) + missing and np.isfinite(longer).all()

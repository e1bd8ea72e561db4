"""Containers of every kind: samples are counted, holes are told, and nothing else is opened."""

import os
import socket
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from datasets import audio
from datasets.audio.frames import samples_of

RATE = 44100
FORMATS = {
    "mkv": "matroska", "mka": "matroska", "wma": "asf", "ts": "mpegts", "mpg": "mpeg",
    "m4b": "ipod", "aac": "adts", "oga": "ogg",
}  # fmt: skip
EXPERIMENTAL = {"strict": "-2", "b": "128000"}
#: (extension, encoder, rate): what the encoders of PyAV can write.
KINDS = [
    *(("mkv", codec, RATE) for codec in ("flac", "alac", "wavpack", "tta", "pcm_s16le", "mp2")),
    *(("mka", codec, 22050) for codec in ("flac", "aac", "libmp3lame", "vorbis")),
    ("mkv", "ac3", 48000), ("mkv", "ac3", RATE), ("mkv", "vorbis", RATE), ("webm", "vorbis", RATE),
    ("webm", "libopus", 48000), ("mkv", "aac", RATE), ("mkv", "libmp3lame", RATE),
    ("wma", "wmav2", RATE), ("wma", "wmav2", 48000), ("wma", "wmav1", 22050),
    ("flv", "aac", RATE), ("flv", "libmp3lame", RATE), ("flv", "aac", 22050),
    ("ac3", "ac3", RATE), ("ac3", "ac3", 48000), ("eac3", "eac3", RATE), ("mp2", "mp2", RATE),
    ("ts", "aac", RATE), ("ts", "mp2", RATE), ("ts", "ac3", RATE), ("ts", "libopus", 48000),
    ("mpg", "mp2", RATE), ("wv", "wavpack", RATE), ("tta", "tta", RATE), ("caf", "alac", RATE),
    ("caf", "pcm_s16le", RATE), ("w64", "pcm_s16le", RATE), ("au", "pcm_s16be", RATE),
    ("aiff", "pcm_s16be", RATE), ("avi", "libmp3lame", RATE), ("avi", "pcm_s16le", RATE),
    ("mov", "pcm_s16le", RATE), ("mov", "alac", RATE), ("mov", "aac", RATE), ("mp4", "ac3", RATE),
    ("mp4", "libopus", 48000), ("mp4", "flac", RATE), ("mp4", "aac", 22050), ("m4b", "aac", RATE),
    ("aac", "aac", RATE), ("mp3", "libmp3lame", RATE), ("wav", "libmp3lame", RATE),
    ("oga", "flac", RATE), ("oga", "vorbis", RATE), ("oga", "vorbis", 22050),
    ("oga", "libopus", 48000), ("flac", "flac", RATE),
]  # fmt: skip
#: What libsndfile decodes; FFmpeg's decoder of Vorbis and Opus rounds otherwise.
ELSEWHERE = {("oga", "vorbis"), ("oga", "libopus")}
LOSSLESS = ("flac", "alac", "wavpack", "tta", "pcm_s16le", "pcm_s16be")


def tone(seconds, rate, seed=0):
    """A tone, bursts and clicks: float32 (samples, 2), whole numbers of 16 bits."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate))[:, None] / rate
    sound = 0.4 * np.sin(2 * np.pi * np.array([440, 550]) * time)
    sound += 0.1 * rng.standard_normal(sound.shape) * (np.sin(2 * np.pi * 1.3 * time) > 0.6)
    sound[::9001] += 0.3
    return (np.rint(sound.clip(-0.99, 0.99) * 32768) / 32768).astype(np.float32)


def encode(path, codec, data, rate, **options):
    """Write (samples, 2) with an encoder of FFmpeg's into the container of the name."""
    extension = path.suffix[1:]
    with av.open(str(path), "w", format=FORMATS.get(extension), container_options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout="stereo")
        lossy = codec not in (*LOSSLESS, "libopus")
        stream.codec_context.options = EXPERIMENTAL if lossy else {"strict": "-2"}
        known = [kind.name for kind in stream.codec_context.codec.audio_formats or ()]
        kind = next((name for name in ("s16", "s16p", *known) if name in known), "s16")
        stream.codec_context.format = kind
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(data.T), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=kind, rate=rate)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return path


def remux(source, target, drop=(), ahead=None, **options):
    """Copy the packets of a file but those numbered in `drop`; from `ahead[0]` on later in time."""
    with (
        av.open(str(source)) as given,
        av.open(
            str(target), "w", format=FORMATS.get(target.suffix[1:]), container_options=options
        ) as file,
    ):
        found = given.streams.audio[0]
        stream = file.add_stream_from_template(found)
        packets = [packet for packet in given.demux(found) if packet.dts is not None]
        for number, packet in enumerate(packets):
            if ahead and number >= ahead[0]:
                packet.pts += ahead[1]
                packet.dts += ahead[1]
            if number not in drop:
                packet.stream = stream
                file.mux(packet)
    return target


def plain(path):
    """What FFmpeg decodes from the start, one frame after the other."""
    with av.open(str(path)) as container:
        return np.concatenate([samples_of(frame) for frame in container.decode(audio=0)])


def check_excerpts(path, rng, count=12):
    """Excerpts and blocks are parts of the whole, which is returned."""
    whole, _ = audio.read(path)
    assert audio.probe(path).samples == len(whole)
    assert np.array_equal(np.concatenate(list(audio.blocks(path, 7777))), whole)
    starts = [0, 1, max(0, len(whole) - 700), *rng.integers(0, len(whole), count)]
    for start in map(int, starts):
        stop = min(len(whole), start + int(rng.integers(1, 6000)))
        assert np.array_equal(audio.read(path, start, stop)[0], whole[start:stop]), (start, stop)
    return whole


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Encode a kind once: kinds(extension, encoder, rate) → file of four seconds."""
    folder = tmp_path_factory.mktemp("kinds")

    def kind(extension, codec, rate):
        path = folder / f"{codec}_{rate}.{extension}"
        return path if path.exists() else encode(path, codec, tone(4, rate), rate)

    return kind


@pytest.mark.parametrize(("extension", "codec", "rate"), KINDS)
def test_whole_blocks_and_excerpts_are_what_the_decoder_gives(kinds, rng, extension, codec, rate):
    """Bit for bit among one another; -140 dB to a plain decode, of which only padding is cut."""
    path = kinds(extension, codec, rate)
    whole = check_excerpts(path, rng)
    assert audio.probe(path).warnings == ()
    if (extension, codec) in ELSEWHERE:
        return
    expected = plain(path)
    assert 0 <= len(expected) - len(whole) <= 2048
    error = np.square(whole - expected[: len(whole)], dtype=np.float64).mean()
    assert error <= 1e-14 * np.square(expected, dtype=np.float64).mean()
    if codec in LOSSLESS:
        assert np.array_equal(whole, tone(4, rate))


def test_files_of_the_field(shared, rng):
    """Time stamps of a millisecond: samples were dropped and doubled at every packet."""
    folder = shared / "cases" / "audio"
    for name in ("tone_flac.mkv", "tone_opus.webm", "tone_vorbis.webm", "w48.wma"):
        whole = check_excerpts(folder / name, rng)
        assert np.array_equal(whole, plain(folder / name)), name
        assert audio.probe(folder / name).warnings == ()
    whole, _ = audio.read(folder / "tone_flac.mkv")
    assert np.abs(np.diff(whole, axis=0)).max() < 0.1


class TestHoles:
    """Lost packets are silence and told; all that follows stays in its place."""

    def check(self, path, whole, lost, rng):
        found = check_excerpts(path, rng)
        assert found.shape == whole.shape
        there = np.ones(len(whole), bool)
        for start, stop in lost:
            assert not found[start:stop].any()
            there[start:stop] = False
        assert np.array_equal(found[there], whole[there])
        assert len(audio.probe(path).warnings) == len(lost)
        assert all("filled with silence" in line for line in audio.probe(path).warnings)

    @pytest.mark.parametrize("extension", ["mkv", "mka"])
    def test_of_whole_frames(self, tmp_path, kinds, rng, extension):
        source = kinds("mkv", "flac", RATE)
        path = remux(source, tmp_path / f"x.{extension}", drop=(7, 8, 15))
        lost = [(7 * 4608, 9 * 4608), (15 * 4608, 16 * 4608)]
        self.check(path, plain(source), lost, rng)

    def test_in_a_format_with_exact_time_stamps(self, tmp_path, kinds, rng):
        source = kinds("mov", "alac", RATE)
        path = remux(source, tmp_path / "x.m4b", drop=(5,))
        self.check(path, plain(source), [(5 * 4096, 6 * 4096)], rng)

    def test_of_lossy_codecs_keep_the_length(self, tmp_path, kinds, rng):
        for kind in (("webm", "libopus", 48000), ("mkv", "aac", RATE), ("flv", "aac", RATE)):
            source = kinds(*kind)
            path = remux(source, tmp_path / f"x.{kind[0]}", drop=(30, 31, 77))
            assert len(check_excerpts(path, rng)) == len(plain(source))
            assert len(audio.probe(path).warnings) == 2

    def test_a_jump_of_an_hour_is_told_and_no_hour_of_silence(self, tmp_path, kinds, rng):
        source = kinds("mkv", "aac", RATE)
        path = remux(source, tmp_path / "x.mkv", ahead=(60, 3_600_000))
        assert np.array_equal(check_excerpts(path, rng), plain(source))
        (warning,) = audio.probe(path).warnings
        assert "time stamps that jump by 3600.0 s at 1.37" in warning

    def test_time_stamps_that_wander_change_nothing(self, tmp_path, kinds, rng):
        """Rounded down to 5 ms, as recorders do."""
        source = kinds("mkv", "aac", RATE)
        with av.open(str(source)) as given, av.open(str(tmp_path / "x.mkv"), "w") as file:
            stream = file.add_stream_from_template(given.streams.audio[0])
            for packet in given.demux(audio=0):
                if packet.dts is not None:
                    packet.pts = packet.dts = packet.pts // 5 * 5
                    packet.stream = stream
                    file.mux(packet)
        assert np.array_equal(check_excerpts(tmp_path / "x.mkv", rng), plain(source))
        assert audio.probe(tmp_path / "x.mkv").warnings == ()


@pytest.mark.parametrize(
    ("extension", "codec", "rate"),
    [("mkv", "flac", RATE), ("webm", "libopus", 48000), ("flv", "libmp3lame", RATE)],
)
def test_a_file_cut_short_says_so(tmp_path, kinds, rng, extension, codec, rate):
    path = tmp_path / f"x.{extension}"
    data = kinds(extension, codec, rate).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "its header says 4.0" in audio.probe(path).warnings[0]
    check_excerpts(path, rng)


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize(("extension", "codec", "rate"), KINDS)
def test_whatever_is_cut_short_is_told(tmp_path, kinds, extension, codec, rate, share):
    path = tmp_path / f"x.{extension}"
    data = kinds(extension, codec, rate).read_bytes()
    assert audio.probe(kinds(extension, codec, rate)).warnings == ()
    path.write_bytes(data[: int(len(data) * share)])
    try:
        warnings = audio.probe(path).warnings
        if not warnings:
            for _ in audio.blocks(path):
                pass
    except ValueError as error:
        warnings = (str(error),)
    assert warnings and any(
        word in warnings[0] for word in ("truncated", "damaged", "its header says", "not audio")
    )


def test_mp4_in_fragments_and_without_an_edit_list(tmp_path, kinds, rng):
    """Delay and padding: by the edit list; without one both stay, as the decoder gives them."""
    source = kinds("m4b", "aac", RATE)
    data = tone(4, RATE)
    assert check_excerpts(source, rng).shape == data.shape
    fragments = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"}
    for options in (fragments, {"use_editlist": "0"}):
        path = remux(source, tmp_path / "x.mp4", **options)
        found = check_excerpts(path, rng)
        assert np.array_equal(found, plain(path)[: len(found)])
        assert 0 <= len(found) - len(data) - 1024 <= 1024


def test_several_tracks_in_a_container_of_milliseconds(tmp_path):
    from datasets.audio import pyav

    path, data = tmp_path / "x.mkv", [tone(3, RATE, seed) for seed in (1, 2)]
    with av.open(str(path), "w") as file:
        streams = [file.add_stream("flac", rate=RATE, layout="stereo") for _ in data]
        for start in range(0, len(data[0]), 4000):
            for stream, track in zip(streams, data):
                part = np.rint(track[start : start + 4000] * 32768).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="s16")
                frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
                file.mux(stream.encode(frame))
        for stream in streams:
            file.mux(stream.encode(None))
    both = pyav.read(path, [0, 1], 50_000, 70_000)
    for track in (0, 1):
        assert np.array_equal(both[track], data[track][50_000:70_000])


class TestWhatIsNotOpened:
    """One line that names the file, at once."""

    def refused(self, path):
        for call in (audio.probe, audio.read, lambda path: list(audio.blocks(path))):
            with pytest.raises((ValueError, OSError)) as raised:
                call(path)
            assert str(path) in str(raised.value) and "\n" not in str(raised.value)
        return str(raised.value)

    @pytest.mark.parametrize("name", ["x.wav", "x.m4a", "x.mkv", "x.txt"])
    def test_lists_of_other_files(self, tmp_path, kinds, name):
        other = kinds("mkv", "flac", RATE)
        os.link(other, tmp_path / "other.mkv")
        path = tmp_path / name
        path.write_text("ffconcat version 1.0\nfile other.mkv\n")
        assert "lists of other files are not opened" in self.refused(path)
        path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nother.mkv\n#EXT-X-ENDLIST\n")
        self.refused(path)

    @pytest.mark.parametrize("suffix", [".wav", ".mp3", ".mkv"])
    def test_pipes_devices_and_sockets(self, tmp_path, suffix):
        path = tmp_path / f"x{suffix}"
        os.mkfifo(path)
        assert "is a pipe, expected a file" in self.refused(path)
        link = tmp_path / f"y{suffix}"
        link.symlink_to("/dev/zero")
        assert "is a device" in self.refused(link)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(tmp_path / f"z{suffix}"))
            assert "is a socket" in self.refused(tmp_path / f"z{suffix}")


def lie(path, samples):
    """Make the header of a FLAC file promise `samples`."""
    data = bytearray(path.read_bytes())
    number = int.from_bytes(data[18:26], "big") >> 36 << 36
    data[18:26] = (number | samples).to_bytes(8, "big")
    path.write_bytes(data)


class TestPromises:
    """What a header promises is checked before memory is taken for it."""

    @pytest.mark.parametrize("samples", [2**36 - 1, 2**33, 2**30])
    def test_of_flac(self, tmp_path, samples):
        path = tmp_path / "x.flac"
        soundfile.write(path, tone(2, RATE), RATE)
        lie(path, samples)
        for call in (audio.probe, audio.read, lambda path: audio.read(path, 5, 9)):
            with pytest.raises(ValueError, match=r"x\.flac: its header says \d+ samples") as raised:
                call(path)
            assert "\n" not in str(raised.value)

    def test_of_a_file_of_the_field(self, shared):
        path = shared / "cases" / "audio" / "flac_lies_2p36.flac"
        with pytest.raises(ValueError, match="its header says 68719476735 samples"):
            audio.probe(path)

    def test_long_silence_is_no_lie(self, tmp_path):
        path = tmp_path / "x.flac"
        soundfile.write(path, np.zeros((3_000_000, 2), np.float32), RATE)
        assert path.stat().st_size * 100 < 3_000_000
        assert audio.probe(path).samples == 3_000_000
        assert not audio.read(path, 2_999_000)[0].any()

    def test_a_header_that_leaves_the_length_open_is_counted(self, tmp_path, rng):
        path = tmp_path / "x.flac"
        soundfile.write(path, tone(2, RATE), RATE)
        lie(path, 0)
        assert np.array_equal(check_excerpts(path, rng), tone(2, RATE))

    def test_of_mp3(self, tmp_path):
        path = encode(tmp_path / "x.mp3", "libmp3lame", tone(2, RATE), RATE)
        data = bytearray(path.read_bytes())
        at = max(data.find(b"Xing"), data.find(b"Info"))
        data[at + 8 : at + 12] = (2**31).to_bytes(4, "big")
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"x\.mp3: its header says \d+ samples, too many"):
            audio.probe(path)

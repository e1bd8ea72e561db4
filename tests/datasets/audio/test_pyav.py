"""Excerpts of lossy files whose decoders remember; lengths of mp3 files without a header."""

from fractions import Fraction

import av
import numpy as np
import pytest

from datasets.audio import pyav
from datasets.audio.containers import opened


def encode(path, codec, data, rate, *, bit_rate=0, options=None, container_options=None):
    """Encode (samples, channels) with an encoder of FFmpeg's."""
    layout = "mono" if data.shape[1] == 1 else "stereo"
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options=options or {})
        if bit_rate:
            stream.bit_rate = bit_rate
        planar = np.ascontiguousarray(data.T)
        frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def compare(path, rng, excerpts=30):
    samples = pyav.describe(path)[0].samples
    whole = pyav.read(path, [0], 0, samples)[0]
    for start in rng.integers(0, samples, excerpts):
        stop = min(samples, int(start) + int(rng.integers(1, 6000)))
        assert np.array_equal(pyav.read(path, [0], int(start), stop)[0], whole[start:stop])
    assert np.array_equal(np.concatenate(list(pyav.blocks(path, 0, 7777))), whole)
    return whole


def test_noise_substitution_in_aac(tmp_path, make_audio, rng):
    """The noise comes from a generator that no run-up brings into its state."""
    path = tmp_path / "x.m4a"
    data = rng.standard_normal((300_000, 2)).astype(np.float32) * 0.1
    encode(path, "aac", data, 44100, bit_rate=64_000, options={"aac_pns": "1"})
    whole = compare(path, rng)
    start, stop = 200_000, 203_000
    with opened(str(path)) as container:
        after_seek = pyav._excerpt(container, str(path), [0], start, stop, start - 40 * 1024)
    assert np.abs(after_seek[0] - whole[start:stop]).max() > 1e-3  # so it does matter here


@pytest.mark.parametrize(
    ("rate", "channels", "bit_rate", "options"),
    [
        (44100, 2, 128_000, {}),
        (44100, 1, 32_000, {}),
        (22050, 2, 24_000, {}),
        (8000, 1, 8_000, {}),
        (44100, 2, 0, {"q": "2"}),
    ],
)
def test_mp3_of_every_kind(tmp_path, make_audio, rng, rate, channels, bit_rate, options):
    path = tmp_path / "x.mp3"
    data = make_audio(rate * 9, channels)
    encode(path, "libmp3lame", data, rate, bit_rate=bit_rate, options=options)
    whole = compare(path, rng)
    assert whole.shape == data.shape  # delay and padding of the encoder are gone


def test_mp3_without_a_header(tmp_path, make_audio, rng):
    """Its length is not written anywhere, and an average bit rate would mislead."""
    path = tmp_path / "x.mp3"
    data = make_audio(44100 * 8)
    data[: 44100 * 4] *= 0
    encode(
        path, "libmp3lame", data, 44100, bit_rate=192_000, options={"abr": "1"},
        container_options={"write_xing": "0"},
    )  # fmt: skip
    whole = compare(path, rng)
    frames = -(-(len(data) + 1105) // 1152)
    assert 0 <= len(whole) - frames * 1152 <= 1152


def test_damage_in_the_middle_of_aac(tmp_path, make_audio):
    path = tmp_path / "x.m4a"
    encode(path, "aac", make_audio(200_000), 44100, bit_rate=128_000, options={"aac_pns": "0"})
    whole = pyav.read(path, [0], 0, 200_000)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = b"\xff" * 3000
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.m4a: damaged at \d"):
        pyav.read(path, [0], 0, 200_000)
    assert np.array_equal(pyav.read(path, [0], 0, 50_000)[0], whole[:50_000])


def test_description(tmp_path, make_audio):
    path = tmp_path / "x.m4a"
    encode(path, "aac", make_audio(44100, 1), 32000, bit_rate=96_000)
    (stream,) = pyav.describe(path)
    assert (stream.sample_rate, stream.channels, stream.codec) == (32000, 1, "aac")
    assert stream.frame == 1024 and stream.seekable

"""Audio as a page holds it: short Ogg Opus clips and spectrograms, as data URIs."""

import base64
import io

import numpy as np

RATES = (8000, 12000, 16000, 24000, 48000)  # that Opus knows
FEWEST_KBPS, MOST_KBPS = 32.0, 96.0  # of a clip
BUDGET = 2.8e6  # bytes that all clips of a page may take together, while the fewest kbit/s allow it
PEAK = 0.89  # −1 dB of full scale
RANGE = 80.0  # decibels from the darkest to the brightest
LOWEST_HZ = 40.0
SIZE = (420, 132)  # columns and rows of a picture
QUALITY = 55  # of WebP


def kbps_of(clips: int, seconds: float) -> float:
    """The bit rate at which so many clips stay within the budget."""
    wanted = BUDGET * 8 / 1000 / max(1.0, clips * seconds)
    return min(MOST_KBPS, max(FEWEST_KBPS, wanted))


def opus(audio: np.ndarray, sample_rate: int, kbps: float) -> bytes:
    """Encode a clip.

    Args:
      audio: float (samples, channels), full scale ±1; of more than two channels the mean is taken.
      sample_rate: in Hz; the next rate that Opus knows is taken.
      kbps: about so many kbit/s.
    """
    import soundfile
    import soxr

    if audio.shape[1] > 2:
        audio = audio.mean(axis=1, keepdims=True)
    rate = next((rate for rate in RATES if rate >= sample_rate), RATES[-1])
    if rate != sample_rate:
        audio = soxr.resample(audio, sample_rate, rate)
    # libsndfile spreads 6 to 256 kbit/s per channel over its levels of compression, backwards.
    level = (256.0 - kbps / audio.shape[1]) / 250.0
    out = io.BytesIO()
    soundfile.write(
        out,
        np.clip(audio, -1, 1),
        rate,
        format="OGG",
        subtype="OPUS",
        compression_level=min(1.0, max(0.0, level)),
    )
    return out.getvalue()


def loudness_factor(*takes: np.ndarray) -> float:
    """The factor that brings the loudest of several takes to −1 dB; the same for all of them."""
    peak = max(float(np.abs(audio).max(initial=0.0)) for audio in takes)
    return PEAK / peak if peak > 0 else 1.0


def spectrogram(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Levels over time and logarithmic frequency.

    Args:
      audio: float (samples, channels); channels are added up as energies.
      sample_rate: in Hz.

    Returns:
      (rows, columns) in dB, the highest frequency first.
    """
    columns, rows = SIZE
    frame = int(2 ** np.round(np.log2(0.046 * sample_rate)))
    window = np.hanning(frame + 1)[:-1]
    padded = np.pad(audio, ((frame // 2, frame // 2), (0, 0)))
    places = np.linspace(0, max(0, len(padded) - frame), columns).astype(int)
    frames = padded[places[:, None] + np.arange(frame)]  # (columns, frame, channels)
    spectra = np.fft.rfft(frames * window[:, None], axis=1)
    power = np.square(np.abs(spectra)).sum(axis=2)
    edges = np.geomspace(LOWEST_HZ, sample_rate / 2, rows + 1) * frame / sample_rate
    # Narrow bands fall between two bins and are interpolated, wide ones are averaged.
    total = np.concatenate([np.zeros((columns, 1)), np.cumsum(power, axis=1)], axis=1)
    grid = np.arange(total.shape[1]) - 0.5
    sums = np.stack([np.interp(edges, grid, line) for line in total])
    bands = np.diff(sums, axis=1) / np.diff(edges)
    return 10 * np.log10(np.maximum(bands.T[::-1], 1e-20))


def picture(levels: np.ndarray, top_db: float) -> bytes:
    """Levels as a WebP image; the brightest is `top_db`, the darkest `RANGE` dB below."""
    import matplotlib
    from PIL import Image

    shown = np.clip(1 + (levels - top_db) / RANGE, 0, 1)
    colours = (matplotlib.colormaps["magma"](shown)[..., :3] * 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(colours).save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()


def uri(data: bytes, kind: str) -> str:
    """A data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def frequency_ticks(sample_rate: int) -> list[tuple[str, float]]:
    """(label, place from the top from 0 to 1) of frequencies in a spectrogram."""
    high = sample_rate / 2
    marks = {100: "100", 1000: "1k", 4000: "4k", 10000: "10k"}
    return [
        (text, float(1 - np.log(hz / LOWEST_HZ) / np.log(high / LOWEST_HZ)))
        for hz, text in marks.items()
        if hz < high * 0.95
    ]

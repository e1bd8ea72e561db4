"""Signal processing in TensorFlow: short-time spectra, halving the sample rate, interpolation.

Tensors carry the samples on the last axis unless a function says otherwise.
"""

import functools

import numpy as np
import tensorflow as tf

from dssgan.portable import is_portable
from dssgan.products import matmul


def frame_count(samples: int, hop: int) -> int:
    """Frames of a centred short-time Fourier transform of `samples` samples."""
    return samples // hop + 1


def stft(
    audio: tf.Tensor, frame_length: int, hop: int, centred: bool = True, window: str = "hann"
) -> tf.Tensor:
    """Short-time Fourier transform.

    Args:
      audio: (..., samples) with samples > frame_length / 2.
      frame_length: window and FFT length in samples.
      hop: in samples.
      centred: frames about every hop-th sample, edges reflected; else none goes beyond an edge.
      window: of WINDOWS.

    Returns:
      complex64 (..., frames, frame_length // 2 + 1), frames = samples // hop + 1 where they are
      centred, un-normalised: librosa's and torch's convention.
    """
    padded = _reflected(audio, frame_length // 2 if centred else 0)
    return tf.signal.stft(
        padded,
        frame_length,
        hop,
        frame_length,
        window_fn=_in_tensorflow(window, frame_length),
        pad_end=False,
    )


def _reflected(audio: tf.Tensor, count: int) -> tf.Tensor:
    """The audio with `count` samples mirrored at either end."""
    audio = tf.convert_to_tensor(audio)
    if not count:
        return audio
    return tf.pad(audio, [[0, 0]] * (audio.shape.rank - 1) + [[count, count]], mode="REFLECT")


def real_stft(
    audio: tf.Tensor, frame_length: int, hop: int, centred: bool = True, window: str = "hann"
) -> tuple[tf.Tensor, tf.Tensor]:
    """Real and imaginary parts of `stft` by matrix products, for formats without a transform.

    The even and the odd part of a frame are transformed apart: that halves the matrices.
    """
    half = frame_length // 2
    frames = tf.signal.frame(_reflected(audio, half if centred else 0), frame_length, hop)
    # Samples 0 and `half` have no partner; the former has no weight in a Hann window.
    before, after = frames[..., 1:half], tf.reverse(frames[..., half + 1 :], [-1])
    weights = WINDOWS[window](frame_length)[: half + 1, None]
    first = 0 if weights[0] else 1
    even = [frames[..., :1], before + after, frames[..., half : half + 1]][first:]
    cosine, sine = _waves(frame_length)
    real = matmul(tf.concat(even, -1), (weights * cosine)[first:].astype(np.float32))
    odd = (-weights * sine)[1:-1].astype(np.float32)
    return real, matmul(before - after, odd)


def real_istft(
    real: tf.Tensor,
    imaginary: tf.Tensor,
    frame_length: int,
    hop: int,
    samples: int,
    window: str = "hann",
) -> tf.Tensor:
    """`istft` of real and imaginary parts by matrix products, for formats without a transform.

    Args:
      real, imaginary: float32 (..., frames, frame_length // 2 + 1) with `frame_count` frames.
      frame_length, hop, samples, window: as of `istft`.

    Returns:
      float32 (..., samples).
    """
    half = frame_length // 2
    cosine, sine = _waves(frame_length)
    weights = WINDOWS[window](frame_length)[: half + 1]
    # Every bin but the first and the last stands for its mirror too.
    share = np.r_[1.0, np.full(half - 1, 2.0), 1.0][:, None] / frame_length
    even = matmul(real, (share * cosine.T * weights).astype(np.float32))
    odd = matmul(
        imaginary[..., 1:half], (-share[1:half] * sine.T[1:half] * weights).astype(np.float32)
    )
    after = tf.reverse((even - odd)[..., 1:half], [-1])
    return _joined(tf.concat([even + odd, after], -1), frame_length, hop, samples, window)


def waves_of(real: tf.Tensor, imaginary: tf.Tensor, *where) -> tf.Tensor:
    """`istft` of real and imaginary parts, also where a format has no transform."""
    if is_portable():
        return real_istft(real, imaginary, *where)
    return istft(tf.complex(real, imaginary), *where)


@functools.lru_cache(maxsize=4)
def _waves(frame_length: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of 2 π n k / frame_length, float64, n and k up to frame_length / 2."""
    steps = np.arange(frame_length // 2 + 1)
    angles = 2 * np.pi * (steps[:, None] * steps % frame_length) / frame_length
    return np.cos(angles), np.sin(angles)


def parts_of(
    audio: tf.Tensor, frame_length: int, hop: int, centred: bool = True, window: str = "hann"
) -> tuple[tf.Tensor, tf.Tensor]:
    """Real and imaginary parts of `stft`, also where a format has no transform."""
    if is_portable():
        return real_stft(audio, frame_length, hop, centred, window)
    spectrum = stft(audio, frame_length, hop, centred, window)
    return tf.math.real(spectrum), tf.math.imag(spectrum)


def istft(
    spectra: tf.Tensor, frame_length: int, hop: int, samples: int, window: str = "hann"
) -> tf.Tensor:
    """Inverse of `stft`: the signal whose windowed frames come closest to those given.

    Griffin and Lim, 1984, equation 6: the overlap-add of windowed frames over that of the squared
    window.

    Args:
      spectra: complex64 (..., frames, frame_length // 2 + 1) with `frame_count` frames.
      frame_length, hop: as of `stft`; hop at most frame_length / 2.
      samples: of the result.
      window: of WINDOWS.

    Returns:
      float32 (..., samples).
    """
    pieces = tf.signal.irfft(spectra, [frame_length]) * _in_tensorflow(window, frame_length)(
        frame_length
    )
    return _joined(pieces, frame_length, hop, samples, window)


def _in_tensorflow(window: str, frame_length: int):
    """What makes a window: TensorFlow's own where it has one."""
    if window == "hann":
        return tf.signal.hann_window
    return lambda _, dtype=tf.float32: tf.constant(WINDOWS[window](frame_length), dtype)


def _joined(pieces: tf.Tensor, frame_length: int, hop: int, samples: int, window: str) -> tf.Tensor:
    """Windowed frames (..., frames, frame_length) → their signal (..., samples)."""
    frames = pieces.shape[-2]
    if frames != frame_count(samples, hop):
        raise ValueError(
            f"istft: {frames} frames for {samples} samples at hop {hop}, expected "
            f"{frame_count(samples, hop)}"
        )
    audio = tf.signal.overlap_and_add(pieces, hop)
    # Where no window reaches, at the very end of some lengths, there is nothing to divide.
    audio /= np.maximum(window_power(frame_length, hop, frames, window), 1e-8)
    half = frame_length // 2
    missing = half + samples - audio.shape[-1]
    if missing > 0:
        audio = tf.pad(audio, [[0, 0]] * (audio.shape.rank - 1) + [[0, missing]])
    return audio[..., half : half + samples]


def _hann(length: int) -> np.ndarray:
    """The periodic Hann window, float64."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)


#: Name → the window of a length, float64.
WINDOWS = {"hann": _hann, "rectangular": np.ones}


@functools.lru_cache(maxsize=16)
def window_power(frame_length: int, hop: int, frames: int, window: str = "hann") -> np.ndarray:
    """Sum of the squared, shifted windows of `frames` frames, float32."""
    weights = WINDOWS[window](frame_length)
    power = np.zeros((frames - 1) * hop + frame_length)
    for frame in range(frames):
        power[frame * hop : frame * hop + frame_length] += weights**2
    return power.astype(np.float32)


def log_power(
    audio: tf.Tensor, frame_length: int, hop: int, floor: float = 1e-8, centred: bool = True
) -> tf.Tensor:
    """log10 of the power spectrum plus `floor`: (..., samples) → (..., frames, bins).

    `centred` as of `stft`.
    """
    real, imaginary = parts_of(audio, frame_length, hop, centred)
    power = tf.square(real) + tf.square(imaginary)
    return tf.math.log(power + floor) * (1.0 / np.log(10.0))


def log1p(x: tf.Tensor) -> tf.Tensor:
    """ln(1 + x), exact for small x too where a format has the logarithm alone (Kahan)."""
    if not is_portable():
        return tf.math.log1p(x)
    more = 1.0 + x
    lost = tf.equal(more, 1.0)
    # What rounding made of x stands in the logarithm and in the divisor alike.
    return tf.where(lost, x, tf.math.log(more) * x / tf.where(lost, 1.0, more - 1.0))


def expm1(x: tf.Tensor) -> tf.Tensor:
    """exp(x) − 1 for x ≥ 0, likewise."""
    if not is_portable():
        return tf.math.expm1(x)
    power = tf.exp(x)
    lost = tf.equal(power, 1.0)
    return tf.where(lost, x, (power - 1.0) * x / tf.where(lost, 1.0, tf.math.log(power)))


@functools.lru_cache(maxsize=16)
def interpolation_matrix(length_in: int, length_out: int) -> np.ndarray:
    """Linear interpolation with aligned corners as a (length_out, length_in) float32 matrix.

    Output j sits at input position j (length_in − 1) / (length_out − 1).
    """
    matrix = np.zeros((length_out, length_in), np.float32)
    if length_out == 1 or length_in == 1:
        matrix[:, 0] = 1.0
        return matrix
    position = np.arange(length_out) * ((length_in - 1) / (length_out - 1))
    left = np.minimum(position.astype(int), length_in - 2)
    share = position - left
    rows = np.arange(length_out)
    matrix[rows, left] = 1.0 - share
    matrix[rows, left + 1] = share
    return matrix


@functools.lru_cache(maxsize=4)
def half_band_taps(
    zero_crossings: int = 64, roll_off: float = 0.9475, beta: float = 14.77
) -> np.ndarray:
    """A linear-phase low-pass for halving the rate: Kaiser-windowed sinc, odd length, unit gain.

    The defaults are the design of resampy's `kaiser_best` (64 zero crossings, cut-off at 0.9475
    of the new Nyquist frequency), which the original Meta-TasNet prepared its data with.
    """
    half = int(2 * zero_crossings / roll_off)
    time = np.arange(-half, half + 1)
    taps = np.sinc(roll_off * time / 2) * np.kaiser(2 * half + 1, beta)
    return (taps / taps.sum()).astype(np.float32)


def halve_rate(audio: tf.Tensor) -> tf.Tensor:
    """Low-pass and drop every second sample: (batch, samples) → (batch, samples / 2).

    Output sample j is aligned with input sample 2 j; `samples` must be even. Outside the excerpt
    the signal counts as zero.
    """
    taps = half_band_taps()
    half = len(taps) // 2
    samples = audio.shape[-1]
    if samples is None or samples % 2:
        raise ValueError(f"halve_rate: expected an even, static number of samples, got {samples}")
    # As a matrix product over short frames: the same arithmetic as a strided convolution with
    # one input channel, at the speed of the matrix units and with a fast gradient.
    block = 64
    out = samples // 2
    blocks = -(-out // block)
    padded = tf.pad(audio, [[0, 0], [half, 2 * blocks * block - samples + half]])
    frames = tf.signal.frame(padded, 2 * block + 2 * half, 2 * block)
    result = matmul(tf.cast(frames, tf.float32), half_band_matrix(block))
    result = tf.reshape(result, (tf.shape(audio)[0], blocks * block))[:, :out]
    return tf.cast(tf.ensure_shape(result, (audio.shape[0], out)), audio.dtype)


@functools.lru_cache(maxsize=4)
def half_band_matrix(block: int) -> np.ndarray:
    """The (2 block + taps − 1, block) banded matrix that filters a frame and keeps even samples."""
    taps = half_band_taps()
    matrix = np.zeros((2 * block + len(taps) - 1, block), np.float32)
    for j in range(block):
        matrix[2 * j : 2 * j + len(taps), j] = taps[::-1]
    return matrix


def rate_pyramid(audio: tf.Tensor, stages: int) -> list[tf.Tensor]:
    """The same audio at rising rates: [rate / 2^(stages−1), …, rate / 2, rate]."""
    rates = [audio]
    for _ in range(stages - 1):
        rates.append(halve_rate(rates[-1]))
    return rates[::-1]

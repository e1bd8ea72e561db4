"""The critic of complex spectra at several resolutions, band by band."""

import math

import numpy as np
import tensorflow as tf

from dssgan import signal
from dssgan.critics.base import Critic, layer_seeds
from dssgan.critics.layers import Convolution

SLOPE = 0.1
PUBLISHED_RATE, PUBLISHED_WINDOWS = 44100, (2048, 1024, 512)  # in Hz and in samples
POWER_FLOOR = 1e-4  # of a bin, full-scale noise having 1: where compression stops
# (height, width) strides of the convolutions over (frames, bins).
STRIDES = ((1, 3), (1, 2), (1, 2))


class Spectral(Critic):
    """Multi-resolution critic of complex spectra, split into bands.

    Multi-resolution complex spectra: Défossez et al., "High fidelity neural audio compression",
    2022, section 3.4. Bands with weights of their own: Kumar et al., "High-fidelity audio
    compression with improved RVQGAN", NeurIPS 2023. Real and imaginary parts are
    planes, so phase counts. Hops are half a window, filters are few and every convolution but the
    last strides over the bins, because it stands beside a small separator: with the defaults it
    has 223,215 parameters for one channel.

    Unlike in those papers magnitudes are raised to the power 0.3, phases kept: leakage between
    sources is quiet, and a critic of plain spectra sees the loudest bins alone.

    Args:
      sample_rate: in Hz. channels: of the audio. samples: of the excerpts it will see.
      windows: lengths in samples, even; None takes 2048, 1024 and 512 at 44.1 kHz and the nearest
        powers of two to the same durations at other rates.
      bands: where bands end, as rising shares of the spectrum; the last is 1.
      width: filters of every convolution.
      compression: exponent of the magnitudes, above 0 up to 1; 1 leaves spectra as they are.
      normalised: spectral normalisation of every kernel.
      precision: "float32" or "bfloat16" for activations and kernels.
      seed: of the initial weights.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        channels: int = 1,
        samples: int,
        windows: tuple[int, ...] | None = None,
        bands: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 1.0),
        width: int = 16,
        compression: float = 0.3,
        normalised: bool = False,
        precision: str = "float32",
        seed: int = 0,
        name: str | None = None,
    ):
        hyperparameters = {
            "sample_rate": sample_rate,
            "channels": channels,
            "samples": samples,
            "windows": list(scaled_windows(sample_rate) if windows is None else windows),
            "bands": list(bands),
            "width": width,
            "compression": compression,
            "normalised": normalised,
            "precision": precision,
            "seed": seed,
        }
        super().__init__("spectral", hyperparameters, name)
        self.check_integer("width")
        self.windows, self.bands = tuple(hyperparameters["windows"]), tuple(bands)
        self.compression = compression
        self.check_spectra()
        seeds = layer_seeds(seed)
        self.stacks = []
        for window in self.windows:
            for band in range(len(self.bands)):
                name = f"window_{window}_band_{band}"
                stack, inputs = [], 2 * channels
                for index, strides in enumerate(STRIDES):
                    options = {"normalised": normalised, "name": f"{name}_{index}"}
                    stack.append(
                        Convolution(inputs, width, (3, 9), strides, next(seeds), **options)
                    )
                    inputs = width
                options = {"normalised": normalised, "name": f"{name}_score"}
                stack.append(Convolution(width, 1, (3, 3), seed=next(seeds), **options))
                self.stacks.append(stack)
        self.finish(max(self.windows))

    def check_spectra(self) -> None:
        """ValueError unless windows, bands and compression make sense."""
        whole = all(isinstance(window, int) and window >= 32 for window in self.windows)
        if not self.windows or not whole or any(window % 2 for window in self.windows):
            raise ValueError(
                f"spectral: windows {list(self.windows)}, expected one or more even integers ≥ 32"
            )
        rising = all(low < high for low, high in zip((0.0, *self.bands), self.bands))
        if not self.bands or not rising or self.bands[-1] != 1:
            raise ValueError(
                f"spectral: bands {list(self.bands)}, expected rising shares of which the last is 1"
            )
        if any(low == high for window in self.windows for low, high in self.edges(window)):
            raise ValueError(
                f"spectral: bands {list(self.bands)}: one has no bin at a window of "
                f"{min(self.windows)} samples; use fewer bands or longer windows"
            )
        if not 0 < self.compression <= 1:
            raise ValueError(
                f"spectral: compression is {self.compression}, expected 0 < compression ≤ 1"
            )

    def edges(self, window: int) -> list[tuple[int, int]]:
        """First bin and the bin after the last of every band."""
        ends = [round(share * (window // 2 + 1)) for share in self.bands]
        return list(zip([0, *ends], ends))

    def represent(self, audio):
        """(batch, samples, channels) → one (batch, frames, bins, 2 channels) per window.

        The penalty is taken of the compressed spectra: they are what convolutions see, the way
        from the waveform is fixed, and second derivatives of Fourier transforms are saved.
        """
        audio = tf.transpose(self.check_audio(audio), (0, 2, 1))
        spectra = []
        for window in self.windows:
            gain = 1.0 / math.sqrt(0.375 * window)  # energy of a Hann window: noise keeps its power
            spectrum = signal.stft(audio * gain, window, window // 2)
            real, imaginary = tf.math.real(spectrum), tf.math.imag(spectrum)
            if self.compression != 1:
                power = tf.square(real) + tf.square(imaginary) + POWER_FLOOR
                scale = tf.pow(power, (self.compression - 1.0) / 2.0)
                real, imaginary = real * scale, imaginary * scale
            spectra.append(tf.transpose(tf.concat([real, imaginary], 1), (0, 2, 3, 1)))
        return spectra

    def logits_of(self, representation, training: bool = False, precise: bool = False):
        """What `represent` returned → logits (batch, n) of all windows and bands, and maps."""
        logits, maps, stacks = [], [], iter(self.stacks)
        for window, spectrum in zip(self.windows, representation):
            spectrum = tf.cast(spectrum, tf.float32 if precise else self.compute)
            for low, high in self.edges(window):
                x, stack = spectrum[:, :, low:high], next(stacks)
                for convolution in stack[:-1]:
                    x = tf.nn.leaky_relu(convolution(x, training=training), SLOPE)
                    maps.append(x)
                x = stack[-1](x, training=training)
                logits.append(tf.reshape(tf.cast(x, tf.float32), (-1, int(np.prod(x.shape[1:])))))
        return tf.concat(logits, 1), maps


def scaled_windows(sample_rate: int) -> tuple[int, ...]:
    """The published windows at another rate: nearest powers of two to the same durations."""
    ratio = sample_rate / PUBLISHED_RATE
    return tuple(2 ** round(math.log2(window * ratio)) for window in PUBLISHED_WINDOWS)

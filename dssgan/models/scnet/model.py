"""SCNet: spectra of all sources from a spectrum whose bands are compressed each in its own way.

Tong, Zhu, Chen, Kang, Jiang, Wang and Lee, "SCNet: sparse compression network for music source
separation", arXiv 2401.13276.
"""

import itertools

import numpy as np
import tensorflow as tf

from dssgan import signal
from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.scnet.layers import Decoder, DualPath, Encoder
from dssgan.models.scnet.sizes import check_sizes
from dssgan.models.targets import TargetSeparator, default_targets
from dssgan.portable import is_portable


class SCNet(TargetSeparator):
    """The separator `scnet`; the defaults are the paper's small model (10.6 million weights).

    Args:
      sources: names of the estimates.
      targets: those that the network estimates; the one source that is left, if there is one, is
        the mixture without them. None: all but "accompaniment".
      sample_rate: in Hz. channels: 1 or 2, which are separated together.
      frame_length, hop: of the Fourier transform, in samples; no window, as in the authors'
        program. scaled: divide spectra by √frame_length.
      widths: channels after each encoder.
      shares, strides, kernels: of the bands: shares of the bins, strides and kernels along them.
      depths, compress, module_kernel: of the convolution modules.
      paths: dual-path layers, an even number. expand: their LSTM units per channel.
      precision: "float32", "bfloat16" or "float16" of products and LSTM states.
    """

    def __init__(
        self,
        *,
        sources=("drums", "bass", "other", "vocals"),
        targets=None,
        sample_rate: int = 44100,
        channels: int = 2,
        frame_length: int = 4096,
        hop: int = 1024,
        scaled: bool = True,
        widths=(32, 64, 128),
        shares=(0.175, 0.392, 0.433),
        strides=(1, 4, 16),
        kernels=(3, 4, 16),
        depths=(3, 2, 1),
        compress: int = 4,
        module_kernel: int = 3,
        paths: int = 6,
        expand: int = 1,
        precision: str = "float32",
        name: str | None = None,
    ):
        super().__init__(name=name or "scnet", autocast=False)
        given = locals()
        keys = "sample_rate channels frame_length hop scaled compress module_kernel paths expand"
        self.hyperparameters = {
            "sources": list(sources),
            "targets": list(default_targets(sources) if targets is None else targets),
            **{key: given[key] for key in keys.split()},
            **{
                key: list(given[key])
                for key in ("widths", "shares", "strides", "kernels", "depths")
            },
            "precision": precision,
        }
        check_sizes(self.hyperparameters)
        self.sources, self.targets = tuple(sources), tuple(self.hyperparameters["targets"])
        self.sample_rate, self.channels = sample_rate, channels
        self.frame_length, self.hop, self.scaled = frame_length, hop, scaled
        self.grid, self.minimum = hop, frame_length // 2 + 1
        self.channels_apart = channels == 1
        # LSTMs see the whole excerpt; what is near to an end lacks what counts most.
        self.context = frame_length // 2 + sample_rate // 4
        same = {"compute": PRECISIONS[precision]}
        sizes = [2 * channels, *widths]
        bands = (strides, kernels)
        self.encoders = [
            Encoder(
                a, b, *bands, shares, depths, compress, module_kernel, **same, name=f"encoder_{k}"
            )
            for k, (a, b) in enumerate(itertools.pairwise(sizes))
        ]
        sizes[0] *= len(self.targets)
        self.decoders = [
            Decoder(b, a, *bands, **same, name=f"decoder_{k}")
            for k, (a, b) in enumerate(itertools.pairwise(sizes))
        ]
        self.dual_paths = [
            DualPath(widths[-1] * (1 + k % 2), expand, **same, name=f"path_{k}")
            for k in range(paths)
        ]
        self.built = True

    def heads(self):
        """What spreads out the bands to the spectra of all targets."""
        return {"": list(self.decoders[0].exits)}

    def waves(self, audio, training: bool = False):
        """(batch, channels, samples) → (batch, targets, channels, samples)."""
        # Silence at the end, so that the number of frames is even.
        samples = audio.shape[-1]
        length = (samples // self.hop + 1) * self.hop
        length += self.hop * (length // self.hop % 2 == 0)
        audio = tf.pad(audio, [[0, 0], [0, 0], [0, length - samples]])
        where = self.frame_length, self.hop
        parts = tf.stack(signal.parts_of(audio, *where, window="rectangular"), -1)
        channels, frames, bins = parts.shape[1:4]
        x = tf.reshape(tf.transpose(parts, (0, 2, 3, 1, 4)), (-1, frames, bins, 2 * channels))
        scale = self.frame_length**0.5 if self.scaled else 1.0
        x = self.through(x / scale, training) * scale
        x = tf.reshape(x, (-1, frames, bins, len(self.targets), channels, 2))
        real, imaginary = tf.unstack(tf.transpose(x, (0, 3, 4, 1, 2, 5)), axis=-1)
        return signal.waves_of(real, imaginary, *where, length, "rectangular")[..., :samples]

    def through(self, x, training: bool = False):
        """The network: parts (batch, frames, bins, 2 · channels) → of all targets alike."""
        kept = []
        for encoder in self.encoders:
            x, skip, before, after = encoder(x)
            kept.append({"skip": skip, "before": before, "after": after})
        for number, dual_path in enumerate(self.dual_paths):
            x = dual_path(x, training=training)
            x = from_modulation(x) if number % 2 else to_modulation(x)
        for decoder, rest in zip(reversed(self.decoders), reversed(kept)):
            x = decoder(x, **rest)
        return x


def to_modulation(x):
    """A Fourier transform along time: (batch, n, bins, c) → (batch, n / 2 + 1, bins, 2 c).

    Real parts come first, then imaginary parts; lengths are kept (divided by √n).
    """
    steps = x.shape[1]
    if is_portable():
        cosine, sine = _waves(steps)
        parts = [tf.einsum("kn,bnfc->bkfc", matrix, x) for matrix in (cosine, -sine)]
        return tf.concat(parts, -1)
    found = tf.signal.rfft(tf.transpose(x, (0, 2, 3, 1)))
    parts = tf.concat([tf.math.real(found), tf.math.imag(found)], 2) * steps**-0.5
    return tf.transpose(parts, (0, 3, 1, 2))


def from_modulation(x):
    """The inverse of `to_modulation`."""
    steps = 2 * (x.shape[1] - 1)
    real, imaginary = tf.split(x, 2, -1)
    if is_portable():
        share = np.r_[1.0, np.full(steps // 2 - 1, 2.0), 1.0][:, None].astype(np.float32)
        cosine, sine = (share * matrix for matrix in _waves(steps))
        return tf.einsum("kn,bkfc->bnfc", cosine, real) - tf.einsum(
            "kn,bkfc->bnfc", sine, imaginary
        )
    spectrum = tf.complex(*(tf.transpose(part, (0, 2, 3, 1)) for part in (real, imaginary)))
    return tf.transpose(tf.signal.irfft(spectrum, [steps]), (0, 3, 1, 2)) * steps**0.5


def _waves(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of 2 π k n / steps over √steps, (steps / 2 + 1, steps), float32."""
    angles = np.arange(steps // 2 + 1)[:, None] * np.arange(steps) % steps * (2 * np.pi / steps)
    return tuple((wave(angles) / steps**0.5).astype(np.float32) for wave in (np.cos, np.sin))

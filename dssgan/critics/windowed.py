"""Critics that look at windows of a spectrogram through one convolutional stack.

The layers are those of the critic of Stoller, Ewert, Dixon, "Adversarial semi-supervised audio
source separation applied to singing voice extraction", ICASSP 2018 (arXiv 1711.00048), as their
program builds them, with the sizes left open.
"""

import numpy as np
import tensorflow as tf

from dssgan import signal
from dssgan.critics.base import Critic, layer_seeds
from dssgan.critics.layers import Convolution, Product

SLOPE = 0.2
SMALL = 4  # a side of this many places is not halved any further
WIDEST = 8  # filters double up to this many times `width`


class WindowedCritic(Critic):
    """Spectrogram windows of `frames` frames, each with a logit of its own.

    4×4 convolutions with stride 2 and doubling filters run until one side of the window has at
    most 4 places; 4×2 convolutions then halve the other side alone. A hidden layer and one number
    follow. Subclasses say how many input planes there are and what is in them.

    Hyperparameters beside those of `Critic`:
      frame_length, hop: of the short-time Fourier transform, in samples.
      frames: of a window.
      width: filters of the first convolution.
      hidden: outputs of the layer before the last.
      normalised: spectral normalisation of every kernel.
    """

    independent = True

    def __init__(self, kind: str, hyperparameters: dict, name: str | None = None):
        super().__init__(kind, hyperparameters, name)
        self.check_integer("frame_length", 2 * SMALL)
        self.check_integer("frames", 2)
        for key in ("hop", "width", "hidden"):
            self.check_integer(key)
        self.frame_length, self.hop = hyperparameters["frame_length"], hyperparameters["hop"]
        self.frames, width = hyperparameters["frames"], hyperparameters["width"]
        normalised = hyperparameters["normalised"]
        seeds = layer_seeds(hyperparameters["seed"])
        rows, columns = self.frame_length // 2, self.frames
        self.convolutions, inputs, filters = [], self.planes, width
        while rows > SMALL or columns > SMALL:
            if min(rows, columns) > SMALL:
                size, strides = (4, 4), (2, 2)
                filters = min(width * 2 ** len(self.convolutions), width * WIDEST)
            elif rows > SMALL:
                size, strides = (4, 2), (2, 1)
            else:
                size, strides = (2, 4), (1, 2)
            self.convolutions.append(
                Convolution(
                    inputs,
                    filters,
                    size,
                    strides,
                    next(seeds),
                    normalised=normalised,
                    name=f"convolution_{len(self.convolutions)}",
                )
            )
            rows, columns = -(-rows // strides[0]), -(-columns // strides[1])
            inputs = filters
        self.hidden = Product(
            rows * columns * inputs,
            hyperparameters["hidden"],
            next(seeds),
            normalised=normalised,
            name="hidden",
        )
        self.score = Product(
            hyperparameters["hidden"],
            1,
            next(seeds),
            bias=False,
            normalised=normalised,
            name="score",
        )
        self.finish(max((self.frames - 1) * self.hop, self.frame_length // 2 + 1))

    @property
    def planes(self) -> int:
        """Input planes of the first convolution."""
        raise NotImplementedError

    def spectra(self, audio: tf.Tensor) -> tf.Tensor:
        """(batch, samples, channels) → complex (batch, channels, frames, bins), bin 0 left out."""
        audio = tf.transpose(self.check_audio(audio), (0, 2, 1))
        return signal.stft(audio, self.frame_length, self.hop)[..., 1:]

    def cut(self, planes: tf.Tensor) -> tf.Tensor:
        """Spectrograms as windows.

        Args:
          planes: float32 (batch, planes, frames of the excerpt, bins).

        Returns:
          (batch, windows, bins, frames, planes). An excerpt is covered by as many windows as come
          closest to its length, evenly spread: with one, the centre; with more they overlap or
          leave gaps of equal size.
        """
        planes = tf.transpose(planes, (0, 3, 2, 1))
        starts = window_starts(planes.shape[2], self.frames)
        return tf.stack([planes[:, :, start : start + self.frames] for start in starts], 1)

    def logits_of(self, representation, training: bool = False, precise: bool = False):
        """(batch, windows, bins, frames, planes) → logits (batch, windows) and maps."""
        windows = representation.shape[1]
        x = tf.reshape(representation, (-1, *representation.shape[2:]))
        x = tf.cast(x, tf.float32 if precise else self.compute)
        maps = []
        for convolution in self.convolutions:
            x = tf.nn.leaky_relu(convolution(x, training=training), SLOPE)
            maps.append(x)
        x = tf.reshape(x, (-1, int(np.prod(x.shape[1:]))))
        x = tf.nn.leaky_relu(self.hidden(x, training=training), SLOPE)
        maps.append(x)
        logits = tf.reshape(self.score(x, training=training), (-1, windows))
        return tf.cast(logits, tf.float32), maps


def window_starts(frames: int, length: int) -> list[int]:
    """First frames of the windows of `length` frames over `frames` frames, evenly spread."""
    count = max(1, round(frames / length))
    room = frames - length
    if count == 1:
        return [room // 2]
    return [round(window * room / (count - 1)) for window in range(count)]

"""The parts of MDX23C: convolutions over time and frequency, linear maps along frequency.

Kim, Lee and Jung, "Sound demixing challenge 2023: music demixing track technical report:
TFC-TDF-UNet v3", arXiv 2306.09382, figure 1. Activations are (batch, frames, bins, channels).
"""

from collections.abc import Callable

import tensorflow as tf

from dssgan.models.layers.initialisers import uniform_fan_in
from dssgan.models.layers.parts import Convolution2D, Linear, Norm, Part, gelu
from dssgan.products import matmul

FRAMES, BINS = 1, 2  # axes, over which a norm has one mean per channel


def activation(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """ "gelu", "relu", or "elu" with its slope behind it, as in "elu1.0" (ValueError)."""
    if name in ("gelu", "relu"):
        return gelu if name == "gelu" else tf.nn.relu
    try:
        slope = float(name.removeprefix("elu")) if name.startswith("elu") else None
    except ValueError:
        slope = None
    if slope is None:
        raise ValueError(f"mdx23c: activation {name!r}, expected gelu, relu or elu with a slope")
    return lambda x: tf.where(x > 0, x, slope * tf.math.expm1(tf.minimum(x, 0.0)))


class AlongBins(Part):
    """A linear map along the bins, the same for all channels; without a bias.

    Args:
      inputs, outputs: bins.
    """

    def __init__(self, inputs: int, outputs: int, **kwargs):
        super().__init__(**kwargs)
        self.kernel = self.weight("kernel", (outputs, inputs), uniform_fan_in(inputs))
        self.bias = None

    @property
    def matrices(self) -> list:
        """As of `Linear`."""
        return [self.kernel]

    def call(self, x):
        """(batch, frames, inputs, channels) → (batch, frames, outputs, channels)."""
        kernel = tf.cast(self.kernel, self.compute)
        return tf.cast(matmul(kernel, tf.cast(x, self.compute)), tf.float32)


class Scaling(Part):
    """Norm, activation, and a convolution whose stride is its kernel, or its transpose.

    Args:
      inputs, outputs: channels. factors: along frames and bins. up: the transpose.
      act: activation.
    """

    def __init__(self, inputs: int, outputs: int, factors, up: bool, act, **kwargs):
        super().__init__(**kwargs)
        self.factors, self.up, self.act = tuple(factors), up, act
        self.norm = Norm(inputs, (FRAMES, BINS), name="norm")
        size = self.factors[0] * self.factors[1]
        draw = uniform_fan_in(size * (outputs if up else inputs))
        self.kernel = self.weight("kernel", (*self.factors, inputs, outputs), draw)
        self.bias = None

    def call(self, x):
        """(batch, frames, bins, inputs) → (batch, frames · or / factor, …, outputs)."""
        x = self.act(self.norm(x))
        (rows, columns), (_, frames, bins, channels) = self.factors, x.shape
        if self.up:
            kernel = tf.reshape(tf.transpose(self.kernel, (2, 0, 1, 3)), (channels, -1))
            y = tf.reshape(self.product(x, kernel), (-1, frames, bins, rows, columns, self.outputs))
            y = tf.transpose(y, (0, 1, 3, 2, 4, 5))
            return tf.reshape(y, (-1, frames * rows, bins * columns, self.outputs))
        frames, bins = frames // rows, bins // columns
        x = tf.reshape(
            x[:, : frames * rows, : bins * columns], (-1, frames, rows, bins, columns, channels)
        )
        x = tf.reshape(
            tf.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, frames, bins, rows * columns * channels)
        )
        return self.product(x, tf.reshape(self.kernel, (-1, self.outputs)))

    @property
    def outputs(self) -> int:
        return self.kernel.shape[-1]


class Block(Part):
    """Norm, activation and convolution twice; between them a way along the bins; and a shortcut.

    Args:
      inputs, outputs: channels. bins: of the input. narrow: by what the bins within are fewer.
      act: activation.
    """

    def __init__(self, inputs: int, outputs: int, bins: int, narrow: int, act, **kwargs):
        super().__init__(**kwargs)
        self.act, same, over = act, {"compute": self.compute}, (FRAMES, BINS)
        self.norms = [
            Norm(channels, over, name=f"norm_{k}")
            for k, channels in enumerate((inputs, outputs, outputs, outputs))
        ]
        self.first = Convolution2D(inputs, outputs, 3, bias=False, **same, name="first")
        self.narrow = AlongBins(bins, bins // narrow, **same, name="narrow")
        self.wide = AlongBins(bins // narrow, bins, **same, name="wide")
        self.second = Convolution2D(outputs, outputs, 3, bias=False, **same, name="second")
        self.shortcut = Linear(inputs, outputs, bias=False, **same, name="shortcut")

    def call(self, x):
        """(batch, frames, bins, inputs) → (batch, frames, bins, outputs)."""
        kept = self.shortcut(x)
        before, entry, between, after = self.norms
        x = self.first(self.act(before(x)))
        y = self.narrow(self.act(entry(x)))
        x = x + self.wide(self.act(between(y)))
        return self.second(self.act(after(x))) + kept

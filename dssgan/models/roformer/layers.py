"""The parts of the RoFormers: bands in, axial transformers, masks out.

Activations are (bands, rows, features) around the network, a row being a frame of an item, and
(rows, steps, features) in a transformer.
"""

import itertools

import tensorflow as tf

from dssgan.models.layers.attention import FeedForward, GatedAttention
from dssgan.models.layers.parts import Linear, Part, RootMeanSquareNorm, gated
from dssgan.models.roformer.bands import Bands


class BandSplit(Part):
    """Parts of a spectrum (rows, bins · parts) → features (bands, rows, features).

    Args:
      bands: see `Bands`. parts: real and imaginary parts of all channels. features: of a band.
    """

    def __init__(self, bands: Bands, parts: int, features: int, **kwargs):
        super().__init__(**kwargs)
        self.bands, self.norms, self.maps = bands, [], []
        for place, (_, width, number) in enumerate(bands.groups):
            size, copies = width * parts, (number,)
            self.norms.append(RootMeanSquareNorm(size, copies=copies, name=f"norm_{place}"))
            self.maps.append(
                Linear(size, features, copies=copies, compute=self.compute, name=f"map_{place}")
            )

    def call(self, rows):
        """See the class."""
        cuts = self.bands.cut(rows)
        parts = [each(norm(cut)) for cut, norm, each in zip(cuts, self.norms, self.maps)]
        return tf.concat(parts, 0)


class Transformer(Part):
    """Attention and feed-forward layers along a sequence, each added to its input.

    Args:
      depth: pairs of layers. width: features. heads, head_width: of the attention.
      inner: width of the feed-forward layers. closing: whether a norm ends it.
    """

    def __init__(
        self, depth: int, width: int, heads: int, head_width: int, inner: int, closing: bool, **kw
    ):
        super().__init__(**kw)
        same = {"compute": self.compute}
        self.pairs = [
            (
                GatedAttention(width, heads, head_width, **same, name=f"attention_{place}"),
                FeedForward(width, inner, **same, name=f"forward_{place}"),
            )
            for place in range(depth)
        ]
        self.layers = [layer for pair in self.pairs for layer in pair]
        self.norm = RootMeanSquareNorm(width, name="norm") if closing else None

    def call(self, x, angles):
        """(rows, steps, width) → the same shape."""
        for attention, forward in self.pairs:
            x = x + attention(x, angles)
            x = x + forward(x)
        return x if self.norm is None else self.norm(x)


class MaskEstimator(Part):
    """Features (bands, rows, features) → a mask's parts (rows, bins · parts).

    Args:
      bands, parts, features: as of `BandSplit`. hidden: width of hidden layers. depth: of layers.
    """

    def __init__(self, bands: Bands, parts: int, features: int, hidden: int, depth: int, **kwargs):
        super().__init__(**kwargs)
        self.bands, same = bands, {"compute": self.compute}
        sizes = [features] + [hidden] * (depth - 1)
        self.hidden = [
            Linear(a, b, copies=(bands.count,), **same, name=f"hidden_{place}")
            for place, (a, b) in enumerate(itertools.pairwise(sizes))
        ]
        self.last = [
            Linear(sizes[-1], 2 * width * parts, copies=(number,), **same, name=f"last_{place}")
            for place, (_, width, number) in enumerate(bands.groups)
        ]

    def call(self, x):
        """See the class."""
        for layer in self.hidden:
            x = tf.tanh(layer(x))
        groups = tf.split(x, [number for *_, number in self.bands.groups])
        return self.bands.join([gated(layer(group)) for layer, group in zip(self.last, groups)])

"""A transformer over both branches, which attend to each other (arXiv 2211.08553, section 3)."""

import functools

import numpy as np
import tensorflow as tf

from dssgan.models.htdemucs.encoder_decoder import Scale
from dssgan.models.layers.attention import attend, heads_apart, heads_together
from dssgan.models.layers.initialisers import glorot
from dssgan.models.layers.parts import Linear, Norm, Part

FIRST_SCALE = 1e-4
LONGEST = 10000.0  # of the sines' periods, over 2 π


class CrossTransformer(Part):
    """Layers of self-attention and of attention to the other branch by turns.

    Args:
      width: channels. layers: of each branch. heads: of attention. hidden: channels of the wider
        layers. cross_first: attention to the other branch comes first.
      position_weight: factor of the positions.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        hidden: int,
        *,
        cross_first: bool = False,
        position_weight: float = 1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.position_weight = position_weight
        self.norm = Norm(width, -1, name="norm")
        self.wave_norm = Norm(width, -1, name="wave_norm")

        def column(name: str) -> list[TransformerLayer]:
            return [
                TransformerLayer(
                    width,
                    heads,
                    hidden,
                    crossing=(n % 2 == 1) != cross_first,
                    compute=self.compute,
                    name=f"{name}_{n}",
                )
                for n in range(layers)
            ]

        self.layers, self.wave_layers = column("layer"), column("wave_layer")

    def call(self, x, wave):
        """Spectrum (batch, time, frequency, width), waveform (batch, time, width) → the same."""
        _, times, bins, width = x.shape
        x = self.norm(tf.reshape(x, (-1, times * bins, width)))
        x = x + self.position_weight * plane_positions(times, bins, width)
        wave = self.wave_norm(wave)
        wave = wave + self.position_weight * line_positions(wave.shape[1], width)
        for layer, wave_layer in zip(self.layers, self.wave_layers):
            x, wave = layer(x, wave), wave_layer(wave, x)
        return tf.reshape(x, (-1, times, bins, width)), wave


class TransformerLayer(Part):
    """Attention and a wider layer, each added to its input with a small factor; a norm at the end.

    Args:
      width: channels. heads: of attention. hidden: of the wider layer.
      crossing: keys and values come from the other branch.
    """

    def __init__(self, width: int, heads: int, hidden: int, *, crossing: bool, **kwargs):
        super().__init__(**kwargs)
        same = {"compute": self.compute}
        self.crossing = crossing
        self.norm = Norm(width, -1, name="norm")
        self.other_norm = Norm(width, -1, name="other_norm") if crossing else None
        self.attention = Attention(width, heads, **same, name="attention")
        self.attention_scale = Scale(width, FIRST_SCALE, name="attention_scale")
        self.inner_norm = Norm(width, -1, name="inner_norm")
        self.entry = Linear(width, hidden, **same, name="entry")
        self.exit = Linear(hidden, width, **same, name="exit")
        self.inner_scale = Scale(width, FIRST_SCALE, name="inner_scale")
        self.last_norm = Norm(width, (1, 2), name="last_norm")

    def call(self, x, other):
        """(batch, steps, width), the other branch's (batch, others, width) → (batch, steps, …)."""
        queries = self.norm(x)
        keys = self.other_norm(other) if self.crossing else queries
        x = x + self.attention_scale(self.attention(queries, keys))
        inner = self.exit(self.entry(self.inner_norm(x), activated=True))
        return self.last_norm(x + self.inner_scale(inner))


class Attention(Part):
    """Attention of one sequence to another (Vaswani et al. 2017, section 3.2).

    Args:
      width: channels of both. heads: how many.
    """

    def __init__(self, width: int, heads: int, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.width = heads, width
        self.kernel = self.weight("kernel", (width, 3 * width), glorot(width, 3 * width))
        self.bias = self.weight("bias", (3 * width,), "zeros")
        self.exit = Linear(width, width, compute=self.compute, name="exit")
        self.exit.bias.assign(tf.zeros(width))

    @property
    def matrices(self) -> list:
        """As of `Linear`."""
        return [self.kernel]

    def call(self, x, other):
        """(batch, steps, width), (batch, others, width) → (batch, steps, width)."""
        own = self.width
        queries = self.product(x, self.kernel[:, :own]) + self.bias[:own]
        pair = self.product(other, self.kernel[:, own:]) + self.bias[own:]
        three = (queries, *tf.split(pair, 2, -1))
        three = (heads_apart(tf.cast(part, self.compute), self.heads) for part in three)
        return self.exit(heads_together(attend(*three)))


@functools.lru_cache(maxsize=4)
def line_positions(steps: int, width: int) -> np.ndarray:
    """Cosines, then sines of place / period, float32 (steps, width)."""
    half = width // 2
    exponents = np.arange(half, dtype=np.float32) / np.float32(half - 1)
    places = np.arange(steps, dtype=np.float32)[:, None]
    phases = places / np.float32(LONGEST) ** exponents
    return np.concatenate([np.cos(phases), np.sin(phases)], 1)


@functools.lru_cache(maxsize=4)
def plane_positions(times: int, bins: int, width: int) -> np.ndarray:
    """Sines and cosines by turns, of the time, then of the frequency: (times · bins, width)."""
    half = width // 2
    rates = np.exp(np.arange(0, half, 2, dtype=np.float32) * np.float32(-np.log(LONGEST) / half))

    def column(places: int) -> np.ndarray:
        phases = np.arange(places, dtype=np.float32)[:, None] * rates
        return np.stack([np.sin(phases), np.cos(phases)], -1).reshape(places, half)

    shape = (times, bins, half)
    along_time = np.broadcast_to(column(times)[:, None], shape)
    along_bins = np.broadcast_to(column(bins)[None], shape)
    return np.concatenate([along_time, along_bins], -1).reshape(times * bins, width)

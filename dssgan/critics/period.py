"""The critic of periodic parts of the waveform."""

import itertools

import tensorflow as tf

from dssgan.critics.base import Critic, layer_seeds
from dssgan.critics.layers import Convolution

SLOPE = 0.1
TAPS, STRIDE = 5, 3
WIDEST = 8  # filters double up to this many times `width`


class Period(Critic):
    """Multi-period critic: Kong, Kim, Bae, "HiFi-GAN", NeurIPS 2020, section 2.3.

    For each period the waveform is laid out in as many columns, so that a column holds every
    period-th sample; strided convolutions run along the columns, never across. Prime periods
    overlap as little as possible. Much narrower than HiFi-GAN's, because it stands beside a small
    separator: with the defaults it has 272,325 parameters for one channel.

    Args:
      sample_rate: in Hz. channels: of the audio. samples: of the excerpts it will see.
      periods: in samples.
      width: filters of the first convolution; they double up to 8 times as many.
      layers: convolutions of 5 taps and stride 3 before the one that scores.
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
        periods: tuple[int, ...] = (2, 3, 5, 7, 11),
        width: int = 16,
        layers: int = 4,
        normalised: bool = False,
        precision: str = "float32",
        seed: int = 0,
        name: str | None = None,
    ):
        hyperparameters = {
            "sample_rate": sample_rate,
            "channels": channels,
            "samples": samples,
            "periods": list(periods),
            "width": width,
            "layers": layers,
            "normalised": normalised,
            "precision": precision,
            "seed": seed,
        }
        super().__init__("period", hyperparameters, name)
        self.check_integer("width")
        self.check_integer("layers")
        self.periods = tuple(periods)
        whole = all(isinstance(period, int) and period > 0 for period in self.periods)
        if not self.periods or not whole or len(set(self.periods)) != len(self.periods):
            raise ValueError(
                f"period: periods {list(periods)}, expected one or more different integers ≥ 1"
            )
        seeds = layer_seeds(seed)
        self.stacks = []
        for period in self.periods:
            sizes = [channels, *(min(width * 2**layer, width * WIDEST) for layer in range(layers))]
            stack = [
                Convolution(
                    before,
                    after,
                    (TAPS, 1),
                    (STRIDE, 1),
                    next(seeds),
                    normalised=normalised,
                    name=f"period_{period}_{index}",
                )
                for index, (before, after) in enumerate(itertools.pairwise(sizes))
            ]
            stack.append(
                Convolution(
                    sizes[-1],
                    1,
                    (3, 1),
                    seed=next(seeds),
                    normalised=normalised,
                    name=f"period_{period}_score",
                )
            )
            self.stacks.append(stack)
        self.finish(max(self.periods) * STRIDE**layers)

    def represent(self, audio):
        """The waveform itself: (batch, samples, channels)."""
        return self.check_audio(audio)

    def logits_of(self, representation, training: bool = False, precise: bool = False):
        """(batch, samples, channels) → logits (batch, n) of all periods in turn, and maps."""
        waveform = tf.cast(representation, tf.float32 if precise else self.compute)
        logits, maps = [], []
        for period, stack in zip(self.periods, self.stacks):
            rows = waveform.shape[1] // period  # what does not fill a row is left out
            x = tf.reshape(waveform[:, : rows * period], (-1, rows, period, self.channels))
            for convolution in stack[:-1]:
                x = tf.nn.leaky_relu(convolution(x, training=training), SLOPE)
                maps.append(x)
            x = stack[-1](x, training=training)
            logits.append(tf.reshape(tf.cast(x, tf.float32), (-1, x.shape[1] * x.shape[2])))
        return tf.concat(logits, 1), maps

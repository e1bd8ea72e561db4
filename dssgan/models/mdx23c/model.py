"""MDX23C (TFC-TDF-UNet v3): spectra of all sources from the spectrum of a mixture.

Kim, Lee and Jung, arXiv 2306.09382. Bins are folded into subbands that are channels of the network.
"""

import tensorflow as tf

from dssgan import signal
from dssgan.models.layers.axes import padded
from dssgan.models.layers.parts import Linear
from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.mdx23c.layers import Block, Scaling, activation
from dssgan.models.mdx23c.sizes import check_sizes
from dssgan.models.targets import TargetSeparator, default_targets


class MDX23C(TargetSeparator):
    """The separator `mdx23c`; the defaults are the size of the public models of four sources.

    Args:
      sources: names of the estimates.
      targets: those that the network estimates; the one source that is left, if there is one, is
        the mixture without them. None: all but "accompaniment".
      sample_rate: in Hz. channels: 1 or 2, which are separated together.
      frame_length, hop: of the Fourier transform, in samples; periodic Hann window.
      bins: of the spectrum that are separated; estimates are silent above.
      subbands: that the bins are folded into.
      width: channels of the first scale. growth: more of them at every further scale.
      scales: how many. factors: between them, along frames and bins.
      blocks: at every scale. narrow: by what the bins within a block are fewer.
      activation: "gelu", "relu", or "elu" with its slope.
      precision: "float32", "bfloat16" or "float16" of products.
    """

    def __init__(
        self,
        *,
        sources=("drums", "bass", "other", "vocals"),
        targets=None,
        sample_rate: int = 44100,
        channels: int = 2,
        frame_length: int = 8192,
        hop: int = 1024,
        bins: int = 4096,
        subbands: int = 4,
        width: int = 128,
        growth: int = 128,
        scales: int = 5,
        factors=(2, 2),
        blocks: int = 2,
        narrow: int = 4,
        activation: str = "gelu",
        precision: str = "float32",
        name: str | None = None,
    ):
        super().__init__(name=name or "mdx23c", autocast=False)
        self.hyperparameters = {
            "sources": list(sources),
            "targets": list(default_targets(sources) if targets is None else targets),
            "sample_rate": sample_rate,
            "channels": channels,
            "frame_length": frame_length,
            "hop": hop,
            "bins": bins,
            "subbands": subbands,
            "width": width,
            "growth": growth,
            "scales": scales,
            "factors": list(factors),
            "blocks": blocks,
            "narrow": narrow,
            "activation": activation,
            "precision": precision,
        }
        check_sizes(self.hyperparameters)
        self.sources, self.targets = tuple(sources), tuple(self.hyperparameters["targets"])
        self.sample_rate, self.channels = sample_rate, channels
        self.frame_length, self.hop, self.bins, self.subbands = frame_length, hop, bins, subbands
        self.grid, self.minimum = hop, frame_length // 2 + 1
        self.channels_apart = channels == 1
        self.context = frame_length // 2 + sample_rate // 4
        self._build()
        self.built = True

    def _build(self) -> None:
        sizes = self.hyperparameters
        act, same = activation(sizes["activation"]), {"compute": PRECISIONS[sizes["precision"]]}
        parts, factors = 2 * self.channels * self.subbands, sizes["factors"]
        widths = [sizes["width"] + k * sizes["growth"] for k in range(sizes["scales"] + 1)]
        bins = [self.bins // self.subbands // factors[1] ** k for k in range(sizes["scales"] + 1)]

        def blocks(inputs: int, scale: int, name: str) -> list[Block]:
            entries = [inputs] + [widths[scale]] * (sizes["blocks"] - 1)
            return [
                Block(
                    entry,
                    widths[scale],
                    bins[scale],
                    sizes["narrow"],
                    act,
                    **same,
                    name=f"{name}_{k}",
                )
                for k, entry in enumerate(entries)
            ]

        def scaling(one: int, other: int, up: bool, name: str) -> Scaling:
            return Scaling(widths[one], widths[other], factors, up, act, **same, name=name)

        scales = range(sizes["scales"])
        self.act = act
        self.entry = Linear(parts, widths[0], bias=False, **same, name="entry")
        self.encoders = [blocks(widths[k], k, f"encoder_{k}") for k in scales]
        self.down = [scaling(k, k + 1, False, f"down_{k}") for k in scales]
        self.bottom = blocks(widths[-1], sizes["scales"], "bottom")
        self.up = [scaling(k + 1, k, True, f"up_{k}") for k in scales]
        self.decoders = [blocks(2 * widths[k], k, f"decoder_{k}") for k in scales]
        # Layers in lists of lists are not found by TensorFlow, which exports what it finds.
        self.blocks = [block for each in (*self.encoders, *self.decoders) for block in each]
        self.exits = [
            Linear(parts + widths[0], widths[0], bias=False, **same, name="exit_0"),
            Linear(widths[0], len(self.targets) * parts, bias=False, **same, name="exit_1"),
        ]

    def heads(self):
        """The last map, to the spectra of all targets."""
        return {"": [self.exits[-1]]}

    def waves(self, audio, training: bool = False):
        """(batch, channels, samples) → (batch, targets, channels, samples)."""
        # Silence at the end, so that the frames can be halved as often as need be.
        samples = audio.shape[-1]
        step = self.hyperparameters["factors"][0] ** self.hyperparameters["scales"]
        frames = -(-signal.frame_count(samples, self.hop) // step) * step
        length = max(samples, (frames - 1) * self.hop)
        audio = tf.pad(audio, [[0, 0], [0, 0], [0, length - samples]])
        parts = tf.stack(signal.parts_of(audio, self.frame_length, self.hop), -1)
        parts = self.unfolded(self.through(self.folded(parts[:, :, :, : self.bins])))
        beyond = self.frame_length // 2 + 1 - self.bins
        real, imaginary = (padded(part, 4, 0, beyond) for part in tf.unstack(parts, axis=-1))
        waves = signal.waves_of(real, imaginary, self.frame_length, self.hop, length)
        return waves[..., :samples]

    def folded(self, parts):
        """(batch, channels, frames, bins, 2) → (batch, frames, bins / subbands, parts)."""
        channels, frames = parts.shape[1:3]
        width = self.bins // self.subbands
        x = tf.reshape(parts, (-1, channels, frames, self.subbands, width, 2))
        x = tf.transpose(x, (0, 2, 4, 1, 5, 3))
        return tf.reshape(x, (-1, frames, width, 2 * channels * self.subbands))

    def unfolded(self, x):
        """The inverse of `folded` for all targets: (batch, targets, channels, frames, bins, 2)."""
        frames, width = x.shape[1:3]
        shape = (-1, frames, width, len(self.targets), self.channels, 2, self.subbands)
        x = tf.transpose(tf.reshape(x, shape), (0, 3, 4, 1, 6, 2, 5))
        return tf.reshape(x, (-1, len(self.targets), self.channels, frames, self.bins, 2))

    def through(self, parts):
        """The network: (batch, frames, bins, parts) → (batch, frames, bins, targets · parts)."""
        entry = x = self.entry(parts)
        kept = []
        for blocks, down in zip(self.encoders, self.down):
            x = run(blocks, x)
            kept.append(x)
            x = down(x)
        x = run(self.bottom, x)
        for up, blocks in zip(reversed(self.up), reversed(self.decoders)):
            x = run(blocks, tf.concat([up(x), kept.pop()], -1))
        x = tf.concat([parts, x * entry], -1)
        return self.exits[1](self.act(self.exits[0](x)))


def run(blocks, x):
    """One block after the other."""
    for block in blocks:
        x = block(x)
    return x

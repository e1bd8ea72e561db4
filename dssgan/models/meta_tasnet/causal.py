"""Meta-TasNet for signals that are still running: what comes later than a few ms is not heard.

Convolutions look back, norms run (`dssgan.models.layers.running_norm`), and a spectrum ends where
the longest filter does, with one frame for each of the latent's. What is heard ahead is half of
the longest filter, once on the way in and once on the way out, and the low-passes that halve the
rate. The estimates' scale is that of the training loss.
"""

from typing import Any

import tensorflow as tf

from dssgan import signal
from dssgan.models.meta_tasnet import encoder_decoder
from dssgan.models.meta_tasnet.causal_masks import CausalMaskNetwork
from dssgan.models.meta_tasnet.model import MultiStage
from dssgan.products import matmul

MEMORY_S = 4.0  # of the running norms
MOST_MEMORIES = 40  # an excerpt is at most so long: sums over it are taken in float32


class CausalEncoder(encoder_decoder.Encoder):
    """`Encoder` of what lies `past` samples before the first frame to `ahead` behind the last."""

    def __init__(self, *sizes, **options):
        super().__init__(*sizes, **options)
        self.ahead = (self.lengths[-1] - self.stride) // 2
        back = self.fft_length - self.stride - self.ahead if self.mels else 0
        self.past = max(self.ahead, back)

    def call(self, audio, dtype=tf.float32):
        """Encode (batch, samples); samples a multiple of the stride, silence around them."""
        return self.encode(tf.pad(audio, [[0, 0], [self.past, self.ahead]]), dtype)

    def encode(self, heard, dtype=tf.float32):
        """(batch, past + frames · stride + ahead) → (batch, frames, width)."""
        frames = heard[:, self.past - self.ahead :]
        y = self.filtered(tf.signal.frame(frames, self.lengths[-1], self.stride), dtype)
        if self.mels:
            begin = self.past + self.stride + self.ahead - self.fft_length
            y += tf.cast(self.mel_part(self.log_spectrum(heard[:, begin:])), dtype)
        return matmul(tf.nn.relu(y), tf.cast(self.bottleneck_1, dtype))

    def log_spectrum(self, audio):
        """Of frames that lie within the audio: (batch, frames, bins)."""
        return signal.log_power(audio, self.fft_length, self.stride, centred=False)


class CausalMultiStage(MultiStage):
    """The separator `causal_multistage`; arguments as of `MultiStage`.

    Attributes:
      past: samples that are kept of what came.
      delay: samples by which the estimates of `advance` lie behind what it is given.
      first: samples that its first call is given on top of whole frames.
    """

    causal = True
    scale_free = False
    unit_variance = False
    kind = "causal_multistage"
    encoder = CausalEncoder

    def set_lengths(self) -> None:
        """How far it looks back and ahead, and what it takes at most."""
        if self.hyperparameters["rates_apart"]:
            raise ValueError("causal_multistage: rates_apart is for multistage alone; leave it out")
        given, top = self.hyperparameters, 2 ** (len(self.stages) - 1)
        low_pass = len(signal.half_band_taps()) // 2 * (top - 1)
        lowest, highest = self.stages[0].encoder, self.stages[-1].encoder
        self.first = -(-(lowest.ahead * top + low_pass) // top) * top
        self.delay = self.first + highest.ahead
        self.past = -(-(lowest.past * top + low_pass) // top) * top
        self.kept = -(-(highest.lengths[-1] - highest.stride) // highest.stride)
        mask = self.stages[0].mask
        back = (given["kernel"] - 1) * sum(mask.dilations) * self.multiple
        self.context = len(self.stages) * back + self.past
        self.minimum = self.multiple
        self.maximum = int(MOST_MEMORIES * mask.memory) * self.multiple

    def mask_network(self, **sizes) -> CausalMaskNetwork:
        """The mask network of a stage."""
        given = self.hyperparameters
        memory = MEMORY_S * given["base_rate"] / given["stride"]
        return CausalMaskNetwork(memory=memory, **sizes, name="mask")

    def spectrum(self, scale: int) -> tuple[int, int]:
        """Frame length and hop of the spectrogram branch of the stage of `scale` times the rate."""
        return 1024 * scale, self.hyperparameters["stride"] * scale

    def start(self, opening: tf.Tensor) -> dict[str, Any]:
        """The state of a stream whose first `first` samples (batch, first) have come."""
        batch = opening.shape[0]
        width = self.stages[-1].mask.outputs
        return {
            "heard": tf.pad(opening, [[0, 0], [self.past, 0]]),
            "stages": [stage.mask.start(batch) for stage in self.stages],
            "separated": tf.zeros((batch, len(self.sources), self.kept, width), self.compute),
        }

    def advance(self, block, state, kernels):
        """Separate what follows.

        Args:
          block: (batch, samples), a multiple of `multiple`.
          state: of the samples before, `start` or what the last call returned.
          kernels: `inference_state`.

        Returns:
          (estimates (batch, sources, samples), which lie `delay` behind the block; the state).
        """
        samples = block.shape[-1]
        heard = tf.concat([state["heard"], block], -1)
        outputs, behind = self.separated(heard, state["stages"], kernels)
        latents = tf.concat([state["separated"], outputs[-1]["separated"]], 2)
        audio = self.stages[-1].decoder(latents)
        begin = self.kept * self.stages[-1].encoder.stride - self.stages[-1].encoder.ahead
        following = {
            "heard": heard[:, samples:],
            "stages": behind,
            "separated": latents[:, :, -self.kept :],
        }
        return audio[..., begin : begin + samples], following

    def separated(self, heard, states, kernels, training: bool = False):
        """Latents of every stage, and the states behind them.

        Args:
          heard: (batch, past + frames · multiple + first).
          states: of every stage's mask network.
        """
        outputs, following, previous = [], [], None
        frames = (heard.shape[-1] - self.past - self.first) // self.multiple
        rates = signal.rate_pyramid(heard, len(self.stages))
        for index, (stage, audio) in enumerate(zip(self.stages, rates)):
            encoder = stage.encoder
            begin = self.past // 2 ** (len(rates) - 1 - index) - encoder.past
            end = begin + encoder.past + frames * encoder.stride + encoder.ahead
            latent = encoder.encode(audio[:, begin:end], self.compute)
            keep = self.draw_dropout(stage, latent, training)
            previous, behind = stage.mask.advance(
                latent, previous, kernels[index], states[index], keep
            )
            outputs.append({"latent": latent, "separated": previous})
            following.append(behind)
        return outputs, following

    def run_stages(self, mixtures, state, training: bool = False, last_only: bool = False):
        """As of `MultiStage`, of the last mixture alone: silence before and after it."""
        samples = mixtures[-1].shape[-1]
        if samples is None or samples % self.multiple:
            raise ValueError(
                f"causal_multistage: {samples} samples, expected a static multiple of "
                f"{self.multiple}; pad the excerpt"
            )
        heard = tf.pad(mixtures[-1], [[0, 0], [self.past, self.first]])
        batch = heard.shape[0] or tf.shape(heard)[0]
        states = [stage.mask.start(batch) for stage in self.stages]
        outputs, _ = self.separated(heard, states, state, training)
        for stage, output in zip(self.stages, outputs):
            if not last_only or output is outputs[-1]:
                output["estimates"] = stage.decoder(output["separated"])
        return outputs

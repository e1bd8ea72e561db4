"""Wavenet: waveform in, waveforms out, through stacks of dilated convolutions.

Lluís, Pons, Serra, "End-to-end music source separation: is it possible in the waveform domain?",
Interspeech 2019 (arXiv 1810.12187), after Rethage, Pons, Serra, "A Wavenet for speech denoising",
ICASSP 2018 (arXiv 1706.07162). Mono by nature: channels are folded into the batch.
"""

import tensorflow as tf

from dssgan.models.base import SeparatorModel, fold_channels
from dssgan.models.layers.initialisers import glorot
from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.wavenet.blocks import (
    block,
    inference_block,
    one_by_one,
    product,
    taps,
    wide_layers,
)
from dssgan.models.wavenet.sizes import check_sizes
from dssgan.products import matmul

REMAINDERS = ("other", "accompaniment")  # sources that are not predicted unless asked for


class Wavenet(SeparatorModel):
    """The separator `wavenet`; the defaults are the paper's multi-instrument model.

    The network predicts the targets; the source that is not among them is what they leave of the
    mixture. An estimate depends on `context` samples of either side; beyond the ends of what it is
    given, the network receives silence.

    Args:
      sources: names of the estimates.
      targets: the sources that the network predicts, in the order of its outputs: all, or all but
        one. None: all but "other" or "accompaniment".
      layers: dilations 1, 2, 4 … 2^(layers − 1). stacks: how often that series repeats.
      residual, skip: channels of the residual and of the skip connections.
      final: channels of the two layers behind the sum of the skips.
      sample_rate: in Hz.
      precision: "float32", "bfloat16" or "float16" for the matrix products of the blocks and of
        the last layers; sums and waveforms stay float32.
      exact_original: as the original program, which separates in fragments whose ends lack context
        (their first and last sample click), and counts such ends in training too. For comparisons;
        it takes several times the work.
      target_field: length of these fragments in samples, odd. A song's chunks begin between them,
        so that it comes out as if it were separated in one.
    """

    channels_apart = True

    def __init__(
        self,
        *,
        sources=("vocals", "drums", "bass", "other"),
        targets=None,
        layers: int = 10,
        stacks: int = 4,
        residual: int = 64,
        skip: int = 64,
        final=(2048, 256),
        sample_rate: int = 16000,
        precision: str = "float32",
        exact_original: bool = False,
        target_field: int = 1601,
        name: str | None = None,
    ):
        super().__init__(name=name or "wavenet", autocast=False)
        if targets is None:
            targets = [source for source in sources if source not in REMAINDERS]
        self.hyperparameters = {
            "sources": list(sources),
            "targets": list(targets),
            "layers": layers,
            "stacks": stacks,
            "residual": residual,
            "skip": skip,
            "final": list(final),
            "sample_rate": sample_rate,
            "precision": precision,
            "exact_original": exact_original,
            "target_field": target_field,
        }
        check_sizes(self.hyperparameters)
        self.sources, self.targets = tuple(sources), tuple(targets)
        self.sample_rate = sample_rate
        self.compute = PRECISIONS[precision]
        self.exact_original, self.target_field = exact_original, target_field
        self.grid = target_field if exact_original else 1
        self.dilations = [2**layer for layer in range(layers)] * stacks
        self.half_field = sum(self.dilations)  # what the paper counts as the receptive field
        self.context = 1 + self.half_field + 2
        wide, narrow = final
        blocks = len(self.dilations)
        self.first = self.add_weight(
            shape=(3, residual), initializer=glorot(3, 3 * residual), name="first"
        )
        self.dilated = self.add_weight(
            shape=(blocks, 3 * residual, 2 * residual),
            initializer=glorot(3 * residual, 6 * residual),
            name="dilated",
        )
        self.mixing = self.add_weight(
            shape=(blocks, residual, residual + skip),
            initializer=glorot(residual, residual + skip),
            name="mixing",
        )
        self.wide = self.add_weight(
            shape=(3 * skip, wide), initializer=glorot(3 * skip, 3 * wide), name="wide"
        )
        self.narrow = self.add_weight(
            shape=(3, wide, narrow), initializer=glorot(3 * wide, 3 * narrow), name="narrow"
        )
        self.output_kernel = self.add_weight(
            shape=(narrow, len(targets)), initializer=glorot(narrow, len(targets)), name="output"
        )
        self.output_bias = self.add_weight(
            shape=(len(targets),), initializer="zeros", name="output_bias"
        )
        self.built = True

    def heads(self):
        """The map to the waveforms of all targets."""
        return {"": [self.output_kernel, self.output_bias]}

    def inference_state(self):
        """The last two layers as one: nothing bends the signal between them."""
        return tf.concat(tf.unstack(matmul(self.narrow, self.output_kernel[None])), -1)

    def call(self, mixture, training: bool = False):
        """(batch, samples, channels) → (batch, sources, samples, channels)."""
        return self.infer(mixture, self.inference_state())

    def infer(self, mixture, state):
        """`call` with the last layers made one already."""
        folded, unfold = fold_channels(mixture)
        separate = self.fragments if self.exact_original else self.whole
        return self.with_remainder(unfold(separate(folded, state)), mixture)

    def whole(self, audio, state):
        """(batch, samples) → (batch, targets, samples), silence around the audio."""
        around = [[0, 0], [self.context, self.context]]
        return self.network(tf.pad(audio, around), state, learning=False)

    def fragments(self, audio, state):
        """As `whole`, but in the original's fragments."""
        samples, field = audio.shape[1], self.target_field
        count = -(-samples // field)
        after = self.half_field + count * field - samples
        padded = tf.pad(audio, [[0, 0], [self.half_field, after]])
        pieces = tf.signal.frame(padded, field + 2 * self.half_field, field, axis=1)

        def separate(piece):
            return self.network(piece, state, same=True)[..., 1:-1]

        found = one_by_one(separate, tf.transpose(pieces, (1, 0, 2)))
        found = tf.transpose(found, (1, 2, 0, 3))  # (batch, targets, fragments, samples)
        return tf.reshape(found, (-1, len(self.targets), count * field))[..., :samples]

    def network(self, audio, state, same: bool = False, learning: bool = True):
        """The network, on the samples of which it is given the whole context.

        Args:
          audio: (batch, samples).
          state: of `inference_state`.
          same: as in the original's fragments, the first layer, the first block and the last two
            layers see zeros beyond the ends of their input instead of getting shorter.
          learning: keep little for a gradient; otherwise be faster without one.

        Returns:
          float32 (batch, targets, samples − 2 · context), eight samples more with `same`.
        """
        edge = [[0, 0], [int(same), int(same)], [0, 0]]
        x = taps(tf.pad(audio[..., None], edge))
        x = tf.pad(product(x, self.first), edge)
        field = x.shape[1] - 2 * self.half_field
        total = tf.zeros((tf.shape(x)[0], field, self.hyperparameters["skip"]))
        largest = max(self.dilations)
        run_block = block if learning else inference_block
        margin = 0 if learning else largest
        silence = [[0, 0], [margin, margin], [0, 0]]
        x, beyond = tf.pad(x, silence), margin + 2 * largest - 1
        kernels = zip(self.dilations, tf.unstack(self.dilated), tf.unstack(self.mixing))
        for dilation, dilated, mixing in kernels:
            x, total = run_block(x, total, dilated, mixing, dilation, largest, self.compute)
            if dilation == largest:  # the end of a stack: leave out what the zeros beyond reached
                x = tf.pad(x[:, beyond : x.shape[1] - beyond], silence)
        total = tf.cast(tf.pad(tf.nn.relu(total), edge), self.compute)
        found = tf.pad(wide_layers(total, self.wide, state), edge)
        early, now, late = tf.split(found, 3, -1)
        found = early[:, :-2] + now[:, 1:-1] + late[:, 2:] + self.output_bias
        return tf.transpose(found, (0, 2, 1))

    def with_remainder(self, predicted, mixture):
        """(batch, targets, samples, channels) → (batch, sources, samples, channels)."""
        rest = mixture - tf.reduce_sum(predicted, 1)
        places = {target: place for place, target in enumerate(self.targets)}
        found = [predicted[:, places[s]] if s in places else rest for s in self.sources]
        return tf.stack(found, 1)

    def training_estimates(self, mixture, references=None):
        """Estimates, and those of the excerpt's middle with whole context, which training counts.

        Returns:
          "estimates" (batch, sources, samples, channels) with silence around the excerpt; "field":
          {"estimates": (batch, targets, samples − 2 · context, channels), and with references
          "references" and "reference_rests", what the other sources add up to, of that shape}. What
          a loss does not look at is not computed in a compiled step.

        Raises:
          ValueError: the excerpt is too short for any sample to have its context.
        """
        margin = self.context - 4 if self.exact_original else self.context
        samples = mixture.shape[1] - 2 * margin
        if samples < 1:
            raise ValueError(
                f"wavenet: no sample of an excerpt of {mixture.shape[1]} has its {margin} samples "
                f"of context on both sides; set data.seconds={2.5 * margin / self.sample_rate:.2f}"
            )
        state = self.inference_state()
        folded, unfold = fold_channels(mixture)
        field = {"estimates": unfold(self.network(folded, state, same=self.exact_original))}
        if references is not None:
            order = [self.sources.index(target) for target in self.targets]
            middle = references[:, :, margin : margin + samples]
            field["references"] = tf.gather(middle, order, axis=1)
            rests = tf.reduce_sum(middle, 1, keepdims=True) - field["references"]
            field["reference_rests"] = rests
        return {"estimates": self(mixture, training=True), "field": field}

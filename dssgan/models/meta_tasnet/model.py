"""Meta-TasNet: a multi-stage time-domain separator with generated extractors.

Samuel, Ganeshan, Naradowsky, "Meta-learning extractors for music source separation", ICASSP 2020
(arXiv 2002.07016). Stage i works at base_rate · 2^i; each stage gets the mixture at its own rate
and the separated latents of the stage before. Mono by nature: channels are folded into the batch.
"""

import keras
import tensorflow as tf

from dssgan import signal
from dssgan.models.base import SeparatorModel, fold_channels
from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.meta_tasnet import encoder_decoder
from dssgan.models.meta_tasnet.mask_network import MaskNetwork
from dssgan.models.meta_tasnet.sizes import check_sizes


class Stage(keras.layers.Layer):
    """Encoder, mask network and decoder at one sample rate."""

    def __init__(self, encoder, mask, decoder, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.encoder, self.mask, self.decoder = encoder, mask, decoder
        self.built = True


class MultiStage(SeparatorModel):
    """The separator `multistage`; the defaults are the paper's model.

    Args:
      sources: names of the estimates.
      stages: how many; the last one works at base_rate · 2^(stages − 1) Hz, the model's rate.
      base_rate: sample rate of the first stage in Hz.
      width: latent channels N of the first stage; stage i has N · 2^i.
      filter_length: L, shortest filter in samples at the base rate. stride: W, in samples there.
      banks: parallel filter banks of the encoder and the decoder.
      mels: channels of the spectrogram branch; 0 without (plain encoder).
      bottleneck, hidden, kernel, layers, stacks: B, H, P, X, R of the mask network.
      generated: kernels generated from an embedding (True) or independent per source.
      embedding_size, code_size: E_1 and E_2 of the generator.
      residual_bias: biases on residual and skip convolutions.
      dropout: share of latent channels dropped at the mask network's input in training.
      precision: "float32", "bfloat16" or "float16" for activations and matrix products; sums,
        norms, spectra and waveforms stay float32.
      rates_apart: in training, stage i receives channel i of the mixture and of the references, as
        the original does, which mixes anew for each rate; the excerpts must come that way.
    """

    scale_free = True
    unit_variance = True
    channels_apart = True
    normalises = True
    training_outputs = ("stages",)
    kind = "multistage"
    encoder = encoder_decoder.Encoder

    def __init__(
        self,
        *,
        sources=("drums", "bass", "other", "vocals"),
        stages: int = 3,
        base_rate: int = 8000,
        width: int = 440,
        filter_length: int = 20,
        stride: int = 20,
        banks: int = 3,
        mels: int = 256,
        bottleneck: int = 160,
        hidden: int = 160,
        kernel: int = 3,
        layers: int = 6,
        stacks: int = 3,
        generated: bool = True,
        embedding_size: int = 8,
        code_size: int = 5,
        residual_bias: bool = False,
        dropout: float = 0.0,
        precision: str = "float32",
        rates_apart: bool = False,
        seed: int = 0,
        name: str | None = None,
    ):
        super().__init__(name=name or self.kind, autocast=False)
        self.hyperparameters = {
            "sources": list(sources),
            "stages": stages,
            "base_rate": base_rate,
            "width": width,
            "filter_length": filter_length,
            "stride": stride,
            "banks": banks,
            "mels": mels,
            "bottleneck": bottleneck,
            "hidden": hidden,
            "kernel": kernel,
            "layers": layers,
            "stacks": stacks,
            "generated": generated,
            "embedding_size": embedding_size,
            "code_size": code_size,
            "residual_bias": residual_bias,
            "dropout": dropout,
            "precision": precision,
            "rates_apart": rates_apart,
        }
        check_sizes(self.hyperparameters)
        self.sources = tuple(sources)
        self.sample_rate = base_rate * 2 ** (stages - 1)
        self.compute = PRECISIONS[precision]
        self.dropout_rate = dropout
        self.dropout_seeds = keras.random.SeedGenerator(seed) if dropout else None
        self.stages = []
        for stage in range(stages):
            scale = 2**stage
            self.stages.append(
                Stage(
                    self.encoder(
                        width * scale,
                        filter_length * scale,
                        stride * scale,
                        banks,
                        mels,
                        *self.spectrum(scale),
                        name="encoder",
                    ),
                    self.mask_network(
                        sources=len(sources),
                        inputs=width * scale + (width * scale // 2 if stage else 0),
                        outputs=width * scale,
                        bottleneck=bottleneck,
                        hidden=hidden,
                        kernel=kernel,
                        layers=layers,
                        stacks=stacks,
                        generated=generated,
                        embedding_size=embedding_size,
                        code_size=code_size,
                        residual_bias=residual_bias,
                    ),
                    encoder_decoder.Decoder(
                        width * scale, filter_length * scale, stride * scale, banks, name="decoder"
                    ),
                    name=f"stage_{stage}",
                )
            )
        self.multiple = stride * 2 ** (stages - 1)
        self.set_lengths()
        self.built = True

    def heads(self):
        """The embeddings of the sources; without a generator, all weights of the mask networks."""
        if self.hyperparameters["generated"]:
            return {"": [stage.mask.embedding for stage in self.stages]}
        return {"": [w for stage in self.stages for w in stage.mask.weights_of.values()]}

    def set_lengths(self) -> None:
        """What an excerpt needs at least, and how far an output sample looks."""
        given, top = self.hyperparameters, 2 ** (len(self.stages) - 1)
        longest = max(stage.encoder.fft_length * top // 2**i for i, stage in enumerate(self.stages))
        self.minimum = -(-(longest // 2 + 1) // self.multiple) * self.multiple
        frames = (given["kernel"] // 2) * sum(self.stages[0].mask.dilations)
        reach = frames * given["stride"] + 4 * given["filter_length"]
        self.context = top * len(self.stages) * reach + (longest * 3 // 4 if given["mels"] else 0)

    def mask_network(self, **sizes) -> MaskNetwork:
        """The mask network of a stage."""
        return MaskNetwork(**sizes, name="mask")

    def spectrum(self, scale: int) -> tuple[int, int]:
        """Frame length and hop of the spectrogram branch of the stage of `scale` times the rate."""
        step = max(1, scale * self.hyperparameters["base_rate"] // 8000)
        return 1024 * step, 256 * step

    def inference_state(self):
        """The kernels of every stage: generated once per track, not per chunk."""
        return [stage.mask.kernels() for stage in self.stages]

    def call(self, mixture, training: bool = False):
        """(batch, samples, channels) → (batch, sources, samples, channels), scale undefined."""
        return self.infer(mixture, self.inference_state(), training)

    def infer(self, mixture, state, training: bool = False):
        """`call` with ready kernels."""
        folded, unfold = fold_channels(mixture)
        outputs = self.run_stages(
            signal.rate_pyramid(folded, len(self.stages)), state, training, last_only=True
        )
        return unfold(outputs[-1]["estimates"])

    def run_stages(self, mixtures, state, training: bool = False, last_only: bool = False):
        """Chain the stages over mono mixtures at rising rates, [(batch, samples · 2^i), …].

        Returns:
          One dict per stage: "estimates" (batch, sources, samples) (with `last_only` of the last
          stage alone), "masks" and "separated" (batch, sources, frames, N · 2^i), "latent"
          (batch, frames, N · 2^i).
        """
        outputs, previous = [], None
        for index, (stage, audio, kernels) in enumerate(zip(self.stages, mixtures, state)):
            if audio.shape[-1] is None or audio.shape[-1] % stage.encoder.stride:
                raise ValueError(
                    f"multistage: {audio.shape[-1]} samples at stage {index}, expected a static "
                    f"multiple of {stage.encoder.stride}; pad the excerpt"
                )
            latent = stage.encoder(audio, dtype=self.compute)
            keep = self.draw_dropout(stage, latent, training)
            separated = stage.mask(latent, previous, kernels, keep=keep)
            output = {"latent": latent, "separated": separated}
            if not last_only or index == len(self.stages) - 1:
                output["estimates"] = stage.decoder(separated)
            outputs.append(output)
            previous = separated
        return outputs

    def draw_dropout(self, stage, latent, training):
        """Whole channels of the mask input, per source, for the whole excerpt."""
        if not (training and self.dropout_rate):
            return None
        shape = (latent.shape[0], stage.mask.sources, stage.mask.inputs)
        kept = keras.random.uniform(shape, seed=self.dropout_seeds) >= self.dropout_rate
        return tf.cast(kept, tf.float32) / (1.0 - self.dropout_rate)

    def training_estimates(self, mixture, references=None, training: bool = True):
        """Every stage's estimates, reconstruction and the latents of the references.

        Returns:
          {"estimates": (batch, sources, samples, channels), "stages": [{"mixture" (b, t),
          "estimates" (b, sources, t), "reconstruction" (b, t), and with references "references"
          (b, sources, t) and "reference_latents" (b, sources, frames, width)}, …]}, where b is
          batch · channels and t the samples at the stage's rate.
        """
        mixtures, unfold = self.rates(mixture)
        flat = [None] * len(self.stages)
        if references is not None:
            if self.hyperparameters["rates_apart"]:
                flat, _ = self.rates(tf.reshape(references, (-1, *references.shape[2:])))
            else:  # items in the order of the folded mixture: batch, channels, sources
                flat = tf.reshape(tf.transpose(references, (0, 3, 1, 2)), (-1, mixture.shape[1]))
                flat = signal.rate_pyramid(flat, len(self.stages))
        stages = self.stage_outputs(mixtures, flat, training)
        return {"estimates": unfold(stages[-1]["estimates"]), "stages": stages}

    def rates(self, mixture):
        """What each stage gets of (batch, samples, channels), and the way back for estimates."""
        count = len(self.stages)
        if not self.hyperparameters["rates_apart"]:
            folded, unfold = fold_channels(mixture)
            return signal.rate_pyramid(folded, count), unfold
        if mixture.shape[-1] != count:
            raise ValueError(
                f"multistage: rates_apart needs one mix per stage on the channel axis ({count}), "
                f"got {mixture.shape[-1]}; set data.augmentation.mixes={count}"
            )
        parts = [mixture[..., index] for index in range(count)]
        parts = [signal.rate_pyramid(part, count - index)[0] for index, part in enumerate(parts)]
        return parts, lambda estimates: estimates[..., None]

    def stage_outputs(self, mixtures, references, training: bool = True):
        """As `training_estimates`, from mono signals that are given rate by rate.

        Args:
          mixtures: [(batch, samples · 2^i), …].
          references: [(batch · sources, samples · 2^i), …] or Nones.
        """
        outputs = self.run_stages(mixtures, self.inference_state(), training)
        for stage, output, audio, reference in zip(self.stages, outputs, mixtures, references):
            output["mixture"] = audio
            output["reconstruction"] = stage.decoder(output["latent"])
            if reference is not None:
                latents = stage.encoder(reference, dtype=self.compute)
                groups = (-1, len(self.sources))
                output["references"] = tf.reshape(reference, (*groups, audio.shape[-1]))
                output["reference_latents"] = tf.reshape(latents, (*groups, *latents.shape[1:]))
        return outputs

    def calibrate(self, mixtures) -> None:
        """Fit mean and deviation of the log spectra to (batch, samples, channels) mixtures."""
        if not self.hyperparameters["mels"]:
            return
        spectra = [[] for _ in self.stages]
        for mixture in mixtures:
            folded, _ = fold_channels(tf.convert_to_tensor(mixture, tf.float32))
            for index, audio in enumerate(signal.rate_pyramid(folded, len(self.stages))):
                log_spectrum = self.stages[index].encoder.log_spectrum(audio)
                spectra[index].append(encoder_decoder.frame_sums(log_spectrum))
        for stage, sums in zip(self.stages, spectra):
            mean, std = encoder_decoder.unbiased_moments(sums)
            stage.encoder.mean.assign(mean)
            stage.encoder.std.assign(std)

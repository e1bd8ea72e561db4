"""Hybrid Transformer Demucs: a spectrum and a waveform separated side by side.

Rouard, Massa and Défossez, "Hybrid Transformers for Music Source Separation", ICASSP 2023 (arXiv
2211.08553). The spectrum's real and imaginary parts and the waveform pass through encoders of their
own; a transformer lets both attend to each other; the decoders' results are added as waveforms.
"""

import tensorflow as tf

from dssgan.models.base import SeparatorModel, fold_channels
from dssgan.models.htdemucs import spectra
from dssgan.models.htdemucs.cross_transformer import CrossTransformer
from dssgan.models.htdemucs.encoder_decoder import (
    CONTEXT,
    SPECTRUM,
    WAVE,
    Decoder,
    Encoder,
    FrequencyEmbedding,
    LayerSizes,
)
from dssgan.models.htdemucs.sizes import check_sizes
from dssgan.models.layers.parts import Linear
from dssgan.models.layers.precision import PRECISIONS

SMALL = 1e-5  # added to deviations that are divided by


class HTDemucs(SeparatorModel):
    """The separator `htdemucs`; the defaults are the published model of four sources.

    Training takes excerpts of any length; otherwise they are padded to the training segment.

    Args:
      sources: names of the estimates.
      audio_channels: 1 or 2. A mono mixture given to a stereo model becomes both channels, and
        their mean is the estimate; a mono model takes channels by themselves.
      sample_rate: in Hz. segment: of training excerpts, in seconds.
      use_train_segment: pad shorter mixtures to it with zeros where nothing is trained.
      channels: of the first layer. growth: their factor from layer to layer. depth: layers.
      nfft: frame of the spectrum in samples, four hops.
      kernel_size, stride: of encoders and decoders.
      freq_emb: weight of the frequency embedding; 0: none. emb_scale: what its rate of learning is
        multiplied with. emb_smooth: begin with neighbours alike.
      dconv_mode: residual branches in 1 encoders, 2 decoders, 3 both, 0 neither. dconv_depth,
        dconv_comp, dconv_init: convolutions in each, share of the channels, first scale.
      bottom_channels: of the transformer; 0: those of the last encoder.
      t_layers, t_heads, t_hidden_scale: layers of each branch, heads, wider layers over channels.
      t_weight_pos_embed: factor of positions. t_cross_first: attend to the other branch first.
      rescale: deviation that first weights of convolutions are drawn towards; 0: none.
      precision: "float32", "bfloat16" or "float16" for products.
    """

    normalises = True

    def __init__(
        self,
        *,
        sources=("drums", "bass", "other", "vocals"),
        audio_channels: int = 2,
        sample_rate: int = 44100,
        segment: float = 7.8,
        use_train_segment: bool = True,
        channels: int = 48,
        growth: int = 2,
        depth: int = 4,
        nfft: int = 4096,
        kernel_size: int = 8,
        stride: int = 4,
        freq_emb: float = 0.2,
        emb_scale: float = 10.0,
        emb_smooth: bool = True,
        dconv_mode: int = 3,
        dconv_depth: int = 2,
        dconv_comp: int = 8,
        dconv_init: float = 1e-3,
        bottom_channels: int = 512,
        t_layers: int = 5,
        t_heads: int = 8,
        t_hidden_scale: float = 4.0,
        t_weight_pos_embed: float = 1.0,
        t_cross_first: bool = False,
        rescale: float = 0.1,
        precision: str = "float32",
        name: str | None = None,
    ):
        given = {key: value for key, value in locals().items() if key in KEYS}
        super().__init__(name=name or "htdemucs", autocast=False)
        self.hyperparameters = given | {"sources": list(sources)}
        check_sizes(self.hyperparameters)
        self.sources, self.sample_rate = tuple(sources), sample_rate
        self.audio_channels, self.nfft = audio_channels, nfft
        self.segment = int(segment * sample_rate + 1e-6)
        self.use_train_segment = use_train_segment
        self.maximum = self.segment if use_train_segment else 0
        self.channels_apart = audio_channels == 1
        self.compute = PRECISIONS[precision]
        sizes = LayerSizes(*(given[key] for key in LayerSizes._fields))
        self._build_layers(sizes)
        self._build_transformer()
        self.context = self._reach()
        self.built = True

    def _build_layers(self, sizes: LayerSizes) -> None:
        """Encoders and decoders of both branches, and the frequency embedding."""
        given, same = self.hyperparameters, {"compute": self.compute}
        widths = [given["channels"] * given["growth"] ** n for n in range(given["depth"])]
        waves, rows = self.audio_channels, self.audio_channels * len(self.sources)
        self.encoders, self.wave_encoders, self.decoders, self.wave_decoders = [], [], [], []
        for n, width in enumerate(widths):
            for axis, folder, inputs in (
                (SPECTRUM, self.encoders, widths[n - 1] if n else 2 * waves),
                (WAVE, self.wave_encoders, widths[n - 1] if n else waves),
            ):
                label = "encoder" if axis == SPECTRUM else "wave_encoder"
                folder.append(Encoder(inputs, width, axis, sizes, **same, name=f"{label}_{n}"))
        for n, width in reversed(list(enumerate(widths))):
            for axis, folder, outputs in (
                (SPECTRUM, self.decoders, widths[n - 1] if n else 2 * rows),
                (WAVE, self.wave_decoders, widths[n - 1] if n else rows),
            ):
                label = "decoder" if axis == SPECTRUM else "wave_decoder"
                options = {"last": n == 0, "name": f"{label}_{n}", **same}
                folder.append(Decoder(width, outputs, axis, sizes, **options))
        self.embedding = None
        if given["freq_emb"]:
            keys = ("freq_emb", "emb_smooth", "emb_scale")
            freq_emb, smooth, boost = (given[key] for key in keys)
            bins = self.nfft // 2 // given["stride"]
            self.embedding = FrequencyEmbedding(
                bins, widths[0], freq_emb, smooth=smooth, boost=boost, name="embedding"
            )
        self.width = widths[-1]

    def _build_transformer(self) -> None:
        """The transformer between encoders and decoders, and the ways to its width and back."""
        given, same = self.hyperparameters, {"compute": self.compute}
        inner = given["bottom_channels"] or self.width
        self.ways = None
        if given["bottom_channels"]:
            ends = {"in": (self.width, inner), "wave_in": (self.width, inner)}
            ends |= {"out": (inner, self.width), "wave_out": (inner, self.width)}
            self.ways = [Linear(*pair, **same, name=f"way_{key}") for key, pair in ends.items()]
        self.transformer = CrossTransformer(
            inner,
            given["t_layers"],
            given["t_heads"],
            int(inner * given["t_hidden_scale"]),
            cross_first=given["t_cross_first"],
            position_weight=given["t_weight_pos_embed"],
            **same,
            name="transformer",
        )

    def _reach(self) -> int:
        """Samples that an estimate's convolutions reach to either side; attention sees all."""
        given = self.hyperparameters
        branches = (given["dconv_mode"] & 1) + (given["dconv_mode"] >> 1)
        layer = branches * (2 ** given["dconv_depth"] - 1) + CONTEXT
        strides = [given["stride"] ** (n + 1) for n in range(given["depth"])]
        wave = sum(stride * (layer + 2) for stride in strides)
        return max(wave, layer * given["depth"] * (self.nfft // 4) + self.nfft // 2)

    def heads(self):
        """What makes spectra and waveforms of all sources of the last decoders."""
        return {"": [self.decoders[-1].exit, self.wave_decoders[-1].exit]}

    def call(self, mixture, training: bool = False):
        """(batch, samples, channels) → (batch, sources, samples, channels)."""
        samples, channels = mixture.shape[1:]
        if samples is None:
            raise ValueError("htdemucs: expected a mixture whose length is known; pad the excerpt")
        if self.audio_channels == 1 and channels > 1:
            folded, unfold = fold_channels(mixture)
            return unfold(self.separated(folded[..., None], training)[..., 0])
        if channels > 2:
            raise ValueError(f"htdemucs: {channels} channels, expected a mono or stereo mixture")
        if channels == self.audio_channels:
            return self.separated(mixture, training)
        found = self.separated(tf.repeat(mixture, 2, axis=2), training)
        return tf.reduce_mean(found, 3, keepdims=True)

    def separated(self, mixture, training: bool):
        """`call` for as many channels as the model has."""
        samples = mixture.shape[1]
        if not training and self.use_train_segment:
            if samples > self.segment:
                raise ValueError(
                    f"htdemucs: {samples} samples are more than the training segment of "
                    f"{self.segment}: separate in chunks"
                )
            mixture = tf.pad(mixture, [[0, 0], [0, self.segment - samples], [0, 0]])
        length = mixture.shape[1]
        spectrum, undo = standardised(spectra.spectrum(mixture, self.nfft))
        wave, undo_wave = standardised(mixture)
        spectrum, wave = self.network(spectrum, wave)
        found = spectra.waves(undo(spectrum), self.nfft, length)
        found = found + tf.transpose(undo_wave(wave), (0, 2, 1))
        shape = (-1, len(self.sources), self.audio_channels, length)
        return tf.transpose(tf.reshape(found, shape)[..., :samples], (0, 1, 3, 2))

    def network(self, x, wave):
        """Both branches, standardised: (batch, frames, bins, 2 · channels), (batch, samples, …)."""
        skips, wave_skips, lengths = [], [], []
        for place, (encode, encode_wave) in enumerate(zip(self.encoders, self.wave_encoders)):
            lengths.append((x.shape[SPECTRUM], wave.shape[WAVE]))
            x, wave = encode(x), encode_wave(wave)
            if place == 0 and self.embedding is not None:
                x = self.embedding(x)
            skips.append(x)
            wave_skips.append(wave)
        if self.ways is None:
            x, wave = self.transformer(x, wave)
        else:
            way_in, wave_in, way_out, wave_out = self.ways
            x, wave = self.transformer(way_in(x), wave_in(wave))
            x, wave = way_out(x), wave_out(wave)
        for decode, decode_wave in zip(self.decoders, self.wave_decoders):
            bins, samples = lengths.pop()
            x = decode(x, skips.pop(), length=bins)
            wave = decode_wave(wave, wave_skips.pop(), length=samples)
        return x, wave


KEYS = frozenset(HTDemucs.__init__.__kwdefaults__) - {"name"}


def standardised(x):
    """Zero mean and unit deviation per excerpt, and the way back: (tensor, function)."""
    axes = list(range(1, x.shape.rank))
    count = 1
    for size in x.shape[1:]:
        count *= size
    mean = tf.reduce_mean(x, axes, keepdims=True)
    centred = x - mean
    power = tf.reduce_sum(tf.square(centred), axes, keepdims=True) / max(count - 1, 1)
    deviation = tf.sqrt(power)
    return centred / (SMALL + deviation), lambda y: y * deviation + mean

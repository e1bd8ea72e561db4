"""Open-Unmix: an LSTM for every source estimates its magnitudes, a Wiener filter joins them.

Stöter, Uhlich, Liutkus and Mitsufuji, "Open-Unmix: a reference implementation for music source
separation", JOSS 4(41), 2019.
"""

import tensorflow as tf

from dssgan import signal
from dssgan.models.base import SeparatorModel
from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.openunmix.network import TargetNetwork
from dssgan.models.openunmix.wiener import Pair, expectation_maximisation
from dssgan.models.targets import (
    check_length,
    check_spectral,
    default_targets,
    for_channels,
    target_references,
    with_rest,
)

COUNTS = ("sample_rate", "frame_length", "hop", "heard", "units", "depth", "window")


class OpenUnmix(SeparatorModel):
    """The separator `openunmix`; the defaults are the size of the public models (umxhq).

    Norms keep the statistics that they came with; `calibrate` fits them to music before a training
    from scratch.

    Args:
      sources: names of the estimates.
      targets: those that have a network; the one source that is left, if there is one, is the
        mixture without them. None: all but "accompaniment".
      sample_rate: in Hz. channels: 1 or 2, which are separated together.
      frame_length, hop: of the Fourier transform, in samples; periodic Hann window.
      heard: bins that go into the networks; they estimate all.
      units: of the layers. depth: of the LSTMs.
      iterations: of the Wiener filter, of two targets or more; 0: magnitudes with the mixture's
        phase. Training hears the latter.
      window: frames that a filter is for.
      precision: "float32", "bfloat16" or "float16" of products and LSTM states.
    """

    training_outputs = ("magnitudes",)

    def __init__(
        self,
        *,
        sources=("drums", "bass", "other", "vocals"),
        targets=None,
        sample_rate: int = 44100,
        channels: int = 2,
        frame_length: int = 4096,
        hop: int = 1024,
        heard: int = 1487,
        units: int = 512,
        depth: int = 3,
        iterations: int = 1,
        window: int = 300,
        precision: str = "float32",
        name: str | None = None,
    ):
        super().__init__(name=name or "openunmix", autocast=False)
        self.hyperparameters = {
            "sources": list(sources),
            "targets": list(default_targets(sources) if targets is None else targets),
            "sample_rate": sample_rate,
            "channels": channels,
            "frame_length": frame_length,
            "hop": hop,
            "heard": heard,
            "units": units,
            "depth": depth,
            "iterations": iterations,
            "window": window,
            "precision": precision,
        }
        check_sizes(self.hyperparameters)
        self.sources, self.targets = tuple(sources), tuple(self.hyperparameters["targets"])
        self.sample_rate, self.channels = sample_rate, channels
        self.frame_length, self.hop, self.window = frame_length, hop, window
        self.iterations = iterations if len(self.targets) > 1 else 0
        self.grid, self.minimum = hop, frame_length // 2 + 1
        self.channels_apart = channels == 1
        self.context = frame_length // 2 + sample_rate // 4
        bins = frame_length // 2 + 1
        self.networks = [
            TargetNetwork(
                channels, bins, heard, units, depth, compute=PRECISIONS[precision], name=target
            )
            for target in self.targets
        ]
        self.built = True

    def call(self, mixture, training: bool = False):
        """(batch, samples, channels) → (batch, sources, samples, channels)."""
        heard, back = for_channels(self._checked(mixture), self.channels, self.name)
        parts = self.parts(heard)
        estimates = _with_phase(self.magnitudes(parts, training), parts)
        if self.iterations and not training:
            estimates = self.filtered(estimates, parts)
        waves = back(self.waves(estimates, mixture.shape[1]))
        return with_rest(waves, mixture, self.sources, self.targets)

    def training_estimates(self, mixture, references=None):
        """Estimates of all sources, and magnitudes of the targets.

        Returns:
          {"estimates": (batch, sources, samples, channels), "magnitudes": (batch, targets,
          channels, frames, bins), and with references "reference_magnitudes" alike}.
        """
        heard, back = for_channels(self._checked(mixture), self.channels, self.name)
        parts = self.parts(heard)
        magnitudes = self.magnitudes(parts, True)
        waves = back(self.waves(_with_phase(magnitudes, parts), mixture.shape[1]))
        outputs = {"magnitudes": magnitudes}
        outputs["estimates"] = with_rest(waves, mixture, self.sources, self.targets)
        if references is not None:
            found = target_references(references, self.sources, self.targets)
            count, samples = found.shape[1:3]
            found = tf.reshape(tf.transpose(found, (0, 1, 3, 2)), (-1, found.shape[-1], samples))
            found = tf.transpose(found, (0, 2, 1))
            found, _ = for_channels(found, self.channels, self.name)
            found = _magnitudes(self.parts(found))
            if self.channels == 1:  # channels are items
                found = tf.reshape(found, (-1, count, mixture.shape[-1], *found.shape[2:]))
                found = tf.transpose(found, (0, 2, 1, 3, 4))
            outputs["reference_magnitudes"] = tf.reshape(found, (-1, *magnitudes.shape[1:]))
        return outputs

    def heads(self):
        """Of every target its network."""
        return {target: [network] for target, network in zip(self.targets, self.networks)}

    def last_layers(self):
        """Of every network what follows its LSTM."""
        return [layer for network in self.networks for layer in network.last()]

    def calibrate(self, mixtures) -> None:
        """Fit inputs and norms to an iterable of (batch, samples, channels)."""
        for mixture in mixtures:
            heard, _ = for_channels(self._checked(mixture), self.channels, self.name)
            steps = tf.transpose(_magnitudes(self.parts(heard)), (2, 0, 1, 3))
            for network in self.networks:
                network.fit(steps)
            break

    def _checked(self, mixture):
        check_length(self, mixture)
        return mixture

    def parts(self, audio) -> Pair:
        """(batch, samples, channels) → parts of the spectrum (batch, channels, frames, bins)."""
        return signal.parts_of(tf.transpose(audio, (0, 2, 1)), self.frame_length, self.hop)

    def magnitudes(self, parts: Pair, training: bool = False):
        """The networks: parts of the mixture → (batch, targets, channels, frames, bins)."""
        steps = tf.transpose(_magnitudes(parts), (2, 0, 1, 3))
        found = [network(steps, training=training) for network in self.networks]
        return tf.transpose(tf.stack(found, 1), (2, 1, 3, 0, 4))

    def filtered(self, estimates: Pair, parts: Pair) -> Pair:
        """The Wiener filter, for `window` frames at a time."""
        frames, found = parts[0].shape[2], []
        for start in range(0, frames, self.window):
            part = slice(start, min(start + self.window, frames))
            cut = tuple(each[..., part, :] for each in estimates)
            mixture = tuple(each[..., part, :] for each in parts)
            found.append(expectation_maximisation(cut, mixture, self.iterations))
        return tuple(tf.concat(each, 3) for each in zip(*found))

    def waves(self, estimates: Pair, samples: int):
        """Parts (batch, targets, channels, frames, bins) → (batch, targets, samples, channels)."""
        waves = signal.waves_of(*estimates, self.frame_length, self.hop, samples)
        return tf.transpose(waves, (0, 1, 3, 2))


def _magnitudes(parts: Pair):
    # The gradient of a root is infinite at 0.
    return tf.sqrt(tf.maximum(tf.square(parts[0]) + tf.square(parts[1]), 1e-24))


def _with_phase(magnitudes, parts: Pair) -> Pair:
    """Magnitudes with the phase of the mixture."""
    share = magnitudes / _magnitudes(parts)[:, None]
    return parts[0][:, None] * share, parts[1][:, None] * share


def check_sizes(given: dict) -> None:
    """Check the hyperparameters of `OpenUnmix`: ValueError with one line that names the key."""
    check_spectral("openunmix", given, COUNTS)
    if type(given["iterations"]) is not int or not 0 <= given["iterations"] <= 100:
        raise ValueError(f"openunmix: iterations is {given['iterations']!r}, expected 0 to 100")
    if given["units"] % 2:
        raise ValueError(f"openunmix: units is {given['units']}, expected an even number")
    if given["heard"] > given["frame_length"] // 2 + 1:
        raise ValueError(f"openunmix: heard is {given['heard']}: more than there are bins")

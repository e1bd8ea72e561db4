"""Which of its sources a network estimates, and how many channels it takes at once."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from dssgan.models.base import SeparatorModel, fold_channels
from dssgan.models.layers.precision import PRECISIONS


class TargetSeparator(SeparatorModel):
    """Separators that estimate the waveforms of their targets, one or two channels together.

    Attributes:
      targets: names of the sources that the network estimates; the one source that is left, if
        there is one, is the mixture without them. channels: 1 or 2, that it takes at once.
    """

    training_outputs = ("targets",)
    normalises = True
    targets: tuple[str, ...]
    channels: int

    def waves(self, audio, training: bool = False):
        """(batch, channels, samples) → (batch, targets, channels, samples)."""
        raise NotImplementedError

    def separate(self, mixture, training: bool = False):
        """Targets of (batch, samples, any) as (batch, targets, samples, any).

        Raises:
          ValueError: an excerpt that is too short, or has more than two channels.
        """
        check_length(self, mixture)
        mixture, back = for_channels(mixture, self.channels, self.name)
        found = self.waves(tf.transpose(mixture, (0, 2, 1)), training)
        return back(tf.transpose(found, (0, 1, 3, 2)))

    def call(self, mixture, training: bool = False):
        """(batch, samples, channels) → (batch, sources, samples, channels)."""
        return with_rest(self.separate(mixture, training), mixture, self.sources, self.targets)

    def training_estimates(self, mixture, references=None):
        """Estimates of all sources and, as "targets", of those that the network estimates.

        With references, "reference_targets" beside them.
        """
        waves = self.separate(mixture, True)
        outputs = {"targets": waves}
        outputs["estimates"] = with_rest(waves, mixture, self.sources, self.targets)
        if references is not None:
            outputs["reference_targets"] = target_references(references, self.sources, self.targets)
        return outputs


def check_length(model: SeparatorModel, mixture) -> None:
    """ValueError unless a mixture (batch, samples, channels) has `minimum` samples, known ones."""
    samples = mixture.shape[1]
    if samples is None or samples < model.minimum:
        raise ValueError(
            f"{model.name}: {samples} samples, expected a static number from {model.minimum}"
        )


def check_spectral(system: str, given: dict, counts: Sequence[str]) -> None:
    """Check hyperparameters that separators of spectra have in common.

    Args:
      system: its name, for messages. given: all hyperparameters.
      counts: keys of whole numbers from 1.

    Raises:
      ValueError: one line that names the key.
    """
    for key in counts:
        if type(given[key]) is not int or given[key] < 1:
            raise ValueError(f"{system}: {key} is {given[key]!r}, expected an integer ≥ 1")
    if given["frame_length"] % 2 or given["hop"] > given["frame_length"] // 2:
        raise ValueError(
            f"{system}: frame_length {given['frame_length']} and hop {given['hop']}: expected an "
            "even length and at most half of it"
        )
    if given["channels"] not in (1, 2):
        raise ValueError(f"{system}: channels is {given['channels']!r}, expected 1 or 2")
    if given["precision"] not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ValueError(f"{system}: precision {given['precision']!r}, expected one of {known}")
    check_targets(system, given["sources"], given["targets"])


def default_targets(sources: Sequence[str]) -> list[str]:
    """All sources that a network estimates unless a configuration says otherwise."""
    return [source for source in sources if source != "accompaniment"]


def check_targets(system: str, sources: Sequence[str], targets: Sequence[str]) -> None:
    """ValueError unless the targets are all sources, or all but one.

    Args:
      system: its name, for the message.
    """
    if len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise ValueError(f"{system}: sources {sources}, targets {targets}: a name stands twice")
    rest = [source for source in sources if source not in targets]
    if not targets or len(rest) > 1 or len(sources) - len(rest) != len(targets):
        raise ValueError(
            f"{system}: targets {targets} of the sources {sources}: expected one or more of them, "
            "all or all but one (which becomes what the targets leave of the mixture)"
        )


def with_rest(waves, mixture, sources: Sequence[str], targets: Sequence[str]):
    """All sources in their order: the targets, and what they leave of the mixture.

    Args:
      waves: (batch, targets, samples, channels). mixture: (batch, samples, channels).
    """
    if tuple(sources) == tuple(targets):
        return waves
    found = dict(zip(targets, tf.unstack(waves, axis=1)))
    rest = mixture - tf.reduce_sum(waves, 1)
    return tf.stack([found.get(source, rest) for source in sources], 1)


def target_references(references, sources: Sequence[str], targets: Sequence[str]):
    """The references of the targets: (batch, sources, samples, channels) → (batch, targets, …)."""
    return tf.gather(references, [sources.index(target) for target in targets], axis=1)


def for_channels(mixture, channels: int, system: str) -> tuple[tf.Tensor, Callable]:
    """A mixture as a network of so many channels takes it, and the way back for its estimates.

    A mono signal is both channels of a network of two, and the mean of both comes back; a network
    of one channel gets every channel by itself.

    Args:
      mixture: (batch, samples, any). channels: of the network, 1 or 2.
      system: its name, for the message.

    Returns:
      (batch or batch · any, samples, channels), and (…, targets, samples, channels) → (batch,
      targets, samples, any).

    Raises:
      ValueError: more than two channels for a network of two.
    """
    given = mixture.shape[-1]
    if given == channels:
        return mixture, lambda estimates: estimates
    if channels == 1:
        folded, unfold = fold_channels(mixture)
        return folded[..., None], lambda estimates: unfold(estimates[..., 0])
    if given != 1:
        raise ValueError(f"{system}: a mixture of {given} channels; expected one or two")
    return tf.repeat(mixture, 2, -1), lambda found: tf.reduce_mean(found, -1, keepdims=True)

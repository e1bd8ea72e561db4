"""Which of its sources a network estimates, and how many channels it takes at once."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from dssgan.models.base import fold_channels


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

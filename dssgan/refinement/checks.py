"""What is tried of a refinement before the first phase begins."""

import tensorflow as tf

from dssgan.config.rules import REFINEMENTS
from dssgan.config.schema import Config
from dssgan.models.base import SeparatorModel
from dssgan.refinement.build import build_critics, build_pseudo_labels
from dssgan.refinement.critic_losses import CriticSet
from dssgan.training.build import build_model, excerpt_samples
from dssgan.training.start import check_start, named_starts
from dssgan.training.trained import check_trainable


def check_refinements(config: Config) -> None:
    """Build the critics and look at where phases start, before others take their hours.

    Raises:
      ValueError: critics that cannot be built as the configuration says; a separator to start from
        that is of another architecture; weights to train that the model does not have.
      OSError: it is not there.
    """
    phases = [phase for phase in REFINEMENTS if phase in config.phases]
    starts = named_starts(config)
    if not phases and not starts and config.trainable == "all":
        return
    model = build_model(config)
    check_trainable(config, model)
    for phase, init in starts.items():
        check_new(config, phase, init, check_start(model, init, f"{phase}.init"))
    if "self_training" in phases or config.adversarial.taught:
        build_pseudo_labels(config)
    if "adversarial" in phases and config.alpha:
        samples = excerpt_samples(config, model)
        trace_critics(config, model, build_critics(config, model, samples), samples)


def check_new(config: Config, phase: str, init: str, new: list[str]) -> None:
    """Refuse a start whose last layers are new where they must have learnt something before.

    Args:
      new: targets without last layers, as of `check_start`.

    Raises:
      ValueError: the phase has a teacher, or only low-rank updates are trained.
    """
    if not new:
        return
    what = f"the last layers of {', '.join(new)}" if new[0] else "the last layers"
    if phase == "self_training" or (phase == "adversarial" and config.adversarial.taught):
        raise ValueError(
            f"{phase}.init={init}: {what} would be new and the teacher's as well, which has not "
            f"learnt them; train them on songs with stems first: phases=[supervised, {phase}] "
            f"supervised.init={init} {phase}.init=supervised"
        )
    if config.trainable == "lora":
        raise ValueError(
            f"{phase}.init={init}: {what} would be new, and trainable=lora leaves them as they "
            "are drawn; train them with trainable=heads first and start from its separator"
        )


def trace_critics(config: Config, model: SeparatorModel, critics: CriticSet, samples: int) -> None:
    """Trace the losses of critics that score the separator's spectra; nothing is computed.

    Such spectra have full context whatever the margin is, which crops the solo recordings.

    Args:
      samples: of a training excerpt.

    Raises:
      ValueError: real and generated excerpts differ in length.
    """
    of_spectra = [entry for entry in critics.sources if entry.magnitudes]
    if not of_spectra:
        return
    audio = (1, samples, config.data.channels)

    def losses(seed: tf.Tensor) -> list[tf.Tensor]:
        mixtures = tf.zeros(audio)
        batch = {
            "stems": tf.zeros((1, len(model.sources), *audio[1:])),
            "mixtures": mixtures,
            "solos": dict.fromkeys(model.sources, mixtures),
        }
        outputs = model.unpaired_estimates(mixtures)
        inputs = critics.inputs(
            model.sources, outputs["estimates"], batch, outputs["log_magnitudes"]
        )
        return [entry.loss(inputs, seed)[0] for entry in of_spectra]

    traced = tf.function(losses, autograph=False)
    traced.get_concrete_function(tf.TensorSpec((2,), tf.int32))

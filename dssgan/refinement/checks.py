"""What is tried of a refinement before the first phase begins."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from common.suggest import nearest
from dssgan import models
from dssgan.config.rules import REFINEMENTS
from dssgan.config.schema import Config
from dssgan.models import export
from dssgan.models.base import SeparatorModel
from dssgan.refinement.build import build_critics, build_pseudo_labels
from dssgan.refinement.critic_losses import CriticSet
from dssgan.training.build import build_model, excerpt_samples

STARTS = ("supervised", "scratch")  # of a refinement, beside the folder of a separator


def check_refinements(config: Config) -> None:
    """Build the critics and look at where phases start, before others take their hours.

    Raises:
      ValueError: critics that cannot be built as the configuration says; a separator to start from
        that is of another architecture. OSError: it is not there.
    """
    phases = [phase for phase in REFINEMENTS if phase in config.phases]
    if not phases:
        return
    starts = named_starts(config)
    model = build_model(config)
    for phase, init in starts.items():
        check_start(model, init, f"{phase}.init")
    if "self_training" in phases or config.adversarial.taught:
        build_pseudo_labels(config)
    if "adversarial" in phases and config.alpha:
        samples = excerpt_samples(config, model)
        trace_critics(config, model, build_critics(config, model, samples), samples)


def named_starts(config: Config) -> dict[str, str]:
    """{phase: folder} of the refinements that start from a separator which is named.

    Raises:
      ValueError: there is no such folder.
    """
    phases = [phase for phase in REFINEMENTS if phase in config.phases]
    starts = {phase: getattr(config, phase).init for phase in phases}
    starts = {phase: init for phase, init in starts.items() if init not in STARTS}
    for phase, init in starts.items():
        if not Path(init).expanduser().is_dir():
            raise ValueError(
                f"{phase}.init={init!r}: expected {', '.join(STARTS)} or the folder of an exported "
                f"separator{nearest(init, STARTS)}"
            )
    return starts


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


def start_from(model: SeparatorModel, folder: Any, key: str) -> None:
    """Take over the weights of an exported separator of the same architecture.

    Raises:
      ValueError: it is of another architecture. OSError: it is not there.
    """
    check_start(model, folder, key)
    model.set_weights(export.load(Path(folder).expanduser()).get_weights())


def check_start(model: SeparatorModel, folder: Any, key: str) -> None:
    """Compare an exported separator with `model`; its weights are not read.

    Raises:
      ValueError: it is of another architecture. OSError: it is not there.
    """
    try:
        kind, hyperparameters = export.architecture(Path(folder).expanduser())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{key}: {error}") from error
    if models.SEPARATORS.get(kind) is not type(model):
        raise ValueError(
            f"{key}: {folder} is a {kind}, the configuration asks for a {model.name}; "
            "choose the same model.name"
        )
    own, other = (
        {name: value for name, value in each.items() if name != "precision"}
        for each in (model.hyperparameters, hyperparameters)
    )
    for name in sorted(own.keys() | other.keys()):
        if own.get(name) != other.get(name):
            raise ValueError(
                f"{key}: {folder} has {name}={other.get(name)}, the configuration "
                f"{own.get(name)}; the architecture must be the same"
            )

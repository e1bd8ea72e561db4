"""Losses: pure functions from tensors to scalars.

A supervised loss is called as `LOSSES[name](outputs, references, mixture, **weights)`:

  outputs: what `SeparatorModel.training_estimates` returned.
  references: (batch, sources, samples, channels); mixture: (batch, samples, channels).

and returns (scalar, {part: scalar}), where the parts explain the scalar.
"""

from collections.abc import Callable

import tensorflow as tf

from dssgan.bandsplit_loss import bandsplit
from dssgan.wavenet_loss import wavenet

EPSILON = 1e-8


def decibels(power: tf.Tensor) -> tf.Tensor:
    """10 log10(power), the power floored at 1e-8."""
    return 10.0 / 2.302585092994046 * tf.math.log(tf.maximum(power, EPSILON))


def si_sdr(estimate: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Scale-invariant signal-to-distortion ratio in dB over the last axis, means kept.

    Le Roux et al., "SDR – half-baked or well done?", 2019, equation 4; energies are floored at
    1e-8 as in Meta-TasNet, so that silence stays finite.
    """
    scale = tf.reduce_sum(estimate * target, -1, keepdims=True) / (
        tf.reduce_sum(tf.square(target), -1, keepdims=True) + EPSILON
    )
    projected = scale * target
    residual = estimate - projected
    return decibels(tf.reduce_sum(tf.square(projected), -1)) - decibels(
        tf.reduce_sum(tf.square(residual), -1)
    )


def activity(references: tf.Tensor) -> tf.Tensor:
    """1 where a source has any non-zero sample in the excerpt: (…, samples) → (…)."""
    return tf.cast(tf.reduce_any(tf.not_equal(references, 0.0), -1), tf.float32)


def cosine_similarity(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Cosine of the angle between vectors on the last axis, norms floored at 1e-8."""
    norms = tf.sqrt(
        tf.maximum(tf.reduce_sum(a * a, -1) * tf.reduce_sum(b * b, -1), EPSILON * EPSILON)
    )
    return tf.reduce_sum(a * b, -1) / norms


def dissimilarity(latents: tf.Tensor, active: tf.Tensor) -> tf.Tensor:
    """How alike the latents of different sources are (Meta-TasNet, section 2.4).

    Args:
      latents: (batch, sources, frames, width), zero where the source is silent.
      active: (batch, sources) of zeros and ones.
    """
    latents = tf.abs(tf.cast(latents, tf.float32))
    similar, pairs = 0.0, 0.0
    sources = latents.shape[1]
    for first in range(sources):
        for second in range(first + 1, sources):
            cosine = cosine_similarity(latents[:, first], latents[:, second])
            similar += tf.reduce_sum(cosine, 0)
            pairs += tf.reduce_sum(active[:, first] * active[:, second])
    return tf.reduce_mean(similar / (pairs + EPSILON))


def similarity(latents: tf.Tensor, active: tf.Tensor) -> tf.Tensor:
    """How alike the latents of one source are between neighbours in the batch."""
    latents = tf.cast(latents, tf.float32)
    cosine = cosine_similarity(latents, tf.roll(latents, 1, 0))
    pairs = tf.reduce_sum(active * tf.roll(active, 1, 0))
    return tf.reduce_mean(tf.reduce_sum(cosine, (0, 1)) / tf.maximum(pairs, EPSILON))


def multistage_stage(
    stage: dict,
    sources_weight: float = 1.0,
    reconstruction: float = 0.05,
    dissimilar: float = 3.0,
    similar: float = 2.0,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The loss of one Meta-TasNet stage.

    Args:
      stage: mono signals of one stage as `MultiStage.stage_outputs` returns them.
      sources_weight, reconstruction, dissimilar, similar: weights of the parts.

    Returns:
      (loss, parts): "si_sdr" (sources,) in dB averaged over the active items, "reconstruction"
      in dB, "dissimilarity" and "similarity".
    """
    active = activity(stage["references"])
    ratio = si_sdr(stage["estimates"], stage["references"]) * active
    per_source = tf.reduce_sum(ratio, 0) / tf.maximum(tf.reduce_sum(active, 0), EPSILON)
    rebuilt = tf.reduce_mean(si_sdr(stage["reconstruction"], stage["mixture"]))
    latents = stage["reference_latents"]
    latents *= tf.cast(active[:, :, None, None], latents.dtype)
    apart = dissimilarity(latents, active)
    alike = similarity(latents, active)
    loss = (
        -sources_weight * tf.reduce_sum(per_source)
        - reconstruction * rebuilt
        + dissimilar * apart
        - similar * alike
    )
    parts = {
        "si_sdr": per_source,
        "reconstruction": rebuilt,
        "dissimilarity": apart,
        "similarity": alike,
    }
    return loss, parts


def multistage(
    outputs,
    references,
    mixture,
    sources_weight: float = 1.0,
    reconstruction: float = 0.05,
    dissimilar: float = 3.0,
    similar: float = 2.0,
):
    """Meta-TasNet's loss, summed over the stages; the weights are those of `multistage_stage`.

    The terms that compare items of a batch (dissimilarity, similarity) see the items of one
    replica only, as in the original.
    """
    del references, mixture
    total, parts = 0.0, {}
    for index, stage in enumerate(outputs["stages"]):
        loss, stage_parts = multistage_stage(
            stage, sources_weight, reconstruction, dissimilar, similar
        )
        total += loss
        parts[f"stage_{index}/loss"] = loss
        parts[f"stage_{index}/si_sdr"] = tf.reduce_mean(stage_parts["si_sdr"])
        for name in ("reconstruction", "dissimilarity", "similarity"):
            parts[f"stage_{index}/{name}"] = stage_parts[name]
    return total, parts


def negative_si_sdr(outputs, references, mixture):
    """Minus the mean SI-SDR of the active sources at full rate, in dB."""
    del mixture
    estimates = tf.transpose(outputs["estimates"], (0, 1, 3, 2))
    targets = tf.transpose(references, (0, 1, 3, 2))
    active = activity(targets)
    value = tf.reduce_sum(si_sdr(estimates, targets) * active)
    value /= tf.maximum(tf.reduce_sum(active), 1.0)
    return -value, {"si_sdr": value}


def mean_absolute(outputs, references, mixture):
    """Mean absolute error of the waveforms."""
    del mixture
    value = tf.reduce_mean(tf.abs(outputs["estimates"] - references))
    return value, {"l1": value}


def mean_square(outputs, references, mixture):
    """Mean square error of the waveforms."""
    del mixture
    value = tf.reduce_mean(tf.square(outputs["estimates"] - references))
    return value, {"mse": value}


def log_magnitudes(outputs, references, mixture):
    """Mean square error of ln(1 + |STFT|), summed over the sources: L_s of arXiv 1711.00048.

    Raises:
      ValueError: the separator does not estimate log magnitudes.
    """
    del references, mixture
    if "log_magnitudes" not in outputs:
        raise ValueError(
            "loss.name='log_magnitudes' is for separators of log magnitudes (model.name=unet); "
            "choose another loss"
        )
    errors = tf.square(outputs["log_magnitudes"] - outputs["reference_log_magnitudes"])
    value = tf.reduce_sum(tf.reduce_mean(errors, [0, 2, 3, 4]))
    return value, {"log_mse": value}


LOSSES: dict[str, Callable] = {
    "bandsplit": bandsplit,
    "multistage": multistage,
    "si_sdr": negative_si_sdr,
    "l1": mean_absolute,
    "mse": mean_square,
    "wavenet": wavenet,
    "log_magnitudes": log_magnitudes,
}

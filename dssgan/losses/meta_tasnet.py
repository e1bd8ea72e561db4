"""The losses of Meta-TasNet (Samuel, Ganeshan and Naradowsky, ICASSP 2020)."""

import tensorflow as tf

from dssgan.losses.si_sdr import EPSILON, activity, si_sdr


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


def absolute_stages(outputs, references, mixture, reconstruction: float = 0.1):
    """Mean absolute errors of every stage's waveforms, summed: the estimates keep their scale.

    Args:
      reconstruction: weight of the mixture's error when it goes through encoder and decoder alone.
    """
    del references, mixture
    total, parts = 0.0, {}
    for index, stage in enumerate(outputs["stages"]):
        error = tf.reduce_mean(tf.abs(stage["estimates"] - stage["references"]))
        rebuilt = tf.reduce_mean(tf.abs(stage["reconstruction"] - stage["mixture"]))
        total += error + reconstruction * rebuilt
        parts[f"stage_{index}/l1"] = error
        parts[f"stage_{index}/reconstruction_l1"] = rebuilt
    return total, parts

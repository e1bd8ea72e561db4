"""The loss of the Wavenet: errors of the waveforms where the separator has all of its context."""

import tensorflow as tf


def wavenet(
    outputs,
    references,
    mixture,
    l1: float = 1.0,
    l2: float = 0.0,
    dissimilarity: float = 0.0,
    target_weights=None,
):
    """Mean errors of the targets, summed; the singing voice is kept away from the accompaniment.

    Per target, with its estimate e, its reference r and the sum a of the other sources' references:
    weight · (d(e, r) − dissimilarity · d(e, a)), d(x, y) = l1 · mean |x − y| + l2 · mean (x − y)².
    arXiv 1810.12187, section 2.2: l1 of three targets; of the voice alone, dissimilarity 0.05.

    Args:
      outputs: with "field" as of `Wavenet.training_estimates`, which then is all that counts;
        without it, all sources are targets over the whole excerpt.
      l1, l2: weights of mean absolute and mean square errors.
      dissimilarity: weight of the distance to the other sources; the loss can become negative.
      target_weights: one number per target; None is 1 for all.

    Raises:
      ValueError: another number of weights than of targets.
    """
    field = outputs.get("field")
    if field is None:
        rests = mixture[:, None] - references
        field = {"estimates": outputs["estimates"], "references": references}
        field["reference_rests"] = rests
    estimates = field["estimates"]
    weights = [1.0] * estimates.shape[1] if target_weights is None else list(target_weights)
    if len(weights) != estimates.shape[1]:
        raise ValueError(
            f"loss.target_weights={weights}: expected {estimates.shape[1]} numbers, one per target"
        )

    def distance(others):
        """(targets,)"""
        absolute = tf.reduce_mean(tf.abs(estimates - others), (0, 2, 3))
        square = tf.reduce_mean(tf.square(estimates - others), (0, 2, 3))
        return l1 * absolute + l2 * square

    def weighted(values):
        return tf.reduce_sum(values * tf.constant(weights, tf.float32))

    error = weighted(distance(field["references"]))
    parts = {"error": error}
    if not dissimilarity:
        return error, parts
    parts["dissimilarity"] = weighted(distance(field["reference_rests"]))
    return error - dissimilarity * parts["dissimilarity"], parts

"""The multichannel Wiener filter, its model re-estimated by expectation maximisation.

Liutkus and Stöter, norbert, 2019, after Nugraha, Liutkus and Vincent, "Multichannel audio source
separation with deep neural networks", IEEE/ACM TASLP 24(9), 2016, in the simplified form in which
spatial covariances are averages of the estimates' own. Two channels or one; complex numbers are
pairs of real tensors here, so that every format can carry them.
"""

import tensorflow as tf

EPSILON = 1e-10
LOUDEST = 10.0  # that the largest number of a mixture becomes, where it is larger
Pair = tuple[tf.Tensor, tf.Tensor]  # real and imaginary part


def expectation_maximisation(estimates: Pair, mixture: Pair, iterations: int) -> Pair:
    """Estimates that are filters of the mixture.

    Args:
      estimates: (batch, sources, channels, frames, bins) each, one or two channels.
      mixture: (batch, channels, frames, bins) each.
      iterations: of model and filter.

    Returns:
      Estimates of the same shape.
    """
    loudest = tf.reduce_max(tf.sqrt(_power(mixture)), (1, 2, 3), keepdims=True)
    scale = tf.maximum(1.0, loudest / LOUDEST)
    mixture = mixture[0] / scale, mixture[1] / scale
    estimates = estimates[0] / scale[:, None], estimates[1] / scale[:, None]
    for _ in range(iterations):
        estimates = _filtered(estimates, mixture)
    return estimates[0] * scale[:, None], estimates[1] * scale[:, None]


def _filtered(estimates: Pair, mixture: Pair) -> Pair:
    channels = estimates[0].shape[2]
    power = tf.reduce_mean(_power(estimates), 2)  # (batch, sources, frames, bins)
    total = EPSILON + tf.reduce_sum(power, 2)
    # Spatial covariances (batch, sources, bins), one of each pair of channels.
    spatial = {}
    for a in range(channels):
        for b in range(channels):
            product = _times(_channel(estimates, a), _conjugate(_channel(estimates, b)))
            spatial[a, b] = tuple(tf.reduce_sum(part, 2) / total for part in product)
    # Covariance of the mixture that the model has: (batch, frames, bins).
    mixed = {
        pair: tuple(tf.einsum("bsfk,bsk->bfk", power, part) for part in value)
        for pair, value in spatial.items()
    }
    for a in range(channels):
        mixed[a, a] = mixed[a, a][0] + EPSILON**0.5, mixed[a, a][1]
    inverse = _inverse(mixed, channels)
    # What the filter leaves of the mixture, still without the sources' own parts.
    whitened = [
        _sum(_times(inverse[a, b], _channel(mixture, b)) for b in range(channels))
        for a in range(channels)
    ]
    found = []
    for a in range(channels):
        parts = [
            _times(
                tuple(part[:, :, None] for part in spatial[a, b]),
                tuple(part[:, None] for part in whitened[b]),
            )
            for b in range(channels)
        ]
        found.append(tuple(part * power for part in _sum(parts)))
    return tf.stack([pair[0] for pair in found], 2), tf.stack([pair[1] for pair in found], 2)


def _inverse(matrix: dict, channels: int) -> dict:
    """The inverse of a matrix of one or two rows."""
    if channels == 1:
        return {(0, 0): _reciprocal(matrix[0, 0])}
    first, second = _times(matrix[0, 0], matrix[1, 1]), _times(matrix[0, 1], matrix[1, 0])
    factor = _reciprocal((first[0] - second[0], first[1] - second[1]))
    minus = -factor[0], -factor[1]
    return {
        (0, 0): _times(factor, matrix[1, 1]),
        (0, 1): _times(minus, matrix[0, 1]),
        (1, 0): _times(minus, matrix[1, 0]),
        (1, 1): _times(factor, matrix[0, 0]),
    }


def _channel(pair: Pair, number: int) -> Pair:
    """A channel of estimates or of the mixture: the axis before frames and bins."""
    return pair[0][..., number, :, :], pair[1][..., number, :, :]


def _power(pair: Pair):
    return tf.square(pair[0]) + tf.square(pair[1])


def _conjugate(pair: Pair) -> Pair:
    return pair[0], -pair[1]


def _times(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _reciprocal(pair: Pair) -> Pair:
    power = _power(pair)
    return pair[0] / power, -pair[1] / power


def _sum(pairs) -> Pair:
    pairs = list(pairs)
    return tf.add_n([pair[0] for pair in pairs]), tf.add_n([pair[1] for pair in pairs])

"""The multichannel Wiener filter, its model re-estimated by expectation maximisation.

Nugraha, Liutkus and Vincent, "Multichannel audio source separation with deep neural networks",
IEEE/ACM TASLP 24(9), 2016, in the simplified form in which spatial covariances are averages of the
estimates' own. `dssgan.models.openunmix.wiener` is the same inside a model.
"""

import numpy as np

EPSILON = 1e-10
LOUDEST = 10.0  # that the largest number of a mixture becomes, where it is larger


def filtered(mixture: np.ndarray, estimates: np.ndarray, iterations: int = 1) -> np.ndarray:
    """Estimates that are filters of the mixture.

    Args:
      mixture: complex (frames, bins, channels). Three channels or more are filtered apart.
      estimates: complex (frames, bins, sources, channels); they should add up to the mixture.
      iterations: of model and filter.

    Returns:
      complex64, the shape of the estimates. Silence stays silent.
    """
    loudest = float(np.abs(mixture).max(initial=0.0))
    scale = np.float32(max(1.0, loudest / LOUDEST))
    mixture, estimates = mixture / scale, estimates / scale
    channels = mixture.shape[-1]
    for _ in range(iterations):
        if channels <= 2:
            estimates = _filtered(mixture, estimates)
        else:
            apart = [
                _filtered(mixture[..., c : c + 1], estimates[..., c : c + 1])
                for c in range(channels)
            ]
            estimates = np.concatenate(apart, -1)
    return (estimates * scale).astype(np.complex64)


def _filtered(mixture: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    power = np.mean(np.abs(estimates) ** 2, -1)  # (frames, bins, sources)
    total = EPSILON + power.sum(0)
    # Spatial covariances (bins, sources, channels, channels).
    spatial = np.einsum("fksa,fksb->ksab", estimates, estimates.conj(), optimize=True)
    spatial /= total[..., None, None]
    mixed = np.einsum("fks,ksab->fkab", power, spatial, optimize=True)
    channels = mixture.shape[-1]
    mixed += np.eye(channels, dtype=np.float32) * np.float32(EPSILON**0.5)
    whitened = np.einsum("fkab,fkb->fka", _inverse(mixed), mixture)
    found = np.einsum("ksab,fkb->fksa", spatial, whitened, optimize=True)
    return found * power[..., None]


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """The inverse of matrices (…, n, n) of one or two rows."""
    if matrix.shape[-1] == 1:
        return 1 / matrix
    a, b, c, d = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 0], matrix[..., 1, 1]
    turned = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], -2)
    return turned / (a * d - b * c)[..., None, None]

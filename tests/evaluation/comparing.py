"""How two sets of scores are compared."""

import numpy as np


def assert_scores(found, expected, tolerance=1e-3):
    """Equal within `tolerance` dB, NaN and infinite values in the same places."""
    for name, mine, theirs in zip(("SDR", "ISR", "SIR", "SAR"), found, expected):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance, err_msg=name)

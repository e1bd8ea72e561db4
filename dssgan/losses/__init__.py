"""Losses: pure functions from tensors to scalars.

A supervised loss is called as `LOSSES[name](outputs, references, mixture, **weights)`:

  outputs: what `SeparatorModel.training_estimates` returned.
  references: (batch, sources, samples, channels); mixture: (batch, samples, channels).

and returns (scalar, {part: scalar}), where the parts explain the scalar.
"""

from collections.abc import Callable

from dssgan.losses.bandsplit import bandsplit
from dssgan.losses.log_magnitudes import log_magnitudes
from dssgan.losses.meta_tasnet import absolute_stages, multistage
from dssgan.losses.si_sdr import negative_si_sdr
from dssgan.losses.spectra import magnitudes, multi_resolution, spectrum_rmse
from dssgan.losses.waveform import mean_absolute, mean_square
from dssgan.losses.wavenet import wavenet

LOSSES: dict[str, Callable] = {
    "bandsplit": bandsplit,
    "magnitudes": magnitudes,
    "multi_resolution": multi_resolution,
    "multistage": multistage,
    "multistage_l1": absolute_stages,
    "si_sdr": negative_si_sdr,
    "spectrum_rmse": spectrum_rmse,
    "l1": mean_absolute,
    "mse": mean_square,
    "wavenet": wavenet,
    "log_magnitudes": log_magnitudes,
}

#: What a loss reads of `outputs` beside the estimates, where it cannot do without.
NEEDED_OUTPUTS = {
    "bandsplit": "spectra",
    "magnitudes": "magnitudes",
    "multi_resolution": "targets",
    "multistage": "stages",
    "multistage_l1": "stages",
    "log_magnitudes": "log_magnitudes",
    "spectrum_rmse": "targets",
}

"""The separators by name: one line per system."""

from dssgan.models.bandsplit.model import BandSplit
from dssgan.models.base import SeparatorModel
from dssgan.models.combined import Combined
from dssgan.models.meta_tasnet.model import MultiStage
from dssgan.models.unet.model import UNet
from dssgan.models.wavenet.model import Wavenet

SEPARATORS: dict[str, type[SeparatorModel]] = {
    "bandsplit": BandSplit,
    "combined": Combined,
    "multistage": MultiStage,
    "unet": UNet,
    "wavenet": Wavenet,
}


def build(name: str, **hyperparameters) -> SeparatorModel:
    """Build the separator `name`; an unknown name is a ValueError that lists the known ones."""
    if name not in SEPARATORS:
        known = ", ".join(sorted(SEPARATORS))
        raise ValueError(f"unknown separator {name!r}: expected one of {known}")
    return SEPARATORS[name](**hyperparameters)

"""The separators by name: one line per system."""

from dssgan.models.bandsplit.model import BandSplit
from dssgan.models.base import SeparatorModel
from dssgan.models.combined import Combined
from dssgan.models.meta_tasnet.causal import CausalMultiStage
from dssgan.models.meta_tasnet.model import MultiStage
from dssgan.models.registry import SEPARATORS, build
from dssgan.models.unet.model import UNet
from dssgan.models.wavenet.model import Wavenet

SEPARATORS.update(
    bandsplit=BandSplit,
    causal_multistage=CausalMultiStage,
    combined=Combined,
    multistage=MultiStage,
    unet=UNet,
    wavenet=Wavenet,
)

__all__ = ["SEPARATORS", "SeparatorModel", "build"]

"""The separators by name: one line per system."""

from dssgan.models.bandsplit.model import BandSplit
from dssgan.models.base import SeparatorModel
from dssgan.models.combined import Combined
from dssgan.models.htdemucs.model import HTDemucs
from dssgan.models.mdx23c.model import MDX23C
from dssgan.models.meta_tasnet.causal import CausalMultiStage
from dssgan.models.meta_tasnet.model import MultiStage
from dssgan.models.openunmix.model import OpenUnmix
from dssgan.models.registry import SEPARATORS, build
from dssgan.models.roformer.model import BSRoformer, MelBandRoformer
from dssgan.models.scnet.model import SCNet
from dssgan.models.unet.model import UNet
from dssgan.models.wavenet.model import Wavenet

SEPARATORS.update(
    bandsplit=BandSplit,
    bs_roformer=BSRoformer,
    causal_multistage=CausalMultiStage,
    combined=Combined,
    mdx23c=MDX23C,
    mel_band_roformer=MelBandRoformer,
    htdemucs=HTDemucs,
    multistage=MultiStage,
    openunmix=OpenUnmix,
    scnet=SCNet,
    unet=UNet,
    wavenet=Wavenet,
)

__all__ = ["SEPARATORS", "SeparatorModel", "build"]

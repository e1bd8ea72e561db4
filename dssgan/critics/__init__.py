"""The critics by name: one line per critic."""

import inspect

from dssgan.critics.base import Critic, beside
from dssgan.critics.dcgan import Dcgan
from dssgan.critics.dependency import Dependency
from dssgan.critics.period import Period
from dssgan.critics.spectral import Spectral

__all__ = ["CRITICS", "Critic", "beside", "build"]

CRITICS: dict[str, type[Critic]] = {
    "dcgan": Dcgan,
    "period": Period,
    "spectral": Spectral,
    "dependency": Dependency,
}


def build(name: str, *, sample_rate: int, samples: int, channels: int = 1, **own) -> Critic:
    """Build the critic `name`, with its weights.

    Args:
      name: in `CRITICS`; an unknown one is a ValueError that lists the known ones.
      sample_rate: of the excerpts it will see, in Hz.
      samples: of an excerpt.
      channels: of one signal; a partner critic sees that many for the mixture and every estimate.
      own: further hyperparameters; an unknown one is a ValueError that lists the known ones.
    """
    if name not in CRITICS:
        known = ", ".join(sorted(CRITICS))
        raise ValueError(f"unknown critic {name!r}: expected one of {known}")
    known = inspect.signature(CRITICS[name].__init__).parameters.keys() - {"self"}
    for key in own:
        if key not in known:
            raise ValueError(
                f"{name}: unknown hyperparameter {key!r}, expected one of "
                f"{', '.join(sorted(known))}"
            )
    return CRITICS[name](sample_rate=sample_rate, channels=channels, samples=samples, **own)

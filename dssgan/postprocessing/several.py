"""What several separators of the same sources have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dssgan.postprocessing.around import AroundSeparator

ACCOMPANIMENT = "accompaniment"


class SeveralSeparators(AroundSeparator):
    """Its sources are those of the first separator.

    The accompaniment of another one may be the sum of all its sources that the first one does not
    have.

    Args:
      separators: two or more, of any rates.

    Raises:
      ValueError: fewer than two; one cannot give a source of the first.
    """

    def __init__(self, separators: Sequence[Any]):
        if len(separators) < 2:
            raise ValueError(f"{len(separators)} separators: expected two or more")
        super().__init__(separators[0])
        self.separators = tuple(separators)
        for number, one in enumerate(self.separators[1:], 2):
            missing = [name for name in self.sources if not self.made_of(one, name)]
            if missing:
                raise ValueError(
                    f"separator {number} has {', '.join(one.sources)}, but the first one has "
                    f"{', '.join(missing)}: only separators of the same sources go together"
                )

    @property
    def sample_rate(self) -> int:
        """The highest of all, in Hz."""
        return max(one.sample_rate for one in self.separators)

    def made_of(self, one: Any, name: str) -> tuple[str, ...]:
        """The sources of a separator that a source is the sum of; () of none."""
        if name in one.sources:
            return (name,)
        if name == ACCOMPANIMENT and one.complete:
            return tuple(other for other in one.sources if other not in self.sources)
        return ()

    def as_first(
        self, one: Any, block: Mapping[str, np.ndarray], sources: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """The sources of the first separator, of a block of another one's."""
        found = {}
        for name in sources:
            first, *others = self.made_of(one, name)
            found[name] = sum((block[part] for part in others), block[first])
        return found

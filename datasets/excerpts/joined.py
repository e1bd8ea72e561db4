"""Paired and unpaired excerpts as one stream."""

from typing import Any


class PairedAndUnpaired:
    """Paired and unpaired excerpts of the same number as one source; drawn independently."""

    def __init__(self, paired: Any, unpaired: Any):
        self.paired, self.unpaired = paired, unpaired

    def batch(self, index: int) -> dict[str, Any]:
        """Return batch `index`: "stems", "mixtures", "solos" {source: audio} and all "names"."""
        found, more = self.paired.batch(index), self.unpaired.batch(index)
        names = [name for kind in more["names"].values() for name in kind]
        return {
            "stems": found["stems"],
            "mixtures": more["mixtures"],
            "solos": more["solos"],
            "names": [*found["names"], *names],
        }

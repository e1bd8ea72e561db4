"""The shape of batches of excerpts."""

from collections.abc import Sequence
from dataclasses import dataclass

SHORT = ("loop", "pad")


@dataclass(frozen=True)
class ExcerptShape:
    """How much is drawn for a batch.

        ExcerptShape(samples=131072, batch_size=16, channels=2, sources=("drums", "accompaniment"))

    Attributes:
      samples: length of an excerpt.
      batch_size: excerpts per batch; of unpaired excerpts, mixtures.
      channels: 1 is the left or the right channel of each stem, 2 is both.
      sources: names of the sources, each once; "accompaniment" is what the others do not name.
        None: `datasets.track.SOURCES`, or of unpaired excerpts the sources of the solo recordings.
      solo_batch_size: unpaired excerpts per source; None: `batch_size`.
      short: what becomes of an unpaired recording that is shorter than an excerpt: "loop" repeats
        it from a random point on (a loop of drums stays one; a single hit becomes a buzz), "pad"
        sets it at a random place in silence.
    """

    samples: int
    batch_size: int
    channels: int = 1
    sources: Sequence[str] | None = None
    solo_batch_size: int | None = None
    short: str = "loop"

    def __post_init__(self):
        """Check the ranges (ValueError)."""
        for name in ("samples", "batch_size", "solo_batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: expected 1 or more")
        if self.channels not in (1, 2):
            raise ValueError(f"channels={self.channels}: expected 1 (mono) or 2 (stereo)")
        if self.short not in SHORT:
            raise ValueError(f"short={self.short!r}: expected {' or '.join(SHORT)}")

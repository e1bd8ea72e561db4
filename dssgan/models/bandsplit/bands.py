"""Where Band-Split RNN cuts the spectrum (Luo and Yu, arXiv 2209.15174, table of band splits)."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

# (upper frequency in Hz, width of the bands up to there in Hz)
SPLITS: dict[str, tuple[tuple[float, float], ...]] = {
    "v7": ((1000, 100), (4000, 250), (8000, 500), (16000, 1000), (20000, 2000)),
    "bass": ((500, 50), (1000, 100), (4000, 500), (8000, 1000), (16000, 2000)),
    "drums": ((1000, 50), (2000, 100), (4000, 250), (8000, 500), (16000, 1000)),
}

Split = str | Sequence[Sequence[float]]


def split_of(source: str) -> str:
    """The name of the paper's split for a source: vocals, other and anything else use "v7"."""
    return source if source in SPLITS else "v7"


def band_widths(split: Split, frame_length: int, sample_rate: int) -> list[int]:
    """How many bins each band has, from 0 Hz up.

    A band holds the bins below its upper edge that no band before it holds; the last one holds the
    rest, the bin at half the sample rate included. Edges from half the sample rate on fall away,
    and so do bands that are narrower than a bin and hold none.

    Args:
      split: a name of `SPLITS`, or pairs (upper frequency, width) in Hz, rising.
      frame_length: of the Fourier transform in samples, an even number.
      sample_rate: in Hz.

    Returns:
      Numbers of bins, frame_length / 2 + 1 in all.

    Raises:
      ValueError: an unknown name, pairs that do not rise, no edge below half the sample rate.
    """
    edges = [edge for edge in band_edges(split) if 2 * edge < sample_rate]
    if not edges:
        raise ValueError(
            f"bandsplit: split {split!r} has no edge below half of {sample_rate} Hz; "
            "give lower frequencies"
        )
    widths, begin = [], 0
    for edge in edges:
        # Bin k lies at k · sample_rate / frame_length: as many bins as lie below the edge.
        end = -int(-edge * frame_length // sample_rate)
        if end > begin:
            widths.append(end - begin)
            begin = end
    return [*widths, frame_length // 2 + 1 - begin]


def band_edges(split: Split) -> list[float]:
    """Upper edges of the bands in Hz; ValueError as of `band_widths`."""
    if isinstance(split, str):
        if split not in SPLITS:
            raise ValueError(
                f"bandsplit: split {split!r}, expected one of {', '.join(SPLITS)} or a list of "
                "[upper Hz, step Hz]"
            )
        split = SPLITS[split]
    edges: list[float] = []
    last = 0.0
    for pair in split:
        upper, step = pair if len(pair) == 2 else (0.0, 0.0)
        if not (last < upper < float("inf") and 0 < step < float("inf")):
            raise ValueError(
                f"bandsplit: split {list(map(list, split))}: expected pairs [upper Hz, step Hz], "
                f"upper frequencies rising and steps above 0; {list(pair)} is not"
            )
        # Bands end at the multiples of their width.
        first = int(last // step) + 1
        edges += [step * k for k in range(first, int(upper // step) + 1)]
        last = upper
    return edges


def length(x, axis: int):
    """The length of an axis: a number, or a tensor where it is not known yet."""
    return tf.shape(x)[axis] if x.shape[axis] is None else x.shape[axis]


class Bands:
    """Which bins belong to which band, in groups of bands that are equally wide.

    Args:
      widths: bins of each band.
    """

    def __init__(self, widths: list[int]):
        begins = np.cumsum([0, *widths])
        self.count = len(widths)
        self.widths = sorted(set(widths))
        self.members = [[k for k, own in enumerate(widths) if own == w] for w in self.widths]
        self.bins = [
            np.concatenate([np.arange(begins[k], begins[k + 1]) for k in group])
            for group in self.members
        ]
        self.order = np.argsort(np.concatenate(self.members))  # from groups to bands
        self.bin_order = np.argsort(np.concatenate(self.bins))

    def cut(self, parts) -> list[tf.Tensor]:
        """(batch, parts, frames, bins) → of each group (bands, frames, batch, parts · width)."""
        count, frames = parts.shape[1], length(parts, 2)
        cuts = []
        for width, bins in zip(self.widths, self.bins):
            cut = tf.gather(parts, bins, axis=-1)
            cut = tf.reshape(cut, (-1, count, frames, len(bins) // width, width))
            cut = tf.transpose(cut, (3, 2, 0, 1, 4))
            cuts.append(tf.reshape(cut, (len(bins) // width, frames, -1, count * width)))
        return cuts

    def join(self, cuts: list[tf.Tensor], parts: int):
        """The inverse of `cut`."""
        joined = []
        for width, cut in zip(self.widths, cuts):
            bands, frames = cut.shape[0], length(cut, 1)
            cut = tf.reshape(cut, (bands, frames, -1, parts, width))
            cut = tf.transpose(cut, (2, 3, 1, 0, 4))
            joined.append(tf.reshape(cut, (-1, parts, frames, bands * width)))
        return tf.gather(tf.concat(joined, -1), self.bin_order, axis=-1)

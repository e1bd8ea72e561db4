"""Bands of a spectrum, which may overlap: cut out and put together again."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

#: Bins of each band of 1025, as the public program cuts the spectrum.
STANDARD = [2] * 24 + [4] * 12 + [12] * 8 + [24] * 8 + [48] * 8 + [128, 129]


def adjoining(widths: Sequence[int]) -> list[tuple[int, int]]:
    """(first bin, one past the last) of bands that follow one another."""
    ends = np.cumsum(widths).tolist()
    return [(end - width, end) for end, width in zip(ends, widths)]


def mel_bands(count: int, bins: int, sample_rate: int) -> list[tuple[int, int]]:
    """Where triangular filters that are equally wide on the mel scale are above zero.

    Slaney's scale (Auditory Toolbox, 1998), as librosa.filters.mel has it; the first band takes the
    bin at 0 Hz, the last one that at half the sample rate.

    Args:
      count: of bands. bins: of the spectrum. sample_rate: in Hz.

    Returns:
      (first bin, one past the last) of each band.

    Raises:
      ValueError: a band holds no bin, or a bin lies in no band.
    """
    centres = np.linspace(0.0, _mel(sample_rate / 2), count + 2)
    edges = _hertz(centres)
    frequencies = np.linspace(0, sample_rate / 2, bins)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    inside = np.minimum(rising, falling).astype(np.float32) > 0
    inside[0, 0] = inside[-1, -1] = True
    for band, row in enumerate(inside):
        if not row.any():
            raise ValueError(f"{count} bands: band {band} holds none of {bins} bins; take fewer")
    if not inside.any(0).all():
        raise ValueError(f"{count} bands: they leave out some of {bins} bins; take more")
    return [(int(row.argmax()), int(bins - row[::-1].argmax())) for row in inside]


def _mel(frequency):
    linear = np.asarray(frequency) / (200 / 3)
    with np.errstate(divide="ignore"):
        curved = 15 + np.log(np.asarray(frequency) / 1000) * (27 / np.log(6.4))
    return np.where(np.asarray(frequency) >= 1000, curved, linear)


def _hertz(mel):
    return np.where(mel >= 15, 1000 * np.exp((mel - 15) * (np.log(6.4) / 27)), mel * 200 / 3)


class Bands:
    """Bands in groups of neighbours that are equally wide, so that a group is one product.

    Args:
      ranges: (first bin, one past the last) of each band, rising. bins: of the spectrum.
    """

    def __init__(self, ranges: Sequence[tuple[int, int]], bins: int):
        self.count, self.bins = len(ranges), bins
        self.groups: list[tuple[int, int, int]] = []  # first bin, width, number of bands
        for start, stop in ranges:
            first, width, number = self.groups[-1] if self.groups else (0, 0, 0)
            if stop - start == width and start == first + width * number:
                self.groups[-1] = (first, width, number + 1)
            else:
                self.groups.append((start, stop - start, 1))
        shares = np.zeros(bins, np.float32)
        for start, stop in ranges:
            shares[start:stop] += 1
        self.overlapping = bool((shares > 1).any())
        self.shares = shares
        self.layers = self._disjoint()

    def _disjoint(self) -> list[list[int]]:
        """Groups by their numbers, in as few lists without an overlap as there must be."""
        layers: list[list[int]] = []
        ends: list[int] = []
        for place, (first, width, number) in enumerate(self.groups):
            free = next((k for k, end in enumerate(ends) if end <= first), None)
            if free is None:
                free = len(layers)
                layers.append([])
                ends.append(0)
            layers[free].append(place)
            ends[free] = first + width * number
        return layers

    def cut(self, rows) -> list[tf.Tensor]:
        """(rows, bins · parts) → of each group (bands, rows, width · parts)."""
        parts = rows.shape[-1] // self.bins
        cuts = []
        for first, width, number in self.groups:
            cut = rows[:, first * parts : (first + width * number) * parts]
            cut = tf.reshape(cut, (-1, number, width * parts))
            cuts.append(tf.transpose(cut, (1, 0, 2)))
        return cuts

    def join(self, cuts: Sequence[tf.Tensor]):
        """The inverse of `cut`; where bands overlap, their mean."""
        width = self.groups[0][1]
        parts = cuts[0].shape[-1] // width
        total = None
        for layer in self.layers:
            pieces, place = [], 0
            for index in layer:
                first, width, number = self.groups[index]
                cut = tf.reshape(tf.transpose(cuts[index], (1, 0, 2)), (-1, number * width * parts))
                if first > place:
                    pieces.append(tf.zeros((tf.shape(cut)[0], (first - place) * parts)))
                pieces.append(cut)
                place = first + width * number
            if place < self.bins:
                rows = tf.shape(pieces[0])[0]
                pieces.append(tf.zeros((rows, (self.bins - place) * parts)))
            joined = tf.concat(pieces, -1) if len(pieces) > 1 else pieces[0]
            total = joined if total is None else total + joined
        return total / np.repeat(self.shares, parts) if self.overlapping else total

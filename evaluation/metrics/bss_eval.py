"""BSS Eval: how much of an estimate is its reference, how much other sources, how much neither.

An estimate is split by least-squares projections on delayed versions of the references
(Vincent, Gribonval and Févotte, IEEE TASLP 14, 2006; Vincent et al., Signal Processing 92, 2012):

    s_true   = the reference
    e_spat   = P_j − s_true           P_j:   projection on the reference alone
    e_interf = P_all − P_j            P_all: projection on all references
    e_artif  = estimate − P_all

* "v4" (museval; Stöter, Liutkus and Ito, LVA/ICA 2018): the filters of the projections are found
  once, on the whole track, and the ratios are taken frame by frame.
* "v3-images" (mir_eval's `bss_eval_images`, SiSEC until 2016): filters are found in every frame.
* "v3-sources" (mir_eval's `bss_eval_sources`): likewise, and a filtered reference counts as right.

Results equal museval 0.4 and mir_eval 0.8 with three exceptions. A source is silent when all its
samples are zero; those programs add the channels first and take anti-phase stereo for silence.
Distortion is measured directly (estimate − reference), so a perfect estimate scores +inf where
they print rounding noise beyond 200 dB. Frames without a score have NaN in every field (mir_eval
leaves its ISR there undefined).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evaluation.metrics.decomposition import Projections, energies, ratios, transform_size
from evaluation.metrics.ratios import validate_all

VERSIONS = ("v4", "v3-images", "v3-sources")
METRICS = ("SDR", "ISR", "SIR", "SAR")


class BssEvalScores(NamedTuple):
    """Ratios in dB, each (sources, frames), or None where they were not asked for.

    `permutation` (sources, frames): the estimate that was taken for each reference.
    `singular`: whether the references leave part of the band empty (see `same_rounding`).
    """

    sdr: np.ndarray | None
    isr: np.ndarray | None
    sir: np.ndarray | None
    sar: np.ndarray | None
    permutation: np.ndarray
    singular: bool


def frames(samples: int, window: float | None, hop: float | None) -> list[tuple[int, int]]:
    """Bounds (start, stop) of the frames that museval scores, in samples.

    Only whole windows count; a track shorter than the window (or `window` None) is one frame.
    """
    window = math.inf if window is None else window
    hop = window if hop is None else hop
    if not window >= 1 or not hop >= 1:
        raise ValueError(f"window {window} and hop {hop}: expected at least one sample each")
    if window >= samples:
        return [(0, samples)]
    count = 1 if math.isinf(hop) else int((samples - window + hop) // hop)
    starts = [0.0] if math.isinf(hop) else [index * hop for index in range(count)]
    return [(int(start), int(start + window)) for start in starts]


@dataclass(frozen=True)
class BssEvalSettings:
    """How BSS Eval scores.

    Attributes:
      window, hop: frame length and distance in samples; None: one frame, the whole track.
      version: "v4", "v3-images" or "v3-sources".
      filter_length: taps of the distortion filters.
      compute_permutation: find which estimate belongs to which reference by the mean SIR: one
        answer for the track with "v4", one per frame otherwise (identity where it is undefined).
      metrics: which of SDR, ISR, SIR, SAR to compute. SDR alone needs no projection (or only the
        small ones with "v3-sources") and is many times faster.
      single_frame_is_whole: what to do with a track that is longer than the window and has room
        for one frame only: mir_eval scores the whole track (True), museval that frame (False).
      same_rounding: on references without high frequencies (decoded from lossy files, upsampled)
        ISR, SIR and SAR depend on rounding errors. True repeats museval's arithmetic there, to
        agree with it, at several times the cost; it may be 20 dB wrong. False gives the references
        the noise of a 16-bit recording there: the scores of the same songs in 16-bit files, as
        SiSEC 2018 had them. SDR of "v4" and "v3-images" does not depend on it.
    """

    window: float | None = None
    hop: float | None = None
    version: str = "v4"
    filter_length: int = 512
    compute_permutation: bool = False
    metrics: Sequence[str] = METRICS
    single_frame_is_whole: bool = False
    same_rounding: bool = True

    def __post_init__(self):
        """Check names and ranges (ValueError)."""
        if self.version not in VERSIONS:
            raise ValueError(
                f"unknown BSS Eval version {self.version!r}: expected one of {VERSIONS}"
            )
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown or not self.metrics:
            raise ValueError(f"unknown metrics {unknown}: expected some of {METRICS}")
        if self.filter_length < 1:
            raise ValueError(f"filter_length {self.filter_length}: expected at least 1")

    def frames(self, samples: int) -> list[tuple[int, int]]:
        """Return the bounds of the frames of a track."""
        bounds = frames(samples, self.window, self.hop)
        whole = self.single_frame_is_whole and len(bounds) == 1
        return [(0, samples)] if whole else bounds


def bss_eval(references: np.ndarray, estimates: np.ndarray, **settings) -> BssEvalScores:
    """Score estimates against references: `bss_eval_all` with one set of estimates."""
    return bss_eval_all(references, [estimates], **settings)[0]


def bss_eval_all(
    references: np.ndarray, sets: Sequence[np.ndarray], **settings
) -> list[BssEvalScores]:
    """Score several separators' estimates against the same references.

    What depends on the references alone (their spectra, their correlations, the inverse of their
    Gram matrix) is computed once for all of them.

    Args:
      references: (sources, samples, channels), any real type, computed in float64. No source may
        be silent throughout.
      sets: one array like `references` for every separator.
      **settings: as of `BssEvalSettings`.

    Returns:
      `BssEvalScores` of every set. NaN in frames where any reference or estimate is silent; with
      "v3-sources" ISR is NaN throughout, as it has no meaning there.

    Raises:
      ValueError: shapes, values or settings that cannot be scored, on one line.
    """
    chosen = BssEvalSettings(**settings)
    if not sets:
        raise ValueError("no estimates to score")
    references, sets = validate_all(references, sets)
    for role, audio in (("reference", references), *(("estimate", found) for found in sets)):
        silent = np.flatnonzero(_silent(audio))
        if len(silent):
            raise ValueError(
                f"{role} {silent[0]} is silent throughout: BSS Eval is undefined; leave it out"
            )
    bounds = chosen.frames(references.shape[1])
    all_found, singular = _all_ratios(references, sets, bounds, chosen)
    everything = np.arange(len(references))
    scores = []
    for found in all_found:
        permutation = np.repeat(everything[:, None], len(bounds), axis=1)
        if chosen.compute_permutation:
            permutation = _best_permutation(found["SIR"], per_frame=chosen.version != "v4")
        values = [
            found[name][everything[:, None], permutation, np.arange(len(bounds))]
            if name in chosen.metrics
            else None
            for name in METRICS
        ]
        scores.append(BssEvalScores(*values, permutation, singular))
    return scores


def _silent(audio: np.ndarray) -> np.ndarray:
    """Which sources of (sources, samples, channels) have no sample other than zero."""
    return ~np.any(audio, axis=(1, 2))


def _best_permutation(sir: np.ndarray, per_frame: bool) -> np.ndarray:
    """Order of the estimates with the highest mean SIR (sources, sources, frames) → per frame.

    As in the reference programs an undefined mean (a silent frame) leaves the order as it is.
    """
    sources, _, count = sir.shape
    orders = np.array(list(itertools.permutations(range(sources))))
    means = np.array([sir[np.arange(sources), order].mean(axis=0) for order in orders])
    if not per_frame:
        means = np.repeat(means.mean(axis=1, keepdims=True), count, axis=1)
    return orders[np.argmax(means, axis=0)].T


def _all_ratios(
    references: np.ndarray,
    sets: Sequence[np.ndarray],
    bounds: Sequence[tuple[int, int]],
    settings: BssEvalSettings,
) -> tuple[list[dict[str, np.ndarray]], bool]:
    """Of every set {metric: (references, estimates, frames)} in dB, and `singular`."""
    sources, samples, _ = references.shape
    version, taps = settings.version, settings.filter_length
    metrics = {*settings.metrics, *(["SIR"] if settings.compute_permutation else [])}
    pairs = [(j, j) for j in range(sources)]
    if settings.compute_permutation:
        pairs = list(itertools.product(range(sources), repeat=2))
    results = [
        {name: np.full((sources, sources, len(bounds)), np.nan) for name in METRICS} for _ in sets
    ]
    # The estimates of all sets are numbered in a row.
    everyone = [(j, index * sources + k) for index in range(len(sets)) for j, k in pairs]
    images = version != "v3-sources"
    own = bool(metrics & {"ISR", "SIR"}) or not images
    joint = bool(metrics & {"SIR", "SAR"})
    size = transform_size(max(stop - start for start, stop in bounds), taps)

    def project(start: int, stop: int) -> Projections | None:
        if not own and not joint:
            return None
        span = references[:, start:stop], [estimates[:, start:stop] for estimates in sets]
        options = {"own": own, "joint": joint, "same_rounding": settings.same_rounding}
        return Projections(*span, everyone, taps=taps, size=size, **options)

    projections, singular = None, False
    for index, (start, stop) in enumerate(bounds):
        span = references[:, start:stop], [estimates[:, start:stop] for estimates in sets]
        sounding = [not _silent(estimates).any() for estimates in span[1]]
        if _silent(span[0]).any() or not any(sounding):
            continue
        if version != "v4":
            projections = project(start, stop)
        elif projections is None:
            projections = project(0, samples)
        singular |= projections is not None and projections.singular
        sums = energies(*span, everyone, taps=taps, size=size, projections=projections)
        for name, values in ratios(sums, metrics, images).items():
            rows = values.reshape(len(sets), len(pairs))
            for result, row, sounds in zip(results, rows, sounding):
                for (j, k), value in zip(pairs, row if sounds else ()):
                    result[name][j, k, index] = value
    return results, bool(singular)

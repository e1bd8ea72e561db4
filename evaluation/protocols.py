"""Protocols: which frames, which references are scored together, and how scores are reported.

A protocol scores named targets. "accompaniment" stands for the sum of all stems that the other
targets do not name; where they name every stem, for all but the vocals (museval's rule).
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

from common.suggest import nearest

ACCOMPANIMENT = "accompaniment"
#: Settings that every file of scores names; it names the others where they are not the usual ones,
#: so that scores from before they came stay valid.
ALWAYS_NAMED = (
    "name",
    "version",
    "window_s",
    "hop_s",
    "filter_length",
    "same_rounding",
    "pair_decides_vocals",
    "adds_accompaniment",
)


@dataclass(frozen=True)
class Pass:
    """References that are projected on together, and those whose scores count."""

    together: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """How one song is scored.

    Attributes:
      name: key in `PROTOCOLS`.
      version: of `evaluation.metrics.bss_eval.bss_eval`, or "energies": metrics that need no
        projection.
      window_s, hop_s: frames in seconds; None: the whole song is one frame.
      filter_length: taps of the distortion filters.
      same_rounding: of `bss_eval`: what becomes of references with an empty part of the band.
      pair_decides_vocals: where the accompaniment overlaps other targets, it is scored in a pass of
        its own beside the vocals; whether the vocals' scores come from that pass.
      adds_accompaniment: score the sum of all estimates but the vocals too, where it is not given.
      metrics: what is measured, of `evaluation.metrics.measures.KNOWN`.
      sample_rate: in Hz; references, estimates and mixture are resampled to it first. None: scored
        as they are.
      mono: channels are averaged first.
      alone: every target is scored without regard to the others.
      permuted: estimates are given to the references for which their mean SIR is highest.
      silent: what becomes of a reference that is silent throughout. "skip": it is left out;
        "noise": noise takes its place, and metrics beside the mixture are left out; "score": it is
        scored, by metrics that are defined for it.
      silence_counts: an estimate that is missing or silent throughout is silence that is scored,
        with an SDR and an ISR of 0 dB; otherwise its song is not.
      shortest: everything is cut to the shortest estimate; otherwise estimates are cut or padded
        to the references.
      reported: how scores are put together, of `evaluation.reports.summary.AGGREGATES`; the first
        is the protocol's figure.
    """

    name: str
    version: str
    window_s: float | None
    hop_s: float | None
    filter_length: int = 512
    same_rounding: bool = False
    pair_decides_vocals: bool = True
    adds_accompaniment: bool = False
    metrics: tuple[str, ...] = ("SDR", "ISR", "SIR", "SAR")
    sample_rate: int | None = None
    mono: bool = False
    alone: bool = False
    permuted: bool = False
    silent: str = "skip"
    silence_counts: bool = False
    shortest: bool = False
    reported: tuple[str, ...] = ("median", "mean")

    def settings(self) -> dict:
        """What a song's scores depend on, as plain values."""
        defaults = {field.name: field.default for field in fields(self)}
        return {
            name: value
            for name, value in asdict(self).items()
            if name in ALWAYS_NAMED or (name != "reported" and value != defaults[name])
        }

    def needs_mixture(self) -> bool:
        """Whether estimates are compared with the mixture (metrics that begin with N)."""
        return any(metric.startswith("N") for metric in self.metrics)

    def names(self, estimates: Iterable[str]) -> tuple[str, ...]:
        """Targets of a song with these estimates, in their order."""
        names = tuple(estimates)
        wanted = self.adds_accompaniment and "vocals" in names and len(names) > 2
        return (*names, ACCOMPANIMENT) if wanted and ACCOMPANIMENT not in names else names

    def passes(self, names: Sequence[str], overlapping: bool) -> list[Pass]:
        """Group targets; `overlapping`: the accompaniment contains stems that others name."""
        names = tuple(names)
        if self.alone:
            return [Pass((name,), (name,)) for name in names]
        if not (overlapping and ACCOMPANIMENT in names and "vocals" in names):
            return [Pass(names, names)]
        alone = tuple(name for name in names if name != ACCOMPANIMENT)
        pair = ("vocals", ACCOMPANIMENT)
        if self.pair_decides_vocals:
            first = Pass(alone, tuple(name for name in alone if name != "vocals"))
            return [first, Pass(pair, pair)]
        return [Pass(alone, alone), Pass(pair, (ACCOMPANIMENT,))]


WHOLE = {"window_s": None, "hop_s": None}
SOURCES = {"version": "v3-sources", **WHOLE}
# NSAR is large and negative, and means nothing, where the mixture is exactly the sum of its parts.
NORMALISED = ("SDR", "SIR", "SAR", "NSDR", "NSIR", "NSAR")
GLOBAL = ("weighted_mean", "mean", "median")

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        # SiSEC 2018 (Stöter, Liutkus and Ito, LVA/ICA 2018), which scored 16-bit files.
        Protocol("musdb18", version="v4", window_s=1.0, hop_s=1.0),
        # The same with museval's rounding: differs for references decoded from lossy files.
        Protocol("museval", version="v4", window_s=1.0, hop_s=1.0, same_rounding=True),
        # SiSEC 2015/16 as DeepConvSep has it: frames of 30 s every 15 s with filters of their own;
        # four sources, then the accompaniment beside the vocals, whose row is the fifth.
        Protocol(
            "dsd100",
            version="v3-images",
            window_s=30.0,
            hop_s=15.0,
            pair_decides_vocals=False,
            adds_accompaniment=True,
            silence_counts=True,
            shortest=True,
            reported=("median", "mean", "mean_power"),
        ),
        # Chan et al., ICASSP 2015, as DeepConvSep has it: the toolbox's function, which looks for
        # the best order of the estimates. N: less what the mixture itself scores. (References,
        # estimates and mixture are divided by norms there, on which no score depends.)
        Protocol(
            "ikala",
            **SOURCES,
            metrics=NORMALISED,
            mono=True,
            permuted=True,
            reported=GLOBAL,
        ),
        # MIREX singing voice separation, 2015 and 2016: the same without the search for an order;
        # ranked by means over the clips, weighted by length (GNSDR; Hsu and Jang, 2010).
        Protocol("mirex", **SOURCES, metrics=NORMALISED, mono=True, reported=GLOBAL),
        # Miron, Janer and Gómez, SMC 2017 (DeepConvSep): four mono instruments, whole pieces.
        Protocol(
            "bach10",
            **SOURCES,
            metrics=("SDR", "SIR", "SAR"),
            mono=True,
            permuted=True,
            reported=("mean", "median"),
        ),
        # Stoller, Ewert and Dixon, ICASSP 2018 (arXiv 1711.00048), and the original DSSGAN.
        Protocol(
            "dssgan",
            **SOURCES,
            metrics=("SDR", "SIR", "SAR", "NSDR", "NSIR", "SNR", "NSNR"),
            sample_rate=8192,
            mono=True,
            silent="noise",
            reported=("mean", "median"),
        ),
        # Luo and Yu, 2022 (arXiv 2209.15174): whole songs, no filters; and medians over 1 s.
        Protocol(
            "usdr",
            version="energies",
            **WHOLE,
            metrics=("uSDR",),
            silent="score",
            reported=("mean", "median"),
        ),
        Protocol("csdr", version="v4", window_s=1.0, hop_s=1.0, metrics=("SDR",)),
        # A public repository of BandSplitRNN: museval's own default frames, each source by itself.
        Protocol(
            "csdr_repository",
            version="v4",
            window_s=2.0,
            hop_s=1.5,
            metrics=("SDR",),
            alone=True,
            reported=("mean_of_medians", "deviation"),
        ),
    )
}


def find(name: str | Protocol) -> Protocol:
    """Look a protocol up.

    Raises:
      ValueError: no such protocol; names the nearest.
    """
    if isinstance(name, Protocol):
        return name
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    hint = nearest(name, PROTOCOLS, show=repr, cutoff=0.0)
    raise ValueError(f"unknown protocol {name!r}: expected {', '.join(PROTOCOLS)}{hint}")


def members(target: str, targets: Sequence[str], stems: Sequence[str]) -> tuple[str, ...]:
    """Stems that add up to a target's reference.

    Args:
      target: the target.
      targets: all targets of the song.
      stems: the stems that the song has.
    """
    if target != ACCOMPANIMENT or target in stems:
        return (target,)
    rest = tuple(stem for stem in stems if stem not in targets)
    return rest or tuple(stem for stem in stems if stem != "vocals")


def overlaps(targets: Sequence[str], stems: Sequence[str]) -> bool:
    """Whether the accompaniment contains stems that are targets themselves."""
    others = [name for name in targets if name != ACCOMPANIMENT]
    if ACCOMPANIMENT in stems:
        # A folder with an accompaniment of its own beside other sources than the vocals.
        return len(others) > 1
    return ACCOMPANIMENT in targets and any(
        stem in others for stem in members(ACCOMPANIMENT, targets, stems)
    )

"""Protocols: which frames, which references beside which, and what becomes of them.

A protocol scores named targets. "accompaniment" stands for the sum of all stems that the other
targets do not name; where they name every stem, for all but the vocals (museval's rule).
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

ACCOMPANIMENT = "accompaniment"


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
      version: of `evaluation.bss_eval.bss_eval`.
      window_s, hop_s: frames in seconds.
      filter_length: taps of the distortion filters.
      same_rounding: of `bss_eval`: what becomes of references with an empty part of the band.
      pair_decides_vocals: where the accompaniment overlaps other targets, it is scored in a pass of
        its own beside the vocals; whether the vocals' scores come from that pass.
      adds_accompaniment: score the sum of all estimates but the vocals too, where it is not given.
    """

    name: str
    version: str
    window_s: float
    hop_s: float
    filter_length: int = 512
    same_rounding: bool = False
    pair_decides_vocals: bool = True
    adds_accompaniment: bool = False

    def settings(self) -> dict:
        """What a score depends on, as plain values."""
        return asdict(self)

    def names(self, estimates: Iterable[str]) -> tuple[str, ...]:
        """Targets of a song with these estimates, in their order."""
        names = tuple(estimates)
        wanted = self.adds_accompaniment and "vocals" in names and len(names) > 2
        return (*names, ACCOMPANIMENT) if wanted and ACCOMPANIMENT not in names else names

    def passes(self, names: Sequence[str], overlapping: bool) -> list[Pass]:
        """Group targets; `overlapping`: the accompaniment contains stems that others name."""
        names = tuple(names)
        if not (overlapping and ACCOMPANIMENT in names and "vocals" in names):
            return [Pass(names, names)]
        alone = tuple(name for name in names if name != ACCOMPANIMENT)
        pair = ("vocals", ACCOMPANIMENT)
        if self.pair_decides_vocals:
            first = Pass(alone, tuple(name for name in alone if name != "vocals"))
            return [first, Pass(pair, pair)]
        return [Pass(alone, alone), Pass(pair, (ACCOMPANIMENT,))]


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        # SiSEC 2018 (Stöter, Liutkus and Ito, LVA/ICA 2018), which scored 16-bit files.
        Protocol("musdb18", version="v4", window_s=1.0, hop_s=1.0),
        # The same with museval's rounding: differs for references decoded from lossy files.
        Protocol("museval", version="v4", window_s=1.0, hop_s=1.0, same_rounding=True),
        # SiSEC 2015/16: frames of 30 s every 15 s with filters of their own; four sources, then the
        # accompaniment beside the vocals.
        Protocol(
            "dsd100",
            version="v3-images",
            window_s=30.0,
            hop_s=15.0,
            pair_decides_vocals=False,
            adds_accompaniment=True,
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
    near = difflib.get_close_matches(name, PROTOCOLS, 1, 0)
    hint = f"; did you mean {near[0]!r}?" if near else ""
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

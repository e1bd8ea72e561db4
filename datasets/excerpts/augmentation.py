"""How excerpts are varied: gains, channels, polarity and remixes, drawn for every excerpt."""

from dataclasses import dataclass, field

import numpy as np

from datasets.excerpts.effects import Effects

NORMALISATIONS = ("track", "none")
RULES = ("audible", "runs", "activity")


@dataclass(frozen=True)
class Augmentation:
    """What is drawn for every stem of every excerpt; the defaults are those of Meta-TasNet.

    Attributes:
      gain: lowest and highest factor of a stem, drawn uniformly.
      gain_db: the same in dB, drawn uniformly in dB, in place of `gain`; None uses `gain`.
      swap: chance that left and right of a stem change places (stereo excerpts of stereo songs;
        a mono excerpt has the left or the right of each stem, half the time each).
      polarity: chance that a stem is inverted.
      drop: chance that a stem is silent.
      remix: share of a batch in which every source comes from another excerpt of the batch.
      normalise: "track" divides a song by the standard deviation of the mono sum of its stems;
        "none" leaves its level.
      active: name of a source that should play in the excerpt, see `active_share`.
      active_share: share of the excerpts whose position is drawn again (up to eight times) while
        `active` does not play in them.
      active_rule: when it plays: "audible", where the excerpt is not silent; "runs", where the
        excerpt lies within one of its runs (`datasets.activity.runs`), at a position drawn among
        these; "activity" likewise within its active stretches (`datasets.activity.lists`), and
        every source of a remixed excerpt within its own.
      split_accompaniment: draw gain, channel and polarity for every stem within "accompaniment",
        and remix them, instead of treating it as one stem.
      mixes: mixes of the same moment, each with its own gains and channels, side by side on the
        channel axis. The original Meta-TasNet mixes anew for each of its three rates, so that its
        stages receive different mixes; 3 with the separator's `rates_apart` repeats that.
      effects: tone, rooms, speed and more, each off by default; see `Effects`.
    """

    gain: tuple[float, float] = (0.75, 1.25)
    gain_db: tuple[float, float] | None = None
    swap: float = 0.5
    polarity: float = 0.0
    drop: float = 0.0
    remix: float = 0.5
    normalise: str = "track"
    active: str = "drums"
    active_share: float = 0.0
    active_rule: str = "audible"
    split_accompaniment: bool = False
    mixes: int = 1
    effects: Effects = field(default_factory=Effects)

    def __post_init__(self):
        """Check the ranges (ValueError)."""
        for name in ("swap", "polarity", "drop", "remix", "active_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}={getattr(self, name)}: expected a share from 0 to 1")
        if len(self.gain) != 2 or not 0.0 <= self.gain[0] <= self.gain[1] < np.inf:
            raise ValueError(f"gain={self.gain}: expected lowest and highest factor, 0 or more")
        decibels = self.gain_db
        if decibels is not None and (
            len(decibels) != 2 or not -120.0 <= decibels[0] <= decibels[1] <= 120.0
        ):
            raise ValueError(f"gain_db={decibels}: expected lowest and highest, −120 to 120 dB")
        if self.mixes < 1:
            raise ValueError(f"mixes={self.mixes}: expected 1 or more")
        if self.mixes > 1 and self.effects.on:
            raise ValueError(
                f"mixes={self.mixes}: effects on excerpts expect one mix; set mixes=1, or the "
                "shares of all effects to 0"
            )
        if self.normalise not in NORMALISATIONS:
            raise ValueError(f"normalise={self.normalise!r}: expected track or none")
        if self.active_rule not in RULES:
            raise ValueError(
                f"active_rule={self.active_rule!r}: expected one of {', '.join(RULES)}"
            )

    def draw_gain(self, rng: np.random.Generator) -> float:
        """Draw the factor of one stem, with its polarity; 0 where it is dropped."""
        if self.drop and rng.random() < self.drop:
            return 0.0
        if self.gain_db is not None:
            gain = 10.0 ** (rng.uniform(*self.gain_db) / 20.0)
        else:
            gain = rng.uniform(*self.gain)
        return float(-gain if rng.random() < self.polarity else gain)

    def draw_channels(self, rng: np.random.Generator, there: int, wanted: int) -> tuple[int, ...]:
        """Draw which channel of a stem with `there` channels goes to each of the `wanted` ones."""
        picked = int(rng.integers(there))
        swapped = bool(rng.random() < self.swap)
        if wanted == 1:
            return (picked,)
        if there == 1:
            return (0,) * wanted
        return tuple(range(wanted))[::-1] if swapped else tuple(range(wanted))

"""What a run tells of itself: the separators before and after, songs held back, its critics."""

import dataclasses
from pathlib import Path

import yaml

from dssgan.config.rules import REFINEMENTS
from dssgan.config.schema import Config, from_dict
from dssgan.exports import find_export
from dssgan.training.start import STARTS, located
from experiments.adapting.passes import Song, excerpt
from experiments.run.folder import RECORD
from experiments.songs.entries import readable, select, unpaired_entries


@dataclasses.dataclass(frozen=True)
class Adapted:
    """A run that refined a separator.

    Attributes:
      config: of the run. before, after: folders of exported separators.
    """

    config: Config
    before: Path
    after: Path


def adapted(run: Path, after: Path | None = None) -> Adapted:
    """Read a run.

    Args:
      after: another separator to look at than the one that the run has exported.

    Raises:
      ValueError: no run, or one that began with no separator. OSError: it cannot be read.
    """
    if not (run / RECORD).is_file():
        raise ValueError(f"{run}: no run in it (no {RECORD})")
    try:
        config = from_dict(yaml.safe_load((run / RECORD).read_text("utf-8")))
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{run / RECORD}: {' '.join(str(error).split())[:300]}") from error
    starts = {phase: getattr(config, phase).init for phase in REFINEMENTS if phase in config.phases}
    named = [(phase, init) for phase, init in starts.items() if init not in STARTS]
    if not named:
        raise ValueError(f"{run}: it refined no separator that was there before (phase.init)")
    phase, init = named[0]
    return Adapted(config, located(init, f"{phase}.init"), find_export(after or run))


def held_back(config: Config, seconds: float) -> tuple[list[Song], list[str]]:
    """The middle of every song of unpaired.mixtures that is held back.

    Returns:
      (songs, names of silent ones, which are left out).

    Raises:
      ValueError: there are none, or all are silent. OSError: a file cannot be read.
    """
    found, silent = [], []
    for where, entry in unpaired_entries(config):
        if not where.startswith("unpaired.mixtures"):
            continue
        for track in select(readable(where, entry), entry, "valid", where):
            song = excerpt(track.name, track.read("mixture"), track.sample_rate, seconds)
            if song is None:
                silent.append(track.name)
            else:
                found.append(song)
    if not found:
        reason = f"the {len(silent)} songs held back are silent" if silent else "none is held back"
        raise ValueError(
            f"unpaired.mixtures: {reason}; name some with unpaired.mixtures.0.valid=[…] or "
            "unpaired.mixtures.0.shares={all: [3, 1]}"
        )
    return found, silent

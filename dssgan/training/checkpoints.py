"""The checkpoint files of a phase."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from common.files import atomic_path
from dssgan.training.state import Progress, TrainingState, open_checkpoint, read_header


def read_progress(path: str | os.PathLike) -> Progress:
    """The plain numbers of a checkpoint, without its weights."""
    with open_checkpoint(path) as archive:
        return read_header(archive, path)


def recorded_points(folder: str | os.PathLike) -> int | None:
    """How many points of its curves the checkpoints of a run vouch for.

    What was recorded after the last checkpoint will be recorded again when the run goes on.

    Args:
      folder: of the run.

    Returns:
      None where that is not known: they cannot be read or are older than this count, or somebody
      took them away.
    """
    folder = Path(folder)
    try:
        counts = [read_progress(path).points for path in folder.glob("checkpoints/*/last.npz")]
    except (ValueError, OSError):  # the phase that needs it will say so
        return None
    if None in counts:
        return None
    begun = any((folder / name).exists() for name in ("separator", "separators"))
    return max(counts, default=None if begun else 0)


class Checkpoints:
    """The files of one phase: `last.npz`, `best.npz`, and `step-*.npz` where more are kept."""

    def __init__(self, folder: str | os.PathLike, keep: int = 1):
        self.folder = Path(folder)
        self.keep = keep
        self.last = self.folder / "last.npz"
        self.best = self.folder / "best.npz"

    def save(self, state: TrainingState, best: bool = False) -> None:
        """Save the state as the last one, and as the best one where it is."""
        # The best one first: if the run is killed in between, the older last one makes it again.
        state.save(self.best if best else self.last)
        if best:
            _duplicate(self.best, self.last)
        if self.keep > 1:
            _duplicate(self.last, self.folder / f"step-{state.progress.step:09d}.npz")
            for old in self.kept()[: -self.keep]:
                old.unlink(missing_ok=True)

    def kept(self) -> Sequence[Path]:
        """The numbered checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*.npz"))


def _duplicate(source: Path, target: Path) -> None:
    """A second name for a file, which costs no space; a copy where the file system has no links."""
    with atomic_path(target) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)

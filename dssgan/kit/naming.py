"""Names of stems of two separators in a row, and of the file of notes; nothing slow is imported."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from common.suggest import nearest

DRUMS, KIT = "drums", "kit"  # what a kit is separated from, and the separator that does it


def chained(first: Sequence[str], second: Sequence[str] | None, source: str) -> tuple[str, ...]:
    """Sources of two separators in a row; those of the first where there is no second one.

    Raises:
      ValueError: the first has no such source.
    """
    if source not in first:
        hint = nearest(source, first, show=repr)
        raise ValueError(f"this separator has no source {source!r}, but {', '.join(first)}{hint}")
    if second is None:
        return tuple(first)
    return (*second, *(name for name in first if name != source))


def notes_path(name: str, stems: Mapping[str, Path]) -> Path:
    """Where the notes of a song go: beside the first of its stems."""
    return next(iter(stems.values())).parent / f"{Path(name).name}.mid"

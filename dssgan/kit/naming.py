"""Names of stems of two separators in a row, and of the file of notes; nothing slow is imported."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from common.suggest import nearest

DRUMS, KIT = "drums", "kit"  # what a kit is separated from, and the separator that does it
NOTES = "notes"  # beside the stems of a plan
Song = TypeVar("Song")  # has `name`


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


def with_notes(plans: Mapping[Song, dict[str, Path]]) -> dict[Song, dict[str, Path]]:
    """Plans of stems {song: {stem: path}} with the notes of each song as one more."""
    return {song: {**plan, NOTES: notes_path(song.name, plan)} for song, plan in plans.items()}


def without_notes(plans: Mapping[Song, dict[str, Path]]) -> dict[Song, dict[str, Path]]:
    """The inverse of `with_notes`; plans that have none stay as they are."""
    return {song: {k: v for k, v in plan.items() if k != NOTES} for song, plan in plans.items()}

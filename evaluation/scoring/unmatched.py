"""What to say of estimates whose references are not clear."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from common.audio_files import some


def unmatched(references: Path, path: Path, same: Sequence[Path], songs: Iterable[Path]) -> str:
    """What to say of an estimated song that is not exactly one of the references."""
    if same:
        return (
            f"{len(same)} reference folders of this name in {references}: "
            f"{some(map(str, same))}; expected one, or the same path below it"
        )
    return (
        f"no reference folder of this name; looked for {references / path} and for "
        f"{path.name!r} anywhere in {references}, found {some(map(str, songs))}"
    )

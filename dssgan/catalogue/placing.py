"""What becomes a separator of the store: its name is free, it is converted, and told of."""

import os
from pathlib import Path
from typing import Any

from common import cli
from common.cli import UsageError
from dssgan import exports
from dssgan.catalogue import conversion, store


def convert(
    top: Path, checkpoint: Path, config: Path | None, name: str, known: dict[str, Any]
) -> int:
    """Convert a checkpoint into the store.

    Args:
      top: the store. config: YAML. known: as of `store.install`.
    """
    with store.staging(top) as staged:
        conversion.convert_file(checkpoint, config, staged)
        return finish(staged, name, known)


def check_free(name: str, replace: bool) -> None:
    """Check that a separator may take a name.

    Raises:
      UsageError: it is no name, or taken.
    """
    store.check_name(name)
    if name in exports.pretrained():
        raise UsageError(f"{name} ships with the library: choose another name with --name")
    folder = exports.store_folder() / name
    if not os.path.lexists(folder):
        return
    if not replace:
        raise UsageError(
            f"{name} is there already ({folder}): choose another name with --name, or say --replace"
        )
    if folder.is_symlink() or not (folder / store.RECORD).is_file():
        raise UsageError(f"{folder}: the catalogue did not make it: delete it by hand")


def finish(staged: Path, name: str, known: dict[str, Any]) -> int:
    """Give a staged separator its name and tell what it is."""
    found = store.read(name, store.install(staged, name, known))
    if found.fault:
        raise ValueError(found.fault)
    cli.say(f"{name}: {found.system}, {', '.join(found.sources)}; licence {found.licence}")
    cli.say(f"python -m dssgan.separate song.mp3 -o stems --model {name}")
    return 0

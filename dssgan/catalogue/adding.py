"""`add`: a folder, a checkpoint, an address or a public entry becomes a separator of the store."""

import argparse
import os
import shutil
from pathlib import Path

from common import cli
from common.audio_files import require_file
from common.cli import UsageError
from common.digests import file_digest
from common.files import naming
from dssgan import exports
from dssgan.catalogue import addresses, entries, fetching, placing, store

#: What of the command line is for checkpoints alone.
OF_CHECKPOINTS = ("config", "sha256")


def add(options: argparse.Namespace) -> int:
    """Add what the command line names; returns the exit code.

    Raises:
      UsageError: it names nothing, or a name that is taken.
      ValueError: what it names is damaged. OSError: it cannot be read, or the store not written.
    """
    place = cli.path(options.what)
    if os.path.isdir(place):
        return add_folder(place, options)
    if os.path.exists(place):
        return add_file(place, options)
    if addresses.is_url(options.what):
        return fetching.add_url(options)
    public = entries.public()
    if options.what in public:
        return fetching.add_public(public[options.what], options)
    known = entries.unknown(options.what, public, "in the public catalogue")
    raise UsageError(f"no such file or folder, and no address; {known}")


def add_folder(place: Path, options: argparse.Namespace) -> int:
    """Copy an exported separator, or that of a run."""
    for name in OF_CHECKPOINTS:
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} is for checkpoints: leave it out for a folder")
    folder = exports.find_export(place.resolve())
    own = folder.parent if folder.name == exports.IN_RUN else folder
    name = options.name or own.name
    placing.check_free(name, options.replace)
    if exports.store_folder().resolve().is_relative_to(folder):
        raise UsageError(f"{place}: the store {exports.store_folder()} lies in it")
    store.verify(folder)
    source = {"kind": "folder", "place": os.fspath(folder)}
    with store.changing() as top, store.staging(top) as staged:
        placing.check_free(name, options.replace)
        copy(folder, staged)
        (staged / store.RECORD).unlink(missing_ok=True)
        return placing.finish(staged, name, {"licence": options.licence, "source": source})


def copy(folder: Path, target: Path) -> None:
    """Copy the files of a folder; linked files as files, linked folders not at all.

    Raises:
      ValueError: one of them is a pipe or a device. OSError: one cannot be read or written.
    """

    def refuse(error: OSError) -> None:
        raise error

    for top, _, names in os.walk(folder, onerror=refuse):
        below = target / Path(top).relative_to(folder)
        below.mkdir(exist_ok=True)
        for name in names:
            require_file(Path(top) / name)
            with naming(below / name):
                shutil.copyfile(Path(top) / name, below / name)


def add_file(path: Path, options: argparse.Namespace) -> int:
    """Convert a checkpoint that lies on this machine."""
    require_file(path)
    if path.name in (exports.CONFIG, exports.WEIGHTS):
        raise UsageError(f"{path}: name its folder, {path.parent}")
    if path.suffix.lower() not in addresses.CHECKPOINTS:
        raise UsageError(
            f"{path}: expected a checkpoint ({', '.join(addresses.CHECKPOINTS)}) or the folder of "
            "an exported separator"
        )
    name = options.name or path.stem
    placing.check_free(name, options.replace)
    found = file_digest(path)
    if options.sha256 and found != options.sha256:
        raise ValueError(f"{path}: its SHA-256 is {found}, expected {options.sha256}")
    cli.say(f"sha256 {found}")
    source = {"kind": "file", "place": os.path.abspath(path), "sha256": found}
    given = fetching.plan_config(options.config, None, options.insecure)
    if isinstance(given, fetching.Plan) and not fetching.agreed([given], options.yes):
        return 1
    with store.changing() as top:
        placing.check_free(name, options.replace)
        config = fetching.read_config(given, top)
        known = {"licence": options.licence, "source": source}
        return placing.convert(top, path, config, name, known)

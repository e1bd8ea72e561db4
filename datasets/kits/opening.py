"""Opening a kit of any kind: folder with drumkit.xml, .h2drumkit, SFZ, folder of hits."""

import functools
import gzip
import io
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from common.digests import facts_digest, file_digest
from common.files import inside
from common.suggest import nearest
from datasets.kits import hits, hydrogen, sfz
from datasets.kits.kit import Kit, with_hats

ARCHIVE = ".h2drumkit"
MOST_BYTES, MOST_MEMBERS = 2**30, 20_000  # of an unpacked archive
#: Where Hydrogen and Debian's packages hydrogen-data and hydrogen-drumkits keep kits.
INSTALLED = (
    Path("~/.hydrogen/data/drumkits"),
    Path("/usr/local/share/hydrogen/data/drumkits"),
    Path("/usr/share/hydrogen/data/drumkits"),
)
_UNPACKED: list[tempfile.TemporaryDirectory] = []  # removed when the process ends


def open_kit(path: str | os.PathLike, mapping: Mapping[str, str] | None = None) -> Kit:
    """Open a kit; one that was opened in this process is kept.

    Args:
      path: a folder with drumkit.xml, an .h2drumkit archive, an .sfz file, a folder with one .sfz
        file, a folder of hits, or the name of a kit that is installed in one of `INSTALLED`.
      mapping: instrument's name or key → piece, or "none"; it overrides what names mean.

    Raises:
      ValueError: no kit, damaged, or one that names files outside its folder.
      OSError: it cannot be read.
    """
    path = Path(path).expanduser()
    if path.name == str(path) and not path.exists():
        path = _installed(path.name)
    return _opened(path.absolute(), tuple(sorted((mapping or {}).items())))


def _installed(name: str) -> Path:
    """The folder of an installed kit; FileNotFoundError where none has this name."""
    folders = [folder.expanduser() for folder in INSTALLED]
    for folder in folders:
        if (folder / name / hydrogen.FILE).is_file():
            return folder / name
    known = {path.parent.name for folder in folders for path in folder.glob(f"*/{hydrogen.FILE}")}
    some = ", ".join(sorted(known)[:20]) or "none: apt-get install hydrogen-data hydrogen-drumkits"
    raise FileNotFoundError(
        f"{name}: no such file or folder, nor one of the installed kits ({some})"
        + nearest(name, known)
    )


@functools.lru_cache(maxsize=256)
def _opened(path: Path, mapping: tuple[tuple[str, str], ...]) -> Kit:
    folder = path
    if path.suffix.lower() == ARCHIVE and path.is_file():
        held = tempfile.TemporaryDirectory(prefix="kit-")
        folder = unpack(path, Path(held.name))
        _UNPACKED.append(held)
    instruments, left_out = _read(folder, dict(mapping))
    if not instruments:
        names = f" among {', '.join(left_out[:5])}" if left_out else ""
        raise ValueError(f"{path}: no instrument that is known{names}; give a mapping")
    instruments = with_hats(instruments)
    kit = Kit(path.stem if path.is_file() else path.name, instruments, tuple(left_out))
    return replace(kit, digest=_digest(kit))


def _read(path: Path, mapping: dict[str, str]):
    if path.suffix.lower() == ".sfz" and not path.is_dir():
        return sfz.read(path, path.parent, mapping)
    if not path.is_dir():
        if not path.exists():
            raise FileNotFoundError(2, os.strerror(2), str(path))
        raise ValueError(f"{path}: no kit; expected a folder, an .sfz file or an {ARCHIVE} file")
    if (path / hydrogen.FILE).is_file():
        return hydrogen.read(path, mapping)
    files = sorted(one for one in path.iterdir() if one.suffix.lower() == ".sfz")
    if len(files) > 1:
        names = ", ".join(one.name for one in files[:5])
        raise ValueError(f"{path}: has {len(files)} kits; name one of {names}")
    if files:
        return sfz.read(files[0], path, mapping)
    return hits.read(path, mapping)


def _digest(kit: Kit) -> str:
    """By what zones say and the samples' bytes, wherever they lie."""
    samples: dict[Path, str] = {}
    facts = []
    for instrument in kit.instruments:
        zones = []
        for zone in instrument.zones:
            if zone.sample not in samples:
                samples[zone.sample] = file_digest(zone.sample)
            rest = {name: value for name, value in vars(zone).items() if name != "sample"}
            zones.append((samples[zone.sample], sorted(rest.items())))
        facts.append((instrument.name, instrument.piece, instrument.key, zones))
    return facts_digest(facts)


class _Limited(io.RawIOBase):
    """A stream that ends with an error after a number of bytes."""

    def __init__(self, file, left: int, path: Path):
        super().__init__()
        self._file, self._left, self._path = file, left, path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._file.read(min(len(buffer), 2**16))
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"{self._path}: unpacks to more than {MOST_BYTES} bytes; refused")
        buffer[: len(data)] = data
        return len(data)


def unpack(path: Path, folder: Path) -> Path:
    """Unpack a kit's archive, a tar file or a compressed one (gzip).

    Args:
      folder: an empty one.

    Returns:
      The folder of drumkit.xml: `folder` or one in it.

    Raises:
      ValueError: damaged, a member that is no plain file or lies elsewhere, more than 1 GiB, no
        drumkit.xml. OSError: it cannot be read.
    """
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            limited = io.BufferedReader(_Limited(stream, MOST_BYTES, path))
            with tarfile.open(fileobj=limited, mode="r|") as tar:
                _unpack_members(tar, path, folder)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: damaged archive: {error}; get it again") from None
    found = sorted(folder.glob(f"*/{hydrogen.FILE}"))
    if (folder / hydrogen.FILE).is_file():
        return folder
    if not found:
        raise ValueError(f"{path}: no {hydrogen.FILE} in it; expected a Hydrogen kit")
    return found[0].parent


def _unpack_members(tar: tarfile.TarFile, path: Path, folder: Path) -> None:
    for number, member in enumerate(tar):
        if number >= MOST_MEMBERS:
            raise ValueError(f"{path}: more than {MOST_MEMBERS} members; expected a kit")
        if member.isdir():
            continue
        if not member.isreg():
            raise ValueError(f"{path}: member {member.name[:100]!r} is no plain file: refused")
        target = inside(folder, member.name.removeprefix("./"), path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb") as file:
            shutil.copyfileobj(tar.extractfile(member), file)

"""Folders and zip files of others: what is in them, and how it is read."""

import abc
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from common.audio_files import files_below
from common.digests import facts_digest
from common.files import read_limited

MOST_MEMBERS = 20_000
MOST_BYTES = 2**36  # of all that it unpacks to
MOST_RATIO = 200  # bytes per packed byte; silent 24-bit audio packs by more, so it is of the whole
SMALL = 2**28  # bytes that may unpack at any ratio
BLOCK = 2**20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError, ValueError)


class Store(abc.ABC):
    """Where files of others lie.

    Attributes:
      path: the folder, or the file that holds them.
    """

    def __init__(self, path: Path):
        """Keep the path; nothing is opened."""
        self.path = Path(path)

    @abc.abstractmethod
    def listing(self) -> list[tuple[str, int, str]]:
        """Path in the store, size in bytes and a digest of the state of every file.

        Raises:
          ValueError: damaged, or with something in it that leads out of it or is no plain file.
          OSError: it cannot be read.
        """

    @abc.abstractmethod
    def read(self, name: str, largest: int) -> bytes:
        """The content of a small file; ValueError where it is larger or damaged, OSError."""

    @abc.abstractmethod
    def on_disk(self, name: str, folder: Path, number: int) -> Path:
        """A file on disk: itself, or unpacked into a folder under a number of its own.

        Raises:
          ValueError: it is damaged. OSError: the disk is full.
        """


class Folder(Store):
    """A folder."""

    def listing(self) -> list[tuple[str, int, str]]:
        """See `Store`; a link out of the folder is refused."""
        found, top = [], self.path.resolve()
        for file in sorted(files_below(self.path)):
            name = file.relative_to(self.path).as_posix()
            if not file.resolve().is_relative_to(top):
                raise ValueError(f"{file}: a link that leads out of {self.path}: refused")
            if not file.is_file():
                raise ValueError(f"{file}: no plain file; leave it out")
            status = file.stat()
            facts = facts_digest(status.st_size, status.st_mtime_ns)
            found.append((name, status.st_size, facts))
        return found

    def read(self, name: str, largest: int) -> bytes:
        """See `Store`."""
        return read_limited(self.path / name, largest)

    def on_disk(self, name: str, folder: Path, number: int) -> Path:
        """See `Store`; nothing is copied."""
        del folder, number
        return self.path / name


class Archive(Store):
    """A zip file, listed and unpacked within bounds, no name in it trusted."""

    def listing(self) -> list[tuple[str, int, str]]:
        """See `Store`; what is encrypted, there twice or too much is refused as well."""
        try:
            with zipfile.ZipFile(self.path) as opened:
                members = opened.infolist()
        except _DAMAGED as error:
            raise ValueError(f"{self.path}: damaged archive ({error}); pack it again") from None
        if len(members) > MOST_MEMBERS:
            raise ValueError(
                f"{self.path}: {len(members)} members; expected {MOST_MEMBERS} at most"
            )
        unpacked = sum(one.file_size for one in members)
        packed = self.path.stat().st_size
        if unpacked > MOST_BYTES or (unpacked > SMALL and unpacked > MOST_RATIO * packed):
            raise ValueError(
                f"{self.path}: unpacks to {unpacked} bytes from {packed}; expected at most "
                f"{MOST_BYTES}, and {MOST_RATIO} times its size: refused"
            )
        files = [one for one in members if not one.is_dir()]
        seen = set()
        for member in members:
            self._check(member)
            if member.filename in seen:
                raise ValueError(f"{self.path}: has {member.filename[:100]!r} twice; pack it again")
            seen.add(member.filename)
        return [
            (one.filename, one.file_size, facts_digest(one.file_size, one.CRC)) for one in files
        ]

    def _check(self, member: zipfile.ZipInfo) -> None:
        """Raise ValueError where a member is not plain, or would lie elsewhere."""
        name, shown = member.filename, repr(member.filename[:100])
        path = PurePosixPath(name)
        if path.is_absolute() or {"..", ""} & set(path.parts) or set("\\\0") & set(name):
            raise ValueError(f"{self.path}: the member {shown} leads out of it: refused")
        if ":" in path.parts[0]:
            raise ValueError(f"{self.path}: the member {shown} names a drive: refused")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ValueError(f"{self.path}: the member {shown} is no plain file: refused")
        if member.flag_bits & 0x41:
            raise ValueError(f"{self.path}: the member {shown} is encrypted; pack it without")

    def read(self, name: str, largest: int) -> bytes:
        """See `Store`."""
        try:
            with zipfile.ZipFile(self.path) as opened, opened.open(name) as file:
                data = file.read(largest + 1)
        except _DAMAGED as error:
            raise ValueError(f"{self.path}: {name!r} is damaged ({error})") from None
        if len(data) > largest:
            raise ValueError(f"{self.path}: {name!r} is larger than {largest} bytes")
        return data

    def on_disk(self, name: str, folder: Path, number: int) -> Path:
        """See `Store`; the file's name owes the member's nothing but its extension."""
        suffix = PurePosixPath(name).suffix
        target = folder / f"{number:04d}{suffix if suffix[1:].isalnum() else ''}"
        try:
            with zipfile.ZipFile(self.path) as opened:
                left = opened.getinfo(name).file_size
                with opened.open(name) as packed, open(target, "wb") as file:
                    shutil.copyfileobj(packed, file, BLOCK)
                    written = file.tell()
        except _DAMAGED as error:
            raise ValueError(f"{self.path}: {name!r} is damaged ({error}); pack it again") from None
        if written != left:
            raise ValueError(f"{self.path}: {name!r} ends early; pack it again")
        return target

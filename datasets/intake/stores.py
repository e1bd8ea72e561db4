"""Zip files of others: listed and unpacked within bounds, no name in them trusted."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from common.digests import facts_digest

MOST_MEMBERS = 20_000
MOST_BYTES = 2**36  # of all that it unpacks to
MOST_RATIO = 200  # bytes per packed byte; silent 24-bit audio packs by more, so it is of the whole
SMALL = 2**28  # bytes that may unpack at any ratio
BLOCK = 2**20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError, ValueError)


class Archive:
    """A zip file.

    Attributes:
      path: where it lies.
    """

    def __init__(self, path: Path):
        """Keep its path; it is opened when it is listed."""
        self.path = Path(path)

    def listing(self) -> list[tuple[str, int, str]]:
        """Path, size in bytes and a digest of the state of every file in it.

        Raises:
          ValueError: damaged or encrypted, too much in it, a member that is no plain file, leads
            out of the archive or is there twice. OSError: it cannot be read.
        """
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
        """The content of a small member; ValueError where it is larger or damaged."""
        try:
            with zipfile.ZipFile(self.path) as opened, opened.open(name) as file:
                data = file.read(largest + 1)
        except _DAMAGED as error:
            raise ValueError(f"{self.path}: {name!r} is damaged ({error})") from None
        if len(data) > largest:
            raise ValueError(f"{self.path}: {name!r} is larger than {largest} bytes")
        return data

    def on_disk(self, name: str, folder: Path, number: int) -> Path:
        """Unpack a member into a folder, under a name that owes it nothing but its extension.

        Raises:
          ValueError: it is damaged, or larger than the archive says. OSError: the disk is full.
        """
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

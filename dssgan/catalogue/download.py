"""A file from an address: resumed where it broke off, whole or refused, its SHA-256 checked."""

import http.client
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from common import cli
from common.digests import content_digest, file_digest
from common.files import naming
from common.json_files import read_json, write_json
from dssgan.catalogue import addresses, transfer
from dssgan.catalogue.transfer import Remote

FOLDER = ".downloads"  # in the store
BLOCK = 2**18  # bytes
MOST_BYTES = 4_000_000_000  # of a file, where nothing else is asked for
TRIES, PAUSE_S = 4, 1.0  # connections without another byte between them; before the next one
STATE = {"url": str, "size?": int, "etag": str, "modified": str}


@dataclass(frozen=True)
class Request:
    """What is to be downloaded.

    Attributes:
      url: as of `addresses.check`, with credentials where it has some.
      endings: of the file's name, one of which it must have.
      sha256: what its checksum must be, or begin with; None is any.
      most: bytes, at most. insecure: whether http:// may lead to other machines.
    """

    url: str
    endings: tuple[str, ...]
    sha256: str | None = None
    most: int = MOST_BYTES
    insecure: bool = False

    @property
    def shown(self) -> str:
        """The address without credentials."""
        return addresses.shown(self.url)


def look(request: Request) -> Remote:
    """What the server says of the file; nothing of it is fetched.

    Raises:
      ValueError: it cannot be reached, or the file is larger than may be.
    """
    remote = transfer.look(request.url, request.insecure)
    _check_size(request, remote)
    return remote


def _check_size(request: Request, remote: Remote) -> None:
    if remote.size is not None and remote.size > request.most:
        raise ValueError(
            f"{request.shown}: {remote.size} bytes; expected {request.most} at most, or more with "
            "--max-bytes"
        )


def fetch(request: Request, remote: Remote, store: Path) -> Path:
    """Download a file, or what is missing of it.

    Args:
      remote: what `look` has found. store: where `FOLDER` is made.

    Returns:
      the file, in a folder of its own, which `discard` removes.

    Raises:
      ValueError: it did not arrive whole, or is another file than expected; says which.
      OSError: it cannot be written.
    """
    folder = _folder(request, store)
    part, final = _paths(request, folder)
    folder.mkdir(parents=True, exist_ok=True)
    _check_space(request, remote, folder)
    state = _state(part, request)
    if final.is_file() and not _same(state, remote):
        final.unlink()
    if not final.is_file():
        _fetch_parts(request, remote, part)
        part.replace(final)
    found = file_digest(final)
    if request.sha256 and not found.startswith(request.sha256.lower()):
        discard(request, store)
        raise ValueError(
            f"{request.shown}: its SHA-256 is {found}, expected {request.sha256}: another file "
            "than the one that was meant; it is deleted"
        )
    return final


def discard(request: Request, store: Path) -> None:
    """Remove what was downloaded."""
    shutil.rmtree(_folder(request, store), ignore_errors=True)


def unfinished(store: Path) -> int:
    """Bytes of downloads that broke off, or could not be made a separator of."""
    return sum(path.stat().st_size for path in (store / FOLDER).rglob("*") if path.is_file())


def _folder(request: Request, store: Path) -> Path:
    return store / FOLDER / content_digest(request.shown)[:16]


def _paths(request: Request, folder: Path) -> tuple[Path, Path]:
    name = addresses.file_name(request.url, request.endings)
    return folder / f"{name}.part", folder / name


def _state(part: Path, request: Request) -> Remote | None:
    """What the server said of the file that `part` is the beginning of; None where that is lost."""
    try:
        known = read_json(part.with_suffix(".json"), STATE)
    except (ValueError, OSError):
        return None
    remote = Remote(known.get("size"), known["etag"], known["modified"])
    return remote if known["url"] == request.shown else None


def _same(before: Remote | None, now: Remote) -> bool:
    """Whether the server still has the file that it had."""
    if before is None or not before.validator or before.validator != now.validator:
        return False
    return before.size is None or now.size is None or before.size == now.size


def _check_space(request: Request, remote: Remote, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    there = sum(path.stat().st_size for path in folder.iterdir())
    if remote.size is not None and remote.size > free + there:
        raise ValueError(
            f"{request.shown}: {remote.size / 1e6:.0f} MB, but {folder} has {free / 1e6:.0f} MB "
            "left: free some space, or choose another store with DSSGAN_MODELS"
        )


def _fetch_parts(request: Request, remote: Remote, part: Path) -> None:
    """Fill `part` over as many connections as it takes.

    Raises:
      ValueError: connections end without another byte; what there is stays for the next time.
    """
    failures, reason = 0, ""
    longest = after = part.stat().st_size if part.is_file() else 0
    while failures < TRIES:
        if failures:
            time.sleep(PAUSE_S)
        try:
            reason = _connect(request, remote, part)
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
        if not reason:
            return
        after = part.stat().st_size if part.is_file() else 0
        failures = 1 if after > longest else failures + 1
        longest = max(longest, after)
    raise ValueError(
        f"{request.shown}: broke off after {after} bytes of {remote.size or 'an unknown number'} "
        f"({reason}); the same command goes on from there"
    )


def _connect(request: Request, remote: Remote, part: Path) -> str:
    """Append what one connection gives; empty when the file is whole, else why it is not."""
    state = _state(part, request)
    size = part.stat().st_size if part.is_file() and state and state.validator else 0
    headers = {"Range": f"bytes={size}-", "If-Range": state.validator} if size else {}
    with transfer.ask(request.url, headers=headers, insecure=request.insecure) as response:
        now = transfer.described(response)
        if response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            if _same(state, remote) and size == remote.size:
                return ""
            part.unlink()
            return "the file has another length now"
        start = transfer.first_byte(response)
        if start and (start != size or not _same(state, now)):
            part.unlink()
            return "the file has changed"
        _check_size(request, now)
        if remote.size is not None and now.size is not None and remote.size != now.size:
            raise ValueError(
                f"{request.shown}: {now.size} bytes, but the server has announced {remote.size}: "
                "refused; run the command again"
            )
        facts = {"url": request.shown, "size": now.size, "etag": now.etag}
        write_json(part.with_suffix(".json"), facts | {"modified": now.modified})
        expected = remote.size if now.size is None else now.size
        with naming(part), open(part, "r+b" if start else "wb") as file:
            file.seek(start)
            try:
                count = _copy(response, file, request, start, expected)
            except ValueError:
                part.unlink()
                raise
            file.flush()
            os.fsync(file.fileno())
    if expected is not None and count < expected:
        return f"the connection ended {expected - count} bytes early"
    return ""


def _copy(response: Any, file: BinaryIO, request: Request, start: int, expected: int | None) -> int:
    """Copy a response; returns how long the file is then.

    Raises:
      ValueError: more bytes than were announced, or than may be.
    """
    # http.client would stop at the announced length and not tell that there is more.
    response.length = None
    limit, count = request.most if expected is None else expected, start
    name = addresses.file_name(request.url, request.endings)
    bar = {"total": expected, "initial": start, "unit": "B", "unit_scale": True}
    with cli.progress(desc=name[:24], **bar) as progress:
        while block := _block(response, count == expected):
            if count + len(block) > limit:
                raise ValueError(
                    f"{request.shown}: sends more than the {limit} bytes that "
                    f"{'are allowed (--max-bytes)' if expected is None else 'it has announced'}: "
                    "refused"
                )
            file.write(block)
            count += len(block)
            progress.update(len(block))
    return count


def _block(response: Any, whole: bool) -> bytes:
    """The next bytes; none at the end, which a server may leave open after a `whole` file."""
    try:
        return response.read1(BLOCK)
    except TimeoutError:
        if whole:
            return b""
        raise

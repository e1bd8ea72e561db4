"""Disks, folders and the database."""

import importlib
import shutil
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from dssgan.doctor import python_packages
from dssgan.doctor.fact import Fact

PATIENCE_S = 3.0
PLENTY, SCARCE = 5e9, 0.5e9  # bytes


def disk(runs: Path) -> Iterator[Fact]:
    """Free space for runs and for temporary files."""
    for about, folder in (("disk", existing(runs)), ("temporary", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        found = f"{free / 1e9:.1f} GB free at {folder}"
        if free >= PLENTY:
            yield Fact("ok", about, found)
        else:
            state = "fail" if free < SCARCE else "warn"
            yield Fact(state, about, found, "free some space: caches and runs take gigabytes")


def writable(runs: Path) -> Iterator[Fact]:
    """Whether runs can be written."""
    folder = existing(runs)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        yield Fact("ok", "runs", f"{runs}/ can be written")
    except OSError as error:
        advice = "choose a folder that you may write: 'with tracking.folder=…', --runs here"
        yield Fact("fail", "runs", f"{folder}: {error.strerror}", advice)


def existing(path: Path) -> Path:
    """A path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def mongo(url: str) -> Iterator[Fact]:
    """Whether a MongoDB answers within three seconds; its credentials are not shown."""
    address = url if "://" in url else "mongodb://" + ":".join(url.split(":")[:2])
    rest = address.partition("://")[2].rpartition("@")[2]  # a password may hold any sign
    host = urllib.parse.urlsplit(f"mongodb://{rest}").netloc
    answers: list = []
    try:
        pymongo = importlib.import_module("pymongo")
    except ImportError as error:
        yield Fact("warn", "mongodb", f"not asked: {error}", python_packages.INSTALL)
        return

    def ask() -> None:
        try:
            wait = round(PATIENCE_S * 900)
            options = {"serverSelectionTimeoutMS": wait, "connectTimeoutMS": wait}
            with pymongo.MongoClient(address, socketTimeoutMS=wait, **options) as client:
                client.admin.command("ping")
                answers.append(client.server_info().get("version", "unknown"))
        except Exception as error:  # each of its many kinds means: no database
            answers.append(error)

    # Looking up a name can take longer than any of the client's own limits.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    answer = answers[0] if answers else TimeoutError()
    if isinstance(answer, str):
        yield Fact("ok", "mongodb", f"{host} answers, version {answer}")
    else:
        found = f"{host} does not answer ({type(answer).__name__}); runs are recorded in files"
        advice = "optional: start a MongoDB, or name yours with --mongo mongodb://host:port"
        yield Fact("warn", "mongodb", found, advice)

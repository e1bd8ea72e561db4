"""Where runs are recorded: in files always, in a MongoDB as well where one is asked for."""

import contextlib
import importlib.metadata
import os
import re
import shutil
import sys
import threading
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sacred.observers import FileStorageObserver, MongoObserver
from sacred.observers.base import RunObserver
from sacred.serializer import flatten

from common.files import write_json

PATIENCE = 2.4  # seconds a database has to answer
GRACE = 0.3  # and to be given up
RECORDS = ("run.json", "info.json")
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "scipy", "soundfile", "soxr", "av")


class RunFolder(FileStorageObserver):
    """Sacred's files in the run's own folder, whole at any time, kept when a run is taken up.

    The folder's name is the run's id. What an earlier session recorded stays as `run-1.json`,
    `run-2.json` and so on; captured output and metrics are continued.
    """

    def __init__(self, folder: str | os.PathLike):
        folder = Path(folder)
        super().__init__(folder.parent)
        self.folder = folder

    def _make_run_dir(self, _id: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dir = str(self.folder)
        for name in RECORDS:
            path = self.folder / name
            if path.exists():
                stem, number = path.stem, 1
                while (self.folder / f"{stem}-{number}.json").exists():
                    number += 1
                os.replace(path, self.folder / f"{stem}-{number}.json")

    def save_json(self, obj: Any, filename: str) -> None:
        """Write a record atomically."""
        write_json(self.folder / filename, flatten(obj))

    def artifact_event(self, name, filename, metadata=None, content_type=None) -> None:
        """Note an artifact; one that lies in the folder already is not copied."""
        path = Path(filename).resolve()
        if path.is_relative_to(self.folder.resolve()):
            name = str(path.relative_to(self.folder.resolve()))
        else:
            shutil.copyfile(path, self.folder / name)
        if name not in self.run_entry["artifacts"]:
            self.run_entry["artifacts"].append(name)
        self.save_json(self.run_entry, "run.json")


class PatientMongo(RunObserver):
    """Tells a MongoDB; when it stops answering, one warning is printed and the run goes on.

    Args:
      make: makes the MongoObserver.
      say: prints a line.
    """

    priority = 30

    def __init__(self, make: Callable[[], MongoObserver], say: Callable[[str], None]):
        self.observer = make()
        self.say, self.lost = say, False

    def started_event(self, ex_info, command, host_info, start_time, config, meta_info, _id):
        """The run starts; the database gives it a number of its own."""
        given = (dict(ex_info), command, host_info, start_time, config, meta_info, None)
        self._try("started_event", *given)
        return _id

    def heartbeat_event(self, info, captured_out, beat_time, result):
        """The run is alive."""
        self._try("heartbeat_event", info, captured_out, beat_time, result)

    def completed_event(self, stop_time, result):
        """The run is done."""
        self._try("completed_event", stop_time, result)

    def interrupted_event(self, interrupt_time, status):
        """The run was asked to stop."""
        self._try("interrupted_event", interrupt_time, status)

    def failed_event(self, fail_time, fail_trace):
        """The run failed."""
        self._try("failed_event", fail_time, fail_trace)

    def artifact_event(self, name, filename, metadata=None, content_type=None):
        """A file of the run."""
        kind = content_type or "application/octet-stream"
        self._try("artifact_event", name, filename, metadata, kind)

    def log_metrics(self, metrics_by_name, info):
        """Figures of the run."""
        self._try("log_metrics", metrics_by_name, info)

    def join(self):
        """Nothing is under way."""

    def _try(self, event: str, *given: Any) -> None:
        if self.lost:
            return
        try:
            getattr(self.observer, event)(*given)
        except Exception as error:  # whatever a database does, the run goes on
            self.lost = True
            self.say(f"warning: MongoDB no longer answers ({_kind(error)}); the record is in files")


class _Direct(MongoObserver):
    """A MongoObserver that lets errors out instead of waiting for a server that is away."""

    def save(self) -> None:
        self.runs.update_one({"_id": self.run_entry["_id"]}, {"$set": self.run_entry})

    def final_save(self, attempts: int) -> None:
        del attempts
        self.save()


def mongo_observer(
    url: str, say: Callable[[str], None] = lambda line: print(line, file=sys.stderr)
) -> PatientMongo | None:
    """An observer for the database at `url`; None, after one warning, when it does not answer.

    Args:
      url: mongodb://[user:password@]host:port/database, or host:port[:database], or a database on
        this machine. The database's name is "sacred" where none is given.

    Raises:
      ValueError: not such a text.
    """
    import pymongo

    address, database = parse_url(url)

    def connect(found: list) -> None:
        wait = round(PATIENCE * 1000)
        options = {"serverSelectionTimeoutMS": wait, "connectTimeoutMS": wait}
        try:
            client = pymongo.MongoClient(address, **options)
            client.admin.command("ping")
            found.append(client)
        except Exception as error:  # each of its many kinds means: no database
            found.append(error)

    # Looking up a name can take longer than any of the client's own limits.
    found: list = []
    thread = threading.Thread(target=connect, args=(found,), daemon=True)
    thread.start()
    thread.join(PATIENCE + GRACE)
    client = found[0] if found else TimeoutError()
    if isinstance(client, Exception):
        say(
            f"warning: MongoDB at {redacted(url)} does not answer ({_kind(client)}); "
            "the run is recorded in files alone"
        )
        return None
    return PatientMongo(lambda: _Direct(client=client, db_name=database), say)


def parse_url(url: str) -> tuple[str, str]:
    """(address, database) of a database.

    Raises:
      ValueError: neither a URL nor host:port:database.
    """
    if url.startswith(("mongodb://", "mongodb+srv://")):
        database = urllib.parse.urlsplit(url).path.strip("/")
        return url, database or "sacred"
    match = re.fullmatch(r"(?:([\w.-]+):(\d{1,5})(?::([\w-]+))?)|([\w-]+)", url)
    if not match:
        shown = redacted(url if "://" in url else f"mongodb://{url}").removeprefix("mongodb://")
        raise ValueError(
            f"tracking.mongo={shown!r}: expected mongodb://host:port/database or host:port:database"
        )
    host, port, database, alone = match.groups()
    if alone:
        return "mongodb://localhost:27017", alone
    return f"mongodb://{host}:{port}", database or "sacred"


def redacted(text: str) -> str:
    """A text without the users, the passwords and the secret options of the URLs in it.

    A password may hold any sign, also "@", "/" and blanks: whatever stands between the scheme and
    the last "@" of a line goes, at the cost of text that was none.
    """
    text = re.sub(r"(\w+://).*@", r"\1***@", text)
    return re.sub(
        r"(?i)([?&;]\w*(?:password|properties|secret|token)\w*=)[^&;\s'\"]+", r"\1***", text
    )


def _kind(error: BaseException) -> str:
    return type(error).__name__


def add_sources(experiment: Any, root: Path) -> None:
    """Let Sacred record the project's programs and the versions of the packages they stand on.

    It asked Git once, about the main file; to ask about each of a hundred files takes seconds.
    """
    experiment.save_git_info = False
    for package in ("common", "dssgan", "datasets", "evaluation", "experiments"):
        for path in sorted((root / package).rglob("*.py")):
            experiment.add_source_file(str(path))
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            experiment.add_package_dependency(package, importlib.metadata.version(package))


def has_git(root: Path) -> bool:
    """Whether Sacred can ask Git about the project (it fails on a repository without a commit)."""
    with contextlib.suppress(Exception):
        import git

        return bool(git.Repo(root, search_parent_directories=True).head.commit.hexsha)
    return False

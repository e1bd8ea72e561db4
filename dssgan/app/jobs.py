"""Jobs of the page: what was dropped, what became of it, and where it lies on disk.

Each job is a folder: `job.json`, the song as it came (`song.EXT`), and its stems. Folders are named
by the server; nothing that a client sends is part of a path.
"""

import dataclasses
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.audio_files import AUDIO_EXTENSIONS
from common.cli import printable
from common.json_files import read_json, write_json

RECORD = "job.json"
STATES = ("queued", "running", "done", "failed", "cancelled")
ENDED = ("done", "failed", "cancelled")
RECORDED = {"id": str, "name": str, "model": str, "sources": list, "state": str, "created": float}
LONGEST_NAME = 200  # characters of a song's name that are kept
DAY = 86400.0  # seconds


@dataclass
class Job:
    """One song.

    Attributes:
      id: of the server's making; name of its folder.
      name: of the file, as its owner calls it; shown, never part of a path.
      model, sources, bits: what to separate with, into what, how stored.
      state: one of STATES.
      created, ended: seconds since 1970.
      progress: 0 to 1. seconds_left: of the song that runs, once that is known.
      error: one line, of a job that failed.
      facts: of the song: sample_rate, channels, samples, warnings.
      result: of `dssgan.app.song.separate`.
      bytes: on disk.
    """

    id: str
    name: str
    model: str
    sources: list[str]
    bits: Any = 16
    state: str = "queued"
    created: float = 0.0
    ended: float | None = None
    progress: float = 0.0
    seconds_left: float | None = None
    error: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    bytes: int = 0


@dataclass(frozen=True)
class Limits:
    """How much is kept.

    Attributes:
      upload: bytes of one song. disk: bytes of all jobs. days: that an ended job is kept.
    """

    upload: int = 2 * 10**9
    disk: int = 20 * 10**9
    days: float = 7.0


class JobStore:
    """The jobs in a folder, in the order in which they came; safe for several threads.

    Args:
      folder: of all jobs; made if need be. limits: what is kept.
    """

    def __init__(self, folder: Path, limits: Limits):
        self.folder, self.limits = folder, limits
        self.lock = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.version = 0  # raised with every change
        folder.mkdir(parents=True, exist_ok=True)
        for job in sorted(self._found(), key=lambda job: job.created):
            self.jobs[job.id] = job
            if job.state == "running":  # the server ended in the middle
                self.change(job, state="queued", progress=0.0, seconds_left=None)
            self.tidy(job)

    def _found(self) -> Iterator[Job]:
        known = {each.name for each in dataclasses.fields(Job)}
        for path in self.folder.iterdir():
            try:
                values = read_json(path / RECORD, RECORDED)
                job = Job(**{key: value for key, value in values.items() if key in known})
            except (OSError, ValueError):  # an upload that was cut short, or a damaged record
                if path.is_dir() and len(path.name) == 16:
                    shutil.rmtree(path, ignore_errors=True)
                continue
            if job.id == path.name and job.state in STATES:
                yield job

    def new(self, name: str, model: str, sources: list[str], bits: Any) -> Job:
        """A job that is not in the queue yet; `add` puts it there once its song is on disk."""
        job = Job(secrets.token_hex(8), shown_name(name), model, sources, bits, created=time.time())
        self.path(job).mkdir()
        return job

    def add(self, job: Job) -> None:
        """Put a job into the queue, or back into it."""
        with self.lock:
            self.jobs[job.id] = job
            fresh = {"state": "queued", "progress": 0.0, "error": None, "result": {}, "ended": None}
            self.change(job, **fresh)

    def path(self, job: Job) -> Path:
        """The folder of a job."""
        return self.folder / job.id

    def song(self, job: Job) -> Path:
        """The file as it came; its extension is one that is known, or none."""
        extension = Path(job.name).suffix.lower()
        return self.path(job) / f"song{extension if extension in AUDIO_EXTENSIONS else ''}"

    def change(self, job: Job, save: bool = True, **values: Any) -> None:
        """Change a job, and its record unless only its progress changed."""
        with self.lock:
            for key, value in values.items():
                setattr(job, key, value)
            self.version += 1
            if save and job.id in self.jobs:
                job.bytes = size_of(self.path(job))
                write_json(self.path(job) / RECORD, dataclasses.asdict(job))

    def next(self) -> Job | None:
        """The first job in the queue."""
        with self.lock:
            return next((job for job in self.jobs.values() if job.state == "queued"), None)

    def tidy(self, job: Job) -> None:
        """Remove what an attempt that did not succeed left beside the song."""
        if job.state != "done":
            keep = {RECORD, self.song(job).name}
            for path in self.path(job).iterdir():
                if path.name not in keep:
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def remove(self, job: Job) -> None:
        """Forget a job and delete its files."""
        with self.lock:
            self.jobs.pop(job.id, None)
            self.version += 1
            shutil.rmtree(self.path(job), ignore_errors=True)

    def used(self) -> int:
        """Bytes of all jobs."""
        with self.lock:
            return sum(job.bytes for job in self.jobs.values())

    def clean(self, needed: int = 0, now: float | None = None) -> list[Job]:
        """Delete ended jobs that are too old, and the oldest until so many bytes fit.

        Returns:
          What was deleted. It is no more than needed; what waits or runs stays.
        """
        now = time.time() if now is None else now
        removed = []
        with self.lock:
            ended = sorted(
                (job for job in self.jobs.values() if job.state in ENDED),
                key=_age,
            )
            for job in ended:
                old = now - _age(job) > self.limits.days * DAY
                spared = job is ended[-1] and not needed  # its owner has hardly seen it
                if old or (self.used() + needed > self.limits.disk and not spared):
                    self.remove(job)
                    removed.append(job)
        return removed


def _age(job: Job) -> float:
    """When it ended, seconds since 1970."""
    return job.created if job.ended is None else job.ended


def shown_name(name: str) -> str:
    """A client's name of a song: the last part of a path, one line, not too long."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return printable(last)[-LONGEST_NAME:] or "song"


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder and below."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())

"""Runs the queue: one song at a time in a worker process, which may crash or be ended."""

import json
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from common.files import PYTHON_PATH
from common.json_files import parse_json
from dssgan.app.jobs import Job, JobStore

OUT_OF_MEMORY = "; the machine may have run out of memory"


class Dispatcher:
    """Takes jobs from a store until it is closed.

    Args:
      store: of the jobs. models: {name: folders} of the separators.
      command: of the worker process.
    """

    def __init__(
        self, store: JobStore, models: dict[str, list[str]], command: list[str] | None = None
    ):
        self.store, self.models = store, models
        self.command = command or [sys.executable, "-m", "dssgan.app.worker"]
        self.speeds: dict[str, float] = {}  # {model: seconds of song in a second}
        self._process: subprocess.Popen | None = None
        self._running: Job | None = None
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin with what is in the queue."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue: a job was added."""
        self._wake.set()

    def cancel(self, job: Job) -> None:
        """Take a job out of the queue, or end it in the middle."""
        with self.store.lock:
            if job.state not in ("queued", "running"):
                return
            running = job.state == "running"
            self.store.change(job, state="cancelled", ended=time.time(), seconds_left=None)
            if running and self._process:
                self._process.kill()

    def close(self) -> None:
        """End the worker; a job that runs is begun again with the next server."""
        self._closed = True
        self.wake()
        if self._process:
            self._process.kill()
        self._thread.join(5)

    def _work(self) -> None:
        while not self._closed:
            self.store.clean()
            job = self.store.next()
            if job is None:
                self._wake.wait(60)
                self._wake.clear()
                continue
            try:
                self._run(job)
            except Exception as error:  # the queue goes on, whatever happened to one song
                self._end(job, "failed", error=f"{type(error).__name__}: {error}")

    def _run(self, job: Job) -> None:
        store = self.store
        with store.lock:
            if job.state != "queued":
                return
            store.change(job, state="running", progress=0.0, seconds_left=None)
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    self.command,
                    cwd=PYTHON_PATH,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
        task = {
            "id": job.id,
            "name": job.name,
            "song": str(store.song(job).absolute()),
            "folder": str(store.path(job).absolute()),
            "model": self.models[job.model],
            "sources": job.sources,
            "bits": job.bits,
        }
        process = self._process
        try:
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # its end is seen below
        begun = time.monotonic()
        for line in process.stdout:
            event = parse_json(line, "the worker", kind=dict)
            if event.get("id") == job.id and self._heard(job, event, begun):
                return
        process.wait()
        self._process = None
        if job.state == "cancelled" or self._closed:
            store.tidy(job)
            return
        self._end(job, "failed", error=ending(process.returncode))

    def _heard(self, job: Job, event: dict[str, Any], begun: float) -> bool:
        """Note what the worker says; whether the job has ended."""
        kind = event.pop("event")
        event.pop("id")
        if kind == "started":
            self.store.change(job, facts=event)
        elif kind == "progress":
            duration = job.facts["samples"] / job.facts["sample_rate"]
            progress = min(1.0, job.progress + event["seconds"] / max(duration, 1e-9))
            spent = time.monotonic() - begun
            left = spent * (1 - progress) / progress if progress > 0 else None
            self.store.change(job, save=False, progress=progress, seconds_left=left)
        elif kind == "done":
            spent = time.monotonic() - begun
            self.speeds[job.model] = job.facts["samples"] / job.facts["sample_rate"] / spent
            self._end(job, "done", result=event["result"], progress=1.0)
        else:
            self._end(job, "failed", error=event["error"])
        return kind in ("done", "failed")

    def _end(self, job: Job, state: str, **values: Any) -> None:
        with self.store.lock:
            if job.state != "cancelled" and job.id in self.store.jobs:
                self.store.change(job, state=state, ended=time.time(), seconds_left=None, **values)
        if job.id in self.store.jobs:
            self.store.tidy(job)


def ending(code: int) -> str:
    """Say how a worker ended that should not have."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"its process was ended by {name}{OUT_OF_MEMORY if name == 'SIGKILL' else ''}: retry"
    return f"its process ended with exit code {code}: retry, or see the server's terminal"

"""A Dask scheduler and its workers, as processes on loopback."""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class DaskPrograms:
    """Starts Dask's programs; `folder` takes their log."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.processes: list[subprocess.Popen] = []

    def start(self, program: str, *words: str, **options) -> subprocess.Popen:
        """Start "scheduler" or "worker"."""
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *words]
        with open(self.folder / "dask.log", "ab") as log:
            options = {"cwd": ROOT} | options
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, **options))
        return self.processes[-1]

    def scheduler(self) -> tuple[str, subprocess.Popen]:
        """Start a scheduler; its address and process."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        process = self.start("scheduler", *words, "--scheduler-file", str(file))
        end = time.monotonic() + 60
        while not (file.exists() and file.read_text().endswith("}")):
            assert time.monotonic() < end, "no scheduler"
            time.sleep(0.01)
        return json.loads(file.read_text())["address"], process

    def worker(self, address: str, **options) -> subprocess.Popen:
        """Start a worker with one thread."""
        words = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        return self.start("worker", address, *words, **options)

    def end(self) -> None:
        """Kill them all."""
        for process in self.processes:
            process.kill()
            process.wait()

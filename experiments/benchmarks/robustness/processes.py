"""Commands as processes that share what takes seconds to import, killed and measured at will."""

import contextlib
import dataclasses
import importlib
import os
import resource
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from common.files import ROOT

IMPORTED = (
    "dssgan.train",
    "dssgan.phases.sequence",
    "dssgan.separate",
    "dssgan.separator",
    "evaluation.__main__",
    "datasets.__main__",
    "experiments.songs.checks",
    "experiments.songs.training_data",
    "experiments.run.scoring",
    "experiments.run.workers",
    "experiments.sweep.__main__",
    "experiments.tracking.run_folder",
    "experiments.tracking.mongo_observer",
)
MARK = "DSSGAN_ROBUSTNESS"  # in the environment of a command and of all that it starts
LONGEST = 300.0  # seconds until a command is given up
LEFT = 60.0  # seconds that runs of a sweep may take to save when it was killed
PAUSE = 0.01


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a command.

    Attributes:
      code: its exit code; minus the number of the signal that ended it.
      text: what it printed, both streams.
      seconds: that it took. processor: seconds of processor time.
      megabytes: its largest resident memory.
      orphans: processes that it left, a minute after its end.
    """

    code: int
    text: str
    seconds: float
    megabytes: float
    orphans: int = 0
    processor: float = 0.0

    @property
    def has_traceback(self) -> bool:
        """Whether a traceback was printed."""
        return "Traceback (most recent call last)" in self.text

    @property
    def internal(self) -> bool:
        """Whether it failed by an error that nobody had expected, or by a crash."""
        crashed = self.code in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)
        return "--debug for the traceback" in self.text or crashed


def prepare() -> None:
    """Import what commands need, so that each one starts at once."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}
    os.environ["PYTHONPATH"] = str(ROOT)
    for name in IMPORTED:
        importlib.import_module(name)


def run(
    words: Sequence[str],
    folder: Path,
    *,
    kill_after: float | None = None,
    whole_group: bool = False,
    longest: float = LONGEST,
    file_limit: int | None = None,
) -> Outcome:
    """Run a command to its end, or until it is killed.

    Args:
      words: the module's name and its command line.
      folder: that it works in.
      kill_after: seconds until SIGKILL; None lets it end.
      whole_group: whether all of its processes are killed, as by a power cut, or the first alone.
      longest: seconds after which it counts as hanging, and is killed.
      file_limit: bytes that a file may have.
    """
    return watch(begin(words, folder, file_limit), kill_after, whole_group, longest)


def begin(words: Sequence[str], folder: Path, file_limit: int | None = None) -> "Process":
    """Start a command, which `watch` waits for."""
    mark, log = uuid.uuid4().hex, folder / f".log-{uuid.uuid4().hex[:8]}"
    sys.stdout.flush()
    sys.stderr.flush()
    number = os.fork()
    if not number:
        code = 70
        try:
            _become(words, folder, log, mark, file_limit)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return Process(number, mark, log, time.monotonic())


@dataclasses.dataclass(frozen=True)
class Process:
    """A command that is running: its number, the mark of its descendants, its log, its start."""

    number: int
    mark: str
    log: Path
    started: float


def watch(
    process: Process,
    kill_after: float | None = None,
    whole_group: bool = False,
    longest: float = LONGEST,
) -> Outcome:
    """Wait for a command, or kill it."""
    end = process.started + (longest if kill_after is None else kill_after)
    while True:
        done, status, usage = os.wait4(process.number, os.WNOHANG)
        now = time.monotonic()
        if done:
            break
        if now > end:
            numbers = descendants(process.mark) if whole_group else [process.number]
            for number in numbers:
                with contextlib.suppress(OSError):
                    os.kill(number, signal.SIGKILL)
            end = now + longest
        time.sleep(PAUSE)
    orphans = _orphans(process.mark)
    text = process.log.read_text("utf-8", "replace") if process.log.exists() else ""
    process.log.unlink(missing_ok=True)
    code = os.waitstatus_to_exitcode(status)
    used = usage.ru_utime + usage.ru_stime
    return Outcome(code, text, now - process.started, usage.ru_maxrss / 1024, orphans, used)


def descendants(mark: str) -> list[int]:
    """Living processes whose environment has a mark, the oldest first."""
    found, needle = [], f"{MARK}={mark}".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
            inherited = needle in (place / "environ").read_bytes()
            if state != "Z" and (inherited or (place / "comm").read_text().strip() == mark[:15]):
                found.append(int(place.name))
    return sorted(found)


def _orphans(mark: str) -> int:
    end = time.monotonic() + LEFT
    while (left := descendants(mark)) and time.monotonic() < end:
        time.sleep(PAUSE)
    for number in left:
        with contextlib.suppress(OSError):
            os.kill(number, signal.SIGKILL)
    return len(left)


def _become(words: Sequence[str], folder: Path, log: Path, mark: str, limit: int | None) -> None:
    """Be a command, in a process of its own."""
    from common import cli

    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(target, stream)
    Path("/proc/self/comm").write_text(mark[:15])  # its environ stays as it was at its start
    os.environ[MARK] = mark
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    name, *rest = words
    sys.argv = [name, *rest]
    cli.run(command_of(name).main)


def command_of(name: str) -> ModuleType:
    """The module that `python -m NAME` runs."""
    module = importlib.import_module(name)
    return importlib.import_module(f"{name}.__main__") if hasattr(module, "__path__") else module

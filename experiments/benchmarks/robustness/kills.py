"""Commands killed at random moments and started again, held against ones that were left alone."""

import dataclasses
import functools
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from common.files import PARTIAL
from experiments.benchmarks.robustness import processes, world
from experiments.benchmarks.robustness.counts import Counts
from experiments.tracking.records import whole_curves

CHAIN = 4  # kills of one command until it is let run to its end
Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Attributes:
      words: its module and command line; "{out}" stands for where it writes.
      result: folder → {name: what must be the same}.
      repeatable: whether a file that it has written is final, the same in every run.
    """

    words: tuple[str, ...]
    result: Callable[[Path], dict]
    repeatable: bool = True


def training_result(folder: Path) -> dict:
    """Weights, everything else that a resume needs, and the curves of a run."""
    found = {}
    for path in sorted(folder.rglob("last.npz")):
        with np.load(path) as archive:
            for name in sorted(set(archive.files) - {"header"}):
                found[f"{path.parent.name}/{name}"] = archive[name].tobytes()
    for record in sorted(folder.rglob("run.json")):
        run = record.parent
        found[f"{run.name} ended"] = json.loads(record.read_text())["status"]
        metrics = json.loads((run / "metrics.json").read_text())
        for curves in (metrics, whole_curves(run)):
            for name, points in curves.items():
                pairs = list(zip(points["steps"], points["values"]))
                assert found.setdefault(f"{run.name} curve {name}", pairs) == pairs
    return found


def tree(folder: Path) -> dict:
    """The digest of every file, hidden ones and pages with a date aside."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in visible(folder)
        if path.suffix not in (".html", ".png")
    }


SCENARIOS = {
    "train": Scenario(
        ("dssgan.train", "with", "small.yaml", "tracking.folder={out}", "name=run"),
        training_result,
        repeatable=False,
    ),
    "prepare": Scenario(
        ("datasets", "prepare", "folders", "songs", "--out", "{out}", "--rates", "8000", "4000"),
        tree,
    ),
    "separate": Scenario(
        ("dssgan.separate", "mixes", "songs", "-o", "{out}", "--model", "separator"), tree
    ),
    "score": Scenario((*world.SCORE, "--out", "{out}", "--workers", "2"), tree),
    "sweep": Scenario(
        ("experiments.sweep", "small.yaml", "seed=1,2", "tracking.folder={out}", "--jobs", "2"),
        training_result,
        repeatable=False,
    ),
}


def kill(root: Path, name: str, count: int, seed: int, report: Report) -> Counts:
    """Kill a command `count` times at random moments, in chains that end undisturbed."""
    command = DisturbedCommand(root, name, "killed", report)
    chance, done = random.Random(f"{name} {seed}"), 0
    while done < count:
        for _ in range(min(CHAIN, count - done)):
            moment = chance.uniform(0.0, 1.1 * command.seconds)
            whole_group = chance.random() < 0.5
            outcome = processes.run(command.words, root, kill_after=moment, whole_group=whole_group)
            command.disturbed(outcome, f"after {moment:.2f} s")
            done += 1
        command.ended()
    return command.counts


def together(root: Path, name: str, report: Report) -> Counts:
    """Start a command twice at once: each must do it, or say that the other one does."""
    command = DisturbedCommand(root, name, "two at once", report)
    both = [processes.begin(command.words, root) for _ in range(2)]
    outcomes = [processes.watch(process) for process in both]
    for outcome in outcomes:
        command.counts.add(outcome)
    command.compare(min(outcomes, key=lambda outcome: outcome.code != 0))
    return command.counts


def full_disk(root: Path, name: str, limits: list[int], report: Report) -> Counts:
    """Let a command find files limited to so many bytes, then let it go on without a limit."""
    command = DisturbedCommand(root, name, "full disk", report)
    for limit in limits:
        outcome = processes.run(command.words, root, file_limit=limit)
        command.disturbed(outcome, f"{limit} bytes")
        if outcome.code not in (0, 1):
            command.counts.failed += 1
            command.say(f"{limit} bytes: exit code {outcome.code}: {outcome.text[-300:]}")
    command.ended()
    return command.counts


@functools.cache
def undisturbed(root: Path, name: str) -> tuple[float, dict]:
    """Seconds that a command takes when it is left alone, and what it makes, in NAME-whole."""
    scenario, whole = SCENARIOS[name], root / f"{name}-whole"
    outcome = processes.run(_words(scenario, whole), root)
    if outcome.code:
        raise RuntimeError(f"{name}: {outcome.text.strip()[-300:]}")
    return outcome.seconds, scenario.result(whole)


class DisturbedCommand:
    """A command that is disturbed, beside what it does when it is left alone.

    Args:
      root: a world.
      name: of `SCENARIOS`. how: it is disturbed, for the table.
      report: takes a line on whatever is not as it should be.

    Attributes:
      words: the command that is disturbed. seconds: that it takes when it is left alone.
      counts: of everything that went wrong.
    """

    def __init__(self, root: Path, name: str, how: str, report: Report):
        self.counts = Counts(name if how == "killed" else f"{name}, {how}")
        self.root, self.report, self.scenario = root, report, SCENARIOS[name]
        self.whole, self.out = root / f"{name}-whole", root / f"{name}-cut"
        self.words = _words(self.scenario, self.out)
        self.seconds, self.expected = undisturbed(root, name)

    def say(self, line: str) -> None:
        """Report what is not as it should be."""
        self.report(f"{self.counts.name}: {line}")

    def disturbed(self, outcome: processes.Outcome, when: str) -> None:
        """Count a command that was disturbed, and the files that it has torn."""
        broken = list(_broken(self.out, self.whole if self.scenario.repeatable else None))
        for line in broken:
            self.say(f"{when}: {line}")
        self.counts.add(outcome, half_written=len(broken))

    def ended(self) -> None:
        """Let the command go on undisturbed to its end, and compare."""
        last = processes.run(self.words, self.root)
        self.counts.add(last)
        self.compare(last)

    def compare(self, last: processes.Outcome) -> None:
        """Hold what a command has made against that of one left alone; remove it."""
        if last.code:
            self.counts.failed += 1
            self.say(f"ends with exit code {last.code}: {last.text.strip()[-300:]}")
        else:
            different = _differences(self.expected, self.scenario.result(self.out))
            left = [path for path in self.out.rglob("*") if path.name.startswith(PARTIAL)]
            for line in (*different, *(f"{path} is left" for path in left)):
                self.say(line)
            self.counts.differing += len(different)
            self.counts.left += len(left)
        shutil.rmtree(self.out, ignore_errors=True)


def visible(folder: Path) -> list[Path]:
    """The files in a folder that are not hidden, nor in hidden folders."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        found += [Path(place) / name for name in sorted(files) if not name.startswith(".")]
    return found


def _words(scenario: Scenario, out: Path) -> tuple[str, ...]:
    return tuple(word.replace("{out}", str(out)) for word in scenario.words)


def _differences(expected: dict, found: dict) -> list[str]:
    names = sorted(set(expected) | set(found))
    return [f"{name} differs" for name in names if expected.get(name) != found.get(name)]


def _broken(out: Path, whole: Path | None) -> Iterator[str]:
    """What cannot be read of the files in a folder, or is not as in that of a whole run."""
    for path in visible(out):
        try:
            _read(path)
        except Exception as error:
            yield f"{path}: {type(error).__name__}: {error}"
            continue
        if whole is not None and path.suffix in (".wav", ".npy"):
            other = whole / path.relative_to(out)
            if other.exists() and other.read_bytes() != path.read_bytes():
                yield f"{path}: not whole"


def _read(path: Path) -> None:
    if path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".npy":
        np.load(path, mmap_mode="r")
    elif path.suffix == ".npz":
        with np.load(path) as archive:
            for name in archive.files:
                archive[name]
    elif path.suffix == ".h5":
        import h5py

        h5py.File(path).close()
    elif path.suffix == ".wav":
        soundfile.read(path)

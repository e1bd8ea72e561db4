"""Commands killed at random moments and started again, held against ones that were left alone."""

import dataclasses
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from experiments.benchmarks.robustness import processes
from experiments.benchmarks.robustness.counts import Counts
from experiments.tracking.records import whole_curves

CHAIN = 4  # kills of one command until it is let run to its end
SCORE = ("evaluation", "score", "--references", "songs", "--estimates", "estimates")


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
    "score": Scenario((*SCORE, "--out", "{out}", "--workers", "2"), tree),
    "sweep": Scenario(
        ("experiments.sweep", "small.yaml", "seed=1,2", "tracking.folder={out}", "--jobs", "2"),
        training_result,
        repeatable=False,
    ),
}


def kill(root: Path, name: str, count: int, seed: int, report: Callable[[str], None]) -> Counts:
    """Kill a command `count` times at random moments, in chains that end undisturbed.

    Args:
      root: a world.
      report: takes a line on whatever is not as it should be.
    """
    scenario, chance = SCENARIOS[name], random.Random(f"{name} {seed}")
    counts = Counts(name)
    whole = root / f"{name}-whole"
    first = processes.run(_words(scenario, whole), root)
    if first.code:
        report(f"{name}: {first.text.strip()[-300:]}")
        counts.add(first, failed=True)
        return counts
    expected, done = scenario.result(whole), 0
    while done < count:
        out = root / f"{name}-cut"
        for _ in range(min(CHAIN, count - done)):
            moment = chance.uniform(0.0, 1.1 * first.seconds)
            whole_group = chance.random() < 0.5
            words = _words(scenario, out)
            outcome = processes.run(words, root, kill_after=moment, whole_group=whole_group)
            broken = list(_broken(out, whole if scenario.repeatable else None))
            for line in broken:
                report(f"{name}, killed after {moment:.2f} s: {line}")
            counts.add(outcome, half_written=len(broken))
            done += 1
        last = processes.run(_words(scenario, out), root)
        counts.add(last, failed=bool(last.code))
        if last.code:
            report(f"{name}: goes on with exit code {last.code}: {last.text.strip()[-300:]}")
        different = _differences(expected, scenario.result(out)) if not last.code else []
        left = [path for path in out.rglob("*") if path.name.startswith(".partial-")]
        for line in (*different, *(f"{path} is left" for path in left)):
            report(f"{name}: {line}")
        counts.differing += len(different)
        counts.left += len(left)
        shutil.rmtree(out)
    return counts


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


def together(root: Path, name: str, report: Callable[[str], None]) -> Counts:
    """Start a command twice at once: each must do it, or say that the other one does."""
    scenario, counts = SCENARIOS[name], Counts(f"{name}, two at once")
    whole, out = root / f"{name}-whole", root / f"{name}-cut"
    if not whole.exists():
        counts.add(processes.run(_words(scenario, whole), root))
    both = [processes.begin(_words(scenario, out), root) for _ in range(2)]
    outcomes = [processes.watch(process) for process in both]
    for outcome in outcomes:
        counts.add(outcome)
    if all(outcome.code for outcome in outcomes):
        report(f"{name}, two at once: both failed: {outcomes[0].text.strip()[-300:]}")
        counts.failed += 1
    else:
        different = _differences(scenario.result(whole), scenario.result(out))
        for line in different:
            report(f"{name}, two at once: {line}")
        counts.differing += len(different)
    shutil.rmtree(out, ignore_errors=True)
    return counts


def full_disk(root: Path, name: str, limits: list[int], report: Callable[[str], None]) -> Counts:
    """Let a command find files limited to so many bytes, then let it go on without a limit."""
    scenario, counts = SCENARIOS[name], Counts(f"{name}, full disk")
    whole, out = root / f"{name}-whole", root / f"{name}-cut"
    if not whole.exists():
        counts.add(processes.run(_words(scenario, whole), root))
    for limit in limits:
        outcome = processes.run(_words(scenario, out), root, file_limit=limit)
        broken = list(_broken(out, whole if scenario.repeatable else None))
        for line in broken:
            report(f"{name}, {limit} bytes: {line}")
        counts.add(outcome, half_written=len(broken))
        if outcome.code not in (0, 1):
            report(f"{name}, {limit} bytes: exit code {outcome.code}: {outcome.text[-300:]}")
            counts.failed += 1
    last = processes.run(_words(scenario, out), root)
    counts.add(last, failed=bool(last.code))
    if last.code:
        report(f"{name}, after a full disk: {last.text.strip()[-300:]}")
    else:
        different = _differences(scenario.result(whole), scenario.result(out))
        for line in different:
            report(f"{name}, after a full disk: {line}")
        counts.differing += len(different)
    shutil.rmtree(out, ignore_errors=True)
    return counts

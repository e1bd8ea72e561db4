"""Bad inputs times commands: each must answer in one line, soon, and leave the rest alone."""

import contextlib
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import yaml

from common.digests import content_digest
from common.files import PARTIAL
from datasets.cache.manifest import serialise
from experiments.benchmarks.robustness import mutations, processes
from experiments.benchmarks.robustness.counts import LARGE, SLOW, Counts

FORMATS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3", "aiff": "AIFF"}
OUT = "out"  # the one folder that commands may write into


class Trial(NamedTuple):
    """A bad input and a command.

    Attributes:
      kind: of input, a row of the table.
      what: was done to it.
      words: module and command line.
      files: {path in the case's folder: bytes}, beside links to the world's folders.
      writes: folders that the command may write into.
    """

    kind: str
    what: str
    words: tuple[str, ...]
    files: dict[str, bytes]
    writes: tuple[str, ...] = (OUT,)


def trials(root: Path, seed: int) -> Iterator[Trial]:
    """All of them; hundreds."""
    chance = random.Random(seed)
    yield from _sound(root, chance)
    yield from _odd_sound(root)
    yield from _json(root, chance)
    yield from _configurations(root, chance)
    yield from _weights(root, chance)


def attempt(root: Path, trial: Trial, counts: Counts, report: Callable[[str], None]) -> None:
    """Run one command in a folder of its own and count what went wrong."""
    case = root / "case"
    shutil.rmtree(case, ignore_errors=True)
    work = case / "work"
    work.mkdir(parents=True)
    (case / "victim.wav").write_bytes(b"not to be touched")
    for name in ("songs", "estimates", "mixes", "solos", "separator"):
        shutil.copytree(root / name, work / name)
    shutil.copy(root / "small.yaml", work)
    for name, data in trial.files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    before = _state(case, trial.writes)
    outcome = processes.run(trial.words, work, longest=7 * SLOW)
    after = _state(case, trial.writes)
    counts.add(outcome)
    where = f"{trial.kind}, {trial.what}: {' '.join(trial.words)}"
    faults = {
        "outside": before != after,
        "hangs": outcome.code != 0 and max(outcome.processor, outcome.seconds / 6) > SLOW,
        "large": outcome.megabytes > LARGE,
        "failed": outcome.code not in (0, 1, 2),
        "left": any(case.rglob(f"{PARTIAL}*")),
    }
    for name, wrong in faults.items():
        if wrong:
            setattr(counts, name, getattr(counts, name) + 1)
    if any(faults.values()) or outcome.has_traceback or outcome.internal or outcome.orphans:
        named = [name for name, wrong in faults.items() if wrong]
        report(
            f"{where}: {' '.join(named)} {outcome.code} {outcome.seconds:.1f} s "
            f"{outcome.megabytes:.0f} MB: {outcome.text.strip()[-300:]}"
        )


def _state(case: Path, writes: tuple[str, ...]) -> dict[str, str]:
    """The digest of every file that a command must leave alone."""
    found = {}
    for place, folders, files in os.walk(case):
        inside = os.path.relpath(place, case / "work")
        if inside == ".":
            folders[:] = [name for name in folders if name not in writes]
        for name in files:
            path = Path(place) / name
            if path.is_symlink() or not path.is_file() or name.startswith(".log-"):
                continue
            found[os.path.join(place, name)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _sound(root: Path, chance: random.Random) -> Iterator[Trial]:
    audio, rate = soundfile.read(root / "songs" / "a" / "drums.wav", dtype="float32")
    for extension, name in FORMATS.items():
        path = root / f"sound.{extension}"
        soundfile.write(path, audio, rate, format=name)
        for what, data in mutations.damaged(path.read_bytes(), chance):
            yield from _used(f"damaged {extension}", what, extension, data)


def _used(kind: str, what: str, extension: str, data: bytes) -> Iterator[Trial]:
    """One file as a song, as a stem, as an estimate."""
    yield Trial(kind, what, _separate(f"in/x.{extension}"), {f"in/x.{extension}": data})
    stem = {f"more/x/drums.{extension}": data}
    words = ("datasets", "prepare", "folders", "more", "--out", OUT, "--rates", "8000")
    yield Trial(kind, what, (*words, "--skip-broken"), stem)
    pair = {f"est/a/drums.{extension}": data}
    words = ("evaluation", "score", "--references", "songs", "--estimates", "est", "--out", OUT)
    yield Trial(kind, what, words, pair)


def _separate(*songs: str) -> tuple[str, ...]:
    return ("dssgan.separate", *songs, "-o", OUT, "--model", "separator")


def _odd_sound(root: Path) -> Iterator[Trial]:
    folder = root / "odd"
    if not folder.exists():
        mutations.odd_sound(folder, np.random.default_rng(5))
        mutations.strange_files(root / "strange", folder / "silent.wav")
    for path in sorted(folder.iterdir()):
        yield from _used("odd sound", path.stem, "wav", path.read_bytes())
    yield Trial("strange files", "a folder of them", _separate(str(root / "strange")), {})
    for path in sorted((root / "strange").iterdir()):
        what = path.name.encode("ascii", "backslashreplace").decode()
        if path.name != "pipe.wav":  # a pipe that is named is read, and waits for its writer
            yield Trial("strange files", what, _separate(str(path)), {})
    words = ("datasets", "prepare", "recordings", str(root / "strange"), "--out", OUT)
    yield Trial("strange files", "a folder of them", (*words, "--skip-broken"), {})


def _json(root: Path, chance: random.Random) -> Iterator[Trial]:
    again = ("datasets", "prepare", "folders", "songs", "--out", "cache", "--rates", "8000")
    cache = _folder(root, "cache")
    for what, data in _odd(root / "cache" / "manifest.json", chance, 60):
        for words in ((*again, "--prune"), ("datasets", "check", "cache")):
            yield Trial("manifest", what, words, cache | {"cache/manifest.json": data}, ("cache",))
    scores = _folder(root, "scores")
    for name, count in (("summary.json", 30), ("test/a.json", 40)):
        for what, data in _odd(root / "scores" / name, chance, count):
            files = scores | {f"scores/{name}": data}
            yield Trial("scores", what, ("evaluation", "summary", "scores"), files, ("scores",))
    for what, data in _odd(root / "separator" / "config.json", chance, 60):
        files = {"separator/config.json": data}
        yield Trial("export", what, _separate("mixes/0.wav"), files)
    run = _folder(root, "runs/run")
    for name, count in (("run.json", 30), ("metrics.json", 10), ("info.json", 10)):
        for what, data in _odd(root / "runs" / "run" / name, chance, count):
            files = run | {f"runs/run/{name}": data}
            words = ("experiments.compare", "runs", "--out", OUT)
            yield Trial("records", what, words, files)
            yield Trial("records", what, ("experiments.leaderboard", "runs"), files)


def _odd(path: Path, chance: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Odd versions of a JSON file; a checksum within it fits, as an attacker would see to it."""
    for what, data in mutations.odd_json(json.loads(path.read_text()), chance, count):
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(data)
            if isinstance(found, dict) and isinstance(found.get("checksum"), str):
                data = serialise(found).encode()
        yield what, data


def _folder(root: Path, name: str) -> dict[str, bytes]:
    paths = [path for path in (root / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def _configurations(root: Path, chance: random.Random) -> Iterator[Trial]:
    words = ("dssgan.train", "print_config", "with", "bad.yaml")
    good = yaml.safe_load((root / "small.yaml").read_text())
    for what, data in mutations.odd_json(good, chance, 80):  # JSON is YAML
        yield Trial("configuration", what, words, {"bad.yaml": data})
    for what, data in mutations.damaged((root / "small.yaml").read_bytes(), chance):
        yield Trial("configuration", what, words, {"bad.yaml": data})
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    yield Trial("configuration", "aliases", words, {"bad.yaml": bomb.encode()})
    for key in ("seed=1..999999999999", "alpha=1e400", "data.batch=1000000000000", "model=[1, 2]"):
        yield Trial(
            "configuration", key, ("dssgan.train", "with", "small.yaml", key), {}, ("runs",)
        )
        sweep = ("experiments.sweep", "small.yaml", key, "beta=0,0.1", "--list")
        yield Trial("configuration", f"sweep {key}", sweep, {}, ("runs",))


def _weights(root: Path, chance: random.Random) -> Iterator[Trial]:
    weights = "separator/separator.weights.h5"
    config = json.loads((root / "separator" / "config.json").read_text())
    for what, data in mutations.damaged((root / weights).read_bytes(), chance):
        config["weights_sha256"] = content_digest(data)
        files = {weights: data, "separator/config.json": json.dumps(config).encode()}
        yield Trial("weights", what, _separate("mixes/0.wav"), files)
    last = "runs/run/checkpoints/adversarial/last.npz"
    run = _folder(root, "runs/run")
    words = ("dssgan.train", "with", "resume=runs/run", "adversarial.epochs=7")
    for what, data in mutations.damaged((root / last).read_bytes(), chance):
        writes = ("runs", "songs-cache")
        yield Trial("checkpoint", what, words, run | {last: data}, writes)
    for system in ("meta-tasnet", "bandsplit", "wavenet"):
        for what, data in mutations.damaged((root / last).read_bytes(), chance):
            words_of = ("dssgan.convert", system, "bad.pt", OUT)
            yield Trial("published weights", what, words_of, {"bad.pt": data})


def count(
    root: Path, limit: int, seed: int, kinds: str, report: Callable[[str], None]
) -> list[Counts]:
    """Try `limit` of them, chosen by chance over all kinds; 0 tries all.

    Args:
      root: a world. kinds: a text in the names of those that are tried; "" takes all.
    """
    found = [trial for trial in trials(root, seed) if kinds in trial.kind]
    if limit and limit < len(found):
        chosen = sorted(random.Random(seed).sample(range(len(found)), limit))
        found = [found[place] for place in chosen]
    rows: dict[str, Counts] = {}
    for trial in found:
        kind = trial.kind.partition(" ")[0] if trial.kind.startswith("damaged") else trial.kind
        attempt(root, trial, rows.setdefault(kind, Counts(f"bad input: {kind}")), report)
    return list(rows.values())

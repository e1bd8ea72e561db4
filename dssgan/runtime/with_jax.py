"""Train and separate with JAX: what was exported as StableHLO, without TensorFlow.

    python with_jax.py BUNDLE DATA [DATA …] --updates N

trains, and goes on from BUNDLE/state.npz where it is there. `python -m experiments.export_step`
wrote BUNDLE. DATA are .npz files, or folders of them, whose array `stems` (int16, full scale 32768,
or float) is a batch of its own (batch, sources, samples, channels), taken in the order of their
names, or a song (sources, samples, channels) that excerpts are cut from by chance. An array
`scale` is what 16-bit numbers are multiplied by instead.

This file needs NumPy and JAX alone, and lies beside what it runs. In a program: `Separator` for
what `python -m dssgan.export SEPARATOR --to stablehlo` wrote, `Training` for a BUNDLE.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import signal
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SEPARATOR, STEP = "separator.json", "step.json"
WEIGHTS, START, STATE = "weights.npz", "start.npz", "state.npz"
BROKEN = (ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
Named = list[tuple[str, list[int], str]]  # name, shape, type of each array


def load_function(folder: Path, facts: dict[str, Any]) -> Callable:
    """A module, as `facts` of a description tell of it, as a function that `jax.jit` takes.

    It returns a tuple of arrays. ValueError: the file is not the one that is described.
    """
    import jax
    from jax import export, numpy

    path = folder / Path(facts["module"]).name
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != facts["sha256"]:
        raise ValueError(f"{path}: damaged, or of another export: export or copy all files again")

    def stand_in(*_):
        return tuple(numpy.zeros(shape, kind) for _, shape, kind in facts["outputs"])

    specs = [jax.ShapeDtypeStruct(tuple(shape), kind) for _, shape, kind in facts["inputs"]]
    exported = export.export(jax.jit(stand_in, keep_unused=True))(*specs)
    return dataclasses.replace(exported, mlir_module_serialized=data).call


def read_description(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """The description of an export (.json); ValueError where it is none."""
    try:
        facts = json.loads(path.read_text("utf-8"))
        missing = [key for key in keys if key not in facts]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not valid JSON ({error}): export it again") from None
    if missing or facts["format"] != 1:
        reason = f"{missing[0]!r} is missing" if missing else f"format {facts['format']}"
        raise ValueError(f"{path}: {reason}: export it again")
    return facts


def read_arrays(path: Path, named: Named, replaced: dict[str, str] | None = None) -> list:
    """The arrays of a file (.npz) by name, shape and type.

    `replaced` is {name: name of an array to take in its place, where the file has it}. ValueError:
    the file is damaged, or an array is missing or of another shape.
    """
    found = []
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name, shape, kind in named:
                other = (replaced or {}).get(name, name)
                array = archive[other if other in archive.files else name]
                if list(array.shape) != list(shape):
                    raise ValueError(f"{name} has shape {array.shape}, expected {tuple(shape)}")
                found.append(np.asarray(array, kind))
    except BROKEN as error:
        raise ValueError(f"{path}: not the arrays of this export: {error}") from None
    return found


def averages(facts: dict[str, Any]) -> dict[str, str]:
    """{weight: its running average}, by the names of both."""
    return {f"model/{w:05d}": f"average/{n:05d}" for n, w in enumerate(facts["trainable"])}


class Separator:
    """A separator of chunks of one length, `shape`, by the folder of its `separator.json`.

    `weights` is a file of weights, such as the state of a training, whose running averages are
    taken where it has them; None takes those that lie in the folder.

    Raises:
      ValueError: a file does not fit the others. OSError: one cannot be read.
    """

    def __init__(self, folder: str | os.PathLike, weights: str | os.PathLike | None = None):
        import jax

        folder = Path(folder)
        self.facts = read_description(folder / SEPARATOR, ("format", "separate", "trainable"))
        self.sources, self.sample_rate = self.facts["sources"], self.facts["sample_rate"]
        (_, self.shape, _), *named = self.facts["separate"]["inputs"]
        path = folder / WEIGHTS if weights is None else Path(weights)
        arrays = read_arrays(path, named, averages(self.facts))
        self._weights = jax.device_put(arrays)
        self._function = jax.jit(load_function(folder, self.facts["separate"]))

    def __call__(self, mixture: np.ndarray) -> np.ndarray:
        """(batch, samples, channels) of `shape` → (batch, sources, samples, channels), float32."""
        return np.asarray(self._function(np.asarray(mixture, np.float32), *self._weights)[0])


class Training:
    """A training step, by the folder of its `step.json`, and its state.

    `state` is the file to go on from; None is `start.npz` of the folder. From here on JAX computes
    in 64 bits where it is asked to.

    Attributes:
      shape: of the stems of an update, (batch, sources, samples, channels).
      metrics: names of what an update returns.
      updates: how many were done.
    """

    def __init__(self, folder: str | os.PathLike, state: str | os.PathLike | None = None):
        import jax

        jax.config.update("jax_enable_x64", True)  # updates are counted in 64 bits
        folder = Path(folder)
        self.facts = read_description(folder / STEP, ("format", "step", "separate", "trainable"))
        (_, self.shape, _), _, *self._named = self.facts["step"]["inputs"]
        self.metrics = self.facts["metrics"]
        path = folder / START if state is None else Path(state)
        *arrays, header = read_arrays(path, [*self._named, ("header", [], "str")])
        try:
            self._header = json.loads(str(header))
            self.updates = int(self._header["progress"]["step"])
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"{path}: not a state of this training: header") from None
        self._state = jax.device_put(arrays)
        step = load_function(folder, self.facts["step"])

        def update(state, stems, scale, number):
            metrics, *state = step(stems.astype(np.float32) * scale, number, *state)
            return state, metrics

        self._update = jax.jit(update, donate_argnums=0)
        self._separate = jax.jit(load_function(folder, self.facts["separate"]))

    def update(self, stems: np.ndarray, scale: float = 1.0) -> Any:
        """Update once; returns the figures named by `metrics`, a JAX array that is not waited for.

        Stems are int16 or float, of `shape`; times `scale` they have a full scale of 1.
        """
        inputs = stems, np.float32(scale), np.int64(self.updates)
        self._state, metrics = self._update(self._state, *inputs)
        self.updates += 1
        return metrics

    def weights(self) -> list:
        """The weights that separate: running averages where there are any."""
        found = dict(zip((name for name, *_ in self._named), self._state))
        replaced = averages(self.facts)
        names = [name for name, *_ in self.facts["separate"]["inputs"][1:]]
        return [found.get(replaced.get(name, name), found[name]) for name in names]

    def separate(self, mixture: np.ndarray) -> np.ndarray:
        """(batch, samples, channels) → (batch, sources, samples, channels), as in `shape`."""
        return np.asarray(self._separate(np.asarray(mixture, np.float32), *self.weights())[0])

    def save(self, path: str | os.PathLike) -> None:
        """Write the state (.npz): it is whole or the old one."""
        self._header["progress"] |= {"step": self.updates}
        arrays = {name: np.asarray(value) for (name, *_), value in zip(self._named, self._state)}
        temporary = Path(path).with_name(f".partial-{os.getpid()}-{Path(path).name}")
        try:
            with open(temporary, "wb") as file:
                np.savez(file, header=np.array(json.dumps(self._header)), **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


class Excerpts:
    """Batches of stems of a shape, out of files; batch n is a function of the seed and n alone.

    ValueError: no file, or one that does not fit.
    """

    def __init__(self, paths: Sequence[Path], shape: Sequence[int], seed: int = 0):
        self.shape, self.seed = tuple(shape), seed
        files = [f for p in paths for f in (sorted(p.rglob("*.npz")) if p.is_dir() else [p])]
        self.items = [self._opened(path) for path in files]
        if len({stems.ndim for stems, _ in self.items}) != 1:
            reason = "batches and songs together" if self.items else "no .npz file"
            raise ValueError(f"{paths[0]}: {reason}: expected batches alone or songs alone")

    def _opened(self, path: Path) -> tuple[np.ndarray, float]:
        try:
            with np.load(path, allow_pickle=False) as archive:
                stems = archive["stems"]
                full = 2.0**-15 if stems.dtype == np.int16 else 1.0
                scale = float(archive["scale"]) if "scale" in archive.files else full
        except BROKEN as error:
            raise ValueError(f"{path}: no file of stems (.npz): {error}") from None
        _, sources, samples, channels = self.shape
        song = stems.ndim == 3 and stems.shape[0] == sources and stems.shape[1] >= samples
        song = song and stems.shape[2] in (1, 2) and channels <= 2
        number = stems.dtype == np.int16 or stems.dtype.kind == "f"
        if not number or (not song and stems.shape != self.shape):
            raise ValueError(
                f"{path}: stems have shape {stems.shape} and type {stems.dtype}; expected "
                f"{self.shape}, or a song ({sources}, {samples} or more, 1 or 2), int16 or float"
            )
        return stems, scale

    def batch(self, number: int) -> tuple[np.ndarray, float]:
        """Stems of batch `number`, and what they are multiplied by."""
        if self.items[0][0].ndim == 4:
            return self.items[number % len(self.items)]
        batch, _, samples, channels = self.shape
        lengths = np.array([stems.shape[1] for stems, _ in self.items], float)
        rng = np.random.default_rng([self.seed, number])
        found = np.empty(self.shape, np.float32)
        for place in range(batch):
            stems, scale = self.items[rng.choice(len(lengths), p=lengths / lengths.sum())]
            begin = rng.integers(stems.shape[1] - samples + 1)
            chosen = rng.integers(stems.shape[2], size=1) if channels == 1 else slice(None)
            found[place] = stems[:, begin : begin + samples, chosen] * np.float32(scale)
        return found, 1.0


def train(training: Training, excerpts: Excerpts, updates: int, every: int, path: Path) -> None:
    """Update until so many updates are done; a line and a saved state every so many.

    Ctrl-C and SIGTERM end it after the update that runs; the state is saved. ValueError: a loss is
    no number; the file keeps the state before.
    """
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda sign, _: stopped.append(sign))
    found, started, last = [], time.monotonic(), training.updates >= updates
    while not last:
        found.append(training.update(*excerpts.batch(training.updates)))
        last = bool(stopped) or training.updates >= updates
        if last or training.updates % every == 0:
            means = dict(zip(training.metrics, np.mean(np.stack(found), 0)))
            if not np.isfinite(means["loss"]):
                raise ValueError(f"update {training.updates}: loss is {means['loss']}")
            speed = 1e3 * (time.monotonic() - started) / len(found)
            training.save(path)
            loss = f"loss {means['loss']:.4f}"
            print(f"{training.updates}: {loss}, {speed:.0f} ms per update", flush=True)
            found, started = [], time.monotonic()
    if stopped:
        raise SystemExit(128 + stopped[0])


def main(argv: list[str] | None = None) -> int:
    """Train; returns the exit code: 0 done, 1 failed, 2 misuse."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, help="folder of step.json")
    parser.add_argument("data", type=Path, nargs="+", help=".npz files of stems, or folders")
    parser.add_argument("--updates", type=int, required=True, help="to be done in all")
    parser.add_argument("--state", type=Path, help="file of the state; default: BUNDLE/state.npz")
    parser.add_argument("--every", type=int, default=100, help="updates between two lines")
    parser.add_argument("--seed", type=int, default=0, help="of the excerpts of songs")
    given = parser.parse_args(argv)
    if given.updates < 1 or given.every < 1 or given.seed < 0:
        parser.error("--updates and --every: expected 1 or more; --seed: 0 or more")
    path = given.state or given.bundle / STATE
    try:
        training = Training(given.bundle, path if path.exists() else None)
        excerpts = Excerpts(given.data, training.shape, given.seed)
        train(training, excerpts, given.updates, given.every, path)
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed: pip install {error.name}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    print(f"{path}: {training.updates} updates")
    return 0


if __name__ == "__main__":
    sys.exit(main())

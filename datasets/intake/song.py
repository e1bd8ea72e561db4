"""One contributed song: unpacked, decoded once, checked, and written where it waits.

The stems are written as 32-bit floating point, in which nothing is clipped or rounded, and beside
them their sum, the mixture: the two agree bit by bit.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.cli import one_line
from common.digests import content_digest, file_digest
from common.files import FULL
from datasets.audio.writing import Writer
from datasets.intake import limits as judge
from datasets.intake.checks import Measurements
from datasets.intake.limits import Limits, Shape
from datasets.intake.naming import IGNORE, MIXTURE
from datasets.intake.sources import Contribution, Refused
from datasets.intake.terms import Terms
from datasets.song_files.levels import Meter
from datasets.song_files.stem_file import StemFile, fit
from datasets.track import SOURCES

BLOCK = 2**18  # samples
UNPACKED = "unpacked"


class Unreadable(ValueError):
    """A contributed file cannot be read; the message names it as it was contributed."""


@dataclass(frozen=True)
class Job:
    """A song that is to be heard.

    Attributes:
      song: the contribution.
      terms: its name, licence and credit.
      files: meaning → its files, as of `naming.assign`.
      limits: what it is held against.
    """

    song: Contribution
    terms: Terms
    files: Mapping[str, Sequence[str]]
    limits: Limits


@dataclass(frozen=True)
class Taken:
    """A song that passed every check of its own.

    Attributes:
      folder: where it waits.
      record: what the manifest says of it.
      fingerprint: as of `Fingerprinter.end`.
    """

    folder: str
    record: dict
    fingerprint: np.ndarray


@dataclass
class _Source:
    """A contributed file: its name, where it lies, and what was measured of it."""

    given: str
    file: StemFile
    meter: Meter

    def blocks(self, channels: int) -> Iterator[np.ndarray]:
        """Its audio, measured on the way; raises Unreadable."""
        with _named(self.given, self.file.path):
            for block in self.file.blocks(BLOCK):
                self.meter.add(block)
                yield fit(block, channels, len(block))


def take(job: Job, work: str) -> Taken | Refused:
    """Hear a song; one that is refused leaves nothing behind.

    Args:
      job: the song.
      work: a folder of its own, which is made.

    Raises:
      OSError: the disk is full, or the folder cannot be written.
    """
    folder = Path(work)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / UNPACKED).mkdir(parents=True)
    try:
        reasons, taken = _heard(job, folder)
    except Unreadable as error:
        reasons, taken = [str(error)], None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder / UNPACKED)
    if reasons or taken is None:
        shutil.rmtree(folder)
        return Refused(job.terms.name, job.song.label, tuple(reasons))
    return taken


def _heard(job: Job, folder: Path) -> tuple[list[str], Taken | None]:
    sources = _sources(job, folder / UNPACKED)
    files = [source for group in sources.values() for source in group]
    shapes = [
        Shape(one.given, one.file.sample_rate, one.file.channels, one.file.samples) for one in files
    ]
    reasons = judge.wrong_shapes(shapes, job.limits, MIXTURE in sources)
    if reasons:
        return reasons, None
    rate, channels = shapes[0].sample_rate, max(shape.channels for shape in shapes)
    stems = [stem for stem in SOURCES if stem in sources]
    heard = Measurements(stems, rate, int(job.limits.lag * rate))
    target = folder / "song"
    peaks = _write(sources, heard, target, rate, channels)
    meters = {one.given: one.meter for one in files}
    reasons, notes, measured = judge.judged(
        heard, meters, job.limits, next(iter(job.files.get(MIXTURE, ())), "")
    )
    if reasons:
        return reasons, None
    for stem, peak in peaks.items():
        if not peak:
            (target / f"{stem}.wav").unlink()
            notes.append(f"{stem} is silent: not written")
    missing = [stem for stem in SOURCES if not peaks.get(stem)]
    words = heard.fingerprint()
    record = _about(job) | {
        "sample_rate": rate,
        "channels": channels,
        "samples": max(one.file.samples for stem in peaks for one in sources[stem]),
        "missing": missing,
        "notes": [*notes, *(_ends(files))],
        "measured": measured,
        "fingerprint": content_digest(words.tobytes()),
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)}
            for path in sorted(target.iterdir())
        },
    }
    return [], Taken(str(target), record, words)


def _about(job: Job) -> dict:
    """What the manifest says of a song before it was heard."""
    return {
        "name": job.terms.name,
        "artist": job.terms.artist,
        "licence": job.terms.licence,
        "credit": job.terms.credit,
        "source": job.terms.source,
        "contributed": job.song.label,
        "state": job.song.state,
        "stems": {meaning: list(paths) for meaning, paths in job.files.items()},
    }


def _ends(files: Sequence[_Source]) -> Iterator[str]:
    samples = max(one.file.samples for one in files)
    for one in files:
        if one.file.samples < samples:
            rate = one.file.sample_rate
            yield (
                f"{one.given}: ends at {one.file.samples / rate:.3f} s of {samples / rate:.3f} s: "
                "filled with silence"
            )


def _sources(job: Job, unpacked: Path) -> dict[str, list[_Source]]:
    """The files of every stem and of the mixture, where they can be read."""
    found: dict[str, list[_Source]] = {}
    number = 0
    for meaning, paths in job.files.items():
        if meaning == IGNORE:
            continue
        for given in paths:
            number += 1
            with _named(given, ""):
                path = job.song.store.on_disk(job.song.prefix + given, unpacked, number)
            with _named(given, str(path)):
                file = StemFile(str(path)).probed()
                for warning in file.warnings:
                    raise ValueError(f"{path}: {warning}; export it again")
                if not file.samples:
                    raise ValueError(f"{path}: holds no samples; export it again")
            found.setdefault(meaning, []).append(_Source(given, file, Meter()))
    return found


@contextlib.contextmanager
def _named(given: str, path: str) -> Iterator[None]:
    """Turn errors of reading into Unreadable, with the file's contributed name."""
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        text = one_line(error)
        text = text.replace(path, given) if path and path in text else f"{given}: {text}"
        raise Unreadable(text) from None


def _write(
    sources: Mapping[str, Sequence[_Source]],
    heard: Measurements,
    target: Path,
    rate: int,
    channels: int,
) -> dict[str, float]:
    """Decode a song once, and write its stems and their sum; returns stem → peak."""
    stems = [stem for stem in SOURCES if stem in sources]
    samples = max(one.file.samples for stem in stems for one in sources[stem])
    streams = {name: [one.blocks(channels) for one in group] for name, group in sources.items()}
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context(Writer(target / f"{name}.wav", rate, channels, bits="32f"))
            for name in (*stems, MIXTURE)
        }
        for start in range(0, samples, BLOCK):
            count = min(BLOCK, samples - start)
            audio = {name: _added(group, count, channels) for name, group in streams.items()}
            given = audio.pop(MIXTURE, None)
            total = np.zeros((count, channels), np.float32)
            for stem in stems:
                files[stem].write(audio[stem])
                total += audio[stem]
            files[MIXTURE].write(total)
            heard.add([audio[stem] for stem in stems], total, given)
        for group in streams.values():
            for stream in group:
                for _ in stream:  # what a longer mixture has left is measured as well
                    pass
    return {stem: files[stem].peak for stem in stems}


def _added(streams: Sequence[Iterator[np.ndarray]], samples: int, channels: int) -> np.ndarray:
    """The next samples of several files, added up; zeros where they have ended."""
    total = np.zeros((samples, channels), np.float32)
    for stream in streams:
        block = next(stream, None)
        if block is not None:
            total[: len(block)] += block[:samples]
    return total

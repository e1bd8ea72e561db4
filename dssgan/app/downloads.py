"""What is taken away from a job: stems in any format, mixes of them, all in one zip, samples."""

import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from common.audio_files import OUTPUT_FORMATS, STEM_FORMAT
from common.files import atomic_path
from datasets import audio
from datasets.audio.stem_mp4 import StemWriter
from dssgan.app.jobs import Job, JobStore
from dssgan.app.song import MIXTURE, NOTES, stem_file
from dssgan.separation.outputs import CEILING
from dssgan.separation.resampling import StreamResampler

FORMATS = tuple(OUTPUT_FORMATS)
CONVERTED = "converted"  # folder of a job
MOST_SECONDS = 30.0  # of samples in one answer
BLOCK = 65536  # samples
OPUS_RATE = 48000  # Hz
CHARACTERS = frozenset('/\\:*?"<>|')  # that file systems refuse

_converting = threading.Lock()


class Unavailable(ValueError):
    """A stem, or a format of it, that a job does not have."""


def stem_of(job: Job, name: str) -> str:
    """A stem's name, checked against those that a job has.

    Raises:
      Unavailable: it has no such stem, or none yet.
    """
    if job.state != "done":
        raise Unavailable(f"{job.name} is {job.state}: there are no stems")
    if name not in (MIXTURE, *job.sources):
        known = ", ".join((MIXTURE, *job.sources))
        raise Unavailable(f"no stem {name[:40]!r}: expected one of {known}")
    return name


def samples(store: JobStore, job: Job, name: str, start: int, stop: int) -> bytes:
    """Samples `start` to `stop` of a stem: float32, channel after channel within a sample."""
    path = stem_file(store.path(job), stem_of(job, name), job.bits)
    length = job.facts["samples"]
    stop = min(stop, length, start + round(MOST_SECONDS * job.facts["sample_rate"]))
    if not 0 <= start <= stop:
        raise Unavailable(f"samples {start} to {stop}: {job.name} has {length}")
    return np.ascontiguousarray(audio.read(path, start, stop)[0], "<f4").tobytes()


def mix(store: JobStore, job: Job, names: Sequence[str], format: str = "") -> Path:
    """The sum of stems as a file of a format; one stem as it is stored, where that is the format.

    Args:
      names: of one stem or more. format: of FORMATS; "" is as stored.

    Raises:
      Unavailable: no such stem or format, or a format that cannot hold it.
      OSError: the disk is full.
    """
    names = sorted({stem_of(job, name) for name in names})
    if not names:
        raise Unavailable(f"no stem is named: expected some of {', '.join(job.sources)}")
    stored = stem_file(store.path(job), names[0], job.bits)
    format = format or stored.suffix[1:]
    if format not in FORMATS:
        raise Unavailable(f"no format {format[:20]!r}: expected one of {', '.join(FORMATS)}")
    if len(names) == 1 and format == stored.suffix[1:]:
        return stored
    place = store.path(job) / CONVERTED / f"{'+'.join(names)}.{OUTPUT_FORMATS[format].extension}"
    if format == "alac":
        place = place.with_name(f"{place.stem}.alac.m4a")
    with _converting:
        if not place.exists():
            _write_mix(store, job, names, format, place)
            store.change(job)
    return place


def _write_mix(store: JobStore, job: Job, names: Sequence[str], format: str, place: Path) -> None:
    rate, channels = job.facts["sample_rate"], job.facts["channels"]
    facts = OUTPUT_FORMATS[format]
    out = OPUS_RATE if format == "opus" else rate
    if channels > facts.channels or (facts.rates and out not in facts.rates):
        raise Unavailable(
            f"{format} cannot hold {channels} channels at {rate} Hz: choose wav or flac"
        )
    bits = job.bits if job.bits in facts.bits else (facts.bits or (16,))[-1]
    gain = 1.0
    if len(names) > 1 and bits != "32f":  # a sum may exceed what each stem keeps to
        peak = max((float(np.abs(block).max()) for block in _sum(store, job, names)), default=0.0)
        gain = CEILING / peak if peak > CEILING else 1.0
    with audio.Writer(place, out, channels, format=format, bits=bits) as writer:
        resampler = None if out == rate else StreamResampler(rate, out, channels)
        for block in _sum(store, job, names):
            block = block * np.float32(gain)
            writer.write(resampler.push(block) if resampler else block)
        if resampler:
            writer.write(resampler.finish())


def _sum(store: JobStore, job: Job, names: Sequence[str]) -> Iterator[np.ndarray]:
    for blocks in _together(store, job, names):
        yield np.sum(blocks, axis=0, dtype=np.float32)


def _together(store: JobStore, job: Job, names: Sequence[str]) -> Iterator[tuple[np.ndarray, ...]]:
    """Blocks of several stems, those of the same samples at a time."""
    paths = [stem_file(store.path(job), name, job.bits) for name in names]
    return zip(*(audio.blocks(path, BLOCK) for path in paths))


def stem_container(store: JobStore, job: Job) -> Path:
    """All stems in one `.stem.mp4`, for DJ software.

    Raises:
      Unavailable: it cannot hold the song's rate or channels.
    """
    for name in job.sources:
        stem_of(job, name)
    place = store.path(job) / CONVERTED / f"all.{STEM_FORMAT}"
    names = (MIXTURE, *job.sources)
    with _converting:
        if not place.exists():
            rate, channels = job.facts["sample_rate"], job.facts["channels"]
            try:
                with StemWriter(place, rate, channels, tuple(job.sources)) as writer:
                    for blocks in _together(store, job, names):
                        writer.write(dict(zip(names, blocks)))
            except ValueError as error:
                raise Unavailable(str(error).replace(f"{place}: ", "")) from error
            store.change(job)
    return place


def archive(store: JobStore, job: Job, format: str = "") -> Path:
    """All stems of a job in one zip file."""
    files = {name: mix(store, job, [name], format) for name in job.sources}
    kind = format or next(iter(files.values())).suffix[1:]
    place = store.path(job) / CONVERTED / f"stems-{kind}.zip"
    with _converting:
        if not place.exists():
            with atomic_path(place) as temporary, zipfile.ZipFile(temporary, "w") as packed:
                for name, path in files.items():
                    packed.write(path, file_name(job, name, path.suffix))
            store.change(job)
    return place


def notes(store: JobStore, job: Job) -> Path:
    """The notes of a job's drums as a MIDI file.

    Raises:
      Unavailable: its drums were not separated into pieces, or not yet.
    """
    stem_of(job, MIXTURE)
    place = store.path(job) / NOTES
    if not place.exists():
        raise Unavailable(f"{job.name} has no notes: separate it with a model + kit")
    return place


def file_name(job: Job, what: str, ending: str) -> str:
    """What a file is called on its owner's disk: "song - drums.flac"."""
    song = Path(job.name).stem or "song"
    text = f"{song} - {what}{ending}"
    return "".join("_" if sign in CHARACTERS or not sign.isprintable() else sign for sign in text)

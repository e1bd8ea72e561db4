"""One song → its stems on disk, for `python -m dssgan.separate`."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.audio_files import STEM_FORMAT
from common.cli import one_line, progress
from common.files import write_bytes
from datasets import audio
from datasets.audio.stem_mp4 import StemWriter
from datasets.audio.tags import Tags, read_tags
from datasets.audio.wav import WavPipe
from dssgan.drum_midi import drum_midi
from dssgan.kit.listening import Listener
from dssgan.kit.naming import notes_path
from dssgan.separation.buffers import require_space
from dssgan.separation.inputs import SongFile, excerpt
from dssgan.separation.options import ACCOMPANIMENT
from dssgan.separation.outputs import (
    all_or_none,
    with_accompaniment,
    with_mixture,
    write_as_is,
    write_without_clipping,
)
from dssgan.separation.records import recorded
from dssgan.separation.resampling import StreamResampler
from dssgan.separation.spooling import Sink, readable
from dssgan.separation.stream import Report

OPUS_RATE = 48000  # Hz; the only one that every decoder of Opus gives


@dataclass(frozen=True)
class Part:
    """What is separated: samples `start` to `stop` of a file.

    Attributes:
      song: whose they are, as messages call it. path: the file to read.
      info, tags: of that file.
    """

    song: SongFile
    path: Path
    info: audio.Info
    tags: Tags
    start: int
    stop: int

    @property
    def samples(self) -> int:
        return self.stop - self.start

    def blocks(self) -> Iterator[np.ndarray]:
        """The samples, block by block."""
        if self.samples == self.info.samples:
            return audio.blocks(self.path)
        return audio.blocks(self.path, start=self.start, stop=self.stop)


def separate_song(
    separator,
    song: SongFile,
    plan: Mapping[str, Path],
    options: argparse.Namespace,
    sink: Sink | None = None,
) -> None:
    """Separate one song and report what came of it.

    Args:
      sink: takes the song's only file: wav in 32-bit floats block by block while the song is being
        separated, any other when it is complete.

    Raises:
      ValueError, OSError: as the readers, the separator and the writers do; no stem is left then.
    """
    with readable(song, options.out) as path:
        info = audio.probe(path)
        start, stop = excerpt(options, song.shown, info.samples, info.sample_rate)
        part = Part(song, path, info, read_tags(path), start, stop)
        for warning in (*info.warnings, *part.tags.warnings):
            warn(song, warning)
        if options.format == "opus" and info.sample_rate != OPUS_RATE:
            print(f"{song.shown}: at {info.sample_rate} Hz, stems at {OPUS_RATE} Hz, as Opus is")
        if sink and options.format == "wav" and options.bits == "32f":
            _separate_part(separator, part, plan, options, _piped(sink, part))
        else:
            _separate_part(separator, part, plan, options, _filed(plan, part, options))
            if sink:
                sink.send(next(iter(plan.values())))


def _separate_part(
    separator, part: Part, plan: Mapping[str, Path], options: argparse.Namespace, writer
) -> None:
    """Separate with `writer`, which opens and yields what takes blocks {stem: audio}."""
    info, container = part.info, options.format == STEM_FORMAT
    remainder = ACCOMPANIMENT in plan and ACCOMPANIMENT not in separator.sources
    names = ("mixture", *plan) if container else tuple(plan)
    asked = tuple(name for name in plan if name in separator.sources)
    wanted = separator.sources if remainder and separator.complete else asked
    floats = options.bits == "32f"
    size = separator.temporary_bytes(part.samples, info.sample_rate, info.channels)
    size += 0 if floats else 4 * part.samples * info.channels * len(names)
    require_space(options.out, size, part.song.shown)
    report, begun = Report(), time.monotonic()
    duration = part.samples / info.sample_rate
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(writer)
        bar = progress(total=round(duration, 1), unit="s", leave=False, desc=part.song.name[:24])
        stack.enter_context(bar)
        pieces, heard = stack.enter_context(_noted(separator, part, plan, options))
        blocks = separator.stream(
            part.blocks(),
            info.sample_rate,
            (*wanted, *pieces),
            name=part.song.shown,
            report=report,
            progress=bar.update,
        )
        blocks = heard(blocks, wanted)
        if container or (remainder and not separator.complete):
            blocks = with_mixture(blocks, part.blocks())
        if remainder:
            blocks = with_accompaniment(blocks, asked[0], separator.complete)
        if floats:
            peak, gain = write_as_is(blocks, names, write), 1.0
        else:
            peak, gain = write_without_clipping(blocks, names, write, info.channels, options.out)
    place = "standard output" if options.to_stdout else options.place or _place(plan)
    _say(part, place, time.monotonic() - begun, separator, (report, peak, gain))


@contextlib.contextmanager
def _noted(separator, part: Part, plan: Mapping[str, Path], options: argparse.Namespace):
    """Yield the stems whose notes are asked for, and what hears blocks; write the notes after."""
    if not options.midi:
        yield (), lambda blocks, kept: blocks
        return
    pieces = separator.second.sources
    listener = Listener(pieces, part.info.sample_rate)
    yield pieces, listener.heard
    data, count, tempo = drum_midi(listener, part.song.name)
    place = notes_path(part.song.name, plan)
    write_bytes(place, data)
    shown = place.name if options.place else place
    print(f"  {count} drum notes in {shown}, at {tempo:.1f} beats per minute")


@contextlib.contextmanager
def _piped(sink: Sink, part: Part):
    """Send the only stem to a pipe, block by block; it carries no tags."""
    info = part.info
    with sink.opened() as file:
        pipe = WavPipe(file, info.sample_rate, info.channels, part.samples, "32f")

        def write(block: Mapping[str, np.ndarray]) -> None:
            for stem in block.values():
                pipe.write(stem)

        yield write
        pipe.close()


@contextlib.contextmanager
def _filed(plan: Mapping[str, Path], part: Part, options: argparse.Namespace):
    """Write files, all of a song or none, and note them as stems."""
    paths = list(plan.values())
    if options.midi:
        paths.append(notes_path(part.song.name, plan))
    with (
        all_or_none(paths),
        recorded(paths),
        _writer(plan, part, options) as write,
    ):
        yield write


@contextlib.contextmanager
def _writer(plan: Mapping[str, Path], part: Part, options: argparse.Namespace):
    """Open the output files; yields a function that writes a block {stem: audio} to them."""
    info, bitrate = part.info, options.bitrate
    if options.format == STEM_FORMAT:
        path = next(iter(plan.values()))
        stems, kept = tuple(plan), part.tags
        with StemWriter(
            path, info.sample_rate, info.channels, stems, bitrate=bitrate, tags=kept
        ) as writer:
            yield writer.write
        warnings = writer.warnings
    else:
        with contextlib.ExitStack() as stack:
            writers = {
                stem: stack.enter_context(_one_stem(path, stem, part, options))
                for stem, path in plan.items()
            }

            def write(block: Mapping[str, np.ndarray]) -> None:
                for stem, writer in writers.items():
                    writer.write(block[stem])

            yield write
        warnings = [line for writer in writers.values() for line in writer.warnings]
    for warning in dict.fromkeys(warnings):
        warn(part.song, warning)


def _one_stem(path: Path, stem: str, part: Part, options: argparse.Namespace):
    """The writer of one stem, which resamples where the format asks for it."""
    info = part.info
    rate = OPUS_RATE if options.format == "opus" else info.sample_rate
    writer = audio.Writer(
        path,
        rate,
        info.channels,
        format=options.format,
        bits=options.bits,
        bitrate=options.bitrate,
        tags=part.tags.of_stem(stem, part.song.name) if part.tags else None,
    )
    return writer if rate == info.sample_rate else _Resampled(writer, info.sample_rate)


class _Resampled:
    """A writer that takes audio of another rate than its file has."""

    def __init__(self, writer: audio.Writer, rate: int):
        self._writer = writer
        self._resampler = StreamResampler(rate, writer.sample_rate, writer.channels)

    @property
    def warnings(self) -> list[str]:
        return self._writer.warnings

    def write(self, block: np.ndarray) -> None:
        self._writer.write(self._resampler.push(block))

    def __enter__(self) -> "_Resampled":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is not None:
            self._writer.abort(error)
            return
        try:
            self._writer.write(self._resampler.finish())
        except BaseException as failure:
            self._writer.abort(failure)
            raise
        self._writer.close()


def warn(song: SongFile, warning: str) -> None:
    """Print one line about a song that is separated all the same."""
    print(f"warning: {naming(song.shown, ValueError(warning))}", file=sys.stderr)


def naming(shown: str, error: BaseException) -> str:
    """One line that names the song, whatever the error says."""
    text = one_line(error)
    if not isinstance(error, ValueError | OSError):
        text = f"{type(error).__name__}: {text}"
    name = one_line(ValueError(shown))
    return text if os.path.basename(name) in text else f"{name}: {text}"


def _place(plan: Mapping[str, Path]) -> str:
    """The file or the folder that all stems are in."""
    places = sorted({os.fspath(path) for path in plan.values()})
    return places[0] if len(places) == 1 else os.path.commonpath(places)


def _say(part: Part, place: str, seconds: float, separator, heard) -> None:
    """Lines: where the stems are, how fast, how well they add up, how loud they are."""
    report, peak, gain = heard
    duration = part.samples / part.info.sample_rate
    print(one_line(ValueError(f"{part.song.shown} -> {place}")))
    facts = [f"  {duration:.1f} s in {seconds:.1f} s ({duration / seconds:.1f} x real time)"]
    if separator.complete:
        facts.append(f"residual {report.residual_db:.1f} dB")
    if separator.complete and separator.consistent:
        facts.append(f"shared out to {report.remaining_db:.0f} dB")
    print(", ".join(facts))
    if report.distances:
        each = sorted(report.distances.items(), key=lambda pair: pair[1])
        print("  style: " + ", ".join(f"{name} {value:.2f}" for name, value in each))
    clipped = f", common gain {20 * np.log10(gain):.2f} dB so that none clips" if gain < 1 else ""
    print(f"  peak {peak:.3f}{clipped}")

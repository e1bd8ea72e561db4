"""`python -m dssgan.separate song.mp3 -o stems`: separate songs into stems on disk.

Files and folders of any rate and channel count; stems have the rate, channels, length and alignment
of their song. What cannot be separated is reported in one line, and the other songs go on.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from common import startup
from common.cli import UsageError, one_line, progress, run
from common.startup import without
from datasets import audio
from datasets.audio.stem_mp4 import StemWriter
from dssgan.config.sizes import check_export
from dssgan.exports import CONFIG, newest_export
from dssgan.separation.buffers import require_space
from dssgan.separation.inputs import (
    STEM_CONTAINER,
    SongFile,
    check_pattern,
    find_songs,
    plan_outputs,
)
from dssgan.separation.outputs import (
    all_or_none,
    with_accompaniment,
    with_mixture,
    write_as_is,
    write_without_clipping,
)
from dssgan.separation.records import record_stems

FORMATS = (*audio.FORMATS, STEM_CONTAINER)
LOSSY = ("mp3", "ogg", "m4a", STEM_CONTAINER)
BITS = {"16": 16, "24": 24, "32f": "32f"}


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
      UsageError: values that do not go together.
    """
    parser = argparse.ArgumentParser(prog="python -m dssgan.separate", description=__doc__)
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="audio file, or folder (searched recursively)")
    add("-o", "--out", required=True, type=Path, metavar="DIR", help="where the stems go")
    add("--model", metavar="DIR", help="exported separator (default: newest under runs/, demo/)")
    add("--sources", metavar="A,B", help="only these sources")
    add("--two-stems", metavar="SOURCE", help="this source, and 'accompaniment': all the rest")
    add("--format", choices=FORMATS, default="wav", help="default: wav")
    add("--bits", choices=BITS, default="16", help="of wav and flac (32f: wav); default: 16")
    add(
        "--segment",
        type=float,
        metavar="S",
        help="seconds per chunk (default: 8; 3 for 20 million weights or more)",
    )
    add("--overlap", type=float, default=0.25, metavar="F", help="of chunks; default: 0.25")
    add("--shifts", type=int, default=1, metavar="N", help="average N shifted passes; default: 1")
    add("--batch", type=int, metavar="N", help="chunks at once (default: 1, on a GPU 4)")
    add("--precision", choices=("float32", "bfloat16", "float16"), help="default: the model's own")
    add("--no-consistent", action="store_true", help="stems need not add up to the mixture")
    add("--pattern", metavar="P", help="output names; default: {song}/{source}.{format}")
    options = parser.parse_args(argv)
    if options.sources is not None and options.two_stems is not None:
        raise UsageError("--sources and --two-stems exclude each other: choose one")
    if options.bits == "32f" and options.format not in ("wav", *LOSSY):
        raise UsageError(f"--bits 32f: {options.format} holds 16 or 24 bits; choose those, or wav")
    container = options.format == STEM_CONTAINER
    if options.pattern is None:
        options.pattern = "{song}.{format}" if container else "{song}/{source}.{format}"
    check_pattern(options.pattern, container)
    return options


def main(argv: list[str]) -> int:
    """Separate every song; 0 when all went well, else 1."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = parse(argv)
    songs, complaints, notes = find_songs(options.inputs, audio.is_audio)
    for note in notes:
        print(note)
    model = options.model or newest_export()
    check_export(Path(model) / CONFIG)  # TensorFlow takes seconds
    with startup.stderr_hidden():
        separator = load(model, options)
    stems = stem_names(separator, options)
    plans, more = plan_outputs(songs, options.out, options.pattern, options.format, stems)
    complaints += more
    for complaint in complaints:
        print(f"error: {one_line(ValueError(complaint))}", file=sys.stderr)
    print(f"separator: {model} ({', '.join(separator.sources)})")
    failed = len(complaints)
    for song, plan in plans.items():
        try:
            separate_song(separator, song, plan, options)
        except Exception as error:
            if len(songs) == 1:
                raise
            failed += 1
            print(f"error: {_naming(song.path, error)}", file=sys.stderr)
    if failed:
        print(f"{failed} of {len(complaints) + len(plans)} inputs failed", file=sys.stderr)
    return 1 if failed else 0


def load(folder: str | os.PathLike, options: argparse.Namespace):
    """Load the separator that the options ask for; TensorFlow is first imported here."""
    # One operation at a time, each on all cores: as fast, and fewer results lie about at once.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    with without("matplotlib", "pandas", "sklearn"):
        import tensorflow as tf

        from dssgan.separator import Separator

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    options.out.mkdir(parents=True, exist_ok=True)
    return Separator.load(
        folder,
        segment=options.segment,
        overlap=options.overlap,
        shifts=options.shifts,
        batch_size=options.batch,
        consistent=False if options.no_consistent else None,
        precision=options.precision,
        temporary_folder=options.out,
    )


def stem_names(separator, options: argparse.Namespace) -> tuple[str, ...]:
    """Names of the stems to write.

    Raises:
      UsageError: a source that the separator does not have.
    """
    asked = options.sources if options.two_stems is None else options.two_stems
    if asked is None:
        return separator.sources
    names = tuple(dict.fromkeys(name.strip() for name in asked.split(",")))
    unknown = [name for name in names if name not in separator.sources]
    if unknown:
        known = ", ".join(separator.sources)
        raise UsageError(f"no source {unknown[0]!r}: this separator has {known}")
    if options.two_stems is None:
        return names
    if len(names) != 1 or names == ("accompaniment",):
        raise UsageError(f"--two-stems {asked}: expected one source beside the accompaniment")
    return (*names, "accompaniment")


def separate_song(
    separator, song: SongFile, plan: Mapping[str, Path], options: argparse.Namespace
) -> None:
    """Separate one song and report what came of it.

    Raises:
      ValueError, OSError: as the readers, the separator and the writers do; no stem is left then.
    """
    from dssgan.separation.stream import Report

    info = audio.probe(song.path)
    for warning in info.warnings:
        print(f"warning: {_naming(song.path, ValueError(warning))}", file=sys.stderr)
    container = options.format == STEM_CONTAINER
    remainder = "accompaniment" in plan and "accompaniment" not in separator.sources
    names = ("mixture", *plan) if container else tuple(plan)
    asked = tuple(name for name in plan if name in separator.sources)
    floats = options.format == "wav" and options.bits == "32f"
    size = separator.temporary_bytes(info.samples, info.sample_rate, info.channels)
    size += 0 if floats else 4 * info.samples * info.channels * len(names)
    require_space(options.out, size, os.fspath(song.path))
    report = Report()
    start = time.monotonic()
    with all_or_none(plan.values()):
        with contextlib.ExitStack() as stack:
            write = stack.enter_context(_writer(plan, info, options))
            bar = progress(
                total=round(info.duration, 1), unit="s", leave=False, desc=song.name[:24]
            )
            stack.enter_context(bar)
            blocks = separator.stream(
                audio.blocks(song.path),
                info.sample_rate,
                None if remainder and separator.complete else asked,
                name=os.fspath(song.path),
                report=report,
                progress=bar.update,
            )
            if container or (remainder and not separator.complete):
                blocks = with_mixture(blocks, audio.blocks(song.path))
            if remainder:
                blocks = with_accompaniment(blocks, asked[0], separator.complete)
            if floats:
                peak, gain = write_as_is(blocks, names, write), 1.0
            else:
                peak, gain = write_without_clipping(
                    blocks, names, write, info.channels, options.out
                )
        record_stems(plan.values())
    _say(separator, song, plan, info.duration, report, peak, gain, time.monotonic() - start)


@contextlib.contextmanager
def _writer(plan: Mapping[str, Path], info: audio.Info, options: argparse.Namespace):
    """Open the output files; yields a function that writes a block {stem: audio} to them."""
    with contextlib.ExitStack() as stack:
        if options.format == STEM_CONTAINER:
            path = next(iter(plan.values()))
            writer = StemWriter(path, info.sample_rate, info.channels, tuple(plan))
            yield stack.enter_context(writer).write
            return
        writers = {}
        for stem, path in plan.items():
            writer = audio.Writer(
                path,
                info.sample_rate,
                info.channels,
                format=options.format,
                bits=BITS[options.bits] if options.format in ("wav", "flac") else 16,
            )
            writers[stem] = stack.enter_context(writer)

        def write(block: Mapping[str, np.ndarray]) -> None:
            for stem, writer in writers.items():
                writer.write(block[stem])

        yield write


def _say(separator, song, plan, duration, report, peak, gain, seconds) -> None:
    places = sorted({os.fspath(path) for path in plan.values()})
    print(f"{song.path} -> {places[0] if len(places) == 1 else os.path.commonpath(places)}")
    facts = [f"  {duration:.1f} s in {seconds:.1f} s ({duration / seconds:.1f} x real time)"]
    if separator.complete:
        facts.append(f"residual {report.residual_db:.1f} dB")
    if separator.complete and separator.consistent:
        facts.append(f"shared out to {report.remaining_db:.0f} dB")
    print(", ".join(facts))
    clipped = f", common gain {20 * np.log10(gain):.2f} dB so that none clips" if gain < 1 else ""
    print(f"  peak {peak:.3f}{clipped}")


def _naming(path: Path, error: BaseException) -> str:
    """One line that names the file, whatever the error says."""
    text = one_line(error)
    if not isinstance(error, ValueError | OSError):
        text = f"{type(error).__name__}: {text}"
    name = one_line(ValueError(path))
    return text if os.path.basename(name) in text else f"{name}: {text}"


if __name__ == "__main__":
    run(main)

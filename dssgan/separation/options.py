"""The command line of `python -m dssgan.separate`, checked before anything slow is imported."""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

from common import dask_cluster
from common.audio_files import OUTPUT_FORMATS, STEM_FORMAT
from common.cli import UsageError, one_line, path, printable
from common.object_store import is_address
from dssgan import exports
from dssgan.separation.inputs import STANDARD_STREAM, check_pattern
from dssgan.steps import AFTER, BEFORE, DOMAINS

FORMATS = (*OUTPUT_FORMATS, STEM_FORMAT)
BITS = {"16": 16, "24": 24, "32f": "32f"}
ACCOMPANIMENT = "accompaniment"


def parse(argv: Sequence[str], about: str) -> argparse.Namespace:
    """Read the command line.

    Args:
      argv: the words. about: the help's first lines.

    Raises:
      UsageError: values out of their range, or that do not go together.
    """
    parser = argparse.ArgumentParser(prog="python -m dssgan.separate", description=about)
    add = parser.add_argument
    add(
        "inputs",
        nargs="+",
        metavar="INPUT",
        type=stream_or_path,
        help="audio file, folder (searched recursively), s3:// or gs:// address, or - for standard "
        "input",
    )
    add(
        "-o",
        "--out",
        required=True,
        type=stream_or_path,
        metavar="DIR",
        help="where the stems go; - with one source: standard output",
    )
    add(
        "--model",
        metavar="DIR",
        type=path,
        help="exported separator, run folder, or name of one of this machine's or a shipped one "
        "(default: newest under runs/, demo/, else drums)",
    )
    add(
        "--list-models",
        action=ListModels,
        nargs=0,
        help="name this machine's separators and the shipped ones",
    )
    add("--sources", metavar="A,B", help="only these sources")
    add("--two-stems", metavar="SOURCE", help="this source, and 'accompaniment': all the rest")
    add("--start", type=seconds, default=0.0, metavar="T", help="from here: s or [h:]mm:ss")
    add("--duration", type=seconds, metavar="T", help="only so long: s or [h:]mm:ss")
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--skip-existing", action="store_true", help="skip songs that are done")
    there.add_argument(
        "--overwrite",
        action="store_true",
        help="files of others too (default: only stems that this command wrote)",
    )
    _add_formats(add)
    _add_separation(add)
    options = parser.parse_args(argv)
    _check_range(options)
    _check_together(options)
    return options


class ListModels(argparse.Action):
    """Prints what separators this machine has, and the library, then ends the command."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Print a paragraph for each."""
        for name, folder in (exports.pretrained() | exports.stored()).items():
            try:
                text = f"{name}: {exports.describe(exports.find_export(folder))}"
            except (ValueError, OSError) as error:
                text = f"{name}: damaged: {one_line(error)}"
            card = folder / "MODEL_CARD.md"
            text = printable(f"{text}; more: {card}" if card.is_file() else text)
            options = {"break_long_words": False, "break_on_hyphens": False}
            print(textwrap.fill(text, 80, subsequent_indent="  ", **options))
        parser.exit()


def _add_formats(add) -> None:
    add(
        "--kit",
        nargs="?",
        const="kit",
        metavar="DIR",
        help="the pieces of the drums in place of the drums; by this separator (default: kit)",
    )
    add("--midi", action="store_true", help="the drums' notes as well: SONG.mid beside the stems")
    known = ", ".join(FORMATS)
    add(
        "--format",
        choices=FORMATS,
        default="wav",
        metavar="F",
        help=f"{known} (alac: .m4a without loss); default: wav",
    )
    add("--bits", choices=BITS, help="of wav, aiff, flac, alac (32f: wav, aiff); default: 16")
    add("--bitrate", type=int, metavar="KBPS", help="of mp3, m4a, ogg, opus, a stem.mp4's tracks")
    add("--pattern", metavar="P", help="output names; default: {song}/{source}.{format}")


def _add_separation(add) -> None:
    add(
        "--segment",
        type=float,
        metavar="S",
        help="seconds per chunk (default: the model's own, or else 8; 3 for 20 million weights "
        "or more)",
    )
    add("--overlap", type=float, metavar="F", help="of chunks (default: the model's own, or 0.25)")
    add("--shifts", type=int, default=1, metavar="N", help="average N shifted passes; default: 1")
    add("--batch", type=int, metavar="N", help="chunks at once (default: 1, on a GPU 4)")
    add("--precision", choices=("float32", "bfloat16", "float16"), help="default: the model's own")
    add(
        "--engine",
        choices=("auto", "onnx", "tensorflow"),
        default="auto",
        help="what computes: ONNX Runtime where the model has a file for it and there is no GPU",
    )
    add("--no-consistent", action="store_true", help="stems need not add up to the mixture")
    _add_steps(add)
    dask_cluster.add_options(add)


def _add_steps(add) -> None:
    add("--models", metavar="A,B", help="several separators, their stems averaged")
    add(
        "--blend",
        choices=DOMAINS,
        help=f"what of them is averaged; default: {DOMAINS[0]}",
    )
    add(
        "--by-style",
        action="store_true",
        help="one of --models for each song: whose training songs are most like it",
    )
    add("--pre", choices=BEFORE, help="separate the percussive part of the song alone")
    add(
        "--post",
        metavar="A,B",
        help="steps behind it: wiener (multichannel filter), transients (what holds its notes "
        "goes from the drums to the rest)",
    )


def stream_or_path(text: str) -> Path:
    """Path("-") for the word - alone; a file of that name is ./-, and any other word a path."""
    found = path(text)
    return found.absolute() if text != STANDARD_STREAM == str(found) else found


def seconds(text: str) -> float:
    """Seconds of "90", "1:30", "1:01:30.5".

    Raises:
      argparse.ArgumentTypeError: anything else.
    """
    parts = text.strip().split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    good = 1 <= len(values) <= 3 and all(0 <= value < 10**9 for value in values)
    good = good and all(value < 60 for value in values[1:])
    if not good or not all(part.isdecimal() for part in parts[:-1]):
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds (90.5) or [h:]mm:ss (1:30.5)")
    return sum(value * 60**place for place, value in enumerate(reversed(values)))


def _check_range(options: argparse.Namespace) -> None:
    segment, overlap = options.segment, options.overlap
    if segment is not None and not 0 < segment < 3600:
        raise UsageError(f"segment is {segment} s: expected more than 0 and less than an hour")
    if overlap is not None and not 0 <= overlap < 1:
        raise UsageError(f"overlap is {overlap}: expected 0 ≤ overlap < 1")
    for name in ("shifts", "batch"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"{name} is {value}: expected a whole number from 1")
    if options.duration is not None and not options.duration > 0:
        raise UsageError(f"--duration {options.duration:g}: expected more than 0 s")
    if options.bitrate is not None:
        facts = OUTPUT_FORMATS["m4a" if options.format == STEM_FORMAT else options.format]
        if not facts.bitrates:
            lossy = ", ".join(name for name, each in OUTPUT_FORMATS.items() if each.bitrates)
            raise UsageError(
                f"--bitrate {options.bitrate}: {options.format} has none; expected {lossy} or "
                f"{STEM_FORMAT}"
            )
        low, high = facts.bitrates
        if not low <= options.bitrate <= high:
            raise UsageError(
                f"--bitrate {options.bitrate}: {options.format} has {low} to {high} kbit/s"
            )


def _check_together(options: argparse.Namespace) -> None:
    if options.sources is not None and options.two_stems is not None:
        raise UsageError("--sources and --two-stems exclude each other: choose one")
    container = options.format == STEM_FORMAT
    depths = () if container else OUTPUT_FORMATS[options.format].bits
    bits = None if options.bits is None else BITS[options.bits]
    if bits is not None and not depths:
        raise UsageError(f"--bits {bits}: {options.format} has no depth; leave --bits out")
    if bits is not None and bits not in depths:
        raise UsageError(
            f"--bits {bits}: {options.format} holds 16 or 24 bits; choose those, or wav"
        )
    options.bits = bits or 16
    if options.pattern is None:
        options.pattern = "{song}.{format}" if container else "{song}/{source}.{format}"
    check_pattern(options.pattern, container)
    dask_cluster.check(options.cluster, options.resources)
    if options.cluster and STANDARD_STREAM in map(str, (*options.inputs, options.out)):
        raise UsageError("--cluster: workers have no pipe of this command; name files and folders")
    options.models = _names(options.models)
    if options.models and options.model:
        raise UsageError("--model and --models exclude each other: choose one")
    if len(options.models) == 1:
        raise UsageError(f"--models {options.models[0]}: expected two or more, with commas between")
    if options.by_style and (options.blend or not options.models):
        raise UsageError("--by-style: chooses one of --models A,B, and blends none")
    options.blend = options.blend or DOMAINS[0]
    options.post = _names(options.post)
    for step in options.post:
        if step not in AFTER:
            raise UsageError(f"--post {step}: expected some of {', '.join(AFTER)}")
    options.to_stdout = str(options.out) == STANDARD_STREAM
    options.stored = any(map(is_address, (*options.inputs, options.out)))
    if options.stored and STANDARD_STREAM in map(str, (*options.inputs, options.out)):
        raise UsageError("-: an object store and a pipe do not go together; name a folder")
    options.place = None  # what messages call the folder of the stems, where it is another one
    if options.midi and options.to_stdout:
        raise UsageError("--midi: notes go beside the stems; name a folder with -o")


def _names(text: str | None) -> tuple[str, ...]:
    """Words with commas between them, each once."""
    words = (word.strip() for word in (text or "").split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def stem_names(sources: Sequence[str], options: argparse.Namespace) -> tuple[str, ...]:
    """Names of the stems to write.

    Args:
      sources: those of the separator.

    Raises:
      UsageError: a source that the separator does not have; several for standard output.
    """
    names = _asked(sources, options)
    if options.to_stdout and len(names) != 1 and options.format != STEM_FORMAT:
        raise UsageError(
            f"-o -: standard output takes one stem, not {', '.join(names)}; choose it with "
            "--sources NAME"
        )
    return names


def _asked(sources: Sequence[str], options: argparse.Namespace) -> tuple[str, ...]:
    asked = options.sources if options.two_stems is None else options.two_stems
    if asked is None:
        return tuple(sources)
    names = _names(asked) or ("",)
    unknown = [name for name in names if name not in sources]
    if unknown:
        known = ", ".join(sources)
        raise UsageError(f"no source {unknown[0]!r}: this separator has {known}")
    if options.two_stems is None:
        return names
    if len(names) != 1 or names == (ACCOMPANIMENT,):
        raise UsageError(f"--two-stems {asked}: expected one source beside the accompaniment")
    return (*names, ACCOMPANIMENT)

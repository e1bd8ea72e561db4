"""`python -m dssgan.live INPUT OUTPUT`: one stem of a signal that is still running.

INPUT and OUTPUT are `device` (or device:NAME), `-` for a pipe of interleaved numbers, or a file. A
file as INPUT is read as fast as it is played. Latency is the sum of a block, of looking ahead and
of computing; the longest window that this machine computes in time is taken. Ctrl-C ends.

    python -m dssgan.live device device --latency 1
    arecord -f S16_LE -r 44100 -c 2 -t raw | python -m dssgan.live - - --type s16 | aplay -f cd
    python -m dssgan.live song.mp3 drums.wav --latency 0.5
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from common import cli, interrupts, startup
from common.cli import UsageError, one_line
from datasets import audio
from dssgan import exports, loading
from dssgan.live import devices, ends, loop
from dssgan.live.plan import TRIED, Plan, plan, running_plan, speed_of, spent_on
from dssgan.live.running import RunningSeparator
from dssgan.live.window import LiveSeparator

DEVICE, PIPE = "device", "-"
LATENCIES = (0.05, 4.0)  # seconds
MEASURED = 10  # windows, of which the slowest counts


def main(argv: list[str]) -> int:
    """Separate until the input ends or Ctrl-C; 1 when pieces were late."""
    options = parse(argv)
    if options.list_devices:
        print(devices.library().query_devices())
        return 0
    say = cli.say if options.output != PIPE else lambda text: cli.say(text, sys.stderr)
    with interrupts.announced("the separator is being loaded or compiled"), startup.stderr_hidden():
        rate, channels = shape(options)
        live, chosen, folder = fastest_enough(options, rate, channels)
    source = options.source or live.sources[0]
    if source not in live.sources:
        raise UsageError(f"--source {source}: {folder.name} has {', '.join(live.sources)}")
    say(f"{folder.name}, {source}: {chosen}")
    watch = None if options.fast else loop.Watch(rate, options.latency)
    with contextlib.ExitStack() as stack:
        blocks, writer, missed = opened(options, rate, channels, stack)
        try:
            loop.run(live, blocks, rate, source, writer.write, watch)
        except KeyboardInterrupt:
            say("stopped")
    if watch:
        say(f"{watch}{missed()}")
    return 1 if watch and watch.late else 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
      UsageError: words that do not go together, numbers out of their range.
    """
    parser = argparse.ArgumentParser(
        prog="python -m dssgan.live", description=__doc__, formatter_class=cli.HelpFormatter
    )
    add = parser.add_argument
    add("input", nargs="?", default=DEVICE, help="default: device")
    add("output", nargs="?", default=DEVICE, help="default: device")
    add("--latency", type=float, default=1.0, metavar="S", help="0.05 to 4; default: %(default)g")
    add("--source", metavar="NAME", help="the stem that goes out; default: the first")
    add(
        "--model",
        action="append",
        default=[],
        metavar="DIR",
        help="or a name; default: the shipped one",
    )
    add("--auto", action="store_true", help="of several --model, the largest that keeps up")
    add("--rate", type=int, default=44100, metavar="HZ", help="of pipes and devices")
    add("--channels", type=int, default=2, metavar="N", help="of pipes and devices; default: 2")
    add("--type", choices=ends.TYPES, default="f32", help="of numbers in pipes; default: f32")
    add("--fast", action="store_true", help="read a file as fast as it can be separated")
    add("--speed", type=float, metavar="X", help="times real time to plan with; default: measured")
    add("--list-devices", action="store_true", help="print the sound devices")
    options = parser.parse_args(argv)
    low, high = LATENCIES
    if not low <= options.latency <= high:
        raise UsageError(f"--latency {options.latency:g}: expected {low:g} to {high:g} s")
    if options.speed is not None and not 0 < options.speed < 1e6:
        raise UsageError(f"--speed {options.speed:g}: expected more than 0")
    if options.fast and (is_device(options.input) or options.input == PIPE):
        raise UsageError("--fast reads a file: name it as INPUT")
    if not 1000 <= options.rate <= 768000 or not 1 <= options.channels <= 8:
        raise UsageError("--rate or --channels: expected 1000 to 768000 Hz, 1 to 8 channels")
    if is_device(options.input) != is_device(options.output):
        raise UsageError(
            "a device goes with a device: both run on one clock; else use pipes, "
            "as arecord and aplay give and take them"
        )
    if len(options.model) > 1 and not options.auto:
        raise UsageError("several --model: say --auto to take the largest that keeps up")
    return options


def is_device(word: str) -> bool:
    """Whether a word of the command line names a sound device."""
    return word == DEVICE or word.startswith(f"{DEVICE}:")


def shape(options: argparse.Namespace) -> tuple[int, int]:
    """(rate in Hz, channels) of the input."""
    if is_device(options.input) or options.input == PIPE:
        return options.rate, options.channels
    info = audio.probe(options.input)
    return info.sample_rate, info.channels


def fastest_enough(
    options: argparse.Namespace, rate: int, channels: int
) -> tuple[LiveSeparator, Plan, Path]:
    """The largest of the separators that keeps up, its plan and its folder.

    Raises:
      UsageError: no such separator. ValueError: none keeps up.
    """
    try:
        asked = [exports.find_export(each) for each in options.model]
    except (ValueError, OSError) as error:
        raise UsageError(f"--model {one_line(error)}") from error
    asked = asked or [exports.PRETRAINED / exports.SHIPPED]
    asked.sort(key=lambda folder: -(folder / exports.WEIGHTS).stat().st_size)
    reasons = []
    for folder in asked:
        try:
            return (*planned(folder, options, rate, channels), folder)
        except ValueError as error:
            reasons.append(f"{folder.name}: {error}")
    raise ValueError("; ".join(reasons))


def planned(
    folder: Path, options: argparse.Namespace, rate: int, channels: int
) -> tuple[LiveSeparator, Plan]:
    """A separator that keeps up with a signal, and how its latency is spent.

    Raises:
      ValueError: it does not keep up.
    """
    if exports.is_causal(folder):
        # Blocks are so short that handing their parts to other cores takes longer than computing.
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
        return running(loading.load(folder, "tensorflow", TRIED), options, rate, channels)
    speed = options.speed or speed_of(loading.load(folder, segment=TRIED), channels, MEASURED)
    while True:
        chosen = plan(options.latency, speed)
        separator = loading.load(folder, segment=chosen.window)
        found = options.speed or speed_of(separator, channels, MEASURED)
        if found > 0.9 * speed:  # the margin is larger than that
            break
        speed = found  # short windows take more than their share of the time
    lengths = (round(part * separator.sample_rate) for part in (chosen.block, chosen.ahead))
    return LiveSeparator(separator, *lengths), chosen


def running(
    separator, options: argparse.Namespace, rate: int, channels: int
) -> tuple[LiveSeparator, Plan]:
    """A causal separator with the longest block that the latency allows."""
    own, model = separator.sample_rate, separator.model
    if rate != own:
        raise ValueError(
            f"it runs at {own} Hz, and the signal at {rate}: resampling would take longer than all "
            f"the rest; set the device or the pipe to --rate {own}, or convert the file"
        )

    def computing(seconds: float) -> float:
        if options.speed:
            return seconds / options.speed
        return spent_on(separator, channels, round(seconds * own))

    chosen = running_plan(
        options.latency, model.multiple / own, model.delay / own, ends.BLOCK / rate, computing
    )
    return RunningSeparator(separator, round(chosen.window * own)), chosen


def opened(
    options: argparse.Namespace, rate: int, channels: int, stack: contextlib.ExitStack
) -> tuple[Iterator, object, Callable[[], str]]:
    """Blocks that come in, what takes those that go out, and a remark at the end."""
    if is_device(options.input):
        words = (options.input, options.output)
        names = tuple(word.partition(":")[2] or None for word in words)
        delay = round(options.latency * rate)
        device = devices.Duplex(devices.library(), rate, channels, delay, names)
        stack.enter_context(device)
        return device.blocks(), device, lambda: f"; {device.missed / rate:.3f} s of silence instead"
    if options.output == PIPE:
        writer = ends.PipeWriter(options.type)
    else:
        writer = audio.Writer(options.output, rate, channels)
    stack.enter_context(writer)
    if options.input == PIPE:
        return ends.pipe_blocks(channels, options.type), writer, lambda: ""
    return ends.file_blocks(Path(options.input), not options.fast), writer, lambda: ""


if __name__ == "__main__":
    cli.run(main)

"""A song with its drums on another kit: `python -m dssgan.resynth song.mp3 --kit KIT -o new.wav`.

The drums are separated, the hits of their pieces are found, and a kit of recorded hits plays them
beside the rest of the song. KIT is a folder, an .sfz or .h2drumkit file, or the name of one that is
installed, such as GMRockKit: see `python -m datasets.kits`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from common import cli, startup
from common.cli import UsageError, one_line
from datasets import audio
from datasets.kits.opening import open_kit
from datasets.kits.pieces import KEYS, PIECES, STEMS
from datasets.kits.playing import Hit, Playing, render
from dssgan import exports, loading
from dssgan.kit.chained import ChainedSeparator
from dssgan.kit.listening import Listener
from dssgan.separation.outputs import CEILING

LONGEST_S = 1800.0  # the song is in memory
DRUMS = "drums"


def main(argv: list[str]) -> int:
    """Play a song's drums on a kit; 0."""
    options = parse(argv)
    try:
        kit = open_kit(options.kit)
        folders = [exports.find_export(name) for name in (options.model, options.pieces)]
    except (ValueError, OSError) as error:
        raise UsageError(one_line(error)) from error
    info = audio.probe(options.song)
    if info.channels > 2:
        raise UsageError(f"{options.song}: {info.channels} channels, expected mono or stereo")
    if info.samples > LONGEST_S * info.sample_rate:
        raise UsageError(f"{options.song}: longer than {LONGEST_S / 60:.0f} minutes")
    with startup.stderr_hidden():
        both = ChainedSeparator(*(loading.load(folder) for folder in folders), DRUMS)
    rest, level, notes = separated(both, options.song, info)
    played = performed(kit, notes, len(rest), info)
    loudness = float(np.sqrt(np.mean(np.square(played)))) if len(played) else 0.0
    gain = level / loudness if loudness else 0.0
    mix = rest + np.float32(gain * 10 ** (options.gain / 20)) * played
    peak = float(np.abs(mix).max(initial=0.0))
    if peak > CEILING:
        mix *= np.float32(CEILING / peak)
    audio.write(options.out, mix, info.sample_rate, format=options.format)
    print(f"{options.song} -> {options.out}: {len(notes)} hits on {kit.name}, peak {peak:.3f}")
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line; UsageError for what cannot be."""
    parser = argparse.ArgumentParser(prog="python -m dssgan.resynth", description=__doc__)
    parser.add_argument("song", type=cli.path, help="audio file, mono or stereo")
    parser.add_argument("--kit", required=True, help="of recorded hits: a folder, file, or name")
    parser.add_argument("-o", "--out", required=True, type=cli.path, help=".wav or .flac file")
    parser.add_argument("--model", default=DRUMS, help="separates the drums (default: drums)")
    parser.add_argument("--pieces", default="kit", help="separates the pieces (default: kit)")
    parser.add_argument(
        "--gain", type=float, default=0.0, metavar="DB", help="louder than the song's own drums"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    options = parser.parse_args(argv)
    options.format = options.out.suffix[1:].lower()
    if options.format not in ("wav", "flac"):
        raise UsageError(f"-o {options.out}: expected a name that ends in .wav or .flac")
    if options.out.exists() and not options.overwrite:
        raise UsageError(f"-o {options.out}: is there already; --overwrite replaces it")
    if not -60 <= options.gain <= 60:
        raise UsageError(f"--gain {options.gain:g}: expected -60 to 60 dB")
    return options


def separated(both: ChainedSeparator, song: Path, info) -> tuple[np.ndarray, float, list]:
    """The song without its drums, how loud these were (RMS), and their notes."""
    listener = Listener(both.second.sources, info.sample_rate)
    others = tuple(name for name in both.first.sources if name != DRUMS)
    rest = np.zeros((info.samples, info.channels), np.float32)
    place, power = 0, 0.0
    bar = cli.progress(total=round(info.duration, 1), unit="s", leave=False, desc=song.name[:24])
    with bar:
        blocks = both.stream(
            audio.blocks(song),
            info.sample_rate,
            (*both.second.sources, DRUMS, *others),
            name=str(song),
            progress=bar.update,
        )
        for block in listener.heard(blocks, (DRUMS, *others)):
            length = len(block[DRUMS])
            for name in others:
                rest[place : place + length] += block[name]
            power += float(np.square(block[DRUMS], dtype=np.float64).sum())
            place += length
    rms = (power / max(1, place * info.channels)) ** 0.5
    return rest[:place], rms, listener.notes()


def performed(kit, notes, samples: int, info) -> np.ndarray:
    """The notes on a kit: float32 (samples, channels), one piece after the other."""
    played = np.zeros((samples, info.channels), np.float32)
    for place, stem in enumerate(STEMS):
        hits = [Hit(*note) for note in notes if PIECES.get(KEYS.get(note.key)) == stem]
        if hits:
            found = render(kit, hits, samples, Playing(sample_rate=info.sample_rate))[place]
            played += found if info.channels == 2 else found.mean(1, keepdims=True)
    return played


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

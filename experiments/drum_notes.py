"""When drums of annotated songs are hit: python -m experiments.drum_notes FOLDER

FOLDER has a folder per song: stems and SONG_class.txt with a time in seconds and a class per line
(KD, SD, TT, HH, CY), as MDB Drums has them. Scored are hits that separated pieces tell, from the
mixture and from the drum stem, and librosa's onsets in a band for each piece, from both. Figures
are F-measures of hits of all songs together, a hit being right within a window (mir_eval).

--energy asks instead where the energy of hits goes: of every annotated hit of the drum stem that
has none of another class near it, the shares of the separated pieces in what rises there.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import mir_eval
import numpy as np

import datasets
from common import cli
from dssgan import exports, loading
from dssgan.kit.chained import ChainedSeparator
from dssgan.kit.onsets import HitDetector

CLASSES = {"KD": "kick", "SD": "snare", "TT": "toms", "HH": "hats", "CY": "cymbals"}
#: What the baseline listens to, Hz.
BANDS = {
    "kick": (30.0, 120.0),
    "snare": (180.0, 2000.0),
    "toms": (80.0, 400.0),
    "hats": (8000.0, 16000.0),
    "cymbals": (4000.0, 12000.0),
}
ALONE_S = 0.1  # no hit of another class within this
BEFORE_S, AFTER_S = 0.04, 0.06  # what is compared around a hit
Times = Mapping[str, np.ndarray]


def main(argv: list[str]) -> int:
    """Score the ways on the songs and print a table; 0."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.drum_notes",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="of the songs")
    parser.add_argument("--songs", nargs="+", help="names of songs (default: all)")
    parser.add_argument("--model", default="drums", help="separates the drums")
    parser.add_argument("--kit", default="kit", help="separates their pieces")
    parser.add_argument(
        "--windows",
        nargs="+",
        type=float,
        default=[0.05, 0.02],
        metavar="S",
        help="seconds a hit may be off; default: 0.05 and 0.02",
    )
    parser.add_argument("--energy", action="store_true", help="where the energy of hits goes")
    options = parser.parse_args(argv)
    first, second = (
        loading.load(exports.find_export(name)) for name in (options.model, options.kit)
    )
    both = ChainedSeparator(first, second, "drums")
    found: dict[str, list[Times]] = {}
    known, shares = [], {piece: [] for piece in CLASSES.values()}
    for track in datasets.load("folders", options.folder, songs=options.songs):
        known.append(annotated(options.folder / track.name / f"{track.name}_class.txt"))
        if options.energy:
            stems = together(second, track.read("drums"), track.sample_rate)
            for piece, found_shares in energy_shares(stems, track.sample_rate, known[-1]).items():
                shares[piece] += found_shares
            continue
        for way, times in ways(track, both):
            found.setdefault(way, []).append(times)
        cli.say(f"{track.name}: {sum(map(len, known[-1].values()))} hits")
    for line in energy_table(shares) if options.energy else table(known, found, options.windows):
        cli.say(line)
    return 0


def annotated(path: Path) -> Times:
    """Times of every piece's hits in seconds, sorted.

    Raises:
      ValueError: a line that is no time and class. OSError: it cannot be read.
    """
    hits: dict[str, list[float]] = {piece: [] for piece in CLASSES.values()}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        words = line.split()
        try:
            time, label = float(words[0]), words[1]
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}, line {number}: expected a time and a class") from error
        if label in CLASSES:  # others are no part of a kit
            hits[CLASSES[label]].append(time)
    return {piece: np.array(sorted(times)) for piece, times in hits.items()}


def ways(track, both: ChainedSeparator) -> Iterator[tuple[str, Times]]:
    """(what it is called, times of hits by piece) of every way."""
    rate = track.sample_rate
    for name, separator in (("mixture", both), ("drums", both.second)):
        audio = track.read(name)
        yield (
            f"librosa, {name}",
            {piece: banded(audio, rate, band) for piece, band in BANDS.items()},
        )
        yield f"pieces, {name}", separated(separator, audio, rate)


def banded(audio: np.ndarray, rate: int, band: tuple[float, float]) -> np.ndarray:
    """Onsets in a band, by librosa with its own settings."""
    import librosa

    low, high = band
    mono = np.asarray(audio, np.float32).mean(1)
    options = {"n_mels": 16, "fmin": low, "fmax": min(high, 0.49 * rate), "n_fft": 4096}
    curve = librosa.onset.onset_strength(y=mono, sr=rate, **options)
    return librosa.onset.onset_detect(onset_envelope=curve, sr=rate, units="time")


def separated(separator, audio: np.ndarray, rate: int) -> Times:
    """Hits in separated pieces."""
    detectors = {piece: HitDetector(rate, piece) for piece in CLASSES.values()}
    for block in separator.stream([audio], rate, tuple(detectors)):
        for piece, detector in detectors.items():
            detector.push(block[piece])
    return {
        piece: np.array([hit.time for hit in detector.hits()])
        for piece, detector in detectors.items()
    }


def together(separator, audio: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """Whole stems of the pieces, (samples,) each, the mean of their channels."""
    blocks = list(separator.stream([audio], rate))
    return {one: np.concatenate([block[one].mean(1) for block in blocks]) for one in blocks[0]}


def energy_shares(
    stems: Mapping[str, np.ndarray], rate: int, known: Times
) -> dict[str, list[dict[str, float]]]:
    """Of each annotated hit that is alone: {stem: its share of the energy that rises there}.

    Energy rises by what the `AFTER_S` from a hit on have more than as long a stretch of the mean
    power before it; hits where nothing rises are left out.
    """
    found: dict[str, list[dict[str, float]]] = {}
    before, after = round(BEFORE_S * rate), round(AFTER_S * rate)
    for piece, times in known.items():
        others = np.concatenate([known[other] for other in known if other != piece])
        found[piece] = []
        for time in times:
            if len(others) and np.abs(others - time).min() < ALONE_S:
                continue
            start = max(0, round((time - 0.005) * rate))  # annotations are a few milliseconds off
            risen = {name: rise(stem, start, before, after) for name, stem in stems.items()}
            total = sum(risen.values())
            if total > 0:
                found[piece].append({name: value / total for name, value in risen.items()})
    return found


def rise(stem: np.ndarray, start: int, before: int, after: int) -> float:
    """How much more energy the samples after a place have than those before it, if any."""
    power = np.square(stem[max(0, start - before) : start + after], dtype=np.float64)
    rest, own = power[: min(start, before)], power[min(start, before) :]
    usual = rest.mean() if len(rest) else 0.0
    return max(0.0, float(own.sum() - usual * len(own)))


def energy_table(shares: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """Rows of Markdown: an annotated class each, mean shares of the separated pieces."""
    pieces = list(shares)
    lines = [f"| hits of | alone | {' | '.join(pieces)} |", f"|---|---:|{'---:|' * len(pieces)}"]
    for piece, hits in shares.items():
        cells = (np.mean([hit.get(name, 0.0) for hit in hits]) if hits else None for name in pieces)
        text = " | ".join("–" if cell is None else f"{cell:.2f}" for cell in cells)
        lines.append(f"| {piece} | {len(hits)} | {text} |")
    return lines


def table(
    known: Sequence[Times], found: Mapping[str, Sequence[Times]], windows: Sequence[float]
) -> list[str]:
    """Rows of Markdown: a way and a window each, F-measures of pieces and of all."""
    pieces = list(CLASSES.values())
    lines = [f"| way | within | {' | '.join(pieces)} | all |"]
    lines.append(f"|---|---:|{'---:|' * (len(pieces) + 1)}")
    for way, times in found.items():
        for window in windows:
            counts = {piece: counted(known, times, piece, window) for piece in pieces}
            row = [f_measure(*count) for count in counts.values()]
            row.append(f_measure(*np.sum(list(counts.values()), axis=0)))
            cells = " | ".join(f"{value:.2f}" for value in row)
            lines.append(f"| {way} | {1000 * window:.0f} ms | {cells} |")
    return lines


def counted(
    known: Sequence[Times], found: Sequence[Times], piece: str, window: float
) -> tuple[int, int, int]:
    """Hits of a piece that are right, that there are, and that were found."""
    pairs = [(ours[piece], theirs[piece]) for theirs, ours in zip(known, found, strict=True)]
    right = sum(
        len(mir_eval.util.match_events(theirs, ours, window))
        for ours, theirs in pairs
        if len(ours) and len(theirs)
    )
    return right, sum(len(theirs) for _, theirs in pairs), sum(len(ours) for ours, _ in pairs)


def f_measure(right: int, known: int, found: int) -> float:
    """2 P R / (P + R); 0 where nothing is right."""
    return 2 * float(right) / float(known + found) if right else 0.0


if __name__ == "__main__":
    cli.run(main)

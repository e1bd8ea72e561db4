"""One song of the page: its mixture and stems as files without loss, and what a player shows."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.files import write_bytes
from common.json_files import write_json
from datasets import audio
from datasets.audio.wav import quantise
from dssgan.app.overview import Overview
from dssgan.drum_midi import drum_midi
from dssgan.kit.chained import ChainedSeparator
from dssgan.kit.listening import Listener
from dssgan.separation.buffers import require_space
from dssgan.separation.outputs import all_or_none, with_mixture, write_as_is, write_without_clipping
from dssgan.separation.stream import Report

MIXTURE = "mixture"
OVERVIEW = "overview.json"
NOTES = "notes.mid"  # of the drums, where their pieces were separated
MOST_CHANNELS = 8  # of a FLAC file
Say = Callable[..., object]


def stem_file(folder: Path, stem: str, bits: int | str) -> Path:
    """Where a stem of a job lies: FLAC, or WAV for floating-point numbers."""
    return folder / f"{stem}.{'wav' if bits == '32f' else 'flac'}"


def separate(
    separator: Any,
    song: Path,
    shown: str,
    folder: Path,
    sources: Sequence[str],
    bits: int | str,
    say: Say,
) -> dict[str, Any]:
    """Separate a song into files of a folder.

    Args:
      separator: of `dssgan.loading.load`, or two in a row; then the notes of the pieces are written
        as well.
      song: the file. shown: what messages call it.
      folder: where `stem_file`s, OVERVIEW and NOTES are written, all or none.
      sources: to write; the mixture comes with them.
      bits: 16, 24 or "32f".
      say: called with event="started" and the song's facts, and with event="progress", seconds=….

    Returns:
      Facts of the stems, as the "result" of a job.

    Raises:
      ValueError, OSError: as readers, separator and writers do; the messages name `shown`.
    """
    begun = time.monotonic()
    info = audio.probe(song)
    if info.channels > MOST_CHANNELS:
        raise ValueError(
            f"{shown}: {info.channels} channels, and the page takes {MOST_CHANNELS} at most: use "
            "python -m dssgan.separate"
        )
    say(
        event="started",
        sample_rate=info.sample_rate,
        channels=info.channels,
        samples=info.samples,
        warnings=list(info.warnings),
    )
    names = (MIXTURE, *sources)
    size = separator.temporary_bytes(info.samples, info.sample_rate, info.channels)
    require_space(folder, size + 8 * info.samples * info.channels * len(names), shown)
    report = Report()
    files = {name: stem_file(folder, name, bits) for name in names}
    listener, pieces = None, ()
    if isinstance(separator, ChainedSeparator):
        pieces = separator.second.sources
        listener = Listener(pieces, info.sample_rate)
    with all_or_none([*files.values(), folder / OVERVIEW, folder / NOTES]):
        stream = separator.stream(
            audio.blocks(song),
            info.sample_rate,
            tuple(dict.fromkeys((*sources, *pieces))),
            name=shown,
            report=report,
            progress=lambda seconds: say(event="progress", seconds=seconds),
        )
        stream = listener.heard(stream, sources) if listener else stream
        facts = _write(with_mixture(stream, audio.blocks(song)), files, info, bits)
        if listener:
            data, count, tempo = drum_midi(listener, shown)
            write_bytes(folder / NOTES, data)
            facts |= {"notes": count, "tempo": round(tempo, 1)}
    complete = separator.complete and set(sources) == set(separator.sources)
    return {
        "seconds": round(time.monotonic() - begun, 2),
        "residual_db": _db(10 ** (report.residual_db / 20)) if complete else None,
        "null_db": facts["null_db"] if complete else None,
        "peak": facts["peak"],
        "gain_db": facts["gain_db"],
    } | {key: facts[key] for key in ("notes", "tempo") if key in facts}


def _write(
    blocks: Iterator[Mapping[str, np.ndarray]], files: Mapping[str, Path], info: audio.Info, bits
) -> dict[str, Any]:
    """Write blocks of the mixture and stems, and what a player shows of them."""
    overview = Overview(tuple(files), info.samples, info.sample_rate)
    rest = [0.0, 0]
    writers = {
        name: audio.Writer(path, info.sample_rate, info.channels, bits=bits)
        for name, path in files.items()
    }

    def write(block: Mapping[str, np.ndarray]) -> None:
        for name, writer in writers.items():
            writer.write(block[name])
        overview.add(block)
        heard = {name: _as_stored(audio, bits) for name, audio in block.items()}
        null = heard[MIXTURE] - sum(heard[name] for name in files if name != MIXTURE)
        rest[0] += float(np.square(null).sum())
        rest[1] += null.size

    try:
        if bits == "32f":
            peak, gain = write_as_is(blocks, tuple(files), write), 1.0
        else:
            folder = next(iter(files.values())).parent
            peak, gain = write_without_clipping(blocks, tuple(files), write, info.channels, folder)
        for writer in writers.values():
            writer.close()
    except BaseException as error:
        for writer in writers.values():
            writer.abort(error)
        raise
    write_json(files[MIXTURE].parent / OVERVIEW, overview.result())
    null_db = _db(np.sqrt(rest[0] / max(1, rest[1])))
    return {"null_db": null_db, "peak": round(peak, 4), "gain_db": _db(gain)}


def _as_stored(audio: np.ndarray, bits: int | str) -> np.ndarray:
    """What a file of so many bits holds of a block, as float64."""
    if bits == "32f":
        return audio.astype(np.float64)
    return quantise(audio, bits) / 2.0 ** (bits - 1)


def _db(ratio: float) -> float | None:
    """A level in dB; None for silence."""
    return round(20 * float(np.log10(ratio)), 2) if ratio > 0 else None

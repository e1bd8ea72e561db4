"""Songs of any dataset as WAV files whose mixture is the sum of its sources.

    OUT/SPLIT/SONG/{mixture,drums,accompaniment}.wav
    OUT/dataset.pkl                                    the list that the original system reads

The original system averaged the stems of an accompaniment, which left it at a third of its level
and the mixture unequal to its sources. Here stems are added up, in 32-bit floating point, so that
nothing is clipped or rounded away: mixture = drums + accompaniment, bit by bit.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from common.digests import facts_digest
from common.files import write_text
from common.json_files import read_json
from common.parallel import each
from datasets.audio.writing import Writer
from datasets.legacy import lists, songs
from datasets.loaders import folders
from datasets.sources import source_stems
from datasets.track import SPLITS, Track

BLOCK = 2**18  # samples
RECORD = "export.json"
LIST = "dataset.pkl"
SOURCES = ("drums", "accompaniment")


def export(
    tracks: Sequence[Track],
    out: str | os.PathLike,
    sources: Sequence[str] = SOURCES,
    *,
    workers: int = 1,
    watch: Callable[..., Iterable] = lambda results, total: results,
) -> int:
    """Write songs; those that are there already, made of the same files, are left as they are.

    Args:
      tracks: the songs.
      out: the folder; `datasets.load("folders", out)` reads it.
      sources: what to write beside the mixture; together they hold all stems of a song
        ("accompaniment" is what the others leave).
      workers: processes.
      watch: wraps the finished songs, for instance in a progress bar.

    Returns:
      How many songs were written.

    Raises:
      ValueError: two songs of one name, a source that a song does not know, a stem in no source or
        in two, a broken file.
      OSError: the disk is full or `out` cannot be written.
    """
    sources = tuple(dict.fromkeys(sources))
    out = Path(out).expanduser()
    places: dict[Path, Track] = {}
    for track in tracks:
        check(track, sources)
        name = track.name.replace(os.sep, "_")
        if track.split not in SPLITS or name.startswith(".") or "\0" in name or not name:
            raise ValueError(
                f"{track.split}/{track.name}: cannot be the folder of a song; rename it"
            )
        place = out / track.split / name
        if place in places:
            raise ValueError(f"two songs would be written to {place}; rename one")
        places[place] = track
    if not places:
        raise ValueError("there is no song to write")
    jobs = [
        (track, str(place), sources)
        for place, track in places.items()
        if not _written(place, track, sources)
    ]
    for _ in watch(each(write_song, jobs, workers), total=len(jobs)):
        pass
    others = [source for source in sources if source != "accompaniment"]
    order = [source for source in sources if source == "accompaniment"] + others
    found = folders.load(out, sources=others)
    lists.write(out / LIST, songs.listed(found, sources=order))
    return len(jobs)


def check(track: Track, sources: Sequence[str]) -> None:
    """Raise ValueError unless every stem of a song is in exactly one of the sources."""
    named = [stem for stems in source_stems(track, sources) for stem in stems]
    for stem in dict.fromkeys((*track.stems, *named)):
        if named.count(stem) != 1:
            count = "none" if stem not in named else "more than one"
            raise ValueError(
                f"{track.name}: its {stem} is in {count} of the sources {', '.join(sources)}, so "
                "that they would not add up to the mixture; accompaniment is what is left"
            )


def write_song(track: Track, folder: str, sources: Sequence[str]) -> None:
    """Write one song block by block, and last of all what it was made of; errors as of `export`."""
    place = Path(folder)
    (place / RECORD).unlink(missing_ok=True)
    stems_of = source_stems(track, sources)
    with ExitStack() as stack:
        files = [
            stack.enter_context(
                Writer(place / f"{name}.wav", track.sample_rate, track.channels, bits="32f")
            )
            for name in ("mixture", *sources)
        ]
        streams = {stem: track.blocks(stem, BLOCK) for stems in stems_of for stem in stems}
        for start in range(0, track.samples, BLOCK):
            found = {stem: next(stream) for stem, stream in streams.items()}
            shape = (min(BLOCK, track.samples - start), track.channels)
            audio = [
                sum((found[stem] for stem in stems), np.zeros(shape, np.float32))
                for stems in stems_of
            ]
            for file, block in zip(files, (sum(audio), *audio)):
                file.write(block)
    write_text(place / RECORD, json.dumps({"fingerprint": _fingerprint(track, sources)}) + "\n")


def _fingerprint(track: Track, sources: Sequence[str]) -> str:
    return facts_digest(track.fingerprint(), tuple(sources))


def _written(place: Path, track: Track, sources: Sequence[str]) -> bool:
    """Whether a song is there, whole and made of the same files."""
    try:
        record = read_json(place / RECORD)
    except (OSError, ValueError):
        return False
    whole = all((place / f"{name}.wav").is_file() for name in ("mixture", *sources))
    return whole and record == {"fingerprint": _fingerprint(track, sources)}

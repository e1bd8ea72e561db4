"""Songs and stems in object stores, for `python -m dssgan.separate s3://BUCKET/songs -o s3://…`.

A song is copied to this machine, separated there, and its stems are copied to where they belong
when all of them are complete: so a song whose last stem is there is done.
"""

import argparse
import copy
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from common.audio_files import is_audio
from common.cli import UsageError, one_line
from common.object_store import ObjectStore, address_of, is_address
from dssgan.kit.naming import notes_path, with_notes, without_notes
from dssgan.separate_song import separate_song
from dssgan.separation.inputs import (
    SongFile,
    find_songs,
    plan_outputs,
    without_existing,
    without_extension,
)

Plans = dict[SongFile, dict[str, Path]]
SONG = "song"  # name of the copy of a song


def planned(
    options: argparse.Namespace, stems: Sequence[str]
) -> tuple[Plans, list[str], list[str]]:
    """The songs to separate and where their stems go, where some are in an object store.

    Returns:
      The plans, with addresses as paths (see `common.object_store.address_of`); one line for every
      input that cannot be separated; and notes.

    Raises:
      UsageError: the store's library is not installed, or an address holds credentials.
    """
    songs, complaints, notes = find_songs(
        [p for p in options.inputs if not is_address(p)], is_audio
    )
    stored = [address_of(path) for path in options.inputs if is_address(path)]
    try:
        for address in stored:
            try:
                songs += _below(address)
            except OSError as error:
                complaints.append(one_line(error))
        plans, collisions = plan_outputs(songs, options.out, options.pattern, options.format, stems)
        plans = with_notes(plans) if options.midi else plans
        if not is_address(options.out):
            plans, skipped, others = without_existing(
                plans, options.skip_existing, options.overwrite
            )
        else:
            plans, skipped, others = _without_stored(plans, options)
        plans = without_notes(plans)
    except ValueError as error:
        raise UsageError(one_line(error)) from error
    if skipped:
        notes.append(f"skipped {skipped} songs whose stems are there")
    return plans, complaints + collisions + others, notes


def _below(address: str) -> list[SongFile]:
    """Songs at or below an address; raises OSError where there are none."""
    top = address.rstrip("/")
    songs = []
    for found in ObjectStore(top).listed(top):
        if found == top:
            name = found.rpartition("/")[2]
            return [SongFile(Path(found), without_extension(name))]
        if is_audio(found):
            name = found[len(top) + 1 :]
            songs.append(SongFile(Path(found), without_extension(name), found=True))
    if not songs:
        raise OSError(f"{top}: no audio file below it")
    return songs


def _without_stored(plans: Plans, options: argparse.Namespace) -> tuple[Plans, int, list[str]]:
    """Leave out songs whose stems are there; as of `without_existing`."""
    left, skipped, complaints = {}, 0, []
    store = ObjectStore(address_of(options.out))
    try:
        known = set(store.listed(address_of(options.out)))
    except FileNotFoundError:
        known = set()
    except OSError as error:
        return {}, 0, [one_line(error)] if plans else []
    for song, plan in plans.items():
        there = sorted({address_of(path) for path in plan.values()} & known)
        done = len(there) == len(set(plan.values()))
        if there and not (options.overwrite or options.skip_existing):
            complaints.append(
                f"{song.shown}: would overwrite {there[0]}; give --skip-existing or --overwrite"
            )
        elif done and options.skip_existing:
            skipped += 1
        else:
            left[song] = plan
    return left, skipped, complaints


def separate_stored(
    separator, song: SongFile, plan: Mapping[str, Path], options: argparse.Namespace
) -> None:
    """Copy a song here, separate it, and copy its stems to where they belong.

    Errors as of `separate_song` and `ObjectStore`; no stem is left in the store where one of the
    song cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="dssgan-") as folder:
        here = song
        if is_address(song.path):
            address = address_of(song.path)
            copied = Path(folder) / f"{SONG}{song.path.suffix}"
            ObjectStore(address).fetch(address, copied)
            here = replace(song, path=copied, label=song.shown)
        if not is_address(options.out):
            _separated(separator, here, plan, options)
            return
        top = Path(folder) / "stems"
        top.mkdir()
        inner = copy.copy(options)
        inner.out, inner.place = top, address_of(_common(plan))
        local = {source: top / path.relative_to(options.out) for source, path in plan.items()}
        _separated(separator, here, local, inner)
        files = list(dict.fromkeys(local.values()))
        if options.midi:
            files.append(notes_path(song.name, local))
        store = ObjectStore(address_of(options.out))
        for file in files:
            store.put(file, address_of(options.out / file.relative_to(top)))


def _separated(
    separator, song: SongFile, plan: Mapping[str, Path], options: argparse.Namespace
) -> None:
    """As `separate_song`; errors name the song, not its copy."""
    try:
        separate_song(separator, song, plan, options)
    except ValueError as error:
        raise ValueError(str(error).replace(os.fspath(song.path), song.shown)) from error
    except OSError as error:
        if error.filename is not None and os.fspath(error.filename) == os.fspath(song.path):
            raise OSError(error.errno, error.strerror, song.shown) from error
        raise


def _common(plan: Mapping[str, Path]) -> Path:
    """The address of the folder, or of the only file, of a song's stems."""
    places = sorted(set(plan.values()))
    return places[0] if len(places) == 1 else Path(os.path.commonpath(places))

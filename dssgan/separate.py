"""`python -m dssgan.separate song.mp3 -o stems`: separate songs into stems on disk.

Files and folders of any rate and channel count; stems have the rate, channels, length, alignment
and tags of their song. What cannot be separated is reported in one line, and the other songs go on.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from common import interrupts, startup
from common.audio_files import is_audio
from common.cli import UsageError, one_line, path, run
from dssgan import exports, loading
from dssgan.config.sizes import check_export
from dssgan.kit.naming import DRUMS, KIT, chained, with_notes, without_notes
from dssgan.separation.inputs import SongFile, find_songs, plan_outputs, without_existing
from dssgan.separation.options import parse, stem_names
from dssgan.separation.spooling import Sink, check_stdin, standard_output

Plans = dict[SongFile, dict[str, Path]]


def main(argv: list[str]) -> int:
    """Separate every song; 0 when all went well, else 1."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = parse(argv, __doc__)
    try:
        (model, *others), sources = found(options)
        options.kit_model = None
        if options.kit or options.midi:
            options.kit_model, sources = with_kit(sources, options)
        stems = stem_names(sources, options)
    except (ValueError, OSError) as error:
        where = "--model " if options.model else ""
        text = one_line(error)
        raise UsageError(text if isinstance(error, UsageError) else where + text) from error
    try:
        for each in (model, *others):
            loading.choose(each, options.engine, options.segment, options.precision)
    except ValueError as error:
        raise UsageError(one_line(error)) from error
    with contextlib.ExitStack() as stack:
        sink = None
        if options.to_stdout:
            options.out, sink = stack.enter_context(standard_output())
        plans, failed = planned(options, stems)
        total = failed + len(plans)
        if sink and total != 1:
            raise UsageError(f"-o -: standard output takes one song, not {total}")
        if plans and options.cluster:
            from dssgan import separate_cluster

            failed += separate_cluster.separate_all(plans, [model, *others], options)
        elif plans:
            failed += separate_all(plans, total, [model, *others], options, sink)
    if failed and total > 1:
        print(f"{failed} of {total} inputs failed", file=sys.stderr)
    return 1 if failed else 0


def found(options: argparse.Namespace) -> tuple[list[Path], tuple[str, ...]]:
    """Folders of the separators, their configurations checked, and the sources of the first.

    Raises:
      ValueError, OSError: one that cannot be used.
    """
    wanted = options.models or [options.model or exports.newest_export()]
    folders = [exports.find_export(path(one)) for one in wanted]
    sources = []
    for folder in folders:
        sources.append(tuple(exports.sources_of(folder)))
        check_export(folder / exports.CONFIG)
    return folders, sources[0]


def with_kit(sources: Sequence[str], options: argparse.Namespace) -> tuple[Path, tuple[str, ...]]:
    """The separator of the drums' pieces, and the names of all stems that there are then.

    Raises:
      UsageError: it cannot be used, or there are no drums.
    """
    try:
        kit = exports.find_export(options.kit or KIT)
        check_export(kit / exports.CONFIG)
        pieces = exports.sources_of(kit) if options.kit else None
        return kit, chained(sources, pieces, DRUMS)
    except (ValueError, OSError) as error:
        word = "--kit" if options.kit else "--midi"
        raise UsageError(f"{word}: {one_line(error)}") from error


def planned(options: argparse.Namespace, stems: Sequence[str]) -> tuple[Plans, int]:
    """The songs to separate and where their stems go; how many inputs cannot be separated.

    All that need not be decoded for it is told here: files that are not there, names that collide,
    standard input that is empty.
    """
    if options.stored:
        from dssgan import separate_stored

        plans, complaints, notes = separate_stored.planned(options, stems)
        told(complaints, notes)
        return plans, len(complaints)
    songs, complaints, notes = find_songs(options.inputs, is_audio)
    plans, collisions = plan_outputs(songs, options.out, options.pattern, options.format, stems)
    plans = with_notes(plans) if options.midi else plans
    plans, skipped, others = without_existing(plans, options.skip_existing, options.overwrite)
    plans = without_notes(plans)
    if skipped:
        notes.append(f"skipped {skipped} songs whose stems are there")
    complaints += collisions + others
    for song in [song for song in plans if song.is_stdin]:
        try:
            check_stdin()
        except ValueError as error:
            complaints.append(str(error))
            del plans[song]
    told(complaints, notes)
    return plans, len(complaints)


def told(complaints: Sequence[str], notes: Sequence[str]) -> None:
    """Print a line for each."""
    for note in notes:
        print(one_line(ValueError(note)))
    for complaint in complaints:
        print(f"error: {one_line(ValueError(complaint))}", file=sys.stderr)


def separate_all(
    plans: Plans, total: int, models: list[Path], options: argparse.Namespace, sink: Sink | None
) -> int:
    """Load the separator and separate songs; returns how many failed.

    Args:
      models: folders of separators, blended where there are several.
      total: inputs altogether; the error of the only one is raised.
      sink: takes the stem of the only song.
    """
    with interrupts.announced("the separator is being loaded or compiled"):
        with startup.stderr_hidden():
            from dssgan import separate_with

            separator = separate_with.load(models, options)
        from dssgan.separate_song import naming, separate_song
        from dssgan.separate_stored import separate_stored

        print(f"separator: {', '.join(map(str, models))} ({', '.join(separator.sources)})")
        failed = 0
        for song, plan in plans.items():
            try:
                if options.stored:
                    separate_stored(separator, song, plan, options)
                else:
                    separate_song(separator, song, plan, options, sink)
            except BrokenPipeError:
                raise
            except Exception as error:
                if total == 1:
                    raise
                failed += 1
                print(f"error: {naming(song.shown, error)}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    run(main)

"""Songs separated on the workers of a Dask cluster, for `python -m dssgan.separate --cluster`.

A song is a job. Its stems are all there or none, so that a job can be done again: where a worker
was lost, or by the same command with `--skip-existing`.
"""

import argparse
import contextlib
import io
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import cli, dask_cluster
from common.cluster_jobs import LostJob, each_on
from dssgan.separation.inputs import SongFile

_lock = threading.Lock()  # a process separates one song at a time, with all its threads
_loaded: dict[str, Any] = {}


def separate_all(
    plans: Mapping[SongFile, Mapping[str, Path]], models: list[Path], options: argparse.Namespace
) -> int:
    """Separate songs and print what came of each; returns how many failed."""
    failed = 0
    jobs = [(models, options, song, plan) for song, plan in plans.items()]
    with dask_cluster.opened(options.cluster, options.resources, options.jobs) as client:
        done = each_on(client, separate_there, jobs)
        for (*_, song, _), result in cli.progress(done, total=len(jobs), unit="song"):
            if isinstance(result, LostJob):
                result = "", f"error: {song.shown}: {result}\n", False
            out, err, good = result
            sys.stdout.write(out)
            sys.stderr.write(err)
            sys.stdout.flush()
            failed += not good
    return failed


def separate_there(
    models: list[Path], options: argparse.Namespace, song: SongFile, plan: Mapping[str, Path]
) -> tuple[str, str, bool]:
    """Separate a song on a worker, which keeps the separator for the next one.

    Returns:
      What it prints, its warnings or its error, and whether all went well.
    """
    out, err = io.StringIO(), io.StringIO()
    with _lock, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        from dssgan.separate_song import naming, separate_song
        from dssgan.separate_stored import separate_stored

        separate = separate_stored if options.stored else separate_song
        try:
            separate(_separator(models, options), song, plan, options)
        except Exception as error:
            print(f"error: {naming(song.shown, error)}", file=err)
            return out.getvalue(), err.getvalue(), False
    return out.getvalue(), err.getvalue(), True


def _separator(models: list[Path], options: argparse.Namespace) -> Any:
    key = repr((models, sorted(vars(options).items(), key=lambda pair: pair[0])))
    if key not in _loaded:
        from dssgan import separate_with

        _loaded.clear()
        _loaded[key] = separate_with.load(models, options)
    return _loaded[key]

"""The test of a run: its separator on the test songs, its scores and its report."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

import datasets
from datasets.track import Track
from dssgan import exports
from dssgan.config.schema import Config
from dssgan.separator import Separator
from dssgan.training.build import separation_options
from evaluation.reports import page, tables
from evaluation.reports.reading import read_summary
from evaluation.scoring import runner
from experiments.songs.entries import entries, select


def test_scores(config: Config, exported: Path, folder: Path) -> dict[str, float]:
    """Score an exported separator on the test songs; songs that have scores keep them.

    Args:
      exported: folder of the separator.
      folder: where the scores and the report go.

    Returns:
      {"SDR/drums": the figure of the protocol, in dB, …}; for "musdb18" that is the median over
      songs of the median over frames.

    Raises:
      ValueError: there are no test songs, or none of them could be scored.
    """
    songs = test_songs(config)
    if not songs:
        raise ValueError(
            "data: no songs to test with; name some with data.test=[…], or leave the test out "
            "with phases=[supervised]"
        )
    print(f"test: {len(songs)} songs, protocol {config.evaluation.protocol}")
    options = separation_options(config)
    result = runner.evaluate(
        Separator.load(exported, **options).separate,
        songs,
        config.evaluation.protocol,
        folder,
        identity=exports.identity(exported, *map(options.get, ("segment", "overlap", "shifts"))),
        workers=config.evaluation.workers,
    )
    if not result["songs"]:
        song, message = next(iter(result["failed"].items()))
        raise ValueError(f"none of the test songs could be scored; {song}: {message}")
    page.write_report(result, folder)
    print(tables.totals(result))
    return {
        f"{metric}/{source}": value
        for source, metrics_of in result[result["reported"][0]].items()
        for metric, value in metrics_of.items()
        if np.isfinite(value)
    }


def song_scores(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """The figures of every song that was tested, in dB: {song: {source: {"SDR": …, …}}}."""
    summary = folder / "summary.json"
    return read_summary(summary, "songs")["songs"] if summary.exists() else {}


def test_songs(config: Config) -> list[Track]:
    """The test songs at their own rates."""
    songs: list[Track] = []
    for where, entry in entries(config):
        songs += select(
            datasets.load(entry.name, entry.root, **entry.options), entry, "test", where
        )
    return songs[: config.evaluation.songs] if config.evaluation.songs else songs


def artefacts(folder: Path) -> Iterable[Path]:
    """What a finished run leaves behind, beside its checkpoints."""
    yield from (path for path in sorted(folder.glob("separator/*")) if path.is_file())
    yield from (path for path in sorted(folder.glob("scores/**/*.json")) if path.is_file())

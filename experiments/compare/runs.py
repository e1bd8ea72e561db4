"""`python -m experiments.compare RUN…`: reads runs, prints their table, writes their report."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from common import cli
from common.cli import UsageError, one_line
from common.files import write_text
from evaluation import protocols
from evaluation.reports.tables import plain
from experiments.compare import sisec, table
from experiments.compare.comparison import Comparison, compare_scores, with_names
from experiments.compare.curves import Log
from experiments.compare.report import clips, excerpts, page, plots
from experiments.compare.run import RecordedRun, find, read
from experiments.heat_map import heat_map

OUT = Path("runs") / "compared"
MOST_HEARD = 8  # runs that a report lets one listen to


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `experiments.compare RUN…`."""
    add = parser.add_argument
    add("runs", nargs="+", type=cli.path, metavar="RUN", help="a run folder, or a folder of runs")
    add("--baseline", type=cli.path, metavar="RUN", help="gains are taken over this run")
    add("--out", type=cli.path, default=OUT, metavar="DIR", help="default: %(default)s")
    add("--protocol", metavar="NAME", help="default: the baseline's, or the most frequent")
    add(
        "--source", metavar="NAME", help="whose songs are played (default: those of the validation)"
    )
    add("--sisec", type=cli.path, metavar="FILE.npz", help="frames of the methods of SiSEC 2018")
    add("--watts", type=float, metavar="W", help="what the machine draws; gives an energy estimate")
    add("--without-audio", action="store_true", help="no spectrograms and no players")


def compare(options: argparse.Namespace) -> int:
    """Print the table and write the report; 1 when a run or its scores were left out."""
    if options.protocol is not None:
        protocols.find(options.protocol)
    if options.watts is not None and not options.watts > 0:
        raise UsageError(f"--watts {options.watts:g}: expected more than 0")
    notes: list[str] = []

    def log(line: str) -> None:
        if line not in notes:
            notes.append(line)
            print(f"warning: {line}", file=sys.stderr)

    runs, baseline, left_out = _read(options, log)
    comparison = compare_scores(runs, baseline, options.protocol, options.watts, log)
    print(table.text(comparison))
    names = ", ".join(run.name for run in runs[:3]) + (" …" if len(runs) > 3 else "")
    count = "" if len(runs) == 1 else f"{len(runs)} runs: "
    parts = page.Parts(f"{count}{names}", notes)
    parts.curves = plots.curves(runs)
    _scores(comparison, options, parts, log)
    if not options.without_audio and comparison.scores:
        silent: list[str] = []
        parts.excerpts = _excerpts(comparison, options.source, silent.append)
        parts.silent = silent
        for line in silent:
            print(f"warning: {line}", file=sys.stderr)
    write_text(options.out / "table.md", table.markdown(comparison))
    report = options.out / "report.html"
    write_text(report, page.page(comparison, parts))
    print(f"\n{report}: {report.stat().st_size / 1e6:.1f} MB")
    return 1 if left_out or len(comparison.scores) < len(runs) else 0


def _read(
    options: argparse.Namespace, log: Log
) -> tuple[list[RecordedRun], RecordedRun | None, bool]:
    """The runs, which of them is the baseline, and whether anything could not be read.

    Raises:
      ValueError: none can be read.
    """
    asked = [options.baseline] if options.baseline is not None else []
    unreadable: list[str] = []

    def leave_out(line: str) -> None:
        unreadable.append(line)
        log(line)

    runs = []
    for folder in find([*asked, *options.runs], leave_out):
        try:
            runs.append(read(folder, log))
        except (ValueError, OSError) as error:
            leave_out(f"{one_line(error)}; {folder} is left out")
    if not runs:
        raise ValueError("no run that can be compared: name run folders, or folders of runs")
    runs = with_names(runs)
    if not asked:
        return runs, None, bool(unreadable)
    same = [run for run in runs if run.folder.resolve() == options.baseline.resolve()]
    if not same:
        leave_out(f"--baseline {options.baseline}: no run that can be read; no gains")
    return runs, same[0] if same else None, bool(unreadable)


def _scores(
    comparison: Comparison, options: argparse.Namespace, parts: page.Parts, log: Log
) -> None:
    """Box plots and heat maps."""
    if not comparison.scores:
        return
    published, parts.remarks = _published(comparison, options.sisec, log)
    for source in comparison.sources:
        fits = sisec.source_fits(source, comparison.sources)
        drawn = plots.boxes(comparison, source, published if fits else None)
        if drawn is None:
            parts.remarks.append(f"{source}: no song has a score.")
            continue
        parts.boxes[source] = drawn
        if published is not None and not fits:
            parts.remarks.append(f"{source}: not a source of SiSEC 2018 as the runs define it.")
        path = options.out / f"alpha_beta-{plain(source)}.png"
        if draw_alpha_beta(comparison, source, path):
            parts.heat_maps[source] = clips.uri(path.read_bytes(), "image/png")


def _published(
    comparison: Comparison, asked: Path | None, log: Log
) -> tuple[sisec.Published | None, list[str]]:
    """The published methods where they may stand beside the runs, and what to know about them."""
    path = asked or sisec.PLACE
    if not sisec.fits(comparison.settings):
        name = comparison.settings["name"]
        return None, [f"SiSEC 2018 is left out: its protocol is musdb18, not {name}."]
    if asked is None and not path.exists():
        return None, ["SiSEC 2018 is left out: --sisec FILE.npz names its frames."]
    try:
        published = sisec.read(path)
    except (ValueError, OSError) as error:
        log(f"{one_line(error)}; the methods of SiSEC 2018 are left out")
        return None, []
    remark = sisec.songs_remark(comparison.songs(), published)
    kinds = (
        "Grey: the methods of SiSEC 2018; hollow: what knows the references, and the mixture. "
        "Boxes: quartiles; whiskers: 5 to 95 % of the songs; dots: songs of a run."
    )
    return published, [kinds, *([remark] if remark else [])]


def draw_alpha_beta(comparison: Comparison, source: str, path: Path) -> bool:
    """Draw the heat map where the runs differ in alpha and in beta; means where several agree."""
    found: dict[tuple[float, float], list[float]] = {}
    for run in comparison.runs:
        value = comparison.value(run, source, comparison.metrics[0])
        place = (run.flat.get("alpha"), run.flat.get("beta"))
        if all(isinstance(weight, int | float) for weight in place) and math.isfinite(value):
            found.setdefault((float(place[0]), float(place[1])), []).append(value)
    alphas, betas = (sorted({place[side] for place in found}) for side in (0, 1))
    if len(alphas) < 2 or len(betas) < 2 or len(found) <= max(len(alphas), len(betas)):
        return False  # no grid, but runs that differ in other things as well
    scores = np.array([[np.mean(found.get((a, b)) or [math.nan]) for b in betas] for a in alphas])
    ticks = [[f"{value:g}" for value in side] for side in (alphas, betas)]
    label = f"{source} {comparison.metrics[0]}, dB"
    heat_map(
        path, scores, ("alpha (adversarial)", ticks[0]), ("beta (additivity)", ticks[1]), label
    )
    return True


def _excerpts(comparison: Comparison, asked: str | None, log: Log) -> Sequence[excerpts.Excerpt]:
    """Excerpts of the source that decides.

    Raises:
      UsageError: no such source.
    """
    sources = comparison.sources
    decisive = (run.flat.get("validation.sources") or [] for run in comparison.runs)
    source = asked or next((name for names in decisive for name in names if name in sources), None)
    source = source or sources[0]
    if source not in sources:
        raise UsageError(f"--source {source}: no scores of it, only of {', '.join(sources)}")
    places = table.order(comparison)
    played = [comparison.runs[place] for place in places][:MOST_HEARD]
    scored = sum(run.name in comparison.scores for run in comparison.runs)
    if scored > MOST_HEARD:
        log(f"players for {MOST_HEARD} of {scored} runs: the baseline and the best")
    return excerpts.excerpts(replace(comparison, runs=played), source, log)

"""Whether an adapted separator got better: python -m experiments.adapt_report RUN

RUN is the folder of a run that refined a separator (the recipe `adapt`). On the songs that the run
held back, the separator that it began with and its own are compared: no stems are needed, and none
of the figures is a score. What each of them says, and how far to trust it: docs/adapting.md.

With --export DIR the separator is copied there, unless the verdict is "worse".
"""

import argparse
import shutil
from pathlib import Path

from common import cli
from common.json_files import write_json
from dssgan import exports

RECORD = "adapt_report.json"


def main(argv: list[str]) -> int:
    """Compare, print, record; 1 where an export was asked for and refused."""
    options = parse(argv)
    from dssgan.separator import Separator
    from dssgan.training.build import separation_options
    from experiments.adapting import figures, verdict
    from experiments.adapting.critics import critics_view
    from experiments.adapting.passes import pass_all
    from experiments.adapting.run import adapted, held_back

    run = adapted(options.run, options.separator)
    songs, silent = held_back(run.config, options.seconds)
    if silent:
        cli.say(f"left out, silent: {', '.join(silent)}")
    cli.say(f"before: {run.before}")
    cli.say(f"after:  {run.after}")
    same = exports.identity(run.before) == exports.identity(run.after)
    if same:
        cli.say("both are the same: no epoch was better, the run kept what it began with")
    how = separation_options(run.config)
    before, after = (Separator.load(folder, **how) for folder in (run.before, run.after))
    if before.sources != after.sources:
        raise ValueError(
            f"{run.after}: it has the sources {', '.join(after.sources)}, {run.before} has "
            f"{', '.join(before.sources)}: nothing to compare"
        )
    pass_all(songs, before, after, cli.say)
    found = figures.all_figures(songs, before.sources)
    found += critics_view(run.config, options.run, songs)
    source = options.source or next(iter(run.config.validation.sources or before.sources))
    agreement = figures.agreements(songs, before.sources)
    outcome = verdict.verdict(found, source)
    lines = [*verdict.table(found, agreement).splitlines(), ""]
    for line in [*lines, verdict.summary(outcome, len(songs), source)]:
        cli.say(line)
    exported = export(run.after, outcome, options)
    facts = {"before": str(run.before), "after": str(run.after), "same": same, "source": source}
    facts |= {"verdict": outcome, "seconds": options.seconds, "agreement": agreement}
    where = options.out or options.run / RECORD
    write_json(where, verdict.record(found, **facts, exported=exported))
    cli.say(f"every song: {where}")
    return int(bool(options.export) and not exported)


def export(separator: Path, outcome: str, options: argparse.Namespace) -> str:
    """Copy the separator where it was asked for; returns the folder, "" where it was not copied."""
    if options.export is None:
        return ""
    if outcome == "worse" and not options.force:
        cli.say("not exported: it is worse (--force exports it all the same)")
        return ""
    options.export.mkdir(parents=True, exist_ok=True)
    for name in (exports.WEIGHTS, exports.CONFIG):  # the configuration comes last
        shutil.copyfile(separator / name, options.export / name)
    cli.say(f"exported: {options.export}")
    return str(options.export)


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.adapt_report",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    add = parser.add_argument
    add("run", type=cli.path, metavar="RUN", help="folder of the run")
    add("--separator", type=cli.path, metavar="DIR", help="another one than RUN has exported")
    add("--source", help="the one that decides; default: the first of validation.sources")
    add("--seconds", type=float, default=30.0, help="of every song; default: %(default)g")
    add("--export", type=cli.path, metavar="DIR", help="copy the separator there unless worse")
    add("--force", action="store_true", help="copy it even if it is worse")
    add("--out", type=cli.path, metavar="FILE", help=f"of the figures; default: RUN/{RECORD}")
    options = parser.parse_args(argv)
    if not 5 <= options.seconds <= 600:
        raise cli.UsageError(f"--seconds {options.seconds:g}: expected 5 to 600")
    return options


if __name__ == "__main__":
    cli.run(main)

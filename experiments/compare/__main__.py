"""Runs side by side: python -m experiments.compare RUN… [--baseline RUN]

  RUN                a run folder, or a folder of runs such as a sweep's
  --baseline RUN     gains are taken over this run, song by song
  --out DIR          table.md and report.html, one page that needs no network

Prints one table: how the configurations differ, the scores of every source, the gain over the
baseline with its 95 % interval, time and updates. The report adds training curves, box plots
beside the methods of SiSEC 2018, and excerpts to look at and to listen to. What cannot be read is
reported in one line each, and the rest goes on.

Two other comparisons, each with options of its own:

  python -m experiments.compare baselines --help    separators beside untrained methods
  python -m experiments.compare systems --help      every system with the same budget
"""

import argparse

from common import cli
from experiments.compare import runs
from experiments.systems import baseline_scores, budget

PROGRAM = "python -m experiments.compare"
#: A folder of runs that has one of these names is given as ./NAME.
COMMANDS = {"baselines": baseline_scores, "systems": budget}


def main(argv: list[str]) -> int:
    """The command; 1 when something was left out."""
    options = parse(argv)
    return COMMANDS.get(options.command, runs).compare(options)


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line: the first word is a command of `COMMANDS`, or all are runs."""
    if argv and argv[0] in COMMANDS:
        parser = argparse.ArgumentParser(prog=PROGRAM)
        commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
        for name, command in COMMANDS.items():
            command.add_options(
                commands.add_parser(
                    name,
                    description=command.__doc__,
                    formatter_class=cli.HelpFormatter,
                )
            )
        return parser.parse_args(argv)
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} RUN… [options]",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    runs.add_options(parser)
    return parser.parse_args(argv, argparse.Namespace(command="runs"))


if __name__ == "__main__":
    cli.run(main)

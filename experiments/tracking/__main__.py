"""Where runs are recorded: in files always, in a MongoDB as well where one is asked for.

  python -m experiments.tracking sync runs/ --mongo mongodb://localhost:27017/sacred

delivers to a database what it lacks of all runs in a folder, and lets the records of runs whose
process was killed say so. Running it again changes nothing.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import cli
from common.cli import one_line
from common.redact import redacted
from experiments.tracking import records
from experiments.tracking.delivery import Delivery, prepare
from experiments.tracking.server import Server, reason

PATIENCE = 10.0  # seconds a database has to answer; nothing else waits for it


def main(argv: Sequence[str]) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.tracking",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="sync")
    command = commands.add_parser("sync", help="deliver what a database lacks of runs")
    command.add_argument(
        "folders", nargs="+", type=cli.path, metavar="RUNS", help="a folder of runs, or a run's"
    )
    command.add_argument(
        "--mongo", required=True, metavar="URL", help="mongodb://host:port/database or the like"
    )
    options = parser.parse_args(list(argv))
    return sync(options.folders, options.mongo)


def sync(roots: Sequence[Path], url: str) -> int:
    """Deliver what is missing of all runs in folders, one line for each.

    A folder that cannot be read is reported, and the others are delivered.

    Returns:
      the exit code: 1 where a run could not be delivered.

    Raises:
      ValueError: no such folder, or not the text of an address.
      OSError: the database does not answer, or no longer.
    """
    server = Server(url, PATIENCE)
    folders = [folder for root in roots for folder in records.run_folders(root)]
    database = _connect(server)
    failed = delivered = 0
    for folder in folders:
        try:
            closed = records.close_if_dead(folder)
            number = Delivery(folder, _warn)(database)
        except (ValueError, OSError) as error:
            failed += 1
            _warn(one_line(error))
            continue
        except Exception as error:
            _connect(server)  # where it has gone, there is no use in trying the others
            failed += 1
            _warn(f"{folder}: not delivered: {reason(error)}")
            continue
        if number is not None:
            delivered += 1
            note = "; its process is gone: DIED" if closed else ""
            print(f"{folder}: delivered as run {number}{note}")
    server.close()
    same = len(folders) - delivered - failed
    print(f"{delivered} delivered, {same} had nothing new, {failed} failed ({server.shown})")
    return 1 if failed else 0


def _connect(server: Server) -> Any:
    try:
        database = server.database()
        prepare(database)
        return database
    except Exception as error:
        raise OSError(f"MongoDB at {server.shown}: {reason(error)}") from None


def _warn(line: str) -> None:
    print(f"warning: {redacted(line)}", file=sys.stderr)


if __name__ == "__main__":
    cli.run(main)

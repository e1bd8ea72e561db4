"""What is promised, tried: python -m experiments.benchmarks.robustness [PART…] [options]

Commands are killed at random moments and started again, started twice at once, run on a disk that
fills up, and given hundreds of bad inputs. The table counts what should not be: tracebacks, errors
that nobody had expected, answers that take more than 10 s or 1.5 GB, processes and temporary files
that are left, files under a final name that are not whole, files touched outside the folders that
were named, and records, weights or files that differ from those of an undisturbed run.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from common import cli

PARTS = ("kills", "twice", "disk", "inputs")
LIMITS = [5000, 20_000, 150_000]  # bytes of a file on a disk that is full


def main(argv: Sequence[str]) -> int:
    """The command; returns 1 where anything was counted that should not be."""
    from experiments.benchmarks.robustness import bad_inputs, kills, processes, world
    from experiments.benchmarks.robustness.counts import Counts, table

    options = parse(argv)
    processes.prepare()
    rows: list[Counts] = []
    remarks: list[str] = []

    def report(line: str) -> None:
        remarks.append(line)
        print(f"  {cli.one_line(ValueError(line))}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="robustness-") as folder:
        root = Path(folder)
        world.make(root)
        scenarios = [name for name in kills.SCENARIOS if name in (options.commands or name)]
        for part in options.parts or PARTS:
            begun = time.monotonic()
            if part == "inputs":
                rows += bad_inputs.count(root, options.inputs, options.seed, options.kind, report)
            for name in scenarios if part != "inputs" else ():
                if part == "kills":
                    rows.append(kills.kill(root, name, options.kills, options.seed, report))
                elif part == "twice":
                    rows.append(kills.together(root, name, report))
                else:
                    rows.append(kills.full_disk(root, name, LIMITS, report))
            print(f"{part}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print(table(rows))
    faults = sum(row.faults for row in rows)
    if options.json:
        found = {row.name: dict(vars(row)) for row in rows} | {"remarks": remarks}
        options.json.write_text(json.dumps(found, indent=2))
    return 1 if faults else 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks.robustness",
        description=__doc__,
        formatter_class=cli.HelpFormatter,
    )
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    add("--kills", type=int, default=20, help="per command (default: 20)")
    add("--inputs", type=int, default=0, help="bad inputs, by chance (default: all)")
    add("--kind", default="", help="only bad inputs whose kind holds this text")
    add("--commands", type=cli.names, help="of train, prepare, separate, score, sweep")
    add("--seed", type=int, default=1, help="default: 1")
    add("--json", type=Path, metavar="FILE", help="the counts once more")
    options = parser.parse_args(list(argv))
    for part in options.parts:
        if part not in PARTS:
            raise cli.UsageError(f"{part}: expected one of {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    cli.run(main)

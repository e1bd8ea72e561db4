"""Show what the instruments of kits are taken for.

    python -m datasets.kits PATH [PATH …] [--mapping NAME=PIECE …]

One line per instrument: name, piece, stem, samples. An instrument of the piece "none" is not
played; --mapping names another piece for it.
"""

import argparse

from common import cli
from datasets.kits.opening import open_kit


def main(argv: list[str]) -> int:
    """Print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.kits",
        description="show what the instruments of drum kits are taken for",
    )
    parser.add_argument(
        "kits", nargs="+", type=cli.path, metavar="KIT", help="folder, file or name"
    )
    parser.add_argument(
        "--mapping", nargs="+", default=[], metavar="NAME=PIECE", help="pieces of your own"
    )
    options = parser.parse_args(argv)
    mapping = {}
    for pair in options.mapping:
        name, sign, piece = pair.rpartition("=")
        if not sign or not name:
            parser.error(f"--mapping {pair}: expected NAME=PIECE")
        mapping[name] = piece
    for path in options.kits:
        kit = open_kit(path, mapping)
        print(f"{kit.name}: {len(kit.instruments)} instruments")
        print(kit.table())
    return 0


if __name__ == "__main__":
    cli.run(main)

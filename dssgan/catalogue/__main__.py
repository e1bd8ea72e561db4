"""`python -m dssgan.catalogue`: the separators of this machine by name, and public ones.

    list             what is here and what ships; --public: what can be added
    info NAME        everything that is known, a fact a line
    add WHAT         an exported separator's folder, a checkpoint, its address
                     (https://…), or a public name
    remove NAME      from this machine

They lie in $DSSGAN_MODELS, or else in the user's data folder. `--model NAME` of every command finds
them. Nothing is downloaded unasked.
"""

import argparse
import re
import sys

from common import cli
from common.cli import UsageError
from dssgan import exports
from dssgan.catalogue import adding, download, entries, fetching, listing, store

SHA256 = re.compile(r"[0-9a-f]{64}")


def main(argv: list[str]) -> int:
    """Run a command; returns its exit code."""
    options = parse(argv)
    if options.command == "list":
        return listing.list_all(options.public)
    if options.command == "info":
        return listing.info(options.name)
    if options.command == "remove":
        return remove(options.name, options.yes)
    return adding.add(options)


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
      UsageError: a value that is none.
    """
    parser = argparse.ArgumentParser(
        prog="python -m dssgan.catalogue", description=__doc__, formatter_class=cli.HelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    found = commands.add_parser("list", help="what is here")
    found.add_argument("--public", action="store_true", help="also what can be added by name")
    commands.add_parser("info", help="everything of one").add_argument("name", metavar="NAME")
    gone = commands.add_parser("remove", help="from this machine")
    gone.add_argument("name", metavar="NAME")
    gone.add_argument("--yes", action="store_true", help="do not ask")
    _add_options(commands.add_parser("add", help="to this machine").add_argument)
    options = parser.parse_args(argv)
    if options.command == "add":
        if options.sha256 is not None:
            options.sha256 = options.sha256.strip().lower()
            if not SHA256.fullmatch(options.sha256):
                raise UsageError(f"--sha256 {options.sha256[:80]}: expected 64 hexadecimal digits")
        if options.max_bytes < 1:
            raise UsageError(f"--max-bytes {options.max_bytes}: expected more than 0")
        if options.name is not None:
            store.check_name(options.name)
    return options


def _add_options(add) -> None:
    add("what", metavar="WHAT", help="folder, checkpoint, https:// address or public name")
    add("--name", metavar="N", help="default: that of the folder, file or entry")
    add("--licence", metavar="L", help="of the weights; default: what is known, or unknown")
    add("--config", metavar="YAML", help="of a checkpoint: a file or an address")
    add("--sha256", metavar="HEX", help="that a checkpoint must have")
    add("--yes", action="store_true", help="download without asking")
    add("--replace", action="store_true", help="what has this name, or came from this address")
    add("--insecure", action="store_true", help="allow http:// to other machines")
    add(
        "--max-bytes",
        type=int,
        default=download.MOST_BYTES,
        metavar="N",
        help="of a download; default: %(default)s",
    )


def remove(name: str, yes: bool) -> int:
    """Remove a separator from this machine.

    Raises:
      UsageError: there is none of this name, or it ships.
    """
    own = exports.stored()
    if name not in own:
        if name in exports.pretrained():
            raise UsageError(f"{name} ships with the library and stays")
        raise UsageError(entries.unknown(name, own, f"in {exports.store_folder()}"))
    if not fetching.confirmed(f"remove {own[name]}?", yes):
        return 1
    with store.changing() as folder:
        store.remove(folder, name)
    cli.say(f"removed {own[name]}")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

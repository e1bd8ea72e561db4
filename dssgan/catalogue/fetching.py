"""`add` of an address or a public entry: told, asked, downloaded, pinned, converted."""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import cli
from common.audio_files import require_file
from common.cli import UsageError
from common.digests import file_digest
from dssgan.catalogue import addresses, download, placing, store
from dssgan.catalogue.download import Request
from dssgan.catalogue.entries import Entry
from dssgan.catalogue.transfer import Remote

MOST_CONFIG = 1_000_000  # bytes of a configuration


@dataclass(frozen=True)
class Plan:
    """A download, and what the server says of its file."""

    request: Request
    remote: Remote

    def line(self) -> str:
        """The address and its size, for the user to agree to."""
        size = "of a size that the server does not tell"
        if self.remote.size is not None:
            size = megabytes(self.remote.size)
        return f"{self.request.shown}: {size}"


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def add_public(entry: Entry, options: argparse.Namespace) -> int:
    """Add an entry of the public catalogue under its name, or that of `--name`."""
    pinned, asked = entry.facts["sha256"], options.sha256
    if asked and pinned and not asked.startswith(pinned):
        raise UsageError(f"--sha256 {asked}: {entry.name} has {pinned} in the catalogue")
    options.sha256 = asked or pinned
    licence = options.licence or entry.licence
    cli.say(f"{entry.name}: {entry.facts['about']}")
    cli.say(f"licence {licence}; {'tried' if entry.facts['tried'] else 'never tried here'}")
    known = {"licence": licence, "scores": dict(entry.scores) or None}
    known["source"] = {"kind": "public", "place": addresses.shown(entry.facts["url"])}
    config = options.config or entry.facts["config"]
    pin = None if options.config else entry.facts["config_sha256"]
    return add_remote(entry.facts["url"], (config, pin), entry.name, known, options)


def add_url(options: argparse.Namespace) -> int:
    """Add the checkpoint at an address."""
    try:
        url = addresses.check(options.what, options.insecure)
        name = addresses.file_name(url, addresses.CHECKPOINTS).rpartition(".")[0]
    except ValueError as error:
        raise UsageError(str(error)) from error
    source = {"kind": "url", "place": addresses.shown(url)}
    known = {"licence": options.licence, "source": source}
    return add_remote(url, (options.config, None), name, known, options)


def add_remote(
    url: str,
    config: tuple[str | None, str | None],
    name: str,
    known: dict[str, Any],
    options: argparse.Namespace,
) -> int:
    """Download a checkpoint and convert it; returns the exit code.

    Args:
      config: path or address of its configuration, and the checksum that it must have.
      name: that it gets unless `--name` says another. known: as of `store.install`.
    """
    name = options.name or name
    again = of_same_place(name, known["source"]["place"])
    placing.check_free(name, options.replace or again is not None)
    request = Request(
        url, addresses.CHECKPOINTS, options.sha256, options.max_bytes, options.insecure
    )
    given = plan_config(*config, options.insecure)
    plan = Plan(request, download.look(request))
    if again and not options.replace and unchanged(again, plan.remote):
        cli.say(f"{name} is there already, and the server still has the same file")
        return 0
    plans = [plan, given] if isinstance(given, Plan) else [plan]
    if not agreed(plans, options.yes):
        return 1
    with store.changing() as top:
        again = of_same_place(name, known["source"]["place"])
        placing.check_free(name, options.replace or again is not None)
        checkpoint = download.fetch(request, plan.remote, top)
        found = file_digest(checkpoint)
        cli.say(f"sha256 {found}")
        if not options.replace:
            check_pinned(known["source"]["place"], found)
        if again and not options.replace:
            download.discard(request, top)
            cli.say(f"{name} is there already, made of this very file")
            return 0
        known["source"] |= {"sha256": found, "etag": plan.remote.validator}
        known["source"]["size"] = checkpoint.stat().st_size
        if config[0]:
            known["source"]["config"] = addresses.shown(config[0])
        code = placing.convert(top, checkpoint, read_config(given, top), name, known)
        for each in plans:
            download.discard(each.request, top)
        return code


def plan_config(given: str | None, sha256: str | None, insecure: bool) -> Plan | Path | None:
    """Where a configuration comes from: this machine, a server, or nowhere.

    Raises:
      UsageError: no such file. ValueError: the server cannot be reached, or has no such file.
    """
    if given is None:
        return None
    path = cli.path(given)
    if os.path.exists(path):
        require_file(path)
        return path
    if not addresses.is_url(given):
        raise UsageError(f"--config {given}: no such file")
    request = Request(given, addresses.CONFIGS, sha256, MOST_CONFIG, insecure)
    return Plan(request, download.look(request))


def read_config(given: Plan | Path | None, top: Path) -> Path | None:
    """The file of a configuration, downloaded where it is on a server.

    Args:
      top: the store.
    """
    return download.fetch(given.request, given.remote, top) if isinstance(given, Plan) else given


def agreed(plans: list[Plan], yes: bool) -> bool:
    """Tell what would be downloaded, and ask.

    Args:
      yes: whether it was agreed to on the command line.

    Raises:
      UsageError: there is no terminal to ask at.
    """
    for plan in plans:
        cli.say(plan.line())
    return confirmed("download?", yes)


def confirmed(question: str, yes: bool) -> bool:
    """Whether the user agrees; `yes` is an answer given on the command line.

    Raises:
      UsageError: there is no terminal to ask at.
    """
    if yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"{question} standard input is no terminal to ask at: say --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def of_same_place(name: str, place: str) -> dict[str, Any] | None:
    """The source of the separator `name`, where it was made of the file at this address."""
    record = store.records().get(name)
    same = record is not None and record["source"]["place"] == place
    return record["source"] if same else None


def unchanged(source: dict[str, Any], remote: Remote) -> bool:
    """Whether a server still has the file that a separator was made of, as far as it tells."""
    same = source.get("etag") and source["etag"] == remote.validator
    return bool(same) and source.get("size") == remote.size


def check_pinned(place: str, sha256: str) -> None:
    """Check a file against what came from the same address before.

    Raises:
      ValueError: it is another file.
    """
    for name, record in store.records().items():
        before = record["source"].get("sha256")
        if record["source"]["place"] == place and before and before != sha256:
            raise ValueError(
                f"{place}: {name} was made of a file with the SHA-256 {before[:16]}…, now it is "
                f"{sha256[:16]}…: the file has changed; if that is meant, say --replace"
            )

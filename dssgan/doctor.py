"""`python -m dssgan.doctor`: what works on this machine, and what to do about the rest.

One line per fact, each ok, warn or fail. The exit code is 1 only if something blocks the work.
"""

import argparse
import importlib
import shutil
import tempfile
import textwrap
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from dssgan import findings
from dssgan.findings import Fact

PATIENCE_S = 3.0
PLENTY, SCARCE = 5e9, 0.5e9  # bytes


def main(argv: list[str]) -> int:
    """Print every fact; 1 if one of them blocks the work."""
    parser = argparse.ArgumentParser(prog="python -m dssgan.doctor", description=__doc__)
    parser.add_argument("--mongo", metavar="URL", default="localhost:27017", help="a MongoDB")
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"))
    options = parser.parse_args(argv)
    checks: list[Callable[[], Iterator[Fact]]] = [
        findings.python,
        findings.checkout,
        findings.packages,
        findings.device,
        findings.processor,
        findings.readers,
        lambda: disk(options.runs),
        lambda: writable(options.runs),
        lambda: mongo(options.mongo),
    ]
    worst = 0
    for check in checks:
        for fact in check():
            print(render(fact), flush=True)
            worst |= fact.state == "fail"
    print("something blocks the work: see fail above" if worst else "ready")
    return int(worst)


def render(fact: Fact) -> str:
    """A fact in lines of at most 80 columns."""
    head = f"{fact.state:<5} {fact.about:<14} "
    text = (head + fact.found).encode("utf-8", "backslashreplace").decode()
    lines = textwrap.wrap(text, 79, subsequent_indent=" " * len(head))
    indent = " " * 6
    advice = fact.advice.encode("utf-8", "backslashreplace").decode()
    return "\n".join(
        lines + textwrap.wrap(advice, 79, initial_indent=f"{indent}> ", subsequent_indent=indent)
    )


def disk(runs: Path) -> Iterator[Fact]:
    """Free space for runs and for temporary files."""
    for about, folder in (("disk", existing(runs)), ("temporary", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        found = f"{free / 1e9:.1f} GB free at {folder}"
        if free >= PLENTY:
            yield Fact("ok", about, found)
        else:
            state = "fail" if free < SCARCE else "warn"
            yield Fact(state, about, found, "free some space: caches and runs take gigabytes")


def writable(runs: Path) -> Iterator[Fact]:
    """Whether runs can be written."""
    folder = existing(runs)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        yield Fact("ok", "runs", f"{runs}/ can be written")
    except OSError as error:
        advice = "choose a folder that you may write: 'with tracking.folder=…', --runs here"
        yield Fact("fail", "runs", f"{folder}: {error.strerror}", advice)


def existing(path: Path) -> Path:
    """A path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def mongo(url: str) -> Iterator[Fact]:
    """Whether a MongoDB answers within three seconds; its credentials are not shown."""
    address = url if "://" in url else "mongodb://" + ":".join(url.split(":")[:2])
    rest = address.partition("://")[2].rpartition("@")[2]  # a password may hold any sign
    host = urllib.parse.urlsplit(f"mongodb://{rest}").netloc
    answers: list = []
    try:
        pymongo = importlib.import_module("pymongo")
    except ImportError as error:
        yield Fact("warn", "mongodb", f"not asked: {error}", findings.INSTALL)
        return

    def ask() -> None:
        try:
            wait = round(PATIENCE_S * 900)
            options = {"serverSelectionTimeoutMS": wait, "connectTimeoutMS": wait}
            with pymongo.MongoClient(address, socketTimeoutMS=wait, **options) as client:
                client.admin.command("ping")
                answers.append(client.server_info().get("version", "unknown"))
        except Exception as error:  # each of its many kinds means: no database
            answers.append(error)

    # Looking up a name can take longer than any of the client's own limits.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    answer = answers[0] if answers else TimeoutError()
    if isinstance(answer, str):
        yield Fact("ok", "mongodb", f"{host} answers, version {answer}")
    else:
        found = f"{host} does not answer ({type(answer).__name__}); runs are recorded in files"
        advice = "optional: start a MongoDB, or name yours with --mongo mongodb://host:port"
        yield Fact("warn", "mongodb", found, advice)


if __name__ == "__main__":
    try:
        from common.shell import run
    except ImportError as missing:
        raise SystemExit(f"error: {missing}: {findings.INSTALL}") from None
    run(main)

"""`python -m dssgan.doctor`: what works on this machine, and what to do about the rest.

One line per fact, each ok, warn or fail. The exit code is 1 only if something blocks the work.
"""

import argparse
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from common import cli
from dssgan.doctor import audio_readers, machine, python_packages
from dssgan.doctor.fact import Fact
from dssgan.doctor.storage import disk, mongo, writable


def main(argv: list[str]) -> int:
    """Print every fact; 1 if one of them blocks the work."""
    parser = argparse.ArgumentParser(prog="python -m dssgan.doctor", description=__doc__)
    parser.add_argument("--mongo", metavar="URL", default="localhost:27017", help="a MongoDB")
    parser.add_argument("--runs", metavar="DIR", type=cli.path, default=Path("runs"))
    options = parser.parse_args(argv)
    checks: list[Callable[[], Iterator[Fact]]] = [
        python_packages.python,
        python_packages.checkout,
        python_packages.packages,
        machine.device,
        machine.processor,
        audio_readers.readers,
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


if __name__ == "__main__":
    cli.run(main)

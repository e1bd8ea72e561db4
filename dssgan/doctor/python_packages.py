"""What the doctor finds out about Python, packages, device, processor and readers.

Every check is a generator of `Fact`s and survives whatever is missing or broken.
"""

import importlib
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from common.files import ROOT
from dssgan.doctor.fact import Fact

INSTALL = "pip install -r requirements.txt"


def python() -> Iterator[Fact]:
    """The interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info[:2] >= (3, 11)
    advice = "" if fits else "install Python 3.11 or newer, then 'make PYTHON=python3.11 test'"
    yield Fact("ok" if fits else "fail", "python", version, advice)


def checkout() -> Iterator[Fact]:
    """Whether the project's packages are the ones that Python finds."""
    for name in ("common.files", "datasets.track", "dssgan.exports", "evaluation.protocols"):
        spec = importlib.util.find_spec(name)
        origin = spec and (spec.origin or next(iter(spec.submodule_search_locations or ()), None))
        if origin is None or not Path(origin).resolve().is_relative_to(ROOT):
            advice = f"run the command from the checkout, {ROOT}"
            yield Fact("fail", "checkout", f"{name} is {origin or 'missing'}", advice)
            return
    yield Fact("ok", "checkout", str(ROOT))


def packages() -> Iterator[Fact]:
    """Versions of what the project stands on, against the ranges the tests run with."""
    native = installed("tensorflow-io") is not None
    file = "requirements-tfio.txt" if native else "requirements.txt"
    for name, ranges in requirements(ROOT / file):
        version = installed(name)
        if version is None:
            yield Fact("fail", name, "not installed", f"pip install -r {file}")
        elif not within(version, ranges):
            text = f"{version}, tested with {','.join(ranges)}"
            yield Fact("warn", name, text, f"pip install -r {file}")
        else:
            yield Fact("ok", name, version)
    version = installed("museval")
    text = version or "not installed; only the tests compare scores with it"
    yield Fact("ok", "museval", text)


def requirements(path: Path) -> list[tuple[str, list[str]]]:
    """Names and version ranges of a requirements file."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        match = re.match(r"([A-Za-z0-9_.-]+)\s*([<>=!~][^#;]*)?", line.strip())
        if match:
            ranges = [part.strip() for part in (match[2] or "").split(",")]
            found.append((match[1], [part for part in ranges if part]))
    return found


def within(version: str, ranges: list[str]) -> bool:
    """Whether a version lies within ranges such as [">=2.21", "<2.22"]."""
    tests = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        "==": lambda a, b: a == b,
        "<": lambda a, b: a < b,
        ">": lambda a, b: a > b,
    }
    for part in ranges:
        sign, limit = re.fullmatch(r"([<>=]+)\s*(.*)", part).groups()
        here, there = ([int(n) for n in re.findall(r"\d+", text)[:3]] for text in (version, limit))
        length = max(len(here), len(there))
        here, there = (numbers + [0] * (length - len(numbers)) for numbers in (here, there))
        if not tests[sign](here, there):
            return False
    return True


def installed(name: str) -> str | None:
    """The version of an installed distribution."""
    for candidate in (name, f"{name}-cpu") if name == "tensorflow" else (name,):
        try:
            return importlib.metadata.version(candidate)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None

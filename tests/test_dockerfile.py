"""The Dockerfile: linted, every file that it copies is there, and built where Docker runs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from setup import ROOMS
from tests.guide import ROOT

FILE = (ROOT / "Dockerfile").read_text("utf-8")


def linted(path):
    """What hadolint says of a file."""
    linter = Path(sys.executable).parent / "hadolint"  # of requirements-dev.txt
    return subprocess.run([linter, path], capture_output=True, text=True)


def test_the_linter_has_nothing_to_say():
    done = linted(ROOT / "Dockerfile")
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr


def test_the_linter_finds_faults(tmp_path):
    (tmp_path / "Dockerfile").write_text(FILE.replace("WORKDIR /data", "RUN cd /data"))
    done = linted(tmp_path / "Dockerfile")
    assert done.returncode == 1 and "DL3003" in done.stdout


def test_what_the_wheel_needs_is_sent_to_docker():
    sent = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    ]
    assert {"dssgan", *ROOMS, "setup.py", "pyproject.toml", "README.md"} <= set(sent)
    for name in sent:
        assert list(ROOT.glob(name)), name


@pytest.mark.slow
def test_it_is_built_where_docker_runs():
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "info"], capture_output=True).returncode:
        pytest.skip("no Docker runs here; the linter has seen the file")
    command = [docker, "build", "--quiet", str(ROOT)]
    image = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    told = subprocess.run([docker, "run", "--rm", image, "--help"], capture_output=True, text=True)
    assert told.stdout.startswith("usage: dssgan COMMAND")

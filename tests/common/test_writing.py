"""A full disk: the message names the file that is written, and nothing is left of it."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.cli import one_line
from common.files import atomic_path, naming, write_bytes
from common.json_files import write_json

LIMITED = """
import resource, sys
from common import cli
from common.files import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
cli.run(lambda argv: write_bytes(argv[0], bytes(100_000)), sys.argv[1:])
"""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_write_that_fails_names_its_target(tmp_path, monkeypatch, number):
    def write(path, data):
        raise OSError(number, os.strerror(number))  # as Python does: without a name

    monkeypatch.setattr(Path, "write_bytes", write)
    for call in (
        lambda: write_bytes(tmp_path / "a.bin", b"x"),
        lambda: write_json(tmp_path / "a.bin", 1),
    ):
        with pytest.raises(OSError) as caught:
            call()
        assert one_line(caught.value).startswith(f"{tmp_path / 'a.bin'}: ")
    assert not list(tmp_path.iterdir())


def test_a_copy_that_fails_names_its_target_and_not_its_source(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x")

    def copyfile(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(OSError) as caught, atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    assert one_line(caught.value) == (
        f"{target}: No space left on device; free some space or choose another folder, then run "
        "the command again"
    )
    with pytest.raises(OSError) as caught, naming(target):
        shutil.copyfile(source, target)
    assert caught.value.filename == str(target)


def test_a_file_inside_another_keeps_its_name(tmp_path):
    outer, inner = atomic_path(tmp_path / "outer"), naming(tmp_path / "inner")
    with pytest.raises(OSError) as caught, outer, inner:
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "inner")


def test_errors_of_reading_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_path(tmp_path / "out"):
        (tmp_path / "none").read_bytes()
    assert caught.value.filename == str(tmp_path / "none")


def test_a_limit_of_the_system_is_told_with_the_target(tmp_path):
    path = tmp_path / "large.bin"
    command = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {path}: File too large\n"
    assert not list(tmp_path.iterdir())

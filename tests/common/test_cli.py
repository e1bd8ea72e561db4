"""Paths of the command line, and how warnings are shown."""

import os
import subprocess
import sys

import pytest

from common import cli


@pytest.mark.parametrize(
    ("text", "expected"),
    [("~", "HOME"), ("~/a b", "HOME/a b"), ("a/~/b", "a/~/b"), ("~nobody-of-this-name/x", None)],
)
def test_a_tilde_is_the_home_folder_where_a_shell_would_say_so(
    tmp_path, monkeypatch, text, expected
):
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    expected = text if expected is None else expected.replace("HOME", os.fspath(tmp_path))
    assert os.fspath(cli.path(text)) == expected


def test_warnings_of_a_command_are_one_line():
    program = (
        "import warnings; from common import cli\n"
        "def main(argv):\n"
        "    for line in range(2):\n"
        "        with warnings.catch_warnings():\n"
        "            warnings.warn('songs/a\\nb: left out')\n"
        "    warnings.warn('old', FutureWarning)\n"
        "cli.run(main, {})"
    )
    for words, expected in (([], "warning: songs/a b: left out\n"), (["--debug"], "UserWarning: ")):
        command = [sys.executable, "-c", program.format(words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and expected in done.stderr, done.stderr
        assert "FutureWarning: old" in done.stderr
        assert words or done.stderr.count("left out") == 1

"""Paths of the command line."""

import os

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

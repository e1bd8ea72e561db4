"""Chatter of native libraries is held back, and shown when something goes wrong."""

import os

import pytest

from common import startup


def test_descriptor_2_is_held_back_and_comes_back(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    with startup.stderr_hidden():
        os.write(2, b"chatter\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_an_error_shows_what_was_held_back(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    with pytest.raises(OSError, match="broken"), startup.stderr_hidden():
        os.write(2, b"libcudart is too old\n")
        raise OSError("broken")
    assert capfd.readouterr().err == "libcudart is too old\n"


def test_level_0_holds_nothing_back(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with startup.stderr_hidden():
        os.write(2, b"chatter\n")
    assert capfd.readouterr().err == "chatter\n"


def test_an_error_that_explains_itself_stands_alone(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    with pytest.raises(ValueError, match="width"), startup.stderr_hidden():
        os.write(2, b"chatter\n")
        raise ValueError("width: too large")
    assert capfd.readouterr().err == ""

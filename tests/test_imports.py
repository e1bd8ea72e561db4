"""Imports that are kept out for a while."""

import importlib
import sys

import pytest

from common.startup import without


def test_a_package_cannot_be_imported_within_and_can_be_after(tmp_path, monkeypatch):
    (tmp_path / "idle_package.py").write_text("import idle_other\n")
    (tmp_path / "idle_other.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with without("idle_other"), pytest.raises(ImportError):
        importlib.import_module("idle_package")
    assert "idle_other" not in sys.modules
    assert importlib.import_module("idle_package").idle_other is sys.modules["idle_other"]


def test_what_was_imported_before_stays():
    with without("pytest"):
        assert importlib.import_module("pytest") is pytest
    assert sys.modules["pytest"] is pytest


def test_an_error_within_unblocks_as_well():
    with pytest.raises(KeyError), without("idle_third"):
        raise KeyError
    assert "idle_third" not in sys.modules

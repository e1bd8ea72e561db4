"""A store, a server, separators that no TensorFlow has made, and the command."""

import hashlib
import json
import os

import pytest

from common.cli import run
from dssgan import exports
from dssgan.catalogue import __main__ as catalogue
from dssgan.catalogue import conversion, download
from tests.dssgan.catalogue.serving import Server


def write_export(folder, system="bandsplit", weights=b"some weights", **keys):
    """An exported separator as far as its files tell without being loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    content = exports.HDF5 + weights
    (folder / exports.WEIGHTS).write_bytes(content)
    config = {
        "format": 1,
        "separator": system,
        "hyperparameters": {"hidden": 8},
        "sources": ["drums", "accompaniment"],
        "sample_rate": 44100,
        "weights_sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / exports.CONFIG).write_text(json.dumps(config | keys))
    return folder


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The folder of the store, which is not there yet; the current folder is empty."""
    folder = tmp_path / "data" / "models"
    monkeypatch.setenv(exports.STORE, str(folder))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


@pytest.fixture
def server(monkeypatch):
    """A server of files; broken connections are taken up at once."""
    monkeypatch.setattr(download, "PAUSE_S", 0)
    server = Server()
    yield server
    server.close()


@pytest.fixture
def export(tmp_path):
    """The folder of an exported separator, outside the store."""
    return write_export(tmp_path / "mine")


@pytest.fixture
def converted(monkeypatch):
    """What was converted, as (bytes of the checkpoint, of its configuration or None)."""
    seen = []

    def convert(checkpoint, config, out):
        data = checkpoint.read_bytes()
        seen.append((data, config and config.read_bytes()))
        write_export(out, "htdemucs", data)

    monkeypatch.setattr(conversion, "convert_file", convert)
    return seen


@pytest.fixture
def call(store, capsys):
    """Run the command as a shell would; returns exit code, output and errors."""

    def call(*words):
        with pytest.raises(SystemExit) as left:
            run(catalogue.main, [os.fspath(word) for word in words])
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    return call

"""The store: what lies in it, what is damaged, who may change it."""

import json
import os
import sys
from pathlib import Path

import pytest

from common.files import locked
from dssgan import exports, separate
from dssgan.app import models
from dssgan.catalogue import addresses, entries
from dssgan.catalogue.store import RECORD
from tests.damaged_json import UNEXPECTED, texts
from tests.dssgan.catalogue.conftest import write_export


def test_a_folder_is_copied_whole_and_described(call, export, store):
    (export / "MODEL_CARD.md").write_text("a card")
    (export / "more").mkdir()
    (export / "more" / "notes.txt").write_text("notes")
    code, out, _ = call("add", export, "--licence", "CC0")
    assert code == 0 and "mine: bandsplit, drums, accompaniment; licence CC0" in out
    for name in ("MODEL_CARD.md", "more/notes.txt", exports.CONFIG, exports.WEIGHTS):
        assert (store / "mine" / name).read_bytes() == (export / name).read_bytes()
    record = json.loads((store / "mine" / "catalogue.json").read_text())
    known = json.loads((export / exports.CONFIG).read_text())
    assert record["weights_sha256"] == known["weights_sha256"]
    assert record["source"] == {"kind": "folder", "place": str(export)}
    assert record["system"] == "bandsplit" and record["size"] > 0 and record["added"][:2] == "20"
    assert sorted(path.name for path in store.iterdir()) == ["mine"]  # nothing half done
    code, out, _ = call("info", "mine")
    assert code == 0 and "licence: CC0" in out and f"from: {export}" in out
    assert "checksums: as its configuration says" in out


def test_a_run_gives_its_separator_under_the_name_of_the_run(call, tmp_path, store):
    write_export(tmp_path / "myrun" / exports.IN_RUN)
    assert call("add", tmp_path / "myrun")[0] == 0
    assert (store / "myrun" / exports.CONFIG).is_file()


def test_scores_of_a_configuration_are_listed(call, tmp_path, store):
    scores = {"protocol": "musdb18", "songs": 5, "drums": {"SDR": 6.69}, "bass": {"SDR": "x"}}
    write_export(tmp_path / "good", provenance={"scores": scores, "licence": "MIT"})
    call("add", tmp_path / "good")
    code, out, _ = call("list")
    assert code == 0 and "drums 6.7 dB" in out and "licence MIT" in out
    assert "drums SDR: 6.69 dB (5 songs, protocol musdb18)" in call("info", "good")[1]


def test_damaged_weights_are_refused(call, export, store):
    with open(export / exports.WEIGHTS, "ab") as file:
        file.write(b"x")
    code, _, err = call("add", export)
    assert code == 1 and "its SHA-256 begins" in err and not store.exists()


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".x", "a b", "\udcff", "", "x" * 65, "a.", "-a", "ä", "a\n"]
)
def test_names_that_are_none(call, export, store, name):
    code, _, err = call("add", export, f"--name={name}")
    assert code == 2 and "cannot be a name" in err and err.count("\n") == 1 and not store.exists()


def test_names_that_are_taken(call, export, store, tmp_path):
    code, _, err = call("add", export, "--name", "drums")
    assert code == 2 and "drums ships with the library" in err
    call("add", export)
    code, _, err = call("add", export)
    assert code == 2 and "mine is there already" in err and "--replace" in err
    write_export(export, weights=b"newer")
    assert call("add", export, "--replace")[0] == 0
    assert (store / "mine" / exports.WEIGHTS).read_bytes().endswith(b"newer")
    write_export(store / "byhand")
    code, _, err = call("add", export, "--name", "byhand", "--replace")
    assert code == 2 and "the catalogue did not make it" in err


def test_what_cannot_be_added(call, export, tmp_path):
    for words, message in (
        (["nowhere"], "no such file or folder, and no address"),
        (["\udcff"], "no such file or folder, and no address"),
        (["htdemucz"], "did you mean htdemucs?"),
        ([tmp_path], "separators in it"),
        ([export / exports.CONFIG], f"name its folder, {export}"),
        ([export, "--config", "x.yaml"], "--config is for checkpoints"),
        ([export, "--sha256", "12"], "expected 64 hexadecimal digits"),
        ([export, "--max-bytes", "0"], "expected more than 0"),
    ):
        code, _, err = call("add", *words)
        assert code in (1, 2) and message in err and err.count("\n") == 1, (words, err)


def test_a_store_in_the_added_folder_is_refused(call, export, monkeypatch):
    monkeypatch.setenv(exports.STORE, str(export / "models"))
    code, _, err = call("add", export)
    assert code == 2 and "lies in it" in err


def test_a_pipe_in_the_folder_is_refused(call, export, store):
    os.mkfifo(export / "pipe")
    code, _, err = call("add", export)
    assert code == 1 and "is a pipe" in err and not list(store.iterdir())


def test_a_store_that_cannot_be_written(call, export, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(exports.STORE, str(tmp_path / "file" / "models"))
    code, _, err = call("add", export)
    assert code == 1 and "cannot be written (Not a directory): set DSSGAN_MODELS" in err
    assert call("list")[0] == 0
    monkeypatch.setenv(exports.STORE, str(tmp_path / "closed"))
    monkeypatch.setattr(os, "access", lambda *words: False)
    code, _, err = call("add", export)
    assert code == 1 and "cannot be written (Permission denied)" in err


def test_two_at_the_same_time(call, export, store):
    store.mkdir(parents=True)
    with locked(store):
        code, _, err = call("add", export)
    assert code == 1 and "another process adds or removes a separator" in err
    assert call("add", export)[0] == 0


def test_what_a_killed_process_left_is_undone(call, export, store, tmp_path):
    write_export(store / ".replaced~old")
    write_export(store / ".adding-1234")
    assert call("add", export)[0] == 0
    assert sorted(path.name for path in store.iterdir()) == ["mine", "old"]
    write_export(store / ".replaced~mine")
    call("add", export, "--name", "other")
    assert sorted(path.name for path in store.iterdir()) == ["mine", "old", "other"]


def test_list_goes_on_past_what_is_damaged(call, export, store):
    call("add", export)
    call("add", export, "--name", "torn")
    (store / "torn" / exports.CONFIG).write_text("{")
    (store / "empty").mkdir()
    (store / "a file").write_text("")
    code, out, _ = call("list")
    assert code == 0 and "torn  damaged:" in out and "empty  damaged:" in out
    assert "  mine " in out and "a file" not in out and max(map(len, out.splitlines())) <= 200
    code, out, _ = call("info", "torn")
    assert code == 1 and "damaged: " in out
    (store / "mine" / exports.WEIGHTS).write_bytes(exports.HDF5 + b"bits have flipped")
    code, out, _ = call("info", "mine")
    assert code == 1 and "damaged: " in out and "its SHA-256 begins" in out


@pytest.mark.parametrize("file", [RECORD, exports.CONFIG])
def test_damaged_json_of_an_entry(call, export, store, file):
    """Whatever stands in it, listing goes on."""
    call("add", export)
    path = store / "mine" / file
    for text in list(texts(json.loads(path.read_text())))[::3]:
        path.write_text(text)
        for words in (["list"], ["info", "mine"]):
            code, out, err = call(*words)
            assert code in (0, 1) and not UNEXPECTED.search(out + err), (text[:200], err)


def test_removal(call, export, store, monkeypatch):
    call("add", export)
    code, _, err = call("remove", "mine")
    assert code == 2 and "say --yes" in err and (store / "mine").is_dir()
    code, _, err = call("remove", "drums", "--yes")
    assert code == 2 and "ships with the library" in err
    code, _, err = call("remove", "mime", "--yes")
    assert code == 2 and "did you mean mine?" in err
    for name in ("..", "mine/../mine", "../models/mine", str(store / "mine"), ""):
        assert call("remove", name, "--yes")[0] == 2
    assert call("remove", "mine", "--yes")[0] == 0 and not list(store.iterdir())


def test_what_the_catalogue_did_not_make_is_not_removed(call, export, store):
    write_export(store / "byhand")
    code, _, err = call("remove", "byhand", "--yes")
    assert code == 1 and "delete it by hand" in err and (store / "byhand" / exports.CONFIG).exists()
    (export / RECORD).write_text("{}")
    (store / "linked").symlink_to(export)
    code, _, err = call("remove", "linked", "--yes")
    assert code == 1 and "left as it is" in err and export.is_dir()
    (store / "byhand" / RECORD).write_text("torn")
    assert call("remove", "byhand", "--yes")[0] == 0


def test_a_question_is_answered(call, export, store, monkeypatch):
    call("add", export)
    for answer, code in (("", 1), ("n\n", 1), ("Y\n", 0)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        found, _, err = call("remove", "mine")
        assert found == code and "[y/N]" in err


class Terminal:
    """A standard input at which somebody sits."""

    def __init__(self, answer):
        self.answer = answer

    def isatty(self):
        return True

    def readline(self):
        return self.answer


def test_where_the_store_is(monkeypatch):
    monkeypatch.delenv(exports.STORE)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    for platform, place in (
        ("linux", "/home/me/.local/share/dssgan/models"),
        ("darwin", "/home/me/Library/Application Support/dssgan/models"),
        ("win32", "/home/me/AppData/Local/dssgan/models"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        assert exports.store_folder() == Path(place)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert exports.store_folder() == Path("/data/dssgan/models")
    monkeypatch.setenv(exports.STORE, "~/models")
    assert exports.store_folder() == Path("/home/me/models")


def test_names_are_found_by_every_command(call, export, store, monkeypatch):
    call("add", export, "--name", "mine")
    assert exports.find_export("mine") == exports.find_export(Path("mine")) == store / "mine"
    here = write_export(Path("mine"))  # a folder comes before the store
    assert exports.find_export("mine") == here
    write_export(store / "drums")  # and the store before what ships
    assert exports.find_export("drums") == store / "drums"
    (store / "mine" / exports.WEIGHTS).unlink()
    (here / exports.WEIGHTS).unlink()
    (here / exports.CONFIG).unlink()
    here.rmdir()
    with pytest.raises(ValueError, match=r"models/mine: no separator\.weights\.h5 in it"):
        exports.find_export("mine")
    with pytest.raises(ValueError, match=r"or a name of this machine's: drums, mine; did you mean"):
        exports.find_export("kitt")
    for name in ("../models/kitt", "kit/", "k\0it", "\udcff", "x" * 5000):
        with pytest.raises((ValueError, OSError)):
            exports.find_export(name)


def test_the_page_and_the_list_of_models_have_them(call, export, store, capsys):
    call("add", export, "--name", "mine")
    write_export(store / "torn")
    (store / "torn" / exports.CONFIG).write_text("[]")
    found = models.found([])
    names = ["mine", "mine + kit", "drums", "drums + kit", "kit"]
    assert list(found) == names and found["mine"].folder == store / "mine"
    assert "torn is left out: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        separate.main(["--list-models"])
    out = capsys.readouterr().out
    assert "mine: drums, accompaniment; bandsplit at 44100 Hz" in out and "torn: damaged:" in out


def test_every_public_entry_is_well_formed():
    known = json.loads(entries.PUBLIC.read_text())
    assert known["format"] == 1 and len(known["entries"]) >= 15
    names = [entry["name"] for entry in known["entries"]]
    assert len(set(names)) == len(names) and not set(names) & set(exports.pretrained())
    assert list(entries.public()) == names
    for entry in known["entries"]:
        assert set(entry) == {key.removesuffix("?") for key in entries.PUBLIC_ENTRY}
        assert exports.NAME.fullmatch(entry["name"]) and entry["system"] in entries.SYSTEMS
        assert entry["sources"] and len(set(entry["sources"])) == len(entry["sources"])
        assert entry["tried"] is False and entry["licence"] and entry["about"]
        for key, endings in (("url", addresses.CHECKPOINTS), ("config", addresses.CONFIGS)):
            if key == "url" or entry[key] is not None:
                assert addresses.check(entry[key]).startswith("https://")
                assert addresses.file_name(entry[key], endings)
        for key in ("sha256", "config_sha256"):
            digits = entry[key] or "0" * 64
            assert 8 <= len(digits) <= 64 and set(digits) <= set("0123456789abcdef")
        assert entry["size"] is None or 1e6 < entry["size"] < 4e9
        scores = entry["scores"]
        assert scores["published"] is True and scores["page"].startswith("https://")
        assert set(scores["values"]) <= set(entry["sources"])
        assert all(0 < value < 20 for value in scores["values"].values())

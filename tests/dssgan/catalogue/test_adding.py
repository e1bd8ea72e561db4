"""`add` of checkpoints: files, addresses and public entries; asked, pinned, converted."""

import hashlib
import json
import sys

import pytest

from dssgan import convert
from dssgan.catalogue import conversion, download, entries
from dssgan.catalogue.entries import Entry
from dssgan.catalogue.store import RECORD
from tests.dssgan.catalogue.test_store import Terminal

DATA, OTHER, YAML = b"a checkpoint" * 1000, b"another one" * 1000, b"model: {}\n"
SHA = hashlib.sha256(DATA).hexdigest()


def record(store, name):
    return json.loads((store / name / RECORD).read_text())


def test_a_file_is_converted(call, converted, store, tmp_path):
    (tmp_path / "best.ckpt").write_bytes(DATA)
    (tmp_path / "best.yaml").write_bytes(YAML)
    words = [tmp_path / "best.ckpt", "--config", tmp_path / "best.yaml", "--sha256", SHA.upper()]
    code, out, _ = call("add", *words)
    assert code == 0 and f"sha256 {SHA}" in out and converted == [(DATA, YAML)]
    source = {"kind": "file", "place": str(tmp_path / "best.ckpt"), "sha256": SHA}
    assert (
        record(store, "best")["source"] == source and record(store, "best")["licence"] == "unknown"
    )


def test_files_that_are_none(call, converted, store, tmp_path):
    (tmp_path / "best.ckpt").write_bytes(DATA)
    (tmp_path / "song.wav").write_bytes(DATA)
    for words, message in (
        (["song.wav"], "expected a checkpoint (.ckpt, .th, .pth, .pt, .safetensors)"),
        (["best.ckpt", "--sha256", "0" * 64], f"its SHA-256 is {SHA}, expected 0000"),
        (["best.ckpt", "--config", "gone.yaml"], "--config gone.yaml: no such file"),
    ):
        code, _, err = call("add", tmp_path / words[0], *words[1:])
        assert code in (1, 2) and message in err and err.count("\n") == 1
    assert not converted and not store.exists()


def test_an_address_is_told_fetched_and_converted(call, converted, store, server):
    url = server.put("/models/best.ckpt", DATA)
    config = server.put("/models/best.yaml", YAML)
    code, out, _ = call("add", url, "--config", config, "--yes", "--licence", "MIT")
    assert code == 0 and converted == [(DATA, YAML)]
    assert f"{url}: 12.0 kB" in out and f"{config}: 0.0 kB" in out and f"sha256 {SHA}" in out
    source = record(store, "best")["source"]
    assert (source["kind"], source["place"], source["sha256"]) == ("url", url, SHA)
    assert source["config"] == config and record(store, "best")["licence"] == "MIT"
    assert not list((store / download.FOLDER).iterdir())  # nothing of it is kept
    assert f"from: {url}" in call("info", "best")[1]


def test_nothing_is_fetched_unasked(call, converted, store, server, monkeypatch):
    url = server.put("/best.ckpt", DATA)
    code, out, err = call("add", url)
    assert code == 2 and "12.0 kB" in out and "say --yes" in err
    for answer in ("", "no\n"):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        code, out, err = call("add", url)
        assert code == 1 and "12.0 kB" in out and "download? [y/N]" in err
    assert not server.gets() and not store.exists()
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert call("add", url)[0] == 0 and server.gets() == [None]


def test_an_address_is_pinned(call, converted, store, server):
    url = server.put("/best.ckpt", DATA)
    assert call("add", url, "--yes", "--sha256", "0" * 64)[0] == 1
    assert call("add", url, "--yes", "--sha256", SHA)[0] == 0
    server.log.clear()
    code, out, _ = call("add", url, "--yes")  # the same again
    assert code == 0 and "there already" in out and not server.gets()
    server.put("/best.ckpt", DATA, etag='"two"')
    code, out, _ = call("add", url, "--yes")
    assert code == 0 and "made of this very file" in out and len(converted) == 1
    server.put("/best.ckpt", OTHER, etag='"three"')
    for words in ([], ["--name", "new"]):
        code, _, err = call("add", url, "--yes", *words)
        assert code == 1 and f"best was made of a file with the SHA-256 {SHA[:16]}" in err
        assert "the file has changed; if that is meant, say --replace" in err
    assert record(store, "best")["source"]["sha256"] == SHA and len(converted) == 1
    server.log.clear()
    assert call("add", url, "--yes", "--replace")[0] == 0
    assert converted[-1] == (OTHER, None) and not server.gets()  # it was there, whole
    assert record(store, "best")["source"]["sha256"] == hashlib.sha256(OTHER).hexdigest()


def test_a_password_is_shown_and_kept_nowhere(call, converted, store, server):
    url = server.put("/best.ckpt", DATA).replace("://", "://me:pass%21word@")
    code, out, err = call("add", f"{url}?token=hush&v=2", "--yes")
    kept = (store / "best" / RECORD).read_text()
    assert code == 0
    for secret in ("pass", "hush", "me:"):
        assert secret not in out + err + kept
    assert "token=***&v=2" in kept
    server.files.clear()
    err = call("add", f"{url}?token=hush", "--yes", "--name", "other")[2]
    assert "pass" not in err and "hush" not in err and "404" in err


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/best.ckpt", "expected https://HOST/FILE"),
        ("ftp://example.org/best.ckpt", "expected https://HOST/FILE"),
        ("https:///best.ckpt", "expected https://HOST/FILE"),
        ("http://example.org/best.ckpt", "take https://, or say --insecure"),
        ("http://127.0.0.1.example.org/best.ckpt", "take https://, or say --insecure"),
        ("https://example.org:x/best.ckpt", "is no address"),
        ("https://example.org/a b.ckpt", "is no address"),
        ("https://example.org/song.wav", "expected a file that ends in .ckpt"),
        ("https://me:hush@example.org:x/best.ckpt", "is no address"),
    ],
)
def test_addresses_that_are_refused(call, store, url, message):
    code, _, err = call("add", url, "--yes")
    assert code == 2 and message in err and err.count("\n") == 1 and "hush" not in err
    assert not store.exists()


def test_the_name_of_an_address_stays_in_the_store(call, converted, store, server, tmp_path):
    for path in ("/..%2F..%2Fevil.ckpt", "/.ckpt"):
        assert call("add", server.put(path, DATA), "--yes")[0] == 0
    for path in ("/%2e%2e%5cevil.ckpt", "/%00.ckpt", "/a%0Ab.ckpt"):
        url = server.put(path, DATA)
        code, _, err = call("add", url, "--yes")
        assert (code == 2 and "cannot be a name" in err) or path == "/a%0Ab.ckpt"
        assert call("add", url, "--yes", "--name", "good", "--replace")[0] == 0
    made = sorted(path.name for path in store.iterdir())
    assert made == [download.FOLDER, "a_b", "evil", "file", "good"]
    assert list(tmp_path.rglob("*evil*")) == [store / "evil"]


def test_a_conversion_that_fails_keeps_the_download(call, store, server, monkeypatch):
    def fail(checkpoint, config, out):
        (out / "config.json").write_text("half")
        raise ValueError(f"{checkpoint}: of no known system")

    monkeypatch.setattr(conversion, "convert_file", fail)
    url = server.put("/best.ckpt", DATA)
    code, _, err = call("add", url, "--yes")
    assert code == 1 and "best.ckpt: of no known system" in err
    assert [path.name for path in store.iterdir()] == [download.FOLDER]
    assert call("add", url, "--yes")[0] == 1 and server.gets() == [None]
    assert "12.1 kB of unfinished downloads" in call("list")[1]


@pytest.fixture
def public(monkeypatch, server):
    """A public entry whose files are on the server; returns what changes its facts."""

    def offer(**facts):
        known = {"about": "a test", "page": "https://example.org", "sha256": None}
        known |= {"url": server.put("/p.th", DATA), "config": server.put("/p.yaml", YAML)}
        known |= {"config_sha256": None, "tried": False} | facts
        scores = {"measure": "SDR", "songs": "Multisong", "published": True, "page": None}
        scores["values"] = {"kick": 16.66}
        entry = Entry("kitty", "mdx23c", ("kick",), None, "unknown", scores, None, known)
        monkeypatch.setattr(entries, "public", lambda: {"kitty": entry})

    return offer


def test_a_public_entry(call, converted, store, public):
    public(sha256=SHA[:8], config_sha256=hashlib.sha256(YAML).hexdigest())
    code, out, _ = call("add", "kitty", "--yes")
    assert code == 0 and "licence unknown; never tried here" in out and converted == [(DATA, YAML)]
    assert record(store, "kitty")["source"]["kind"] == "public"
    out = call("info", "kitty")[1]
    assert "where: this machine" in out and "published, not measured here; Multisong" in out


@pytest.mark.parametrize("key", ["sha256", "config_sha256"])
def test_a_public_entry_whose_file_is_another_is_refused(call, converted, store, public, key):
    public(**{key: "0" * 64})
    code, _, err = call("add", "kitty", "--yes")
    assert code == 1 and "another file than the one that was meant" in err and not converted
    assert "kitty" not in [path.name for path in store.iterdir()]
    if key == "sha256":
        code, _, err = call("add", "kitty", "--yes", "--sha256", SHA)
        assert code == 2 and "in the catalogue" in err


def test_public_entries_are_listed_within_80_columns(call, store):
    code, out, _ = call("list", "--public")
    assert code == 0 and out.count("never tried here") == len(entries.public())
    assert max(len(line) for line in out.splitlines() if "/" not in line) <= 80
    for name in entries.public():
        assert f"  {name} " in out
    code, out, _ = call("info", "htdemucs-ft-drums")
    assert code == 0 and "tried: never tried here" in out and "sha256: begins with ba3fe64a" in out
    assert "drums SDR: 11.13 dB (published, not measured here; Multisong)" in out
    code, _, err = call("info", "htdemuks")
    assert code == 2 and "did you mean htdemucs?" in err


def test_the_converter_is_called_by_its_command_line(tmp_path, monkeypatch, capsys):
    seen = []

    def main(words):
        seen.append(words)
        print(f"{tmp_path / 'out'}: htdemucs, 8 parameters")
        return 0

    monkeypatch.setattr(convert, "main", main)
    conversion.convert_file(tmp_path / "a.th", None, tmp_path / "out")
    conversion.convert_file(tmp_path / "a.th", tmp_path / "a.yaml", tmp_path / "out")
    assert seen[0] == ["auto", str(tmp_path / "a.th"), str(tmp_path / "out")]
    assert seen[1][2:4] == ["--config", str(tmp_path / "a.yaml")]
    assert capsys.readouterr().out == "htdemucs, 8 parameters\n" * 2


def test_a_converter_that_refuses_is_told_in_one_line(tmp_path, monkeypatch):
    def misuse(words):
        print("usage: convert\nconvert: error: no such system", file=sys.stderr)
        raise SystemExit(2)

    monkeypatch.setattr(convert, "main", misuse)
    with pytest.raises(
        ValueError, match=r"a\.th: cannot be converted: convert: error: no such sys"
    ):
        conversion.convert_file(tmp_path / "a.th", None, tmp_path / "out")
    monkeypatch.setattr(convert, "main", lambda words: 1)
    with pytest.raises(ValueError, match="cannot be converted: exit code 1"):
        conversion.convert_file(tmp_path / "a.th", None, tmp_path / "out")

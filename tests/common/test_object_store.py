"""Files in object stores, against a server of the S3 protocol on loopback."""

import sys
from pathlib import Path

import pytest
from fsspec.registry import _registry

from common.object_store import ObjectStore, address_of, is_address
from tests.object_stores import keys, s3  # noqa: F401


def test_addresses_survive_paths():
    for address in ("s3://bucket/a b/ü.wav", "gs://bucket/x", "s3://bucket"):
        assert is_address(address) and is_address(Path(address))
        assert address_of(Path(address)) == address
    for word in ("song.wav", "/s3/x", "s3:", "https://here/x.wav", "-", "C:/x", "ssh://x/y"):
        assert not is_address(word)
    assert address_of(Path("a/b")) == "a/b"


def test_files_go_there_and_back(s3, tmp_path):  # noqa: F811
    store = ObjectStore("s3://songs")
    (tmp_path / "one").write_bytes(bytes(range(256)) * 50000)
    store.put(tmp_path / "one", "s3://songs/a b/ü one")
    assert keys(s3) == ["a b/ü one"]
    assert store.listed("s3://songs") == store.listed("s3://songs/a b") == ["s3://songs/a b/ü one"]
    assert store.listed("s3://songs/a b/ü one") == ["s3://songs/a b/ü one"]
    store.fetch("s3://songs/a b/ü one", tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()


def test_what_is_not_there_is_one_line_and_leaves_nothing(s3, tmp_path):  # noqa: F811
    store = ObjectStore("s3://songs")
    for call in (
        lambda: store.listed("s3://songs/nothing"),
        lambda: store.listed("s3://nobodys-bucket/x"),
        lambda: store.fetch("s3://songs/nothing", tmp_path / "x"),
        lambda: store.put(tmp_path / "nothing", "s3://songs/x"),
    ):
        with pytest.raises(OSError, match=r"^s3://") as raised:
            call()
        assert "\n" not in str(raised.value) and "hush" not in str(raised.value)
    assert not list(tmp_path.iterdir()) and keys(s3) == []


def test_a_server_that_is_away_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(OSError, match=r"^s3://far/x: ") as raised:
        ObjectStore("s3://far").fetch("s3://far/x", tmp_path / "x")
    assert "hush" not in str(raised.value)


def test_credentials_in_addresses_are_refused_and_not_shown():
    with pytest.raises(ValueError, match="do not belong into an address") as raised:
        ObjectStore("s3://me:hush-hush@songs/x")
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("library", ["fsspec", "gcsfs"])
def test_a_missing_library_is_told_with_its_command(monkeypatch, library):
    monkeypatch.delitem(_registry, "gs", raising=False)  # of other tests
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ValueError, match=r"gs:// needs a library .* requirements-stores\.txt"):
        ObjectStore("gs://songs")

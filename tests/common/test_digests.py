"""Digests that prepared caches, exports and scores hold: they must never change."""

import hashlib

from common.digests import content_digest, facts_digest, file_digest


def test_digests_of_today(tmp_path):
    facts = ("Track", [("name", "a\udc80"), ("samples", 4)], 0.5)
    expected = hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()
    assert facts_digest(*facts) == expected
    assert facts_digest("one") == hashlib.sha256(b"('one',)").hexdigest()
    assert content_digest("ü") == content_digest("ü".encode()) == file_digest_of(tmp_path)


def file_digest_of(folder):
    path = folder / "file"
    path.write_bytes("ü".encode())
    assert file_digest(path) == hashlib.sha256("ü".encode()).hexdigest()
    return file_digest(path)

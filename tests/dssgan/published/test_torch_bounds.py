"""PyTorch files that promise more than they hold, or unpack to more than a machine has."""

import contextlib
import os
import pickle
import resource
import struct
import sys
import time
import zipfile

import pytest

from dssgan.convert import main
from dssgan.published.torch_files import bounds
from dssgan.published.torch_files.file import load

BLOCK = bytes(2**24)


def pickled(count, tensors=1):
    """A pickle of tensors that share one storage of `count` floats."""
    text = b"\x80\x02}("
    for place in range(tensors):
        name = f"w{place}".encode()
        text += (
            b"X" + struct.pack("<I", len(name)) + name + b"ctorch._utils\n_rebuild_tensor_v2\n(("
        )
        text += b"X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu"
        text += b"J" + struct.pack("<i", count) + b"tQK\0J" + struct.pack("<i", count)
        text += b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
    return text + b"u."


def archive(path, pickle, data=b"", blocks=0, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as file:
        file.writestr("a/data.pkl", pickle)
        with file.open("a/data/0", "w", force_zip64=True) as entry:
            entry.write(data)
            for _ in range(blocks):
                entry.write(BLOCK)
    return path


def refused(path):
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB
    assert time.process_time() - started < 20.0  # a machine at leisure takes less than 3
    return str(caught.value)


def test_tensors_that_unpack_to_more_than_any_file_of_weights(tmp_path):
    path = archive(tmp_path / "a.pt", pickled(2**28), blocks=64, method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10 * 2**20
    assert "would unpack to 1073741824 bytes" in refused(path)


def test_a_pickle_that_unpacks_to_gigabytes(tmp_path):
    path = tmp_path / "a.pt"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("a/data.pkl", "w", force_zip64=True) as entry,
    ):
        for _ in range(16):
            entry.write(BLOCK)
    assert f"expected {bounds.PICKLE} at most" in refused(path)


def test_entries_that_lie_about_their_size(tmp_path):
    path = archive(tmp_path / "a.pt", pickled(1000), blocks=16, method=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for start in (data.rfind(b"PK\x01\x02"), data.rfind(b"PK\x03\x04")):
        place = start + (24 if data[start + 2] == 1 else 22)
        data[place : place + 4] = struct.pack("<I", 4000)
    path.write_bytes(data)
    assert refused(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_without_a_bound(tmp_path, method):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("a/data.pkl", BLOCK)
    assert "compression that torch.save does not use" in refused(path)


def test_tensors_that_share_their_numbers_too_often(tmp_path):
    path = archive(tmp_path / "a.pt", pickled(2**18, tensors=1000), bytes(2**20))
    assert "share numbers" in refused(path)
    path = archive(tmp_path / "b.pt", pickled(2**18, tensors=3), bytes(2**20))
    assert len(load(path)) == 3


@pytest.mark.parametrize(
    "text",
    [
        b"\x80\x02" + b"N0" * 2_000_000,  # a long program
        b"\x80\x02" + b"}" * 4_000_000,  # a long stack
        b"\x80\x02" + b"(" * 4_000_000,
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62),  # texts and frames longer than the file
        b"\x80\x04\x95" + struct.pack("<Q", 2**62),
        b"\x80\x02X" + struct.pack("<I", 2**32 - 1),
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1),
    ],
)
def test_pickles_that_promise_too_much(tmp_path, text):
    (tmp_path / "a.pt").write_bytes(text)
    refused(tmp_path / "a.pt")
    started = time.process_time()
    with contextlib.suppress(ValueError):
        load(archive(tmp_path / "b.pt", text[: 2**20] + b"."))
    assert time.process_time() - started < 20.0


def test_keys_of_one_hash(tmp_path):
    keys = (b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") + b"N" for k in range(1, 20_000))
    assert "dictionary" in refused(
        archive(tmp_path / "a.pt", b"\x80\x02}(" + b"".join(keys) + b"u.")
    )


def test_pipes_are_told_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.pt")
    assert "is a pipe" in refused(tmp_path / "a.pt")


def test_a_sparse_file_of_any_size(tmp_path):
    with open(tmp_path / "a.pt", "wb") as file:
        file.truncate(2**40)
    assert "are more than the" in refused(tmp_path / "a.pt")


def test_the_command_tells_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dssgan.separator", None)  # importing it would fail
    path = archive(tmp_path / "a.pt", pickled(2**28), blocks=64, method=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"a\.pt: .*would unpack to \d+ bytes; expected"):
        main(["meta-tasnet", str(path), str(tmp_path / "out")])
    os.mkfifo(tmp_path / "b.pt")
    with pytest.raises(ValueError, match=r"b\.pt: is a pipe"):
        main(["bandsplit", str(tmp_path / "b.pt"), str(tmp_path / "out")])
    (tmp_path / "c.pt").write_bytes(pickle.dumps(list(range(2**18, 2**18 + 2**22))))
    for system in ("bandsplit", "meta-tasnet"):
        with pytest.raises(ValueError, match=r"c\.pt: .*neither a zip archive nor PyTorch's older"):
            main([system, str(tmp_path / "c.pt"), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()

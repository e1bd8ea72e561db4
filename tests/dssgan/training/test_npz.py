"""Archives of arrays: what an array takes is known before it is read."""

import io
import os
import resource
import zipfile

import numpy as np
import pytest

from dssgan.training import npz


def bomb(path, gigabytes=1, method=zipfile.ZIP_DEFLATED):
    """An array of zeros that a few megabytes promise, and hold."""
    head = io.BytesIO()
    shape = (gigabytes * 2**28,)
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with (
        zipfile.ZipFile(path, "w", method, compresslevel=1) as file,
        file.open("w.npy", "w", force_zip64=True) as entry,
    ):
        entry.write(head.getvalue())
        for _ in range(gigabytes * 64):
            entry.write(bytes(2**24))
    return path


def test_an_array_larger_than_it_may_be_is_not_read(tmp_path):
    path = bomb(tmp_path / "a.npz")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with npz.opened(path) as archive:
        with pytest.raises(
            ValueError, match=r"a\.npz: w has shape \(268435456,\), expected \(3,\)"
        ):
            npz.array(archive, "w", path, (3,))
        with pytest.raises(ValueError, match=r"w takes 1073741824 bytes; expected 1000 at most"):
            npz.array(archive, "w", path, largest=1000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_objects_damage_and_other_compressions_name_file_and_array(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, o=np.array([{}], object), good=np.arange(3), allow_pickle=True)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_BZIP2) as file:
        file.writestr("packed.npy", b"x" * 100)
        file.writestr("plain.npy", b"x" * 100, zipfile.ZIP_STORED)
    with npz.opened(path) as archive:
        assert npz.array(archive, "good", path, (3,)).tolist() == [0, 1, 2]
        for name, message in {
            "o": "holds Python objects",
            "packed": "compressed in a way",
            "plain": "cannot be read as an array",
            "none": "cannot be read as an array",
        }.items():
            with pytest.raises(ValueError, match=rf"a\.npz: {name} ") as caught:
                npz.array(archive, name, path)
            assert message in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_archive_is_named(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 nothing")
    os.mkfifo(tmp_path / "c.npz")
    for name, message in {"a.npy": "a single array", "b.npz": "not an", "c.npz": "pipe"}.items():
        with pytest.raises(ValueError, match=rf"{name}: .*{message}"):
            npz.opened(tmp_path / name)

"""PyTorch files without PyTorch: both layouts, damaged files, files that would run something."""

import argparse
import io
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dssgan.published.torch_files.file import LEGACY_MAGIC, load
from dssgan.published.torch_files.pickle import Inert

DATA = Path(__file__).parent / "data"  # written by PyTorch 2.13 in both of its layouts
LAYOUTS = pytest.mark.parametrize("layout", ["legacy", "zip"])


def archive(path, pickled: bytes, **options):
    """A zip file in PyTorch's layout with a pickle of any kind."""
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/data/0", np.zeros(4, np.float32).tobytes())
    return path


def refused(path) -> str:
    """The one line that a file is refused with."""
    with pytest.raises(ValueError, match="PyTorch file") as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: not a ") and "download it again" in text
    assert "\n" not in text and len(text) < len(str(path)) + 400
    return text


@LAYOUTS
def test_reads_what_pytorch_wrote(layout):
    content = load(DATA / f"{layout}.pt")
    plain = np.arange(24, dtype=np.float32).reshape(4, 6)
    expected = {
        "plain": plain,
        "transposed": plain.T,
        "sliced": plain[1:3, 2:5],
        "half": plain.astype(np.float16),
        "brain": plain,
        "long": np.array([1, -2, 3]),
        "scalar": np.array(2.5, np.float32),
        "empty": np.zeros((0, 3), np.float32),
        "flags": np.array([True, False]),
        "parameter": plain[:2],
    }
    assert set(content["state_dict"]) == set(expected)
    for name, value in expected.items():
        found = content["state_dict"][name]
        assert found.dtype == value.dtype, name
        np.testing.assert_array_equal(found, value)
    assert content["args"] == {"N": 16, "W": 20, "name": "x"}
    np.testing.assert_array_equal(content["optimizer"]["state"][0]["m"], plain)


@LAYOUTS
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_truncated_files_are_one_line(tmp_path, layout, share):
    data = (DATA / f"{layout}.pt").read_bytes()
    path = tmp_path / "cut.pt"
    path.write_bytes(data[: int(share * len(data))])
    assert ("cut off" if share else "empty") in refused(path)


@LAYOUTS
def test_flipped_bits_never_leak_an_error(tmp_path, layout):
    data = (DATA / f"{layout}.pt").read_bytes()
    path, draw, failed = tmp_path / "flipped.pt", random.Random(5), 0
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 8))):
            changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            load(path)
        except ValueError as error:
            failed += 1
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    assert failed > 100


def patched(path, local: int, central: int, value: int):
    """Set a field of two bytes in every header of a zip file."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        place = data.find(mark)
        while place >= 0:
            data[place + offset : place + offset + 2] = value.to_bytes(2, "little")
            place = data.find(mark, place + 4)
    path.write_bytes(data)
    return path


def test_zip_files_of_other_kinds(tmp_path):
    pickled = pickle.dumps({"layer": list(range(2000))}, 2)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("hello.txt", "hello")
    assert "without data.pkl" in refused(tmp_path / "other.zip")
    path = archive(tmp_path / "weights.pt", pickled, compression=zipfile.ZIP_DEFLATED)
    assert load(path) == {"layer": list(range(2000))}
    data = bytearray(path.read_bytes())
    data[60:160] = bytes(100)
    path.write_bytes(data)
    assert "zlib.error" in refused(path)
    path = patched(archive(tmp_path / "secret.pt", pickled), 6, 8, 1)
    assert "encrypted" in refused(path)
    path = patched(archive(tmp_path / "method.pt", pickled), 8, 10, 99)
    assert "compression" in refused(path)


def legacy(path, content: bytes, keys=("0",), count=4):
    head = pickle.dumps(LEGACY_MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    tail = pickle.dumps(list(keys), 2) + count.to_bytes(8, "little") + bytes(16)
    path.write_bytes(head + content + tail)
    return path


def storage(count: bytes = b"K\x04", kind: bytes = b"FloatStorage") -> bytes:
    """The instructions that refer to the numbers "0"."""
    return b"(U\x07storagectorch\n" + kind + b"\nU\x010U\x03cpu" + count + b"NtQ"


def tensor(shape: bytes, strides: bytes) -> bytes:
    call = b"ctorch._utils\n_rebuild_tensor_v2\n("
    return b"\x80\x02" + call + storage() + b"K\x00" + shape + strides + b"\x89NtR."


def test_what_the_older_layout_announces_must_be_there(tmp_path):
    path = tmp_path / "weights.pt"
    whole = tensor(b"K\x04\x85", b"K\x01\x85")
    np.testing.assert_array_equal(load(legacy(path, whole)), np.zeros(4))
    huge = b"\x8a\x08" + (2**62).to_bytes(8, "little")
    refused(legacy(path, b"\x80\x02" + storage(huge) + b".", count=2**62))  # OverflowError
    assert "5 numbers, 4 were announced" in refused(legacy(path, whole, count=5))
    assert "does not list" in refused(legacy(path, whole, keys=()))
    assert "does not list" in refused(legacy(path, whole, keys=(0,)))
    assert "neither" in refused(Path(__file__))


def test_other_tensors_are_told_from_damage(tmp_path):
    path = legacy(
        tmp_path / "weights.pt", b"\x80\x02" + storage(kind=b"ComplexFloatStorage") + b"."
    )
    with pytest.raises(ValueError, match=r"weights\.pt: tensors of type 'ComplexFloatStorage'"):
        load(path)


def test_a_few_bytes_do_not_ask_for_all_memory(tmp_path):
    many = b"\x8a\x06" + (10**12).to_bytes(6, "little") + b"\x85"
    path = archive(tmp_path / "weights.pt", tensor(many, b"K\x00\x85"))
    assert "more numbers than its storage" in refused(path)
    nested = []
    for _ in range(60):
        nested = [nested, nested]
    content = load(archive(path, pickle.dumps(nested, 2)))
    assert content[0] is content[1]


def test_a_file_that_wants_to_run_code_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran code from the file')",))

    path = archive(tmp_path / "evil.pt", pickle.dumps({"state_dict": {}, "x": Evil()}))
    assert isinstance(load(path)["x"], Inert)


@pytest.mark.parametrize(
    "pickled",
    [
        b"cargparse\nNamespace\nN}S'__init__'\ncfoo\nbar\ns\x86b.",  # slots of the class
        b"cargparse\nNamespace\n}S'__init__'\ncfoo\nbar\nsb.",
        b"cargparse\nNamespace\n)\x81N}S'N'\nK\x01s\x86b.",  # slots of an instance
        b"ctorch._utils\n_rebuild_tensor\n}S'__doc__'\nK\x01sb.",
        b"ccollections\nOrderedDict\n}S'update'\nK\x01sb.",
        b"cargparse\nNamespace\nS'a'\nK\x01s.",
        b"cargparse\nNamespace\nK\x01a.",
        b"])R.",  # calls a list
        b"cfoo\nbar\n]R.",
        b"(cargparse\nNamespace\no.",
        b"}))\x86)\x86K\x01s.",  # a key of tuples in tuples
        b"\x82\x01.",  # Python's table of extensions
    ],
)
def test_a_file_reaches_nothing_of_the_process(tmp_path, pickled):
    before = dict(vars(argparse.Namespace))
    text = refused(archive(tmp_path / "evil.pt", pickled))
    assert "its pickle" in text
    assert dict(vars(argparse.Namespace)) == before
    assert argparse.Namespace(N=16).N == 16


def test_a_namespace_is_a_plain_dictionary(tmp_path):
    path = archive(tmp_path / "weights.pt", pickle.dumps({"args": argparse.Namespace(N=16)}, 2))
    assert load(path) == {"args": {"N": 16}}
    archive(path, b"cargparse\nNamespace\n)\x81}S'__class__'\nK\x03sb.")
    assert load(path) == {"__class__": 3}
    state = io.BytesIO()
    pickle.Pickler(state, 4).dump(argparse.Namespace(N=16))
    assert load(archive(path, state.getvalue())) == {"N": 16}

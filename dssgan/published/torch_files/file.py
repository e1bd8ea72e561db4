"""PyTorch checkpoints → NumPy, without PyTorch and without running code from the file.

Reads both layouts of `torch.save`: the zip archive (1.6 and later) and the older sequence of
pickles (the published Meta-TasNet weights were written by PyTorch 1.4). What becomes of the objects
in the pickles stands in `torch_pickle`.
"""

import io
import os
import zipfile
from typing import Any, BinaryIO

from common.audio_files import require_file
from common.safe_pickle import Refused
from dssgan.published.torch_files.bounds import (
    INFLATED,
    LARGEST,
    PICKLE,
    SHARED,
    Bounded,
    Room,
    check_directory,
    unpacked,
)
from dssgan.published.torch_files.pickle import Inert, Namespace, Unpickler
from dssgan.published.torch_files.tensors import Storage, Tensor, Unsupported

__all__ = ["Inert", "load"]

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def load(path) -> Any:
    """The object in a `.pt` file.

    Returns:
      Dictionaries, lists, tuples, text and numbers; every tensor as a NumPy array (bfloat16 as
      float32), ordered dicts and argparse's Namespace as plain dictionaries, fractions as they
      are, and `Inert` for any other object.

    Raises:
      ValueError: not a PyTorch file, damaged, cut off, or of a tensor type that is not supported:
        one line that names the file.
      OSError: it cannot be read.
    """
    require_file(path)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST:
                raise ValueError(f"its {size} bytes are more than the {LARGEST} that are read")
            magic = file.read(len(ZIP_MAGIC))
            file.seek(0)
            read = _read_zip if magic == ZIP_MAGIC else _read_legacy
            content, storages = read(file, size)
        room = SHARED * sum(storage.size for storage in storages.values()) + 2**20
        return _plain(content, {}, Room(room))
    except PermissionError:
        raise
    except Unsupported as error:
        raise ValueError(f"{path}: {error}; expected floats or integers of PyTorch") from error
    except Refused as error:
        raise ValueError(
            f"{path}: not a readable PyTorch file (its pickle {error}); expected weights that "
            "torch.save wrote; download it again from a source you trust"
        ) from error
    except Exception as error:  # whatever a damaged archive or pickle runs into
        raise ValueError(
            f"{path}: not a whole PyTorch file ({_reason(error)}); expected what torch.save "
            "writes; download it again"
        ) from error


def _read_zip(file: BinaryIO, size: int) -> tuple[Any, dict[str, Storage]]:
    if not zipfile.is_zipfile(file):
        raise ValueError(f"cut off after {size} bytes: the end of its zip archive is missing")
    check_directory(file, size)
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        main = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
        if main is None:
            raise ValueError("a zip archive without data.pkl")
        folder = main.removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in names and unpacked(archive, order, 100) != b"little":
            raise Unsupported("tensors that a big-endian machine wrote cannot be read")
        storages: dict[str, Storage] = {}
        content = Unpickler(Bounded(io.BytesIO(unpacked(archive, main, PICKLE))), storages).load()
        sizes = [archive.getinfo(f"{folder}data/{key}").file_size for key in storages]
        most = INFLATED * size + 2**20
        if sum(sizes) > most:
            raise ValueError(
                f"its tensors would unpack to {sum(sizes)} bytes; expected {most} at most of a "
                f"file of {size} bytes"
            )
        for key, storage in storages.items():
            storage.fill(unpacked(archive, f"{folder}data/{key}", storage.size))
    return content, storages


def _read_legacy(file: BinaryIO, size: int) -> tuple[Any, dict[str, Storage]]:
    if not size:
        raise ValueError("it is empty")
    storages: dict[str, Storage] = {}
    try:
        mark = Unpickler(Bounded(file), storages).load()
    except Exception:
        mark = None
    if type(mark) is not int or mark != LEGACY_MAGIC:
        raise ValueError("neither a zip archive nor PyTorch's older layout")
    try:
        return _after_mark(file, storages), storages
    except Exception as error:
        if isinstance(error, Refused | Unsupported) or file.read(1):
            raise
        raise ValueError(f"cut off: it ends too early, after {size} bytes") from error


def _after_mark(file: BinaryIO, storages: dict[str, Storage]) -> Any:
    pickles = Bounded(file)
    for _ in ("protocol version", "system information"):
        Unpickler(pickles, storages).load()
    content = Unpickler(pickles, storages).load()
    keys = Unpickler(pickles, storages).load()
    named = type(keys) is list and all(type(key) is str for key in keys)
    if not named or set(keys) != set(storages):
        raise ValueError("it does not list the numbers of its tensors")
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little")
        if count != storage.count:
            raise ValueError(f"tensor {key} has {count} numbers, {storage.count} were announced")
        storage.fill(file.read(storage.size))
    return content


def _plain(value: Any, done: dict[int, Any], room: Room) -> Any:
    """Replace tensors by arrays and stand-ins by dictionaries, each object once.

    Without the memory of what is `done`, lists that hold a list twice that holds a list twice …
    would take for ever.
    """
    if id(value) in done:
        return done[id(value)]
    if type(value) is Tensor:
        done[id(value)] = value.array(room)
    elif type(value) is list:
        done[id(value)] = made = []
        made.extend(_plain(item, done, room) for item in value)
    elif type(value) is tuple:
        done[id(value)] = tuple(_plain(item, done, room) for item in value)
    elif type(value) in (dict, Namespace):
        items = value.fields if type(value) is Namespace else value
        done[id(value)] = made = {}
        made.update((key, _plain(item, done, room)) for key, item in items.items())
    else:
        return value
    return done[id(value)]


def _reason(error: Exception) -> str:
    """What an error says, on one line and short; its kind where Python raised it."""
    text = " ".join(str(error).split())[:160]
    if type(error) is ValueError:
        return text
    kind = type(error).__name__
    if kind == "error":  # struct and zlib call theirs by one name
        kind = f"{type(error).__module__}.{kind}"
    return f"{kind}: {text}" if text else kind

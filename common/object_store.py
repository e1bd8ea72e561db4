"""Files in object stores: addresses such as s3://BUCKET/KEY and gs://BUCKET/KEY, by fsspec.

Credentials are those that the libraries of the stores find (environment, configuration files, the
machine's role); none belongs into an address. An object is there as a whole or not at all.
"""

import logging
import os
import re
from pathlib import Path
from typing import Any

from common.cli import one_line
from common.files import atomic_path
from common.redact import redacted

SCHEMES = ("s3", "gs", "memory")
INSTALL = "pip install -r requirements-stores.txt"
_ADDRESS = re.compile(r"(\w+):/{1,2}(?=[^/])")


def is_address(text: str | os.PathLike) -> bool:
    """Whether a word is an address in an object store, and no path."""
    found = _ADDRESS.match(os.fspath(text))
    return bool(found) and found[1] in SCHEMES


def address_of(path: str | os.PathLike) -> str:
    """The address that a path was made of: s3://BUCKET/KEY for Path("s3://BUCKET/KEY")."""
    return _ADDRESS.sub(r"\1://", os.fspath(path), count=1)


class ObjectStore:
    """Reads and writes objects; every error is an OSError of one line without credentials.

    Args:
      address: any address of the store.

    Raises:
      ValueError: the library of the store is not installed, or the address holds a user.
    """

    def __init__(self, address: str):
        scheme = address.partition(":")[0]
        if "@" in address.partition("//")[2].partition("/")[0]:
            raise ValueError(
                f"{redacted(address)}: credentials do not belong into an address; give them as "
                "the store's libraries expect, such as AWS_ACCESS_KEY_ID"
            )
        try:
            import fsspec

            # Else gcsfs asks by another protocol first, for minutes where that is not spoken.
            os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
            logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it raises what matters
            self._files = fsspec.filesystem(scheme, skip_instance_cache=True)
        except ImportError as error:
            text = f"{scheme}:// needs a library that is not installed: {INSTALL}"
            raise ValueError(text) from error

    def listed(self, address: str) -> list[str]:
        """Addresses of the objects at or below an address, sorted.

        Raises:
          FileNotFoundError: nothing is there. OSError: the store does not answer.
        """
        with _told(address):
            self._files.invalidate_cache()
            found = self._files.find(address)
            if not found:
                raise FileNotFoundError("no such object, and none below it")
            return sorted(map(self._files.unstrip_protocol, found))

    def fetch(self, address: str, path: Path) -> None:
        """Copy an object to a file, which is there as a whole or not at all.

        Raises:
          OSError: it cannot be read or written.
        """
        with _told(address), atomic_path(path) as temporary:
            self._files.get_file(address, os.fspath(temporary))

    def put(self, path: Path, address: str) -> None:
        """Copy a file to an object.

        Raises:
          OSError: it cannot be read or written.
        """
        with _told(address):
            self._files.put_file(os.fspath(path), address)


class _told:
    """Within the block whatever goes wrong becomes an OSError that names the address."""

    def __init__(self, address: str):
        self.address = address

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):  # each library has words of its own
            text = one_line(error) or type(error).__name__
            kind = FileNotFoundError if isinstance(error, FileNotFoundError) else OSError
            raise kind(redacted(f"{self.address}: {text}")) from error

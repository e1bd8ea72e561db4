"""SHA-256 of files, of contents and of facts, in hexadecimal.

Prepared caches, exported separators and scores hold these digests: another result for the same
input would make them invalid.
"""

import hashlib
import os


def facts_digest(*facts: object) -> str:
    """Digest the printed form (`repr`) of some facts; names that are not UTF-8 are fine."""
    return content_digest(repr(facts))


def content_digest(content: str | bytes) -> str:
    """Digest a text (as UTF-8) or bytes."""
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogateescape")
    return hashlib.sha256(content).hexdigest()


def file_digest(path: str | os.PathLike) -> str:
    """Digest a file, read block by block.

    Raises:
      OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

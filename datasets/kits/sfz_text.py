"""The text of SFZ files: headers and opcodes, with #include and #define carried out.

The format: https://sfzformat.com.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from common.files import inside, read_limited

LARGEST = 2**22  # bytes of all files of a kit
DEEPEST, MOST_FILES, LONGEST_VALUE = 16, 500, 1000
_TOKEN = re.compile(r"<(?P<header>\w+)>|(?P<opcode>[A-Za-z_]\w*)=(?P<value>[^<\n]*?)"
                    r"(?=\s+[A-Za-z_]\w*=|\s*<\w+>|\s*$)")  # fmt: skip
_INCLUDE = re.compile(r'\s*#include\s+"([^"]*)"')
_DEFINE = re.compile(r"#define\s+\$(\w+)\s+(\S+)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class Token(NamedTuple):
    """A header or an opcode.

    Attributes:
      name: of the header or the opcode.
      value: None for a header.
      where: file and line.
    """

    name: str
    value: str | None
    where: str


def tokens(path: Path, folder: Path) -> Iterator[Token]:
    """Read headers and opcodes of a file and of what it includes.

    Args:
      path: an .sfz file.
      folder: below which every included file must lie; names in #include are relative to it.

    Raises:
      ValueError: a line that is neither, a file outside the folder, too much text, files that
        include each other. OSError: a file cannot be read.
    """
    yield from _Reader(folder).file(path, 0)


class _Reader:
    """Reads files; names that are defined hold for all that follows."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.defined: dict[str, str] = {}
        self.bytes = self.files = 0

    def file(self, path: Path, depth: int) -> Iterator[Token]:
        self.files += 1
        if depth > DEEPEST or self.files > MOST_FILES:
            raise ValueError(
                f"{path}: included {depth} deep as file {self.files}; expected {DEEPEST} and "
                f"{MOST_FILES} at most, and no file that includes itself"
            )
        data = read_limited(path, LARGEST)
        self._count(len(data), path)
        text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        text = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
        for number, line in enumerate(text.split("\n"), 1):
            where = f"{path}: line {number}"
            line = line.partition("//")[0]
            if found := _INCLUDE.match(line):
                name = self._expand(found[1], where).replace("\\", "/")
                yield from self.file(inside(self.folder, name, where), depth + 1)
                line = line[found.end() :]
            yield from self._line(line, where)

    def _line(self, line: str, where: str) -> Iterator[Token]:
        for found in _DEFINE.finditer(line):
            self.defined[found[1]] = self._expand(found[2], where)[:LONGEST_VALUE]
        line = self._expand(_DEFINE.sub("", line), where)
        self._count(len(line), where)
        end = 0
        for found in _TOKEN.finditer(line):
            if line[end : found.start()].strip():
                break
            end = found.end()
            if found["header"]:
                yield Token(found["header"], None, where)
            else:
                yield Token(found["opcode"], found["value"].strip(), where)
        if rest := line[end:].strip():
            raise ValueError(f"{where}: {rest[:60]!r} is no <header> and no opcode=value")

    def _expand(self, text: str, where: str) -> str:
        """Put values in the places of $names; of several names that fit, the longest."""
        if "$" not in text:
            return text
        names = sorted(self.defined, key=len, reverse=True)
        if names:
            pattern = re.compile(r"\$(" + "|".join(map(re.escape, names)) + ")")
            text = pattern.sub(lambda found: self.defined[found[1]], text)
        if "$" in text:
            raise ValueError(f"{where}: {text.strip()[:60]!r} has a name that is not #defined")
        return text

    def _count(self, size: int, where: object) -> None:
        self.bytes += size
        if self.bytes > 4 * LARGEST:
            raise ValueError(f"{where}: more than {4 * LARGEST} bytes of text; expected less")

"""The command line: one-line errors, exit codes, progress that fits 80 columns.

Exit codes: 0 done, 1 failed, 2 misuse, 130 interrupted, 143 terminated. Tracebacks only with
`--debug`.
"""

import argparse
import contextlib
import errno
import os
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from common.interrupts import immediate
from common.redact import redacted

LONGEST = 4000  # letters of a message


class UsageError(ValueError):
    """The command was called wrongly: exit code 2."""


class HelpFormatter(argparse.HelpFormatter):
    """Help within the terminal's width: paragraphs are wrapped, indented lines stay lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = []
        for block in textwrap.dedent(text).strip("\n").split("\n\n"):
            lines = block.splitlines()
            if not any(line.startswith(" ") for line in lines):
                lines = [" ".join(lines)]
            blocks.append("\n".join(self._wrapped(line, width) for line in lines))
        return "\n\n".join(blocks)

    def _wrapped(self, line: str, width: int) -> str:
        """One line as several; those that go on are indented further than the first."""
        blanks = len(line) - len(line.lstrip())
        further = " " * (blanks + 4 if blanks else 0)
        options = {"break_long_words": False, "break_on_hyphens": False}
        return textwrap.fill(line, width, subsequent_indent=further, **options)


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line that any terminal can print, without passwords."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        text = f"{where}{error.strerror}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text += "; free some space or choose another folder, then run the command again"
    else:
        text = str(error) or type(error).__name__
    text = " ".join(text.split())
    text = redacted(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
    return printable(text)


def printable(text: str) -> str:
    """Return a text with what no terminal or file can show, or would act upon, escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def say(text: str, file: TextIO | None = None) -> None:
    """Print one line, to standard output where no file is given, with names of others escaped."""
    print(printable(text), file=file or sys.stdout)


def run(main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> None:
    """Run `main(argv)` and leave the process with the right exit code.

    SIGTERM unwinds what `main` does as Ctrl-C does, so that nothing half-written stays.

    Args:
      argv: None takes the command line of this process.
    """
    command = argv is None
    argv = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in argv
    argv = [argument for argument in argv if argument != "--debug"]
    try:
        with immediate(), contextlib.nullcontext() if debug else warnings_on_one_line():
            code = main(argv) or 0
    except KeyboardInterrupt as stop:
        code = getattr(stop, "code", 130)
        print("interrupted" if code == 130 else "terminated", file=sys.stderr)
        if command:
            leave(code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if debug:
            raise
        expected = isinstance(error, ValueError | OSError)
        prefix = "error" if expected else f"error: {type(error).__name__}"
        hint = "" if expected else " (run again with --debug for the traceback)"
        print(f"{prefix}: {one_line(error)}{hint}", file=sys.stderr)
        code = 2 if isinstance(error, UsageError) else 1
    raise SystemExit(code)


@contextlib.contextmanager
def warnings_on_one_line() -> Iterator[None]:
    """Show what `warnings.warn` says to users (UserWarning) without the line of code it is said in.

    Each text is shown once. Others are shown as Python shows them.
    """
    usual = warnings.showwarning
    shown: set[str] = set()

    def show(message, category, filename, lineno, file=None, line=None):
        if category is UserWarning and file is None:
            if (text := one_line(message)) not in shown:
                print(f"warning: {text}", file=sys.stderr)
            shown.add(text)
        else:
            usual(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = usual


def leave(code: int, seconds: float = 1.0) -> None:
    """End this process where threads of its own go on working; return where none does.

    Args:
      code: exit code. seconds: that they have to end by themselves.
    """
    end = time.monotonic() + seconds
    others = [thread for thread in threading.enumerate() if not thread.daemon]
    others.remove(threading.main_thread())
    for thread in others:
        with contextlib.suppress(RuntimeError):  # it was being started
            thread.join(max(0.0, end - time.monotonic()))
    if any(thread.is_alive() for thread in others):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def names(text: str | None) -> tuple[str, ...] | None:
    """Split a list of names at its commas, each name once; None stays None.

    Raises:
      UsageError: no name in it.
    """
    if text is None:
        return None
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not found:
        raise UsageError(f"{text!r}: expected names with commas between them")
    return found


def path(text: str | os.PathLike) -> Path:
    """A path as a shell would read it: `~` and `~user` at its beginning are home folders.

    Shells expand it only at the beginning of a word, not in KEY=~/x or after a quote. A `~name`
    that is no user's stays as it is.
    """
    found = Path(text)
    try:
        return found.expanduser()
    except RuntimeError:
        return found


def progress(iterable=None, **options):
    """A tqdm bar on standard error, at most 80 columns, silent where that is no terminal."""
    from tqdm import tqdm  # here alone: most commands that fail never show one

    options.setdefault("ncols", 80)
    options.setdefault("disable", not sys.stderr.isatty())
    options.setdefault("file", sys.stderr)
    return tqdm(iterable, **options)

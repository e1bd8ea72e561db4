"""Opening containers with FFmpeg: those of a list and no others, with errors in one line.

FFmpeg goes by a file's content, not by its name: a text that lists other files (ffconcat, a
playlist) would open these, whatever it is called. So the formats that may open are listed here.
"""

import contextlib
import errno
import os
from collections.abc import Iterator

import av

from common.audio_files import require_file

#: FFmpeg's names of the formats that may open; none of them reads a second file.
DEMUXERS = (
    "aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "ape", "asf", "au", "avi", "caf", "dsf", "dts",
    "dtshd", "eac3", "flac", "flv", "iff", "ircam", "loas", "matroska", "mlp", "mov", "mp3", "mpc",
    "mpc8", "mpeg", "mpegts", "mxf", "nistsphere", "nut", "ogg", "oma", "rm", "sox", "tak",
    "truehd", "tta", "voc", "w64", "wav", "wtv", "wv", "xwma",
)  # fmt: skip
_OPTIONS = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "file"}


@contextlib.contextmanager
def opened(path: str, metadata_errors: str = "replace") -> Iterator[av.container.InputContainer]:
    """Open with errors in one line; names that are not UTF-8 go through a Python file.

    Args:
      path: the file.
      metadata_errors: what becomes of tags that are not UTF-8, as of `bytes.decode`.

    Raises:
      OSError: the file cannot be opened.
      ValueError: no plain file; damaged; or of a format that is not in `DEMUXERS`.
    """
    require_file(path)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "rb"))  # says plainly why it cannot be opened
        try:
            os.fspath(path).encode()
            file = path
        except UnicodeEncodeError:
            pass
        with _one_line(path):
            try:
                container = av.open(file, metadata_errors=metadata_errors, options=_OPTIONS)
            except av.FFmpegError as error:
                if error.errno != errno.EINVAL:
                    raise
                raise ValueError(
                    f"{path}: what it holds is of no format that is read, whatever its name says "
                    "(lists of other files are not opened); expected audio, such as wav or m4a: "
                    "convert it"
                ) from None
            yield stack.enter_context(container)


@contextlib.contextmanager
def _one_line(path: str) -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        raise ValueError(
            f"{path}: not audio that can be decoded ({error.strerror or error}); "
            "is it complete, and really what its name says?"
        ) from None

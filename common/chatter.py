"""Native libraries that talk on standard error before anyone can tell them not to."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Hold back what is written to file descriptor 2; show it after all if the block raises.

    TensorFlow 2.21 prints four lines while it is imported, whatever TF_CPP_MIN_LOG_LEVEL says, and
    one more when it looks for a GPU. With TF_CPP_MIN_LOG_LEVEL=0 nothing is held back.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)

"""The start of a command: what libraries print and import before any work begins."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def stderr_hidden() -> Iterator[None]:
    """Hold back what is written to file descriptor 2; show it after all if the block raises.

    Not so after Ctrl-C or a ValueError, whose message is for users and says what is wrong.

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
        except BaseException as error:
            os.dup2(kept, 2)
            file.seek(0)
            if not isinstance(error, KeyboardInterrupt | ValueError):  # these say it all
                os.write(2, file.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def without(*packages: str) -> Iterator[None]:
    """Within the block these packages cannot be imported, as if they were not installed.

    For libraries that import others only because they are there: Keras loads pandas, scikit-learn
    and Matplotlib, which separation never needs, at the price of 120 MB and two seconds. What is
    imported already stays; after the block everything can be imported again.
    """
    blocked = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(blocked))
    try:
        yield
    finally:
        for name in blocked:
            if name in sys.modules and sys.modules[name] is None:
                del sys.modules[name]

"""Whether a graph is being traced for another format, which knows plain operations alone."""

import contextlib
import contextvars
from collections.abc import Iterator

_portable = contextvars.ContextVar("portable", default=False)


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Within the block, graphs are traced without pieces of XLA, Fourier transforms and gradients.

    So far as their models can; what is left is found when the graph is translated.
    """
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def is_portable() -> bool:
    """Whether the code runs within `portable`."""
    return _portable.get()

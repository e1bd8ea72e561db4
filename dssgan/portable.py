"""Whether a graph is being traced for another format, which knows plain operations alone."""

import contextlib
import contextvars
from collections.abc import Iterator

_portable = contextvars.ContextVar("portable", default="")


@contextlib.contextmanager
def portable(target: str = "onnx") -> Iterator[None]:
    """Within the block, graphs are traced without pieces of XLA, Fourier transforms and gradients.

    So far as their models can; what is left is found when the graph is translated.

    Args:
      target: the format, as `python -m dssgan.export` names it.
    """
    token = _portable.set(target)
    try:
        yield
    finally:
        _portable.reset(token)


def is_portable(target: str | None = None) -> bool:
    """Whether the code runs within `portable`: for any format, or for `target` alone."""
    return bool(_portable.get()) if target is None else _portable.get() == target

"""Imports that a command does without, to stay small."""

import contextlib
import sys
from collections.abc import Iterator


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

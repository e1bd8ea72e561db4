"""The nearest known name to one that is unknown: "did you mean"."""

import difflib
from collections.abc import Callable, Iterable


def nearest(
    name: object,
    known: Iterable[str],
    *,
    show: Callable[[str], str] = str,
    cutoff: float = 0.6,
) -> str:
    """Return "; did you mean NAME?" for the end of a message, or an empty text.

    Args:
      name: what was given.
      known: the names there are.
      show: how the name found is written, such as `repr`.
      cutoff: least likeness of the two names, 0 to 1, as of `difflib.get_close_matches`.
    """
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=cutoff)
    return f"; did you mean {show(near[0])}?" if near else ""

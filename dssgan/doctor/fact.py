"""One fact that the doctor reports."""

from typing import NamedTuple


class Fact(NamedTuple):
    """A finding: "ok", "warn" or "fail"; what it is about; what was found; what to do."""

    state: str
    about: str
    found: str
    advice: str = ""

"""Ctrl-C and SIGTERM: deferred until the run can be left cleanly, or raised at once."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class Interrupted(KeyboardInterrupt):
    """The run is to stop: Ctrl-C or SIGTERM.

    Attributes:
      code: the exit code of the process, 130 after Ctrl-C and 143 after SIGTERM.
    """

    def __init__(self, number: int, message: str = ""):
        super().__init__(message or "interrupted")
        self.number = int(number)
        self.code = 128 + self.number


class Request:
    """Whether the run is to stop, and by which signal."""

    def __init__(self):
        self.number: int | None = None

    def __bool__(self) -> bool:
        return self.number is not None


@contextlib.contextmanager
def deferred() -> Iterator[Request]:
    """Within the block the first Ctrl-C or SIGTERM only sets the request; a second one interrupts.

    Outside the main thread signals cannot be caught, and the request stays unset.
    """
    request = Request()

    def note(number: int, frame) -> None:
        del frame
        if request:
            raise Interrupted(number)
        request.number = number

    with _handlers(note):
        yield request


@contextlib.contextmanager
def immediate() -> Iterator[None]:
    """Within the block SIGTERM raises `Interrupted` at once, as Ctrl-C raises KeyboardInterrupt."""

    def leave(number: int, frame) -> None:
        del frame
        raise Interrupted(number)

    with _handlers(leave):
        yield


@contextlib.contextmanager
def _handlers(handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)

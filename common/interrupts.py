"""Ctrl-C and SIGTERM: deferred until the run can be left cleanly, or raised at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

#: Why a run goes on after a signal, for `announced`.
UPDATE = "what runs now is finished and saved first (an update that is compiled takes long)"
PATIENCE = 1.0  # seconds that a signal may take to be acted upon before something is said


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

    def note(number: int) -> Interrupted | None:
        if request:
            return Interrupted(number)
        request.number = number
        return None

    with _handlers(note):
        yield request


@contextlib.contextmanager
def immediate() -> Iterator[None]:
    """Within the block SIGTERM raises `Interrupted` at once, as Ctrl-C raises KeyboardInterrupt."""
    with _handlers(Interrupted):
        yield


@contextlib.contextmanager
def announced(reason: str) -> Iterator[None]:
    """Within the block a Ctrl-C or SIGTERM that is not acted upon within a second is answered.

    Python handles a signal between two of its own steps, and not while a library compiles or
    computes. A thread learns of it all the same: it prints one line that says why the block goes
    on; a Ctrl-C after the first signal ends the process, a SIGTERM does not, because systems repeat
    it. For signals that Python handles at all; outside the main thread nothing is done.

    Args:
      reason: why it may take long, the middle of that line.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    stderr, left = os.dup(2), threading.Event()
    line = f"interrupted: {reason}; Ctrl-C again ends at once\n".encode()
    thread = threading.Thread(target=_answer, args=(reader, stderr, left, line), daemon=True)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)
        os.close(stderr)


def _answer(reader: int, stderr: int, left: threading.Event, line: bytes) -> None:
    """Read numbers of signals until the pipe is closed; say one line, end at a second Ctrl-C."""
    count = 0
    while number := os.read(reader, 1):
        if number[0] not in (signal.SIGINT, signal.SIGTERM):
            continue
        count += 1
        if left.wait(PATIENCE):
            return
        if count > 1 and number[0] == signal.SIGINT:
            os._exit(128 + number[0])
        if count == 1:
            os.write(stderr, line)


@contextlib.contextmanager
def _handlers(respond: Callable[[int], Interrupted | None]) -> Iterator[None]:
    """Within the block `respond` gets the numbers of signals and returns what is to be raised.

    The signal may find Python in the middle of a library's call (TensorFlow traces a function), and
    the library may turn what is raised there into an error of its own: that is the interruption.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    raised: Interrupted | None = None

    def handle(number: int, frame) -> None:
        nonlocal raised
        del frame
        if stop := respond(number):
            raised = stop
            raise stop

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    except Exception as error:
        if raised is None:
            raise
        raise raised from error
    finally:
        for number, old in before.items():
            signal.signal(number, old)

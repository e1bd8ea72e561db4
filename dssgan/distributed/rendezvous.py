"""The workers of a run connect and compare their settings, before TensorFlow starts.

TensorFlow would wait without end for a worker that does not come, and train nonsense with one of
other settings. So each worker first sends a message to the chief, on the chief's own port, with its
place in the cluster and its settings; the chief answers all of them at once.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from common.json_files import parse_json
from dssgan.distributed.cluster import Cluster

LONGEST = 1 << 22  # bytes of a message
PAUSE = 0.2  # seconds between two attempts to reach the chief
SILENCE = 10.0  # seconds that whoever connects has to speak

Settings = Mapping[str, Any]


def rendezvous(
    cluster: Cluster,
    settings: Settings,
    *,
    seconds: float,
    log: Callable[[str], None] = lambda line: None,
) -> None:
    """Wait until all workers are here with the same settings.

    Args:
      settings: names and plain values that must be the same everywhere.
      seconds: to wait for the others at most.
      log: prints a line, once, on whom this worker waits for.

    Raises:
      ValueError: a worker has other settings or another cluster.
      OSError: one does not come, or the own port is taken.
    """
    message = {
        "index": cluster.index,
        "addresses": list(cluster.addresses),
        "settings": dict(settings),
    }
    message = json.loads(json.dumps(message, default=str))
    end = time.monotonic() + seconds
    with _listening(cluster) as listener:
        if cluster.index:
            log(f"worker {cluster.index}: looking for the chief at {cluster.addresses[0]}")
            listener.close()  # it was there to see that the port is free
            _report(cluster, message, end, seconds)
        else:
            others = len(cluster.addresses) - 1
            if others:
                log(f"chief: waiting for {others} more at {cluster.own}")
            _gather(cluster, message, listener, end, seconds)


def _listening(cluster: Cluster) -> socket.socket:
    port = int(cluster.own.rpartition(":")[2])
    try:
        return socket.create_server(("", port), backlog=64)
    except OSError as error:
        raise OSError(
            f"worker {cluster.index}: port {port} of {cluster.own} cannot be used "
            f"({error.strerror}); wait for the program that has it, or name another port"
        ) from None


def _report(cluster: Cluster, message: dict, end: float, seconds: float) -> None:
    """A worker sends its message to the chief and waits for the answer."""
    host, _, port = cluster.addresses[0].rpartition(":")
    while True:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), SILENCE) as line:
                _send(line, message)
                line.settimeout(max(1.0, end - time.monotonic() + SILENCE))
                answer = _receive(line)
            break
        except (OSError, ValueError) as error:
            if time.monotonic() >= end:
                raise OSError(
                    f"worker {cluster.index}: the chief at {cluster.addresses[0]} did not answer "
                    f"within {seconds:g} s ({error}); start the command on all machines, and let "
                    "their ports through"
                ) from None
        time.sleep(PAUSE)
    if not isinstance(answer, dict) or "error" in answer:
        raise ValueError(answer["error"] if isinstance(answer, dict) else "no answer of a chief")


def _gather(
    cluster: Cluster, own: dict, listener: socket.socket, end: float, seconds: float
) -> None:
    """The chief receives all messages, compares and answers."""
    lines: dict[int, socket.socket] = {}
    wrong = ""
    with contextlib.ExitStack() as open_lines:
        while len(lines) < len(cluster.addresses) - 1 and not wrong:
            listener.settimeout(max(0.01, end - time.monotonic()))
            try:
                line, _ = listener.accept()
            except TimeoutError:
                break
            open_lines.enter_context(line)
            line.settimeout(SILENCE)
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                theirs = _receive(line)  # whoever sends something else is none of the workers
                place = theirs["index"]
                wrong = _difference(own, theirs) or ("" if place not in lines else _twice(place))
                lines[line.fileno() if wrong else place] = line
        missing = [place for place in range(1, len(cluster.addresses)) if place not in lines]
        if missing and not wrong:
            some = ", ".join(f"{place} ({cluster.addresses[place]})" for place in missing)
            text = f"of {len(cluster.addresses)} workers these did not come within {seconds:g} s: "
            late = f"{text}{some}; start the command on all machines"
        answer = {"error": wrong or late} if wrong or missing else {"go": True}
        for line in lines.values():
            with contextlib.suppress(OSError):
                _send(line, answer)
    if wrong:
        raise ValueError(wrong)
    if missing:
        raise OSError(late)


def _twice(place: int) -> str:
    return f"two workers have the number {place}: every worker has a task of its own"


def _difference(own: dict, theirs: dict) -> str:
    """Which setting of another worker differs, in one line; "" where none does."""
    place = int(theirs["index"])
    who = f"worker {place}"
    if theirs["addresses"] != own["addresses"]:
        return (
            f"{who} has the workers {', '.join(map(str, theirs['addresses']))}, the chief "
            f"{', '.join(own['addresses'])}: the cluster must be the same everywhere"
        )
    if not 0 < place < len(own["addresses"]):
        return _twice(place)
    mine, other = own["settings"], theirs["settings"]
    for key in {**mine, **other}:
        if mine.get(key) != other.get(key):
            return (
                f"{who} has {key}={other.get(key)!r}, the chief {mine.get(key)!r}: start the "
                "same command on all machines"
            )
    return ""


def _send(line: socket.socket, message: dict) -> None:
    line.sendall(json.dumps(message).encode() + b"\n")


def _receive(line: socket.socket) -> Any:
    data = b""
    while not data.endswith(b"\n"):
        part = line.recv(65536)
        if not part or len(data) > LONGEST:
            raise ValueError("it hung up")
        data += part
    return parse_json(data, "the message of another worker", kind=object)

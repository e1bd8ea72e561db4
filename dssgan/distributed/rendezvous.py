"""The workers of a run meet and compare what they were told, before TensorFlow starts.

TensorFlow would wait without end for a worker that does not come, and train nonsense with one that
was told something else. So each worker first says to the chief, on the chief's own port, where it
thinks it is and what it was told; the chief answers all of them at once.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from dssgan.distributed.cluster import Cluster

LONGEST = 1 << 22  # bytes of a message
PAUSE = 0.2  # seconds between two attempts to reach the chief
SILENCE = 10.0  # seconds that whoever connects has to speak

Told = Mapping[str, Any]


def rendezvous(
    cluster: Cluster,
    told: Told,
    *,
    seconds: float,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Wait until all workers are here and were told the same.

    Args:
      told: names and plain values that must be the same everywhere.
      seconds: to wait for the others at most.
      say: is told once whom this worker waits for.

    Raises:
      ValueError: a worker was told something else, or thinks that the cluster is another one.
      OSError: one does not come, or the own port is taken.
    """
    hello = {"index": cluster.index, "addresses": list(cluster.addresses), "told": dict(told)}
    hello = json.loads(json.dumps(hello, default=str))
    end = time.monotonic() + seconds
    with _listening(cluster) as door:
        if cluster.index:
            say(f"worker {cluster.index}: looking for the chief at {cluster.addresses[0]}")
            door.close()  # it was there to see that the port is free
            _report(cluster, hello, end, seconds)
        else:
            others = len(cluster.addresses) - 1
            if others:
                say(f"chief: waiting for {others} more at {cluster.own}")
            _gather(cluster, hello, door, end, seconds)


def _listening(cluster: Cluster) -> socket.socket:
    port = int(cluster.own.rpartition(":")[2])
    try:
        return socket.create_server(("", port), backlog=64)
    except OSError as error:
        raise OSError(
            f"worker {cluster.index}: port {port} of {cluster.own} cannot be used "
            f"({error.strerror}); wait for the program that has it, or name another port"
        ) from None


def _report(cluster: Cluster, hello: dict, end: float, seconds: float) -> None:
    """A worker says hello to the chief and waits for the answer."""
    host, _, port = cluster.addresses[0].rpartition(":")
    while True:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), SILENCE) as line:
                _send(line, hello)
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


def _gather(cluster: Cluster, own: dict, door: socket.socket, end: float, seconds: float) -> None:
    """The chief hears all workers, compares and answers."""
    lines: dict[int, socket.socket] = {}
    wrong = ""
    with contextlib.ExitStack() as open_lines:
        while len(lines) < len(cluster.addresses) - 1 and not wrong:
            door.settimeout(max(0.01, end - time.monotonic()))
            try:
                line, _ = door.accept()
            except TimeoutError:
                break
            open_lines.enter_context(line)
            line.settimeout(SILENCE)
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                theirs = _receive(line)  # whoever says something else is none of the workers
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
    return f"two workers say that they are number {place}: every worker has a task of its own"


def _difference(own: dict, theirs: dict) -> str:
    """What another worker was told otherwise, in one line; "" where nothing was."""
    place = int(theirs["index"])
    who = f"worker {place}"
    if theirs["addresses"] != own["addresses"]:
        return (
            f"{who} was told the workers {', '.join(map(str, theirs['addresses']))}, the chief "
            f"{', '.join(own['addresses'])}: the cluster must be the same everywhere"
        )
    if not 0 < place < len(own["addresses"]):
        return _twice(place)
    mine, other = own["told"], theirs["told"]
    for key in {**mine, **other}:
        if mine.get(key) != other.get(key):
            return (
                f"{who} was told {key}={other.get(key)!r}, the chief {mine.get(key)!r}: start the "
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
    return json.loads(data)

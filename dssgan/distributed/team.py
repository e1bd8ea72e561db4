"""Several machines as one: what the workers of a run agree on, and who writes.

Every worker runs the same program on its part of each batch. The chief alone writes files; it
sends the others the state that a phase begins with, they send it their validation scores, and all
of them stop at the same update.
"""

import collections
import contextlib
import faulthandler
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from common import startup
from dssgan.distributed.cluster import Cluster
from dssgan.distributed.rendezvous import rendezvous

LAG = 2  # updates; whether to stop is asked without waiting for the device
SIGNALS = (signal.SIGINT, signal.SIGTERM)
CHUNK = 1 << 24  # bytes that travel at once
LOSSES = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


class Lost(OSError):
    """Another worker of the run is gone."""


class Team:
    """The workers of a run, seen from one of them. Without a strategy there is only this one.

    Attributes:
      index: number of this worker; 0 is the chief.
      count: how many there are.
    """

    def __init__(self, cluster: Cluster | None = None, strategy: Any = None):
        self.cluster, self.strategy = cluster, strategy
        self.index = cluster.index if cluster else 0
        self.count = len(cluster.addresses) if cluster else 1
        self._asked: collections.deque = collections.deque()
        self._add = tf.function(self._sums, autograph=False, reduce_retracing=True)

    @property
    def chief(self) -> bool:
        """Whether this worker writes."""
        return self.index == 0

    def totals(self, values: np.ndarray) -> np.ndarray:
        """The sum of what each worker gives; float64 or int64, of one shape."""
        return values if self.count == 1 else self._add(tf.constant(values)).numpy()

    def wait(self) -> None:
        """Wait until all workers are here."""
        self.totals(np.zeros(1, np.int64))

    @contextlib.contextmanager
    def chief_first(self) -> Iterator[None]:
        """The chief goes through the block before the others do: what it prepares is there then."""
        if not self.chief:
            self.wait()
        yield
        if self.chief:
            self.wait()

    def broadcast(self, data: bytes) -> bytes:
        """The chief's `data`, on all workers."""
        if self.count == 1:
            return data
        size = int(self.totals(np.array([len(data) * self.chief], np.int64))[0])
        return self.copy(data, size)

    def copy(self, data: bytes, size: int) -> bytes:
        """The chief's `data`, whose size all workers know."""
        whole = np.zeros(-(-size // 8), np.int64)  # sums of whole numbers keep every bit
        if self.chief:
            whole.view(np.uint8)[:size] = np.frombuffer(data, np.uint8)
        step = CHUNK // 8
        parts = [self.totals(whole[at : at + step]) for at in range(0, len(whole), step)]
        return np.concatenate([whole[:0], *parts]).tobytes()[:size]

    def stop_at_once(self, number: int | None) -> int | None:
        """The signal that asked any of the workers to stop; waits for all of them."""
        if self.count == 1:
            return number
        return self._signal(self.totals(self._wish(number)))

    def stop_soon(self, number: int | None) -> int | None:
        """The same of some calls ago, without making the device wait. All call it as often."""
        if self.count == 1:
            return number
        self._asked.append(self._add(tf.constant(self._wish(number))))
        return self._signal(self._asked.popleft().numpy()) if len(self._asked) > LAG else None

    def _wish(self, number: int | None) -> np.ndarray:
        return np.array([number == known for known in SIGNALS], np.int64)

    def _signal(self, wishes: np.ndarray) -> int | None:
        return max((known for known, many in zip(SIGNALS, wishes) if many), default=None)

    def _sums(self, values: tf.Tensor) -> tf.Tensor:
        local = self.strategy.num_replicas_in_sync // self.count

        def own(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            first = tf.cast(context.replica_id_in_sync_group % local == 0, values.dtype)
            # A product would make NaN of what the other replicas of this worker must not add.
            values = tf.where(first > 0, values, tf.zeros_like(values))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

        results = self.strategy.run(own, args=(values,))
        return self.strategy.experimental_local_results(results)[0]


def assemble(
    cluster: Cluster,
    settings: Mapping[str, Any],
    *,
    seconds: float,
    log: Callable[[str], None] = print,
) -> Team:
    """Meet the other workers and form a strategy with them, before TensorFlow computes anything.

    Args:
      settings: what must be the same on all workers.
      seconds: to wait for the others.

    Raises:
      ValueError, OSError: as of `rendezvous`; TensorFlow cannot use the own port.
    """
    with startup.stderr_hidden():
        gpus = len(tf.config.list_physical_devices("GPU"))
    machine = {"TensorFlow": tf.__version__, "GPUs of a worker": gpus}
    rendezvous(cluster, {**machine, **settings}, seconds=seconds, log=log)
    os.environ["TF_CONFIG"] = cluster.tf_config()
    # TensorFlow holds Python's lock while it waits: only a thread without it can give up.
    faulthandler.dump_traceback_later(max(seconds, 60.0), exit=True)
    try:
        with startup.stderr_hidden():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (*LOSSES, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OSError(f"worker {cluster.index} at {cluster.own}: {reason}") from error
    finally:
        faulthandler.cancel_dump_traceback_later()
    team = Team(cluster, strategy)
    log(f"worker {team.index} of {team.count}, {strategy.num_replicas_in_sync} devices in all")
    return team


@contextlib.contextmanager
def clear_losses(team: Team) -> Iterator[None]:
    """Within the block a worker that is gone is reported in one line.

    Raises:
      Lost: in place of what TensorFlow raises.
    """
    try:
        yield
    except LOSSES as error:
        if team.count == 1 or "ollective ops" not in str(error):
            raise
        found = re.search(r"/job:worker/(?:replica:0/)?task:(\d+)", str(error))
        place = int(found[1]) if found else None
        if place is None or place == team.index or place >= team.count:
            who = "another worker"
        else:
            who = f"worker {place} ({team.cluster.addresses[place]})"
        raise Lost(
            f"{who} does not answer any more, so worker {team.index} ends as well; see why it "
            "ended, then start the same command on all machines: it goes on at the last checkpoint"
        ) from error

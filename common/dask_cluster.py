"""A Dask client for a scheduler's address, or for jobs of a batch system's queue."""

import contextlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.cli import UsageError, one_line

QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster"}
JOBS = 4  # jobs of a queue where no number is given
PATIENCE = 10.0  # seconds a scheduler has to answer
INSTALL = "pip install -r requirements-sweep.txt"


@dataclass(frozen=True)
class Connection:
    """A client, and the jobs that were asked for.

    Attributes:
      client: a `distributed.Client`.
      cluster: of a batch system; None where the scheduler was there before.
    """

    client: Any
    cluster: Any = None

    def close(self) -> None:
        """Leave the scheduler; end the jobs that were asked for."""
        with contextlib.suppress(Exception):  # it may be gone
            self.client.close()
        if self.cluster is not None:
            self.cluster.close()


def check(where: str | None, resources: Path | None) -> None:
    """Raise UsageError where --cluster and --resources contradict each other, or name no cluster.

    Args:
      where: tcp://HOST:PORT of a scheduler, a key of `QUEUES`, or None for this machine.
      resources: a file with the keyword arguments of dask_jobqueue's class, for a queue.
    """
    if resources is not None and where not in QUEUES:
        raise UsageError(f"--resources {resources}: only with --cluster {', '.join(QUEUES)}")
    if where is not None and where not in QUEUES and not where.startswith(("tcp://", "tls://")):
        raise UsageError(f"--cluster {where}: expected tcp://HOST:PORT or {', '.join(QUEUES)}")


def connect(address: str) -> Connection:
    """Connect to a scheduler.

    Raises:
      ValueError: Dask is not installed. OSError: no scheduler answers.
    """
    return Connection(_client(needed("distributed", "--cluster"), address))


def queue(
    name: str, jobs: int, options: Mapping[str, Any], resources: Path | None = None
) -> Connection:
    """Ask a batch system for jobs with one worker each, and for new ones when they end.

    Args:
      name: a key of `QUEUES`.
      jobs: how many.
      options: keyword arguments of dask_jobqueue's class.
      resources: the file that they are from, for messages.

    Raises:
      ValueError: a library is not installed. UsageError: options that the class refuses.
    """
    jobqueue = needed("dask_jobqueue", f"--cluster {name}")
    distributed = needed("distributed", f"--cluster {name}")
    try:
        cluster = getattr(jobqueue, QUEUES[name])(**{"processes": 1, **options})
    except (TypeError, ValueError, KeyError) as error:
        where = resources or "no --resources FILE"
        raise UsageError(f"--cluster {name} with {where}: {one_line(error)}") from error
    cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
    return Connection(_client(distributed, cluster), cluster)


def needed(library: str, what: str) -> Any:
    """Import a library that not everybody needs.

    Raises:
      ValueError: it is not installed; names the command that installs it.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ValueError(f"{what} needs {library}, which is not installed: {INSTALL}") from error


def _client(distributed: Any, cluster: Any) -> Any:
    try:
        return distributed.Client(cluster, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise OSError(
            f"--cluster {cluster}: no Dask scheduler answers there ({type(error).__name__}); "
            "start one with: dask scheduler"
        ) from error

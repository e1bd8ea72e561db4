"""A Dask client for a scheduler's address, or for jobs of a batch system's queue."""

import contextlib
import importlib
import site
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from common.cli import UsageError, one_line, path
from common.files import PYTHON_PATH, read_limited

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


def add_options(add: Any) -> None:
    """Give a command --cluster, --jobs and --resources.

    Args:
      add: `add_argument` of a parser.
    """
    add(
        "--cluster",
        metavar="WHERE",
        help="on a Dask cluster: tcp://HOST:PORT of a scheduler, or slurm, pbs, sge",
    )
    add("--jobs", type=int, metavar="N", help=f"jobs of slurm, pbs, sge; default: {JOBS}")
    add("--resources", type=path, metavar="FILE", help="YAML: what a job of these gets")


@contextlib.contextmanager
def opened(where: str, resources: Path | None = None, jobs: int | None = None) -> Iterator[Any]:
    """A `distributed.Client` within the block; its workers find this library by its path.

    Args:
      where, resources: as of `check`.
      jobs: of a queue.

    Raises:
      As of `check`, `connect`, `queue` and `read_resources`.
    """
    check(where, resources)
    if where in QUEUES:
        options = read_resources(resources) if resources else {}
        found = queue(where, jobs or JOBS, options, resources)
    else:
        found = connect(where)
    with contextlib.closing(found):
        find_library(found.client)
        yield found.client


def find_library(client: Any) -> None:
    """Let workers of now and later import from the folder of this library, by its path here."""
    client.register_worker_callbacks(partial(site.addsitedir, str(PYTHON_PATH)))


def read_resources(file: Path) -> dict[str, Any]:
    """Read what a job of a batch system gets; UsageError names a file that cannot be read."""
    import yaml

    try:
        values = yaml.safe_load(read_limited(file, 2**20).decode("utf-8"))
    except RecursionError:
        raise UsageError(f"--resources {file}: sections within sections without end") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        text = one_line(error)
        raise UsageError(f"--resources {file}: cannot be read: {text}") from error
    if not isinstance(values, dict | None):
        raise UsageError(f"--resources {file}: expected keys and values, such as 'cores: 4'")
    return values or {}


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

"""A Dask client for a scheduler's address, or for a batch system's queue."""

import importlib
from typing import Any

QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster"}
PATIENCE = 10.0  # seconds a scheduler has to answer
INSTALL = "pip install -r requirements-sweep.txt"


def _connect(distributed: Any, cluster: Any) -> Any:
    try:
        return distributed.Client(cluster, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise OSError(
            f"--cluster {cluster}: no Dask scheduler answers there ({type(error).__name__}); "
            "start one with: dask scheduler"
        ) from error


def needed(library: str, what: str) -> Any:
    """A library that not everybody needs.

    Raises:
      ValueError: it is not installed; says what to do.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ValueError(f"{what} needs {library}, which is not installed: {INSTALL}") from error

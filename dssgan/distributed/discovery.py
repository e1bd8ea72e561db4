"""Finds the workers of a cluster in the environment."""

import os
from collections.abc import Mapping

from common.json_files import parse_json
from dssgan.distributed.cluster import GUIDE, Cluster
from dssgan.distributed.slurm import from_slurm

KEY = "compute.strategy=workers"


def find_cluster(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The workers that `TF_CONFIG`, or else SLURM, names; None where neither does.

    Raises:
      ValueError: they cannot be understood.
    """
    if environment.get("TF_CONFIG", "").strip():
        return from_tf_config(environment["TF_CONFIG"])
    if "SLURM_STEP_NODELIST" in environment:
        return from_slurm(environment)
    return None


def wanted_cluster(
    strategy: str, workers: int, environment: Mapping[str, str] = os.environ
) -> Cluster | None:
    """The workers of a run as a configuration asks for them; None where one process trains alone.

    Args:
      strategy: `compute.strategy`. workers: `compute.workers`.

    Raises:
      ValueError: several are asked for and none named, or the other way round, or other ones.
    """
    if strategy != "workers":
        named = from_tf_config(environment["TF_CONFIG"]) if environment.get("TF_CONFIG") else None
        if named and len(named.addresses) > 1:
            raise ValueError(
                f"TF_CONFIG names {len(named.addresses)} workers, but compute.strategy={strategy} "
                f"trains on one machine; set {KEY}, or unset TF_CONFIG"
            )
        return None
    cluster = find_cluster(environment)
    if cluster is None:
        raise ValueError(f"{KEY}: neither TF_CONFIG nor a SLURM step names the workers; {GUIDE}")
    if workers not in (0, len(cluster.addresses)):
        raise ValueError(
            f"compute.workers={workers}, but {len(cluster.addresses)} are named: "
            f"{', '.join(cluster.addresses)}"
        )
    return cluster


def from_tf_config(text: str) -> Cluster | None:
    """The cluster of TF_CONFIG; None where it names no cluster.

    Raises:
      ValueError: it is no JSON, or lacks an address or the own place.
    """
    example = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {…}}'
    try:
        found = parse_json(text, "TF_CONFIG", f"expected {example}", object)
    except ValueError as error:
        reason = str(error).removeprefix("TF_CONFIG: ")
        raise ValueError(f"TF_CONFIG: not JSON ({reason})") from None
    jobs = found.get("cluster") if isinstance(found, dict) else None
    if isinstance(found, dict) and not jobs:
        return None
    if not isinstance(jobs, dict) or not all(isinstance(part, list) for part in jobs.values()):
        raise ValueError(f"TF_CONFIG: expected {example}")
    strange = sorted(set(jobs) - {"chief", "worker"})
    if strange:
        raise ValueError(f"TF_CONFIG: cluster has {strange[0]!r}; expected chief and worker alone")
    addresses = tuple(str(address) for job in ("chief", "worker") for address in jobs.get(job, []))
    _check_addresses(addresses)
    task = found.get("task")
    kind, index = (task.get("type"), task.get("index")) if isinstance(task, dict) else (None, None)
    count = len(jobs.get(kind, [])) if isinstance(kind, str) else 0
    if isinstance(index, str) and index.isdigit():
        index = int(index)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        known = ", ".join(f"{job} 0 to {len(jobs[job]) - 1}" for job in jobs if jobs[job])
        raise ValueError(
            f"TF_CONFIG: task {kind} {index} is not in the cluster; expected {known}: every "
            "worker has a task of its own"
        )
    return Cluster(addresses, index + (len(jobs.get("chief", [])) if kind == "worker" else 0))


def _check_addresses(addresses: tuple[str, ...]) -> None:
    if len(set(addresses)) != len(addresses):
        raise ValueError("TF_CONFIG: two workers have the same address; give each its own port")
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"TF_CONFIG: {address!r}: expected host:port")

"""Which machines train together, and their meeting before TensorFlow starts; plain Python.

A run of several workers is the same command on every machine. Each finds its place in `TF_CONFIG`,
or in what SLURM tells the tasks of a step; the first one is the chief.
"""

import dataclasses
import json
import os
import re
from collections.abc import Mapping

KEY = "compute.strategy=workers"
GUIDE = "see docs/training.md, Several machines"
FIRST_PORT, JOBS, TASKS = 12000, 1000, 16  # ports of SLURM jobs: below those that systems hand out


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run.

    Attributes:
      addresses: "host:port" of each, the chief's first.
      index: place of this process among them.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def own(self) -> str:
        """The address of this process."""
        return self.addresses[self.index]

    def tf_config(self) -> str:
        """The same as TensorFlow reads it."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})


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
    """What TF_CONFIG says; None where it names no cluster.

    Raises:
      ValueError: it is no JSON, or lacks an address or the own place.
    """
    example = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {…}}'
    try:
        told = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"TF_CONFIG: not JSON ({error}); expected {example}") from None
    jobs = told.get("cluster") if isinstance(told, dict) else None
    if isinstance(told, dict) and not jobs:
        return None
    if not isinstance(jobs, dict) or not all(isinstance(part, list) for part in jobs.values()):
        raise ValueError(f"TF_CONFIG: expected {example}")
    strange = sorted(set(jobs) - {"chief", "worker"})
    if strange:
        raise ValueError(f"TF_CONFIG: cluster has {strange[0]!r}; expected chief and worker alone")
    addresses = tuple(str(address) for job in ("chief", "worker") for address in jobs.get(job, []))
    _check_addresses(addresses)
    task = told.get("task")
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


def from_slurm(environment: Mapping[str, str]) -> Cluster:
    """The tasks of a SLURM step, in the order of their ranks.

    Ports follow from the number of the job. Ranks must be dealt out node by node, which is SLURM's
    default.

    Raises:
      ValueError: a variable is missing or strange; ranks are dealt out in another way.
    """

    def told(name: str) -> str:
        try:
            return environment[name]
        except KeyError:
            raise ValueError(f"{name} is not set: start the workers with srun; {GUIDE}") from None

    def number(name: str) -> int:
        if not told(name).isdigit():
            raise ValueError(f"{name}={told(name)!r}: expected a whole number")
        return int(told(name))

    hosts = expand_hosts(told("SLURM_STEP_NODELIST"))
    counts = expand_counts(told("SLURM_STEP_TASKS_PER_NODE"))
    if len(hosts) != len(counts):
        raise ValueError(
            f"SLURM_STEP_NODELIST names {len(hosts)} nodes, SLURM_STEP_TASKS_PER_NODE "
            f"{len(counts)}; {GUIDE}"
        )
    if max(counts) > TASKS:
        raise ValueError(f"{max(counts)} tasks on one node: expected {TASKS} at most")
    job = re.sub(r"\D", "", environment.get("SLURM_JOB_ID", "")) or "0"
    first = FIRST_PORT + int(job) % JOBS * TASKS
    places = [(node, task) for node, count in enumerate(counts) for task in range(count)]
    addresses = tuple(f"{hosts[node]}:{first + task}" for node, task in places)
    rank = number("SLURM_PROCID")
    if rank >= len(places):
        raise ValueError(f"SLURM_PROCID={rank}: expected less than {len(places)} tasks")
    if "SLURM_NODEID" in environment and number("SLURM_NODEID") != places[rank][0]:
        raise ValueError(
            f"SLURM_PROCID={rank} runs on node {environment['SLURM_NODEID']}, expected node "
            f"{places[rank][0]}: start the workers with srun --distribution=block"
        )
    return Cluster(addresses, rank)


def expand_hosts(text: str) -> list[str]:
    """SLURM's list of nodes: "n[1-2,05],m" → ["n1", "n2", "n05", "m"].

    Raises:
      ValueError: it is none.
    """
    parts = re.findall(r"[^,\[]+(?:\[[^\]]*\][^,\[]*)?", text)
    hosts = []
    for part in parts:
        match = re.fullmatch(r"([^\[\]]*)\[([\d,-]+)\]([^\[\]]*)", part)
        if match is None:
            hosts.append(part)
            continue
        for span in match[2].split(","):
            low, _, high = span.partition("-")
            if not low.isdigit() or not (high or low).isdigit():
                raise ValueError(f"SLURM_STEP_NODELIST={text!r}: cannot read {part!r}")
            for value in range(int(low), int(high or low) + 1):
                hosts.append(f"{match[1]}{value:0{len(low)}d}{match[3]}")
    if not hosts or ",".join(parts) != text or any("[" in host or "]" in host for host in hosts):
        raise ValueError(f"SLURM_STEP_NODELIST={text!r}: expected names of nodes")
    return hosts


def expand_counts(text: str) -> list[int]:
    """SLURM's tasks per node: "2(x3),1" → [2, 2, 2, 1].

    Raises:
      ValueError: it is none.
    """
    counts = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if match is None:
            raise ValueError(f"SLURM_STEP_TASKS_PER_NODE={text!r}: expected such as 2(x3),1")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts

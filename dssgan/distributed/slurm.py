"""The workers of a SLURM job, from its variables."""

import re
from collections.abc import Mapping

from dssgan.distributed.cluster import GUIDE, Cluster

FIRST_PORT, JOBS, TASKS = 12000, 1000, 16  # ports of SLURM jobs: below those that systems hand out


def from_slurm(environment: Mapping[str, str]) -> Cluster:
    """The tasks of a SLURM step, in the order of their ranks.

    Ports follow from the number of the job. Ranks must be dealt out node by node, which is SLURM's
    default.

    Raises:
      ValueError: a variable is missing or strange; ranks are dealt out in another way.
    """

    def variable(name: str) -> str:
        try:
            return environment[name]
        except KeyError:
            raise ValueError(f"{name} is not set: start the workers with srun; {GUIDE}") from None

    def number(name: str) -> int:
        if not variable(name).isdigit():
            raise ValueError(f"{name}={variable(name)!r}: expected a whole number")
        return int(variable(name))

    hosts = expand_hosts(variable("SLURM_STEP_NODELIST"))
    counts = expand_counts(variable("SLURM_STEP_TASKS_PER_NODE"))
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

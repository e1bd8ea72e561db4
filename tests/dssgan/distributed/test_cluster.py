"""Who trains together, by TF_CONFIG or SLURM, and how the workers meet."""

import json
import socket
import threading

import pytest

from dssgan.distributed.cluster import Cluster
from dssgan.distributed.discovery import find_cluster, wanted_cluster
from dssgan.distributed.rendezvous import rendezvous
from dssgan.distributed.slurm import expand_hosts, from_slurm
from tests.dssgan.commands import free_ports

PAIR = ["one:12000", "two:12000"]


def tf_config(kind="worker", index=0, **jobs):
    return json.dumps({"cluster": jobs or {"worker": PAIR}, "task": {"type": kind, "index": index}})


def test_tf_config_names_the_workers_and_the_chief_is_the_first():
    assert find_cluster({"TF_CONFIG": tf_config(index=1)}) == Cluster(tuple(PAIR), 1)
    jobs = {"worker": ["b:1", "c:2"], "chief": ["a:3"]}
    chief = find_cluster({"TF_CONFIG": tf_config("chief", 0, **jobs)})
    assert chief == Cluster(("a:3", "b:1", "c:2"), 0)
    last = find_cluster({"TF_CONFIG": tf_config("worker", "1", **jobs)})
    assert (last.index, last.own) == (2, "c:2")
    assert find_cluster({"TF_CONFIG": last.tf_config()}) == last
    assert find_cluster({"TF_CONFIG": "{}"}) is None
    assert find_cluster({}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{worker:", "TF_CONFIG: not JSON"),
        ("[]", "TF_CONFIG: expected {"),
        (tf_config(index=2), "task worker 2 is not in the cluster; expected worker 0 to 1"),
        (tf_config("evaluator"), "task evaluator 0 is not in the cluster"),
        (json.dumps({"cluster": {"worker": PAIR}}), "task None None is not in the cluster"),
        (tf_config(worker=PAIR, ps=["a:1"]), "cluster has 'ps'; expected chief and worker"),
        (tf_config(worker=["one", "two:1"]), "'one': expected host:port"),
        (tf_config(worker=["one:1", "one:1"]), "two workers have the same address"),
    ],
)
def test_a_wrong_tf_config_is_told(text, message):
    with pytest.raises(ValueError) as caught:
        find_cluster({"TF_CONFIG": text})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


SLURM = {
    "SLURM_STEP_NODELIST": "gpu[9-10],login",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_JOB_ID": "1234007",
    "SLURM_PROCID": "2",
    "SLURM_NODEID": "1",
}


def test_slurm_names_the_workers_in_the_order_of_their_ranks():
    cluster = find_cluster(SLURM)
    assert cluster.index == 2
    ports = [12000 + 7 * 16 + task for task in (0, 1, 0, 1, 0)]
    hosts = ["gpu9", "gpu9", "gpu10", "gpu10", "login"]
    assert cluster.addresses == tuple(f"{h}:{p}" for h, p in zip(hosts, ports))
    assert expand_hosts("n[1,05-07],m-x") == ["n1", "n05", "n06", "n07", "m-x"]
    assert wanted_cluster("auto", 0, SLURM) is None  # a sweep's workers are tasks of a step as well
    assert wanted_cluster("workers", 5, SLURM) == cluster


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SLURM_PROCID": "5"}, "SLURM_PROCID=5: expected less than 5 tasks"),
        ({"SLURM_PROCID": "x"}, "SLURM_PROCID='x': expected a whole number"),
        ({"SLURM_NODEID": "0"}, "srun --distribution=block"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(y2)"}, "expected such as 2(x3),1"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2"}, "names 3 nodes, SLURM_STEP_TASKS_PER_NODE 1"),
        ({"SLURM_STEP_TASKS_PER_NODE": "17,1,1"}, "17 tasks on one node: expected 16"),
        ({"SLURM_STEP_NODELIST": "gpu[9-"}, "SLURM_STEP_NODELIST"),
        ({"SLURM_PROCID": None}, "SLURM_PROCID is not set: start the workers with srun"),
    ],
)
def test_strange_slurm_variables_are_told(change, message):
    given = {name: value for name, value in (SLURM | change).items() if value is not None}
    with pytest.raises(ValueError) as caught:
        from_slurm(given)
    assert message in str(caught.value)


def test_configuration_and_environment_must_agree():
    with pytest.raises(ValueError, match=r"^compute\.workers=3, but 2 are named: one:12000, two"):
        wanted_cluster("workers", 3, {"TF_CONFIG": tf_config()})
    with pytest.raises(ValueError, match="neither TF_CONFIG nor a SLURM step"):
        wanted_cluster("workers", 0, {})
    with pytest.raises(ValueError, match=r"names 2 workers, but compute\.strategy=auto"):
        wanted_cluster("auto", 0, {"TF_CONFIG": tf_config()})
    assert wanted_cluster("mirrored", 0, {"TF_CONFIG": tf_config(worker=["one:1"])}) is None


def gather(clusters, told, seconds=5.0, disturb=None):
    """What the meeting raised in each worker, all of them at once; None where nothing."""
    raised = [None] * len(clusters)

    def one(place):
        try:
            rendezvous(clusters[place], told[place], seconds=seconds)
        except (ValueError, OSError) as error:
            raised[place] = error

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(clusters))]
    for thread in threads:
        thread.start()
    if disturb:
        disturb()
    for thread in threads:
        thread.join()
    return raised


def test_workers_that_were_told_the_same_meet():
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(3))
    clusters = [Cluster(addresses, place) for place in range(3)]
    told = {"data.batch": 4, "sources": ("drums", "bass")}

    def stranger():
        port = int(addresses[0].rpartition(":")[2])
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", port), 1.0) as line:
                    line.sendall(b"GET / HTTP/1.1\r\n\r\n\n")
                return
            except OSError:
                threading.Event().wait(0.01)

    assert gather(clusters, [told] * 3, disturb=stranger) == [None] * 3


def test_workers_that_were_told_something_else_all_hear_of_it():
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    clusters = [Cluster(addresses, place) for place in range(2)]
    raised = gather(clusters, [{"data.batch": 4}, {"data.batch": 8}])
    assert str(raised[0]) == str(raised[1])
    assert str(raised[0]).startswith("worker 1 has data.batch=8, the chief 4: start the same")

    other = Cluster((addresses[0], "elsewhere:1", addresses[1]), 2)
    raised = gather([clusters[0], other], [{}, {}])
    assert str(raised[0]) == str(raised[1])
    assert "elsewhere:1" in str(raised[0])
    assert "the cluster must be the same everywhere" in str(raised[0])


def test_a_worker_that_does_not_come_is_named():
    addresses = (*(f"127.0.0.1:{port}" for port in free_ports(2)), "127.0.0.1:1")
    clusters = [Cluster(addresses, place) for place in range(2)]
    raised = gather(clusters, [{}, {}], seconds=0.5)
    assert "of 3 workers these did not come within 0.5 s: 2 (127.0.0.1:1)" in str(raised[0])
    assert str(raised[0]) == str(raised[1])
    (alone,) = gather([clusters[1]], [{}], seconds=0.3)
    assert f"worker 1: the chief at {addresses[0]} did not answer within 0.3 s" in str(alone)


def test_a_taken_port_is_told():
    with socket.create_server(("", 0)) as door:
        address = f"127.0.0.1:{door.getsockname()[1]}"
        with pytest.raises(OSError, match=f"port .* of {address} cannot be used"):
            rendezvous(Cluster((address, "127.0.0.1:1"), 0), {}, seconds=0.2)

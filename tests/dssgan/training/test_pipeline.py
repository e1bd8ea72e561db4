"""From excerpts to tf.data: order, continuation, shapes, distribution, errors, memory."""

import itertools
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf

import datasets
from datasets.excerpts.paired import PairedExcerpts
from datasets.excerpts.shape import ExcerptShape
from dssgan.training import pipeline

ROOT = Path(__file__).resolve().parents[3]


class Numbers:
    """Batch k is filled with k; later ones are ready sooner."""

    batch_size, sources, samples, channels = 2, ("drums", "bass"), 10, 1

    def __init__(self, broken=(), slow=0.0):
        self.broken, self.slow, self.asked = broken, slow, []

    def batch(self, index):
        self.asked.append(index)
        if index in self.broken:
            raise ValueError(f"song{index}.wav: damaged; fetch the file again")
        time.sleep(self.slow * (3 - index % 4))
        stems = np.full((2, 2, 10, 1), index, np.float32)
        return {"stems": stems, "names": [f"a{index}", "b\udcff"]}


@pytest.fixture(scope="module")
def excerpts():
    tracks = datasets.load("band", None, split="train", songs=2, seconds=3, sample_rate=8000)
    return PairedExcerpts(tracks, ExcerptShape(4000, 4, channels=2), seed=2)


def taken(dataset, count):
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def first_values(batches):
    return [int(batch["stems"][0, 0, 0, 0]) for batch in batches]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_batches_come_in_order_however_many_workers(workers):
    source = Numbers(slow=0.004)
    batches = taken(pipeline.dataset(source, workers=workers), 12)
    assert first_values(batches) == list(range(12))
    assert batches[3]["names"].tolist() == [b"a3", b"b\xff"]


def test_a_run_goes_on_where_it_stopped(excerpts):
    fresh = taken(pipeline.dataset(excerpts), 7)
    for start in (0, 3, 6):
        later = taken(pipeline.dataset(excerpts, start=start, workers=3), 7 - start)
        for expected, found in zip(fresh[start:], later):
            np.testing.assert_array_equal(found["stems"], expected["stems"])
            np.testing.assert_array_equal(found["names"], expected["names"])


def test_batches_are_those_of_the_source(excerpts):
    for number, batch in enumerate(taken(pipeline.dataset(excerpts, start=5), 3)):
        expected = excerpts.batch(5 + number)
        np.testing.assert_array_equal(batch["stems"], expected["stems"])
        assert [name.decode() for name in batch["names"]] == expected["names"]


def test_shapes_are_static(excerpts):
    spec = pipeline.dataset(excerpts).element_spec
    assert spec["stems"] == tf.TensorSpec((4, 4, 4000, 2), tf.float32)
    assert spec["names"] == tf.TensorSpec((4,), tf.string)


def test_a_source_that_tells_no_shape_is_asked_for_a_batch():
    class Bare:
        def batch(self, index):
            return {"stems": np.full((3, 1, 5, 1), index, np.float32), "names": ["x"] * 3}

    data = pipeline.dataset(Bare(), start=4)
    assert data.element_spec["stems"].shape == (3, 1, 5, 1)
    assert first_values(taken(data, 2)) == [4, 5]


def test_batches_are_prefetched():
    source = Numbers()
    iterator = iter(pipeline.dataset(source, workers=1, prefetch=4))
    next(iterator)
    deadline = time.monotonic() + 20.0
    while len(source.asked) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(source.asked) >= 5
    time.sleep(0.2)
    assert len(source.asked) <= 8  # and not without limit


def test_a_dataset_can_be_iterated_again():
    data = pipeline.dataset(Numbers(), start=2)
    assert first_values(taken(data, 3)) == first_values(taken(data, 3)) == [2, 3, 4]


def test_errors_keep_their_cause():
    iterator = iter(pipeline.dataset(Numbers(broken=(2,)), workers=1))
    next(iterator), next(iterator)
    with pytest.raises(tf.errors.OpError) as caught:
        next(iterator)
    cause = pipeline.reason(caught.value)
    assert isinstance(cause, ValueError)
    assert str(cause) == "song2.wav: damaged; fetch the file again"
    other = RuntimeError("something else")
    assert pipeline.reason(other) is other


@pytest.mark.parametrize(
    "options", [{"start": -1}, {"workers": 0}, {"prefetch": 0}, {"reader": "sox"}]
)
def test_misuse_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        pipeline.dataset(Numbers(), **options)


def test_replicas_share_each_batch_and_the_process_ends_in_the_middle():
    """In a process of its own: TensorFlow makes virtual devices at its start only."""
    code = """
        import numpy as np, tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        from datasets import load
        from datasets.excerpts.paired import PairedExcerpts
        from datasets.excerpts.shape import ExcerptShape
        from dssgan.training import pipeline
        tracks = load("band", None, split="train", songs=1, seconds=2, sample_rate=8000)
        source = PairedExcerpts(tracks, ExcerptShape(2000, 4))
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        data = strategy.experimental_distribute_dataset(pipeline.dataset(source, start=3))
        for number, batch in zip(range(3, 6), data):
            parts = strategy.experimental_local_results(batch["stems"])
            assert [part.shape for part in parts] == [(2, 4, 2000, 1)] * 2
            expected = source.batch(number)
            np.testing.assert_array_equal(np.concatenate(parts), expected["stems"])
            names = np.concatenate(strategy.experimental_local_results(batch["names"]))
            assert [name.decode() for name in names] == expected["names"]
        print("shared")
        """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    assert found.stdout.endswith("shared\n")


def test_memory_does_not_grow():
    class Large(Numbers):
        samples = 100_000

        def batch(self, index):
            stems = np.full((2, 2, self.samples, 1), index, np.float32)
            return {"stems": stems, "names": [f"song{index}"] * 2}

    sizes = []
    for number, _ in enumerate(itertools.islice(pipeline.dataset(Large()), 1201)):
        if number in (200, 1200):
            sizes.append(psutil.Process().memory_info().rss)
    assert sizes[1] - sizes[0] < 40 * 2**20  # while 1526 MiB went through


def test_threads_help_because_numpy_copies_outside_the_lock():
    """Two workers are in `batch` at the same time."""

    class Overlapping(Numbers):
        inside = most = 0

        def batch(self, index):
            Overlapping.inside += 1
            Overlapping.most = max(Overlapping.most, Overlapping.inside)
            time.sleep(0.02)
            Overlapping.inside -= 1
            return super().batch(index)

    taken(pipeline.dataset(Overlapping(), workers=2), 8)
    assert Overlapping.most == 2

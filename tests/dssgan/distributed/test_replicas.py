"""Two virtual devices train as one does; checked in a process of its own, because TensorFlow makes
virtual devices at its start only."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

PROGRAM = """
import json
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from dssgan.distributed.replicas import spread
from tests.dssgan.stand_ins import Excerpts
from tests.dssgan.small_training import make_state, make_step

source = Excerpts(batch=8)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def dataset():
    spec = tf.TensorSpec((8, 2, 800, 1))
    return tf.data.Dataset.from_generator(lambda: source.batches(0), output_signature=spec)


def train(strategy, accumulate, xla):
    with strategy.scope():
        state = make_state(average=True)
        step = make_step(
            state, strategy=strategy, accumulate=accumulate, average=0.9, clip=0.05, xla=xla
        )
    batches, losses = iter(spread(dataset(), strategy)), []
    for index in range(8):  # past the fifth step, where RAdam turns adaptive, and a lookahead
        losses.append(float(step(next(batches), index)["loss"]))
    values = {name: variable.numpy() for name, variable in state.variables().items()}
    return losses, {n: v.astype(float).ravel().tolist() for n, v in values.items()}, step.traces


alone = train(tf.distribute.get_strategy(), 1, False)
both = [train(strategy, accumulate, xla) for accumulate, xla in ((1, False), (2, False), (1, True))]
both.append(train(tf.distribute.OneDeviceStrategy("CPU:1"), 1, False))
print(json.dumps([alone, *both]))
"""


def test_two_devices_train_as_one():
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (losses, values, traces), *both = json.loads(done.stdout.splitlines()[-1])
    assert traces == 1
    assert len(losses) == 8
    for their_losses, their_values, their_traces in both:
        assert their_traces == 1
        np.testing.assert_allclose(their_losses, losses, rtol=1e-5)
        assert set(their_values) == set(values)
        for name, value in values.items():
            np.testing.assert_allclose(their_values[name], value, atol=2e-5, err_msg=name)

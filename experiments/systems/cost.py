"""What a system costs: python -m experiments.systems.cost TASK CONFIG.yaml

  train      one update of the supervised phase: seconds, audio seconds, peak memory
  separate   half a minute of mono audio: seconds, peak memory; weights, arithmetic

Prints one line of JSON. A process measures one task, so that peak memory belongs to it.
"""

import json
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, startup

WARM_UP, UPDATES = 2, 5
AUDIO_S, REPEATS = 30.0, 2


def main(argv: list[str]) -> int:
    """Measure one task."""
    if len(argv) != 2 or argv[0] not in TASKS:
        raise cli.UsageError(f"expected one of {', '.join(TASKS)} and a configuration")
    with startup.stderr_hidden():
        from dssgan.config.schema import from_dict
        from experiments.run.yaml_files import read_yaml

        config = from_dict(read_yaml(Path(argv[1])))
        found = TASKS[argv[0]](config)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps(found))
    return 0


def train(config: Any) -> dict[str, float]:
    """Seconds of an update by the clock, and of audio in it, on random stems."""
    import tensorflow as tf

    from dssgan.training.build import (
        build_model,
        build_rule,
        build_supervised_step,
        excerpt_samples,
    )
    from dssgan.training.state import TrainingState

    model = build_model(config)
    state = TrainingState(model, build_rule(config.optimiser), average=config.optimiser.average > 0)
    step = build_supervised_step(config, tf.distribute.get_strategy(), state)
    samples = excerpt_samples(config, model)
    shape = (config.data.batch, len(config.sources), samples, config.data.channels)
    stems = tf.constant(np.random.default_rng(0).standard_normal(shape).astype(np.float32) / 10)
    times = []
    for update in range(WARM_UP + UPDATES):
        start = time.perf_counter()
        float(step(stems, update)["loss"])
        times.append(time.perf_counter() - start)
    audio = config.data.batch * samples / model.sample_rate
    return {"update_s": statistics.median(times[WARM_UP:]), "audio_s": audio}


def separate(config: Any) -> dict[str, float]:
    """Seconds to separate mono audio at the model's rate; trainable weights; arithmetic."""
    from dssgan.separator import Separator
    from dssgan.training.build import build_model
    from experiments.systems.arithmetic import macs

    model = build_model(config)
    separator = Separator(model)
    audio = np.random.default_rng(0).standard_normal((int(AUDIO_S * model.sample_rate), 1))
    audio = (audio / 10).astype(np.float32)
    separator.separate(audio, model.sample_rate)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        separator.separate(audio, model.sample_rate)
        times.append(time.perf_counter() - start)
    second = -(-model.sample_rate * 8 // model.multiple) * model.multiple
    return {
        "separation_s": min(times),
        "audio_s": AUDIO_S,
        "weights": sum(int(np.prod(weight.shape)) for weight in model.trainable_variables),
        # Of chunks of eight seconds without overlap.
        "gmac_s": macs(model, second) / (second / model.sample_rate) / 1e9,
    }


TASKS = {"train": train, "separate": separate}

if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

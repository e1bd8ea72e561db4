"""What computes: GPUs, their memory, determinism."""

import os

from common import startup
from dssgan.config.schema import Config


def devices() -> list[str]:
    """What computes: the GPUs by name, or the CPU."""
    import tensorflow as tf

    details = tf.config.experimental.get_device_details
    gpus = tf.config.list_physical_devices("GPU")
    names = [f"GPU {details(gpu).get('device_name', gpu.name)}" for gpu in gpus]
    return names or [f"CPU, {os.cpu_count()} cores"]


def prepare_machine(config: Config) -> None:
    """Set how TensorFlow uses the machine; before it computes anything."""
    import tensorflow as tf

    with startup.stderr_hidden():
        gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if config.compute.deterministic:
        tf.config.experimental.enable_op_determinism()

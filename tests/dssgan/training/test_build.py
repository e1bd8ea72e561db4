"""From a configuration to a model: what the machine decides where the configuration is silent."""

import pytest
import tensorflow as tf

from dssgan.config.schema import from_dict
from dssgan.training.build import build_model

SMALL = {"width": 16, "mels": 8, "bottleneck": 8, "hidden": 8, "layers": 1, "stacks": 1}


@pytest.mark.parametrize(
    ("devices", "given", "expected"),
    [
        ([], {}, "float32"),
        (["a GPU"], {}, "bfloat16"),
        (["a GPU"], {"precision": "float32"}, "float32"),
        ([], {"precision": "bfloat16"}, "bfloat16"),
    ],
)
def test_half_precision_is_the_default_on_a_gpu(monkeypatch, devices, given, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: devices)
    model = build_model(from_dict({"model": {"name": "multistage", **SMALL, **given}}))
    assert model.hyperparameters["precision"] == expected

"""From a configuration to a model: what the machine decides where the configuration is silent."""

import pytest
import tensorflow as tf

from dssgan.config.schema import from_dict
from dssgan.training.build import build_model
from dssgan.training.options import check_choices

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


@pytest.mark.parametrize(
    ("model", "loss", "fitting"),
    [
        ("unet", "multistage", "l1, log_magnitudes, mse, si_sdr, wavenet"),
        ("wavenet", "bandsplit", "l1, mse, si_sdr, wavenet"),
        (
            "bandsplit",
            "multistage",
            "bandsplit, l1, mse, multi_resolution, si_sdr, spectrum_rmse, wavenet",
        ),
        ("multistage", "log_magnitudes", "l1, mse, multistage, multistage_l1, si_sdr, wavenet"),
    ],
)
def test_a_loss_that_the_separator_cannot_have_names_those_that_it_can(model, loss, fitting):
    config = {"model": {"name": model}, "loss": {"name": loss}}
    with pytest.raises(ValueError, match=f"which {model} does not give; losses for it: {fitting}$"):
        check_choices(from_dict(config))
    for name in fitting.split(", "):
        check_choices(from_dict({"model": {"name": model}, "loss": {"name": name}}))

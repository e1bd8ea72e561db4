"""Parts of a separator that are trained: the last layers, low-rank updates of dense layers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dssgan.config.schema import from_dict
from dssgan.models import SEPARATORS, build, export
from dssgan.models.heads import variables_of
from dssgan.optimisers import rules
from dssgan.training.low_rank import LowRank, matrices_of
from dssgan.training.state import TrainingState
from dssgan.training.trained import Heads, check_trainable
from tests.dssgan.models.test_conformance import QUICK, length
from tests.dssgan.small_training import bits, make_step

ROOT = Path(__file__).parents[3]
DENSE = sorted({"bandsplit", "bs_roformer", "combined", "mdx23c", "openunmix", "scnet"})
DENSE += ["mel_band_roformer"]


def loss(outputs, references, mixture):
    del mixture
    return tf.reduce_mean(tf.square(outputs["estimates"] - references)), {}


def made(name, kind, average=False, **sizes):
    """(model, its state) that trains a part of it."""
    model = build(name, **(QUICK[name] | sizes))
    for place, variable in enumerate(model.trainable_variables):
        rng = np.random.default_rng(place)
        variable.assign(0.1 * rng.standard_normal(variable.shape))
    trained = Heads(model) if kind == "heads" else LowRank(model, 2, 4.0, seed=3)
    rule = rules.Ranger(weight_decay=1e-3)
    return model, TrainingState(model, rule, average=average, trained=trained)


def stems(model, index=0, batch=2):
    rng = np.random.default_rng(index)
    shape = (batch, len(model.sources), length(model), 1)
    return tf.constant(rng.standard_normal(shape).astype(np.float32))


def step_of(state, **options):
    average = 0.9 if state.averages else 0.0
    return make_step(state, loss=loss, average=average, **options)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("scnet", "openunmix") else name
        for name in DENSE
    ],
)
def test_every_factor_gets_a_gradient_and_the_base_stays(name):
    model, state = made(name, "lora")
    mixture = tf.reduce_sum(stems(model), 1)
    before = model(mixture).numpy()
    with state.averaged():
        np.testing.assert_array_equal(model(mixture), before)  # B is zero
    base = [variable.numpy() for variable in model.variables]
    step = step_of(state)
    for index in range(2):
        step(stems(model, index), index)
    for own, kept in zip(model.variables, base):
        np.testing.assert_array_equal(own.numpy(), kept)
    drawn = LowRank(model, 2, 4.0, seed=3).weights
    for place, (now, first) in enumerate(zip(state.weights, drawn)):
        assert not np.array_equal(now.numpy(), first.numpy()), place
    with state.averaged():
        changed = model(mixture).numpy()
    assert not np.array_equal(changed, before)
    with state.trained.applied():
        np.testing.assert_allclose(model(mixture), changed, atol=1e-5 * np.abs(changed).max())
    np.testing.assert_array_equal(model(mixture), before)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if "multistage" in name else name
        for name in sorted(SEPARATORS)
    ],
)
def test_heads_train_the_last_layers_alone(name):
    model, state = made(name, "heads")
    last = {id(variable) for variable in variables_of(model.last_layers())}
    before = {id(variable): variable.numpy() for variable in model.variables}
    step_of(state)(stems(model), 0)
    changed = {id(v) for v in model.variables if not np.array_equal(v.numpy(), before[id(v)])}
    assert changed and changed <= last
    assert len(state.weights) == len(state.optimiser.slots)


@pytest.mark.slow
def test_low_rank_updates_through_forgotten_activations_have_the_same_gradient():
    found = []
    for recompute in (False, True):
        model, state = made("mel_band_roformer", "lora", recompute=recompute)
        step = step_of(state)
        step(stems(model), 0)
        step(stems(model, 1), 1)
        found.append([weight.numpy() for weight in state.weights])
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, atol=2e-4)


@pytest.mark.parametrize("kind", ["heads", "lora"])
def test_a_run_that_was_killed_ends_with_the_same_bits(tmp_path, kind):
    model, state = made("bandsplit", kind, average=True)
    step = step_of(state)
    for index in range(4):
        state.save(tmp_path / f"{index}.npz")
        step(stems(model, index), index)
    expected = bits(state)
    assert any(name.startswith("low_rank/") for name in expected) == (kind == "lora")
    again, resumed = made("bandsplit", kind, average=True)
    step = step_of(resumed)
    for start in range(4):
        resumed.restore(tmp_path / f"{start}.npz")
        for index in range(start, 4):
            step(stems(again, index), index)
        assert bits(resumed) == expected, start


def test_an_export_is_an_ordinary_separator_with_the_averaged_updates(tmp_path):
    model, state = made("bs_roformer", "lora", average=True)
    step = step_of(state)
    for index in range(3):
        step(stems(model, index), index)
    mixture = tf.reduce_sum(stems(model), 1)
    base, latest = model(mixture).numpy(), [weight.numpy() for weight in state.weights]
    with state.averaged():
        averaged = model(mixture).numpy()
        export.save(model, tmp_path)
    np.testing.assert_array_equal(model(mixture), base)
    for weight, value in zip(state.weights, latest):
        np.testing.assert_array_equal(weight.numpy(), value)
    loaded = export.load(tmp_path)
    assert len(loaded.variables) == len(model.variables)
    np.testing.assert_array_equal(loaded(mixture), averaged)
    for weight, value in zip(state.weights, state.averages):
        weight.assign(value)
    with state.trained.applied():
        np.testing.assert_allclose(model(mixture), averaged, atol=1e-4)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_factors_in_full(precision):
    model, state = made("bs_roformer", "lora", precision=precision)
    figures = step_of(state)(stems(model), 0)
    assert np.isfinite(float(figures["loss"]))
    assert all(weight.dtype == tf.float32 for weight in state.weights)


@pytest.mark.slow
def test_compiled_updates_are_the_same():
    found = []
    for xla in (False, True):
        model, state = made("bs_roformer", "lora")
        step = step_of(state, xla=xla)
        for index in range(2):
            step(stems(model, index), index)
        assert step.traces == 1
        found.append([weight.numpy() for weight in state.weights])
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, atol=2e-4)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("unet", {"trainable": "lora"}, "unet has no dense or attention layers"),
        ("multistage", {"trainable": "lora"}, "multistage has no dense or attention layers"),
    ],
)
def test_a_system_without_dense_layers_is_told(name, values, message):
    config = from_dict({"model": {"name": name}, "supervised": {"init": "drums"}, **values})
    with pytest.raises(ValueError, match=rf"^trainable=lora: {message}"):
        check_trainable(config, build(name, **QUICK[name]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trainable": "head"}, r"^trainable='head': expected one of .*did you mean heads\?"),
        ({"trainable": "lora"}, r"^trainable=lora: supervised\.init=scratch begins with weights"),
        ({"lora": {"rank": 0}}, r"^lora\.rank=0: expected 1 or more"),
        ({"lora": {"rnk": 4}}, r"^unknown key lora\.rnk.*did you mean lora\.rank\?"),
    ],
)
def test_misuse_is_one_line(values, message):
    with pytest.raises(ValueError, match=message):
        from_dict(values)


def test_factors_are_those_of_the_paper():
    model = build("bs_roformer", **QUICK["bs_roformer"])
    trained = LowRank(model, rank=3, alpha=6.0, seed=1)
    for kernel, first, second in zip(
        matrices_of(model), trained.weights[::2], trained.weights[1::2]
    ):
        *copies, inputs, outputs = kernel.shape
        inner = min(3, inputs, outputs)
        assert tuple(first.shape) == (*copies, inputs, inner)
        assert tuple(second.shape) == (*copies, inner, outputs)
        assert first.numpy().any() and not second.numpy().any()
    second.assign(tf.ones_like(second))
    (_, value) = trained.sums()[-1]
    expected = kernel.numpy() + 6.0 / 3 * first.numpy() @ second.numpy()
    np.testing.assert_allclose(value, expected, rtol=1e-5)


MIRRORED = """
import json, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from dssgan.distributed.replicas import spread
from tests.dssgan.training.test_trained import made, stems, step_of

def train(strategy, batch):
    with strategy.scope():
        model, state = made("bs_roformer", "lora", average=True)
        step = step_of(state, strategy=strategy)
    data = tf.data.Dataset.from_tensor_slices(
        tf.stack([stems(model, index, 4) for index in range(3)])
    )
    for index, batch in enumerate(spread(data, strategy)):
        step(batch, index)
    with state.averaged():
        kernels = [kernel.numpy() for kernel in state.trained.kernels]
    return [kernel.astype(float).ravel().tolist() for kernel in kernels]

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
print(json.dumps([train(tf.distribute.get_strategy(), 4), train(mirrored, 4)]))
"""


@pytest.mark.slow
def test_two_devices_train_factors_as_one():
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for one, other in zip(*json.loads(done.stdout.splitlines()[-1])):
        np.testing.assert_allclose(one, other, atol=2e-3)

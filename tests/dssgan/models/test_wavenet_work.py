"""How much the Wavenet works: what is multiplied when it runs, and what benchmarks count for it."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

from dssgan.models import build
from dssgan.separator import Separator
from experiments.systems.arithmetic import macs

SMALL = {"layers": 4, "stacks": 2, "residual": 8, "skip": 6, "final": [32, 8]}
FIELD = 101  # of the original's fragments
SAMPLES = 81 * FIELD  # whole fragments, and almost four of the pieces of the wide layers


def multiplied(model, samples):
    """Multiply-accumulates of `infer` on one channel of noise, counted while it runs."""
    state = model.inference_state()
    mixture = tf.constant(np.random.default_rng(0).standard_normal((1, samples, 1)), tf.float32)
    total = 0

    def count(op_type, inputs, attrs, outputs, op_name=None, graph=None):
        nonlocal total
        op_type = tf.compat.as_str(op_type)
        if "MatMul" in op_type or "Conv" in op_type or "Einsum" in op_type:
            assert op_type in ("MatMul", "BatchMatMulV2"), f"{op_type}: how much work is it?"
            assert graph is None, "compiled pieces hold no products: they are traced but once"
            # Every entry of the left side meets every column of the right one.
            total += int(np.prod(inputs[0].shape)) * outputs[0].shape[-1]

    op_callbacks.add_op_callback(count)
    try:
        model.infer(mixture, state)
    finally:
        op_callbacks.remove_op_callback(count)
    return total


def test_the_count_is_what_is_multiplied():
    model = build("wavenet", **SMALL)
    assert multiplied(model, SAMPLES) == pytest.approx(macs(model, SAMPLES), rel=0.02)


def test_context_that_is_computed_again_would_be_noticed():
    """As in the original's fragments, each of which hears 60 samples besides its own 101."""
    exact = build("wavenet", **SMALL, exact_original=True, target_field=FIELD)
    ratio = multiplied(exact, SAMPLES) / macs(exact, SAMPLES)
    assert 1.35 < ratio < 161 / 101


def test_the_work_is_less_than_every_layer_at_every_sample():
    """52.4 GMAC per second of audio; two layers are made one, and chunks of 8 s overlap."""
    model = build("wavenet")
    block, tail = 64 * 3 * 128 + 64 * 128, 3 * 64 * 2048 + 3 * 2048 * 3
    endless = macs(model, 10**9) / 10**9
    assert endless == pytest.approx(3 * 64 + 40 * block + tail, rel=1e-4)
    separator = Separator(model)
    chunk = macs(model, separator.segment) / separator.hop * model.sample_rate
    assert chunk < 1.3 * 52.4e9
    fragment = 9785 * (40 * block) + 1603 * (3 * 64 * 2048 + 3 * 2048 * 256)
    assert fragment / 1601 * 16000 == pytest.approx(160e9, rel=0.01)  # as the original does

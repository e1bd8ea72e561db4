"""Every registered critic keeps the contract of `Critic`; new ones are found here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from dssgan.critics import CRITICS, build
from dssgan.critics.base import Critic, beside
from dssgan.critics.windowed import window_starts
from dssgan.losses import adversarial

RATE, SAMPLES = 8000, 1600

# Sizes that are quick to build and to differentiate twice.
WINDOWED = {"frame_length": 64, "hop": 32, "frames": 16, "width": 4, "hidden": 8}
QUICK = {
    "dcgan": WINDOWED,
    "period": {"periods": [2, 3], "width": 4, "layers": 2},
    "spectral": {"windows": [128, 64], "bands": [0.4, 1.0], "width": 4},
    "dependency": {**WINDOWED, "estimates": 2},
}


def make(name: str, **changes) -> Critic:
    own = {"sample_rate": RATE, "samples": SAMPLES, **QUICK[name], **changes}
    return build(name, **own)


@pytest.fixture(scope="module", params=sorted(CRITICS))
def critic(request) -> Critic:
    return make(request.param)


def noise(rng, critic: Critic, batch: int = 3, scale: float = 0.3) -> tf.Tensor:
    shape = (batch, critic.hyperparameters["samples"], critic.input_channels)
    return tf.constant((scale * rng.standard_normal(shape)).astype(np.float32))


def real_and_fake(rng, critic: Critic, batch: int = 6) -> tuple[tf.Tensor, tf.Tensor]:
    """Tones against noise; for a partner critic pairs that belong together against shuffled."""
    time = np.arange(SAMPLES) / RATE
    if not critic.partner:
        pitch = rng.uniform(200, 800, (batch, 1))
        tones = 0.4 * np.sin(2 * np.pi * pitch * time)
        return tf.constant(tones[..., None].astype(np.float32)), noise(rng, critic, batch)
    stems = 0.3 * rng.standard_normal((batch, 2, SAMPLES, 1))
    stems[:, 0] *= rng.uniform(0, 2, (batch, 1, 1))
    stems = tf.constant(stems.astype(np.float32))
    mixture = tf.reduce_sum(stems, 1)
    return beside(mixture, stems), beside(mixture, adversarial.shuffled(stems, [3, 4]))


def as_list(representation) -> list[tf.Tensor]:
    return tf.nest.flatten(representation)


def test_every_critic_has_a_quick_size():
    assert set(QUICK) == set(OBJECTIVES) == set(CRITICS)


@pytest.mark.parametrize("name", sorted(CRITICS))
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_shapes_and_finite_logits(name, channels, precision, rng):
    critic = make(name, channels=channels, precision=precision)
    logits, maps = critic(noise(rng, critic))
    assert logits.shape.rank == 2
    assert logits.shape[0] == 3
    assert logits.dtype == tf.float32
    assert np.isfinite(logits).all()
    assert np.std(logits) > 0
    assert maps
    assert {value.dtype.name for value in maps} == {precision}
    for part in as_list(critic.represent(noise(rng, critic))):
        assert part.dtype == tf.float32
        assert part.shape[0] == 3


def test_call_judges_what_is_represented(critic, rng):
    audio = noise(rng, critic)
    np.testing.assert_array_equal(critic(audio)[0], critic.logits_of(critic.represent(audio))[0])


def test_the_minimum_length_works_and_less_is_refused(critic, rng):
    assert 1 <= critic.minimum <= SAMPLES
    audio = noise(rng, critic)
    assert np.isfinite(critic(audio[:, : critic.minimum])[0]).all()
    with pytest.raises(ValueError, match=f"at least {critic.minimum}"):
        critic(audio[:, : critic.minimum - 1])
    with pytest.raises(ValueError, match=f"{critic.kind}: excerpts of {critic.minimum - 1}"):
        build(**critic.hyperparameters | {"name": critic.kind, "samples": critic.minimum - 1})


def test_hyperparameters_rebuild_the_critic(critic, rng):
    plain = json.loads(json.dumps(critic.hyperparameters))
    again = build(critic.kind, **plain)
    audio = noise(rng, critic)
    np.testing.assert_array_equal(again(audio)[0], critic(audio)[0])
    other = build(critic.kind, **{**plain, "seed": 1})
    assert np.abs(other(audio)[0] - critic(audio)[0]).max() > 0


def test_layers_start_from_different_weights(critic):
    kernels = {}
    for variable in critic.trainable_variables:
        values = variable.numpy()
        if values.any():  # biases start at zero
            kernels.setdefault(values.shape, []).append(values)
    for same_shape in kernels.values():
        for first, second in zip(same_shape, same_shape[1:]):  # noqa: RUF007
            assert (first != second).any()


def test_gradients_reach_the_audio_and_every_weight(critic, rng):
    audio = noise(rng, critic)
    weights = [variable.value for variable in critic.trainable_variables]

    @tf.function(autograph=False)
    def gradients(audio):
        with tf.GradientTape() as tape:
            tape.watch(audio)
            loss = tf.reduce_mean(tf.square(critic(audio)[0] + 1.0))
        return tape.gradient(loss, [audio, *weights])

    to_audio, *to_weights = gradients(audio)
    assert np.isfinite(to_audio).all()
    # Every excerpt and every channel is heard, and nearly every sample.
    assert np.abs(to_audio).max(1).min() > 0
    assert np.mean(np.abs(to_audio) > 0) > 0.9
    for variable, gradient in zip(critic.trainable_variables, to_weights):
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


@pytest.mark.parametrize("mixture", ["silent", "loud"])
def test_silence_has_finite_logits_and_gradients(critic, rng, mixture):
    audio = np.zeros((2, SAMPLES, critic.input_channels), np.float32)
    if mixture == "loud":
        audio[..., 0] = rng.standard_normal((2, SAMPLES))
    audio = tf.constant(audio)
    weights = [variable.value for variable in critic.trainable_variables]
    zero = tf.UnconnectedGradients.ZERO
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(audio)
        loss = tf.reduce_mean(tf.square(critic(audio)[0] - 1.0))
        penalty = adversarial.gradient_penalty(critic, audio, tf.zeros_like(audio), [1, 2])
    assert np.isfinite(loss)
    assert np.isfinite(penalty)
    for value in tape.gradient(loss, [audio, *weights], unconnected_gradients=zero):
        assert np.isfinite(value).all()
    for value in tape.gradient(penalty, weights, unconnected_gradients=zero):
        assert np.isfinite(value).all()


def steep(name: str, **changes) -> Critic:
    critic = make(name, **{"normalised": False, **changes})
    for variable in critic.trainable_variables:
        variable.assign(variable * 4.0)
    return critic


@pytest.mark.parametrize("name", sorted(CRITICS))
def test_the_penalty_equals_slopes_measured_by_small_steps(name, rng):
    critic = steep(name)
    audio = noise(rng, critic, batch=1)  # real is fake, so the penalty is taken right there
    points = as_list(critic.represent(audio))

    def score(points):
        structure = points if isinstance(critic.represent(audio), list) else points[0]
        return critic.logits_of(structure)[0][0]

    def scores(points):
        logits = score(points)
        return logits if critic.independent else tf.reduce_mean(logits, keepdims=True)

    with tf.GradientTape() as tape:
        tape.watch(points)
        total = tf.reduce_sum(scores(points))
    directions = tape.gradient(total, points)
    expected = []
    for index in range(len(scores(points))):
        chosen = [d * 0 for d in directions]
        if critic.independent:
            window = tf.one_hot(index, points[0].shape[1])[None, :, None, None, None]
            chosen = [d * window for d in directions]
        else:
            chosen = directions
        length = np.sqrt(sum(float(tf.reduce_sum(tf.square(d))) for d in chosen))
        step = 1e-3
        ahead = [p + step / length * d for p, d in zip(points, chosen)]
        behind = [p - step / length * d for p, d in zip(points, chosen)]
        # The slope along the gradient is the gradient's norm.
        slope = float(scores(ahead)[index] - scores(behind)[index]) / (2 * step)
        expected.append(max(slope - 1.0, 0.0) ** 2)
    assert min(expected) > 0
    penalty = adversarial.gradient_penalty(critic, audio, audio, [1, 2])
    assert float(penalty) == pytest.approx(np.mean(expected), rel=0.02)


@pytest.mark.parametrize("name", sorted(CRITICS))
def test_the_penalty_is_float32_and_has_gradients_under_bfloat16(name, rng):
    critic, coarse = steep(name), steep(name, precision="bfloat16")
    real, fake = noise(rng, critic), noise(rng, critic)

    def penalise(critic):
        weights = [variable.value for variable in critic.trainable_variables]

        @tf.function(autograph=False)
        def run(real, fake):
            with tf.GradientTape() as tape:
                penalty = adversarial.gradient_penalty(critic, real, fake, tf.constant([5, 6]))
            zero = tf.UnconnectedGradients.ZERO
            return penalty, tape.gradient(penalty, weights, unconnected_gradients=zero)

        return run(real, fake)

    (penalty, gradients), (coarse_penalty, coarse_gradients) = penalise(critic), penalise(coarse)
    assert float(penalty) > 0
    assert float(coarse_penalty) == pytest.approx(float(penalty), rel=1e-5)
    for variable, one, other in zip(critic.trainable_variables, gradients, coarse_gradients):
        if "kernel" in variable.path:
            assert np.abs(one).max() > 0, variable.path
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-4 * np.abs(one).max())
    # And bfloat16 is really used where it is allowed.
    assert (critic(real)[0].numpy() != coarse(real)[0].numpy()).any()


# Each critic with the objective it was published with.
OBJECTIVES = {
    "dcgan": "wasserstein",
    "period": "least_squares",
    "spectral": "hinge",
    "dependency": "logistic",
}


@pytest.mark.parametrize(("name", "objective"), sorted(OBJECTIVES.items()))
def test_training_on_one_batch_tells_real_from_fake(name, objective, rng):
    critic = make(name)
    real, fake = real_and_fake(rng, critic)
    weights = [variable.value for variable in critic.trainable_variables]
    optimiser = keras.optimizers.Adam(3e-3)
    optimiser.build(critic.trainable_variables)
    loss_of = adversarial.OBJECTIVES[objective].critic

    @tf.function(autograph=False)
    def update():
        with tf.GradientTape() as tape:
            real_logits, _ = critic(real, training=True)
            fake_logits, _ = critic(fake, training=True)
            loss = loss_of(real_logits, fake_logits)
        optimiser.apply(tape.gradient(loss, weights))
        return loss, adversarial.accuracy(real_logits, fake_logits)

    losses, accuracies = zip(*(map(float, update()) for _ in range(25)))
    assert losses[-1] < losses[0]
    assert accuracies[-1] > 0.8


def test_the_dcgan_critic_has_the_originals_size(rng):
    critic = build("dcgan", sample_rate=8192, samples=63 * 256)
    assert critic.count_params() == 1_869_344
    shapes = [variable.shape for variable in critic.trainable_variables if len(variable.shape) > 1]
    assert shapes == [
        (4, 4, 1, 32),
        (4, 4, 32, 64),
        (4, 4, 64, 128),
        (4, 4, 128, 256),
        (4, 2, 256, 256),
        (4, 2, 256, 256),
        (4096, 32),
        (32, 1),
    ]
    audio = (0.1 * rng.standard_normal((1, 65 * 256, 1))).astype(np.float32)
    logits, maps = critic(audio)
    assert logits.shape == (1, 1)
    assert [tuple(value.shape[1:]) for value in maps] == [
        (128, 32, 32),
        (64, 16, 64),
        (32, 8, 128),
        (16, 4, 256),
        (8, 4, 256),
        (4, 4, 256),
        (32,),
    ]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("dcgan", 1_869_344), ("period", 272_325), ("spectral", 223_215), ("dependency", 501_296)],
)
def test_the_default_sizes_are_those_documented(name, parameters):
    critic = build(name, sample_rate=16000, samples=64000)
    counted = sum(np.prod(variable.shape, dtype=int) for variable in critic.trainable_variables)
    assert counted == parameters
    assert f"{parameters:,} parameters" in CRITICS[name].__doc__.replace("\n    ", " ")


def test_the_dcgan_critic_sees_the_centre_without_bin_zero(rng):
    critic = build("dcgan", sample_rate=8192, samples=65 * 256, width=4)
    audio = (0.1 * rng.standard_normal(65 * 256)).astype(np.float32)
    window = np.hanning(513)[:-1]
    padded = np.pad(audio, 256, mode="reflect")
    frames = np.stack([padded[k * 256 : k * 256 + 512] * window for k in range(66)])
    expected = np.log1p(np.abs(np.fft.rfft(frames)))[1:65, 1:].T
    seen = critic.represent(audio[None, :, None])
    assert seen.shape == (1, 1, 256, 64, 1)
    np.testing.assert_allclose(seen[0, 0, :, :, 0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("frames", "starts"),
    [(64, [0]), (66, [1]), (90, [13]), (128, [0, 64]), (251, [0, 62, 125, 187])],
)
def test_windows_cover_an_excerpt_evenly(frames, starts):
    assert window_starts(frames, 64) == starts


def test_windows_are_judged_independently(rng):
    critic = make("dcgan")
    seen = critic.represent(noise(rng, critic)).numpy()
    before = critic.logits_of(tf.constant(seen))[0].numpy()
    seen[:, 1] += 1.0
    changed = critic.logits_of(tf.constant(seen))[0].numpy() != before
    assert changed[:, 1].all()
    assert not np.delete(changed, 1, axis=1).any()


def test_periods_do_not_mix_their_columns(rng):
    critic = build("period", sample_rate=RATE, samples=600, periods=[3], width=4, layers=2)
    audio = noise(rng, critic, batch=1)
    with tf.GradientTape() as tape:
        tape.watch(audio)
        maps = critic(audio)[1]
        one = tf.reduce_sum(tf.square(maps[-1][:, :, 1]))
    touched = np.flatnonzero(np.abs(tape.gradient(one, audio)[0, :, 0]) > 0)
    assert len(touched) > 100
    assert set(touched % 3) == {1}


def test_spectral_windows_follow_the_rate():
    for rate, windows in ((44100, [2048, 1024, 512]), (16000, [1024, 512, 256])):
        critic = build("spectral", sample_rate=rate, samples=4096, width=1)
        assert critic.hyperparameters["windows"] == windows


def test_a_dependency_critic_sees_estimates_relative_to_the_mixture(rng):
    critic = make("dependency", samples=16 * 32)
    stems = rng.standard_normal((1, 2, 16 * 32, 1)).astype(np.float32)
    stems[:, 1] *= 0.2
    planes = critic.represent(beside(tf.reduce_sum(stems, 1), stems))[0, 0].numpy()
    mixture = np.expm1(planes[..., 0])
    along, across = 0.0, 0.0
    for first in (1, 4):
        logarithm = planes[..., first]
        unscale = np.expm1(logarithm) / logarithm
        along += planes[..., first + 1] * unscale
        across += planes[..., first + 2] * unscale
    # What belongs to a mixture adds up to it in phase, and to nothing across.
    np.testing.assert_allclose(along, mixture, atol=2e-3)
    np.testing.assert_allclose(across, 0.0, atol=2e-3)


def test_normalised_kernels_have_norm_one_and_follow_their_weights(rng):
    critic = make("dependency")
    audio = noise(rng, critic)

    def norms():
        layers = [*critic.convolutions, critic.hidden, critic.score]
        kernels = [layer.ready_kernel(tf.float32, False).numpy() for layer in layers]
        return [np.linalg.norm(k.reshape(-1, k.shape[-1]), 2) for k in kernels]

    np.testing.assert_allclose(norms(), 1.0, rtol=0.02)
    for variable in critic.trainable_variables:
        variable.assign(variable + 0.3 * rng.standard_normal(variable.shape))
    directions = [v.numpy() for v in critic.non_trainable_variables]
    assert len(directions) == len(norms())
    critic(audio)
    for before, variable in zip(directions, critic.non_trainable_variables):
        np.testing.assert_array_equal(variable.numpy(), before)
    run = tf.function(lambda: critic(audio, training=True)[0], autograph=False)
    for _ in range(60):
        run()
    np.testing.assert_allclose(norms(), 1.0, rtol=0.02)


PROGRAM = """
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from dssgan.critics import build

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
own = dict(sample_rate=8000, samples=512, frame_length=64, hop=32, frames=16, width=4, hidden=8)
alone = build("dependency", **own)
with strategy.scope():
    critic = build("dependency", **own)
audio = tf.constant(np.random.default_rng(0).standard_normal((2, 512, 2)).astype("float32"))
inner = tf.function(lambda x: critic(x, training=True)[0], autograph=False)  # as a step nests it
outer = tf.function(lambda: strategy.run(inner, (audio,)), autograph=False)
for _ in range(3):
    logits = strategy.experimental_local_results(outer())
    expected = alone(audio, training=True)[0]
assert len(logits) == 2
for value in logits:
    np.testing.assert_allclose(value, expected, atol=1e-6)
for variable, own in zip(critic.non_trainable_variables, alone.non_trainable_variables):
    np.testing.assert_allclose(variable.numpy(), own.numpy(), atol=1e-6)
critic.set_weights([np.ones_like(value) for value in critic.get_weights()])
for value in critic.get_weights():
    np.testing.assert_array_equal(value, 1.0)
"""


def test_every_replica_keeps_the_same_norms():
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_beside_puts_the_mixture_first(rng):
    mixture = rng.standard_normal((2, 5, 2)).astype(np.float32)
    stems = rng.standard_normal((2, 3, 5, 2)).astype(np.float32)
    joined = beside(mixture, stems)
    assert joined.shape == (2, 5, 8)
    np.testing.assert_array_equal(joined[..., :2], mixture)
    np.testing.assert_array_equal(joined[..., 4:6], stems[:, 1])


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("wavegan", {}, "unknown critic 'wavegan': expected one of dcgan, dependency, period"),
        ("dcgan", {"depth": 3}, "dcgan: unknown hyperparameter 'depth', expected one of channels"),
        ("dcgan", {"width": 0}, "dcgan: width is 0, expected an integer ≥ 1"),
        ("dcgan", {"hop": 2.5}, "dcgan: hop is 2.5, expected an integer ≥ 1"),
        ("dcgan", {"precision": "float16"}, "dcgan: precision 'float16', expected one of float32"),
        ("dependency", {"estimates": 0}, "dependency: estimates is 0, expected an integer ≥ 1"),
        ("period", {"periods": [2, 2]}, r"period: periods \[2, 2\], expected one or more differ"),
        ("spectral", {"windows": [33]}, r"spectral: windows \[33\], expected one or more even"),
        ("spectral", {"bands": [0.5, 0.4]}, r"spectral: bands \[0.5, 0.4\], expected rising"),
        ("spectral", {"bands": [0.001, 1.0]}, "one has no bin at a window of 64 samples"),
        ("spectral", {"compression": 0}, "spectral: compression is 0, expected 0 < compression"),
    ],
)
def test_wrong_hyperparameters_are_named(name, wrong, message):
    with pytest.raises(ValueError, match=message):
        build(name, **{"sample_rate": RATE, "samples": SAMPLES, **QUICK.get(name, {}), **wrong})


def test_audio_of_the_wrong_shape_is_refused(critic):
    for shape in ((2, SAMPLES), (2, SAMPLES, critic.input_channels + 1)):
        with pytest.raises(ValueError, match=f"{critic.kind}: audio of shape"):
            critic.represent(tf.zeros(shape))

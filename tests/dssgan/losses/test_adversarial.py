"""Adversarial losses against numbers computed by hand."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.losses import additivity, adversarial

SEED = [11, 12]


class Formula:
    """A critic given as a formula on the audio itself; it remembers where it was asked."""

    def __init__(self, formula, independent=False):
        self.formula, self.independent, self.points = formula, independent, None

    def represent(self, audio):
        return audio

    def logits_of(self, points, training=False, precise=False):
        assert precise
        self.points = points
        return self.formula(points), []


def linear(weight):
    return Formula(lambda x: tf.reduce_sum(x * weight, (1, 2))[:, None])


@pytest.mark.parametrize(
    ("name", "critic", "separator"),
    [
        ("wasserstein", -(0.5 - -0.25), 0.25),
        ("hinge", (2.0 + 0.0) / 2 + (1.5 + 0.0) / 2, 0.25),
        ("least_squares", (4.0 + 1.0) / 2 + (0.25 + 1.0) / 2, (0.25 + 4.0) / 2),
        (
            "logistic",
            (np.log1p(np.exp(1)) + np.log1p(np.exp(-2))) / 2
            + (np.log1p(np.exp(0.5)) + np.log1p(np.exp(-1))) / 2,
            (np.log1p(np.exp(-0.5)) + np.log1p(np.exp(1))) / 2,
        ),
    ],
)
def test_objectives_equal_their_formulas(name, critic, separator):
    objective = adversarial.OBJECTIVES[name]
    real, fake = tf.constant([[-1.0], [2.0]]), tf.constant([[0.5], [-1.0]])
    assert float(objective.critic(real, fake)) == pytest.approx(critic, rel=1e-6)
    assert float(objective.separator(fake)) == pytest.approx(separator, rel=1e-6)


@pytest.mark.parametrize("name", sorted(adversarial.OBJECTIVES))
def test_critic_and_separator_pull_the_fake_logit_apart(name):
    objective = adversarial.OBJECTIVES[name]
    real, fake = tf.constant([[0.6]]), tf.constant([[0.4]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        critic, separator = objective.critic(real, fake), objective.separator(fake)
    assert tape.gradient(critic, real).numpy() < 0
    assert tape.gradient(critic, fake).numpy() > 0
    assert tape.gradient(separator, fake).numpy() < 0


def test_huge_logits_stay_finite():
    real, fake = tf.constant([[-1e4]]), tf.constant([[1e4]])
    for objective in adversarial.OBJECTIVES.values():
        assert np.isfinite(objective.critic(real, fake))
        assert np.isfinite(objective.separator(fake))


def test_the_penalty_of_a_linear_critic_is_known(rng):
    real, fake = (rng.standard_normal((4, 10, 2)).astype(np.float32) for _ in range(2))
    direction = rng.standard_normal((10, 2))
    direction /= np.linalg.norm(direction)
    for norm, expected in ((3.0, 4.0), (1.0, 0.0), (0.2, 0.0)):
        weight = tf.constant((norm * direction).astype(np.float32))
        with tf.GradientTape() as tape:
            tape.watch(weight)
            penalty = adversarial.gradient_penalty(linear(weight), real, fake, SEED)
        assert float(penalty) == pytest.approx(expected, abs=1e-5)
        # d/dw max(|w| − 1, 0)² = 2 max(|w| − 1, 0) w / |w|
        slope = 2 * max(norm - 1, 0) * direction
        np.testing.assert_allclose(tape.gradient(penalty, weight), slope, atol=1e-4)


def test_a_flat_critic_has_no_penalty_and_finite_gradients(rng):
    audio = rng.standard_normal((2, 5, 1)).astype(np.float32)
    weight = tf.zeros((5, 1))
    with tf.GradientTape() as tape:
        tape.watch(weight)
        penalty = adversarial.gradient_penalty(linear(weight), audio, audio, SEED)
    assert float(penalty) == 0.0
    np.testing.assert_array_equal(tape.gradient(penalty, weight), 0.0)


def test_the_penalty_is_taken_between_shuffled_real_and_fake(rng):
    real, fake = (rng.standard_normal((6, 8, 1)).astype(np.float32) for _ in range(2))
    critic = Formula(lambda x: tf.reduce_sum(tf.square(x), (1, 2))[:, None])
    penalty = adversarial.gradient_penalty(critic, real, fake, SEED)
    points = critic.points.numpy()
    partners, shares = [], []
    for point, f in zip(points, fake):
        for index, r in enumerate(real):
            e = np.vdot(point - r, f - r) / np.vdot(f - r, f - r)
            if np.allclose(point, r + e * (f - r), atol=1e-5):
                partners.append(index)
                shares.append(e)
    assert sorted(partners) == list(range(6))
    assert partners != list(range(6))
    assert 0 <= min(shares) < max(shares) <= 1
    norms = 2 * np.sqrt(np.sum(points**2, (1, 2)))
    assert float(penalty) == pytest.approx(np.mean(np.maximum(norms - 1, 0) ** 2), rel=1e-5)


def test_several_logits_count_as_their_mean_unless_they_are_independent(rng):
    audio = rng.standard_normal((3, 4, 5)).astype(np.float32)
    scales = tf.constant([2.0, 3.0, 4.0, 5.0])
    # Logit j is scale_j times the first value of item j.
    formula = lambda x: scales * x[:, :, 0]  # noqa: E731
    together = adversarial.gradient_penalty(Formula(formula), audio, audio, SEED)
    norm = np.sqrt(4 + 9 + 16 + 25) / 4
    assert float(together) == pytest.approx((norm - 1) ** 2, rel=1e-5)
    apart = adversarial.gradient_penalty(Formula(formula, True), audio, audio, SEED)
    assert float(apart) == pytest.approx((1 + 4 + 9 + 16) / 4, rel=1e-5)


def test_parts_of_a_representation_share_one_norm_and_one_place(rng):
    class Twofold(Formula):
        def represent(self, audio):
            return [audio, 10.0 * audio[:, ::2]]

    real, fake = (rng.standard_normal((5, 6, 1)).astype(np.float32) for _ in range(2))
    critic = Twofold(
        lambda x: sum(k * tf.reduce_sum(p[:, 0], 1) for k, p in zip((3, 4), x))[:, None]
    )
    penalty = adversarial.gradient_penalty(critic, real, fake, SEED)
    assert float(penalty) == pytest.approx((5.0 - 1) ** 2, rel=1e-5)
    np.testing.assert_allclose(critic.points[1], 10.0 * critic.points[0][:, ::2], rtol=1e-4)


def test_the_same_seed_repeats_its_bits_in_graphs_too(rng):
    real, fake = (rng.standard_normal((4, 8, 1)).astype(np.float32) for _ in range(2))
    critic = Formula(lambda x: tf.reduce_sum(tf.square(x), (1, 2))[:, None])
    run = lambda seed: adversarial.gradient_penalty(critic, real, fake, seed)  # noqa: E731
    graph = tf.function(run, autograph=False)
    first = run(tf.constant(SEED))
    assert float(run(tf.constant(SEED))) == float(first)
    assert float(graph(tf.constant(SEED))) == pytest.approx(float(first), rel=1e-6)
    assert float(run(tf.constant([11, 13]))) != float(first)


def test_shuffled_stems_leave_their_mixture_each_on_its_own():
    stems = np.arange(6 * 3).reshape(6, 3, 1)
    orders = set()
    for seed in range(20):
        moved = adversarial.shuffled(stems, [seed, 0]).numpy()[..., 0]
        for source in range(3):
            assert sorted(moved[:, source]) == sorted(stems[:, source, 0])
            assert (moved[:, source] != stems[:, source, 0]).all()
            orders.add(tuple(moved[:, source] // 3))
    assert len(orders) > 30
    again = adversarial.shuffled(stems, [19, 0])
    np.testing.assert_array_equal(again[..., 0], moved)


@pytest.mark.parametrize("batch", [1, 2])
def test_small_batches_are_shuffled_as_far_as_they_can(batch):
    stems = tf.reshape(tf.range(batch * 2), (batch, 2))
    moved = adversarial.shuffled(stems, SEED)
    np.testing.assert_array_equal(moved, stems[::-1])


def test_combined_log_ratios_are_the_ratio_of_the_joint_densities():
    # Two tables over (mixture, drums, vocals) that agree on how mixtures are distributed.
    rng = np.random.default_rng(3)
    mixture = np.array([0.3, 0.7])[:, None, None]
    p, q = (mixture * rng.dirichlet(np.ones(6), 2).reshape(2, 2, 3) for _ in range(2))

    def marginal(table, axis):
        others = tuple(k for k in range(3) if k != axis)
        return table.sum(others, keepdims=True)

    def dependence(table):
        return table / (marginal(table, 0) * marginal(table, 1) * marginal(table, 2))

    def logits(values):
        return tf.constant(np.log(np.broadcast_to(values, p.shape)).reshape(-1, 1), tf.float32)

    combined = adversarial.combine(
        [logits(marginal(p, axis) / marginal(q, axis)) for axis in (1, 2)],
        logits(dependence(p)),
        logits(dependence(q)),
    )
    np.testing.assert_allclose(combined, logits(p / q), atol=1e-5)


def test_combining_averages_the_logits_of_every_critic():
    marginals = [tf.constant([[1.0, 3.0]]), tf.constant([[5.0]])]
    real_pairs, generated_pairs = tf.constant([[0.5, 1.5, 1.0]]), tf.constant([[0.0, 8.0]])
    combined = adversarial.combine(marginals, real_pairs, generated_pairs)
    np.testing.assert_allclose(combined, [[2.0 + 5.0 + 1.0 - 4.0]])


def test_feature_matching_is_relative_and_holds_real_constant():
    real = [tf.constant([[1.0, -3.0]]), tf.constant([[10.0, 10.0]])]
    fake = [tf.constant([[2.0, -3.0]]), tf.constant([[10.0, 30.0]])]
    with tf.GradientTape() as tape:
        tape.watch([real, fake])
        value = adversarial.feature_matching(real, fake)
    assert float(value) == pytest.approx((0.5 / 2.0 + 10.0 / 10.0) / 2, rel=1e-6)
    to_real, to_fake = tape.gradient(value, [real, fake])
    assert to_real == [None, None]
    assert all(np.abs(gradient).max() > 0 for gradient in to_fake)
    assert float(adversarial.feature_matching(real, real)) == 0.0


def test_feature_matching_of_different_critics_is_refused():
    with pytest.raises(ValueError, match="argument"):
        adversarial.feature_matching([tf.zeros((1, 2))], [])


def test_accuracy_counts_pairs_that_are_ranked_rightly():
    real = tf.constant([[3.0, 1.0], [0.0, 0.0]])  # mean logits 2 and 0
    fake = tf.constant([[1.0], [0.0]])
    # 2 > 1, 2 > 0, 0 < 1, 0 = 0
    assert float(adversarial.accuracy(real, fake)) == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert float(adversarial.accuracy(real + 100.0, fake + 100.0)) == pytest.approx(2.5 / 4)
    assert float(adversarial.accuracy(fake, fake)) == 0.5


def test_additivity_is_the_mean_square_of_what_is_left(rng):
    estimates = rng.standard_normal((2, 3, 50, 2)).astype(np.float32)
    mixture = rng.standard_normal((2, 50, 2)).astype(np.float32)
    expected = np.mean((mixture - estimates.sum(1)) ** 2)
    assert float(additivity.additivity(estimates, mixture)) == pytest.approx(expected, rel=1e-5)
    assert float(additivity.additivity(estimates, estimates.sum(1))) < 1e-10


def test_spectral_additivity_equals_the_originals_formula(rng):
    drums, rest, mixture = np.abs(rng.standard_normal((3, 2, 33, 16))).astype(np.float32)
    value = additivity.spectral_additivity(tf.stack([rest, drums], 1), mixture)
    assert float(value) == pytest.approx(np.mean((mixture - rest - drums) ** 2), rel=1e-5)

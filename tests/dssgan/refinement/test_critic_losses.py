"""What critics hear, what they learn from it and what they tell the separator."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.critics.base import beside
from dssgan.losses import adversarial
from dssgan.refinement.critic_losses import (
    CriticInputs,
    CriticSet,
    adversarial_loss,
    critic_loss,
    cropped,
    feature_matching_loss,
)
from tests.dssgan.small_refinement import Unpaired, make_critics, make_pair
from tests.dssgan.stand_ins import SOURCES, TinySeparator

SEED = tf.constant([3, 4], tf.int32)


@pytest.fixture(scope="module")
def batch():
    return Unpaired().given(0)


@pytest.fixture(scope="module")
def inputs(batch):
    return CriticInputs.of(SOURCES, TinySeparator()(batch["mixtures"]), batch, margin=100)


def test_what_critics_receive_lacks_its_margins(batch, inputs):
    np.testing.assert_array_equal(inputs.mixture, batch["mixtures"][:, 100:700])
    assert inputs.estimates.shape == (4, 2, 600, 1)
    np.testing.assert_array_equal(inputs.solos[1], batch["solos"]["vocals"][:, 100:700])
    np.testing.assert_array_equal(inputs.paired_stems, batch["stems"][:, :, 100:700])
    np.testing.assert_array_equal(
        inputs.paired_mixture, tf.reduce_sum(batch["stems"], 1)[:, 100:700]
    )
    np.testing.assert_array_equal(cropped(batch["mixtures"], 0), batch["mixtures"])


def test_the_loss_of_a_critic_is_the_objective_and_the_penalty(inputs):
    entry = make_critics("hinge", penalty=2.0)[0]
    loss, told = entry.loss(inputs, SEED)
    real = entry.critic(inputs.solos[0])[0]
    fake = entry.critic(inputs.estimates[:, 0])[0]
    penalty = adversarial.gradient_penalty(
        entry.critic, inputs.solos[0], inputs.estimates[:, 0], SEED
    )
    plain = adversarial.hinge_critic(real, fake)
    assert float(loss) == pytest.approx(float(plain + 2.0 * penalty), rel=1e-5)
    start = "critic/tiny/drums"
    assert float(told[f"{start}/loss"]) == pytest.approx(float(plain), rel=1e-5)
    assert float(told[f"{start}/penalty"]) == pytest.approx(float(penalty), rel=1e-5)
    assert float(told[f"{start}/real"]) == pytest.approx(float(tf.reduce_mean(real)), rel=1e-5)
    assert float(told[f"{start}/accuracy"]) == float(adversarial.accuracy(real, fake))


def test_without_weight_there_is_no_penalty(inputs):
    entry = make_critics()[0]
    _, told = critic_loss(entry, entry.critic, "one", *[inputs.solos[0]] * 2, SEED)
    assert "critic/one/penalty" not in told
    assert float(told["critic/one/distance"]) == 0.0
    assert float(told["critic/one/accuracy"]) == 0.5


def test_every_critic_adds_its_loss(inputs):
    critics = make_critics("logistic")
    critics[1].weight = 3.0
    expected = sum(
        entry.weight * adversarial.pass_for_real(entry.critic(inputs.estimates[:, entry.source])[0])
        for entry in critics
    )
    said = adversarial_loss(CriticSet(critics), inputs)
    assert float(said) == pytest.approx(float(expected), rel=1e-6)


def test_with_dependency_critics_the_logits_are_added_first(inputs):
    critics, pair = make_critics("logistic"), make_pair()
    joint = beside(inputs.mixture, inputs.estimates)
    logits = pair.real(joint)[0] - pair.generated(joint)[0]
    for entry in critics:
        logits += tf.reduce_mean(entry.critic(inputs.estimates[:, entry.source])[0], 1)[:, None]
    expected = tf.reduce_mean(tf.nn.softplus(-logits))
    said = adversarial_loss(CriticSet(critics, [pair]), inputs)
    assert float(said) == pytest.approx(float(expected), rel=1e-5)
    alone = adversarial_loss(CriticSet([], [pair]), inputs)
    assert np.isfinite(float(alone))


def test_dependency_critics_learn_songs_and_estimates_against_shuffled_ones(inputs):
    pair = make_pair()
    loss, told = pair.loss(inputs, SEED)
    parts = [told[f"critic/dependency/{which}/loss"] for which in ("real", "generated")]
    assert float(loss) == pytest.approx(float(tf.add_n(parts)), rel=1e-6)
    for which, critic, mixture, stems in (
        ("real", pair.real, inputs.paired_mixture, inputs.paired_stems),
        ("generated", pair.generated, inputs.mixture, inputs.estimates),
    ):
        score = tf.reduce_mean(critic(beside(mixture, stems))[0])
        assert float(told[f"critic/dependency/{which}/real"]) == pytest.approx(float(score), 1e-5)
    with tf.GradientTape(persistent=True) as tape:
        loss, _ = pair.loss(inputs, SEED)
    for critic in (pair.real, pair.generated):
        assert all(
            np.abs(gradient).max() > 0
            for gradient in tape.gradient(loss, [v.value for v in critic.trainable_variables])
        )


def test_feature_matching_is_nothing_between_equals(inputs):
    critics = make_critics()
    stems = inputs.paired_stems
    assert float(feature_matching_loss(critics, stems, stems)) == 0.0
    near, far = (
        float(feature_matching_loss(critics, stems * factor, stems)) for factor in (0.9, 0.1)
    )
    assert 0.0 < near < far
    with tf.GradientTape() as tape:
        tape.watch(stems)
        value = feature_matching_loss(critics, inputs.estimates, stems)
    assert tape.gradient(value, stems) is None  # true stems are what they are


def test_critics_are_saved_in_the_order_of_the_set():
    critics, pair = make_critics(), make_pair()
    expected = [critics[0].critic, critics[1].critic, pair.real, pair.generated]
    assert all(one is other for one, other in zip(CriticSet(critics, [pair]).models, expected))

"""What critics hear, what they learn from it and what they tell the separator."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.critics.base import beside
from dssgan.losses import adversarial
from dssgan.refinement.critic_losses import (
    CriticInputs,
    adversarial_loss,
    critic_loss,
    critics_of,
    cropped,
    feature_matching_loss,
)
from tests.dssgan.small_refinement import Unpaired, make_judges, make_pair
from tests.dssgan.stand_ins import SOURCES, TinySeparator

SEED = tf.constant([3, 4], tf.int32)


@pytest.fixture(scope="module")
def batch():
    return Unpaired().given(0)


@pytest.fixture(scope="module")
def heard(batch):
    return CriticInputs.of(SOURCES, TinySeparator()(batch["mixtures"]), batch, margin=100)


def test_everything_that_is_heard_lacks_its_margins(batch, heard):
    np.testing.assert_array_equal(heard.mixture, batch["mixtures"][:, 100:700])
    assert heard.estimates.shape == (4, 2, 600, 1)
    np.testing.assert_array_equal(heard.solos[1], batch["solos"]["vocals"][:, 100:700])
    np.testing.assert_array_equal(heard.paired_stems, batch["stems"][:, :, 100:700])
    np.testing.assert_array_equal(
        heard.paired_mixture, tf.reduce_sum(batch["stems"], 1)[:, 100:700]
    )
    np.testing.assert_array_equal(cropped(batch["mixtures"], 0), batch["mixtures"])


def test_a_lesson_is_the_objective_and_the_penalty(heard):
    judge = make_judges("hinge", penalty=2.0)[0]
    loss, told = judge.learn(heard, SEED)
    real = judge.critic(heard.solos[0])[0]
    fake = judge.critic(heard.estimates[:, 0])[0]
    penalty = adversarial.gradient_penalty(
        judge.critic, heard.solos[0], heard.estimates[:, 0], SEED
    )
    plain = adversarial.hinge_critic(real, fake)
    assert float(loss) == pytest.approx(float(plain + 2.0 * penalty), rel=1e-5)
    start = "critic/tiny/drums"
    assert float(told[f"{start}/loss"]) == pytest.approx(float(plain), rel=1e-5)
    assert float(told[f"{start}/penalty"]) == pytest.approx(float(penalty), rel=1e-5)
    assert float(told[f"{start}/real"]) == pytest.approx(float(tf.reduce_mean(real)), rel=1e-5)
    assert float(told[f"{start}/accuracy"]) == float(adversarial.accuracy(real, fake))


def test_without_weight_there_is_no_penalty(heard):
    judge = make_judges()[0]
    _, told = critic_loss("one", judge.critic, judge.objective, *[heard.solos[0]] * 2, 0.0, SEED)
    assert "critic/one/penalty" not in told
    assert float(told["critic/one/distance"]) == 0.0
    assert float(told["critic/one/accuracy"]) == 0.5


def test_every_judge_has_its_say(heard):
    judges = make_judges("logistic")
    judges[1].weight = 3.0
    expected = sum(
        judge.weight * adversarial.pass_for_real(judge.critic(heard.estimates[:, judge.source])[0])
        for judge in judges
    )
    said = adversarial_loss(judges, [], heard)
    assert float(said) == pytest.approx(float(expected), rel=1e-6)


def test_with_dependency_critics_the_logits_are_added_first(heard):
    judges, pair = make_judges("logistic"), make_pair()
    joint = beside(heard.mixture, heard.estimates)
    logits = pair.real(joint)[0] - pair.generated(joint)[0]
    for judge in judges:
        logits += tf.reduce_mean(judge.critic(heard.estimates[:, judge.source])[0], 1)[:, None]
    expected = tf.reduce_mean(tf.nn.softplus(-logits))
    said = adversarial_loss(judges, [pair], heard)
    assert float(said) == pytest.approx(float(expected), rel=1e-5)
    alone = adversarial_loss([], [pair], heard)
    assert np.isfinite(float(alone))


def test_dependency_critics_learn_songs_and_estimates_against_shuffled_ones(heard):
    pair = make_pair()
    loss, told = pair.learn(heard, SEED)
    parts = [told[f"critic/dependency/{which}/loss"] for which in ("real", "generated")]
    assert float(loss) == pytest.approx(float(tf.add_n(parts)), rel=1e-6)
    for which, critic, mixture, stems in (
        ("real", pair.real, heard.paired_mixture, heard.paired_stems),
        ("generated", pair.generated, heard.mixture, heard.estimates),
    ):
        score = tf.reduce_mean(critic(beside(mixture, stems))[0])
        assert float(told[f"critic/dependency/{which}/real"]) == pytest.approx(float(score), 1e-5)
    with tf.GradientTape(persistent=True) as tape:
        loss, _ = pair.learn(heard, SEED)
    for critic in (pair.real, pair.generated):
        assert all(
            np.abs(gradient).max() > 0
            for gradient in tape.gradient(loss, [v.value for v in critic.trainable_variables])
        )


def test_likeness_is_none_between_equals(heard):
    judges = make_judges()
    stems = heard.paired_stems
    assert float(feature_matching_loss(judges, stems, stems)) == 0.0
    near, far = (
        float(feature_matching_loss(judges, stems * factor, stems)) for factor in (0.9, 0.1)
    )
    assert 0.0 < near < far
    with tf.GradientTape() as tape:
        tape.watch(stems)
        value = feature_matching_loss(judges, heard.estimates, stems)
    assert tape.gradient(value, stems) is None  # true stems are what they are


def test_critics_are_saved_in_the_order_of_their_judges():
    judges, pair = make_judges(), make_pair()
    expected = [judges[0].critic, judges[1].critic, pair.real, pair.generated]
    assert all(one is other for one, other in zip(critics_of(judges, [pair]), expected))

"""Labels that add up, songs drawn anew with known answers, gains of least squares."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dssgan.refinement.scale import fitted, scaled
from dssgan.refinement.teacher import PseudoLabels, keep_lowest, pseudo_labels, remixed
from tests.dssgan.small_refinement import FreeSeparator, Unpaired
from tests.dssgan.stand_ins import TinySeparator

SEED = tf.constant([3, 4], tf.int32)


def audio(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def levels(decibels, seed=0):
    """One excerpt of 500 samples per row of `decibels`, with sources at these levels."""
    gains = 10.0 ** (np.asarray(decibels, np.float32) / 20.0)
    return audio(*gains.shape, 500, 1, seed=seed) * gains[..., None, None].astype(np.float32)


@given(
    seed=st.integers(0, 2**32 - 1),
    sources=st.integers(1, 4),
    channels=st.integers(1, 2),
    decibels=st.lists(st.floats(-80.0, 20.0), min_size=4, max_size=4),
    threshold=st.floats(0.0, 60.0),
)
@settings(max_examples=60, deadline=None)
def test_labels_add_up_to_the_mixture(seed, sources, channels, decibels, threshold):
    gains = 10.0 ** (np.array(decibels[:sources], np.float32) / 20.0)
    estimates = audio(2, sources, 40, channels, seed=seed) * gains[:, None, None]
    mixture = audio(2, 40, channels, seed=seed + 1)
    made = pseudo_labels(tf.constant(estimates), tf.constant(mixture), threshold).numpy()
    assert made.shape == estimates.shape
    loudest = max(1.0, np.abs(estimates).max())
    np.testing.assert_allclose(made.sum(1), mixture, atol=1e-5 * loudest * sources)


def test_a_source_far_below_the_mixture_is_silent_and_the_other_one_is_the_mixture():
    estimates = levels([[0.0, -31.0], [0.0, -29.0], [-31.0, 0.0], [-29.0, 0.0]])
    mixture = estimates.sum(1)
    made = pseudo_labels(tf.constant(estimates), tf.constant(mixture)).numpy()
    for item, silent in ((0, 1), (2, 0)):
        assert not made[item, silent].any()
        np.testing.assert_allclose(made[item, 1 - silent], mixture[item], atol=1e-6)
    for item in (1, 3):
        np.testing.assert_allclose(made[item], estimates[item], atol=1e-5)
    lower = pseudo_labels(tf.constant(estimates), tf.constant(mixture), 33.0).numpy()
    np.testing.assert_allclose(lower, estimates, atol=1e-5)


def test_what_estimates_lack_is_shared_by_the_sources_that_are_heard():
    estimates = levels([[0.0, 0.0, -60.0]])
    rest = 0.3 * audio(1, 500, 1, seed=9)
    mixture = estimates.sum(1) + rest
    made = pseudo_labels(tf.constant(estimates), tf.constant(mixture), 1.0).numpy()  # all too quiet
    np.testing.assert_allclose(made.sum(1), mixture, atol=1e-5)
    made = pseudo_labels(tf.constant(estimates), tf.constant(mixture), 15.0).numpy()
    assert not made[0, 2].any()
    np.testing.assert_allclose(
        made[0, 0] - made[0, 1], (estimates[0, 0] - estimates[0, 1]), atol=1e-5
    )


def test_labels_of_silence_are_silent():
    made = pseudo_labels(tf.zeros((2, 3, 50, 1)), tf.zeros((2, 50, 1))).numpy()
    assert np.isfinite(made).all()
    assert not made.any()
    estimates = tf.constant(audio(2, 2, 50, 1))
    made = pseudo_labels(estimates, tf.zeros((2, 50, 1))).numpy()
    np.testing.assert_allclose(made.sum(1), 0.0, atol=1e-6)


def constant_stems(batch=6, sources=3):
    """Stems that tell item and source: item + 100 · source + 1."""
    values = 1.0 + np.arange(batch)[:, None] + 100.0 * np.arange(sources)
    return np.tile(values[..., None, None], (1, 1, 5, 1)).astype(np.float32)


def test_every_source_of_a_new_song_is_drawn_by_itself():
    stems = constant_stems(40)
    made = remixed(tf.constant(stems), {}, SEED, gain_db=(0.0, 0.0)).numpy()[:, :, 0, 0]
    items = made - 1.0 - 100.0 * np.arange(3)
    for source in range(3):  # each stem once: nothing of the pool is lost
        np.testing.assert_array_equal(np.sort(items[:, source]), np.arange(40))
    assert (items[:, 0] != items[:, 1]).mean() > 0.8
    assert (items[:, 1] != items[:, 2]).mean() > 0.8


def test_gains_lie_within_their_range_and_fill_it():
    made = remixed(tf.ones((300, 2, 4, 1)), {}, SEED, gain_db=(-10.0, 10.0)).numpy()
    np.testing.assert_array_equal(made, np.broadcast_to(made[:, :, :1], made.shape))
    decibels = 20.0 * np.log10(made[:, :, 0, 0])
    assert -10.001 <= decibels.min() < -9.0
    assert 9.0 < decibels.max() <= 10.001
    assert abs(np.corrcoef(decibels.T)[0, 1]) < 0.2


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_solos_take_their_share(share):
    solos = {1: tf.constant(-constant_stems(4)[:, 1])}
    made = remixed(
        tf.constant(constant_stems()), solos, SEED, solo_share=share, gain_db=(0.0, 0.0)
    ).numpy()
    assert (made[:, [0, 2]] > 0).all()
    assert (made[:, 1] < 0).all() if share else (made[:, 1] > 0).all()
    if share:
        assert set(made[:, 1, 0, 0]) <= {-101.0, -102.0, -103.0, -104.0}


def test_some_songs_have_solos_when_some_are_asked_for():
    solos = {0: -tf.ones((2, 5, 1))}
    made = remixed(tf.ones((400, 1, 5, 1)), solos, SEED, solo_share=0.25).numpy()
    assert 0.15 < (made[:, 0, 0, 0] < 0).mean() < 0.35


def test_the_same_seed_draws_the_same_songs():
    stems, solos = tf.constant(audio(6, 2, 30, 1)), {0: tf.constant(audio(3, 30, 1, seed=1))}
    one, two, other = (
        remixed(stems, solos, seed, solo_share=0.5).numpy()
        for seed in (SEED, SEED, tf.constant([3, 5], tf.int32))
    )
    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != other.tobytes()


def test_the_highest_errors_and_no_others_are_dropped():
    errors = tf.constant([3.0, -1.0, 7.0, 5.0, 0.0])
    np.testing.assert_array_equal(keep_lowest(errors, 0.4), [1, 1, 0, 0, 1])
    np.testing.assert_array_equal(keep_lowest(errors, 0.39), [1, 1, 0, 1, 1])
    np.testing.assert_array_equal(keep_lowest(errors, 0.0), np.ones(5))
    np.testing.assert_array_equal(
        keep_lowest(tf.zeros(4), 0.5), [1, 1, 0, 0]
    )  # no more than asked for


@given(
    gains=st.lists(st.floats(0.05, 20.0), min_size=3, max_size=3),
    signs=st.lists(st.sampled_from([-1.0, 1.0]), min_size=3, max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_gains_that_were_lost_are_found_again(gains, signs, seed):
    """And signs: SI-SDR does not tell a source from the same upside down."""
    stems = audio(2, 3, 2000, 2, seed=seed)
    factors = np.array(gains, np.float32)[:, None, None]
    factors *= np.array(signs, np.float32)[:, None, None]
    made = fitted(tf.constant(stems / factors), tf.constant(stems.sum(1))).numpy()
    np.testing.assert_allclose(made, stems, atol=2e-3)


def test_gains_never_turn_an_excerpt_over_and_copies_share_one():
    stem = audio(1, 1, 300, 1)
    made = fitted(tf.constant(np.concatenate([stem, stem], 1)), tf.constant(4.0 * stem[:, 0]))
    np.testing.assert_allclose(made[:, 0], made[:, 1], rtol=2e-3)  # float32, condition 2e4
    np.testing.assert_allclose(made.numpy().sum(1), 4.0 * stem[:, 0], rtol=2e-3)
    made = fitted(tf.constant(-stem), tf.constant(stem[:, 0])).numpy()
    np.testing.assert_allclose(made, stem, rtol=2e-3)
    # One excerpt of four goes against its mixture, the others tell which way up the source is.
    stems = audio(4, 1, 300, 1)
    turned = stems * np.array([1, 1, 1, -1], np.float32)[:, None, None, None]
    made = fitted(tf.constant(turned), tf.constant(stems[:, 0])).numpy()
    np.testing.assert_allclose(made[:3], stems[:3], rtol=2e-3)
    assert not made[3].any()
    made = fitted(tf.zeros((1, 2, 300, 1)), tf.constant(stem[:, 0])).numpy()
    assert np.isfinite(made).all()


def test_gains_are_constants_for_the_gradient():
    estimates, mixture = tf.constant(audio(1, 2, 50, 1)), tf.constant(audio(1, 50, 1, seed=1))
    with tf.GradientTape() as tape:
        tape.watch(estimates)
        made = fitted(estimates, mixture)
        total = tf.reduce_sum(made)
    gradient = tape.gradient(total, estimates)
    np.testing.assert_allclose(gradient * estimates, made, atol=1e-6)


def test_only_a_separator_of_open_scale_is_scaled():
    estimates, mixture = tf.constant(audio(1, 2, 50, 1)), tf.constant(audio(1, 50, 1, seed=1))
    assert scaled(TinySeparator(), estimates, mixture) is estimates
    expected = fitted(estimates, mixture)
    np.testing.assert_array_equal(scaled(FreeSeparator(), estimates, mixture), expected)


def test_a_teacher_makes_songs_of_mixtures_and_solos():
    batch, teacher = Unpaired().given(0), TinySeparator()
    teaching = PseudoLabels(solo_share=0.0, gain_db=(0.0, 0.0))
    songs = teaching.remix(teacher, batch, SEED).numpy()
    pool = pseudo_labels(teacher(batch["mixtures"]), batch["mixtures"], 30.0).numpy()
    for source in range(2):
        found, known = (np.sort(part[:, source, 0, 0]) for part in (songs, pool))
        np.testing.assert_array_equal(found, known)
    songs = PseudoLabels(solo_share=1.0, gain_db=(0.0, 0.0)).remix(teacher, batch, SEED).numpy()
    for source, solo in enumerate(batch["solos"].values()):
        assert set(songs[:, source, 0, 0]) <= set(solo.numpy()[:, 0, 0])


def test_the_worst_labels_are_left_out_and_the_mean_weight_stays():
    losses = tf.constant([-9.0, 4.0, -8.0, 0.0])
    np.testing.assert_allclose(PseudoLabels(weight=3.0, drop=0.5).weights(losses), [6, 0, 6, 0])
    np.testing.assert_allclose(PseudoLabels(weight=3.0, drop=0.3).weights(losses), [4, 0, 4, 4])
    np.testing.assert_allclose(PseudoLabels(weight=3.0).weights(losses), [3, 3, 3, 3])

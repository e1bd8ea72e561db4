"""The refinement's updates: whose turn it is, the gradient they follow, what they leave alone."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.losses import LOSSES
from dssgan.models import build
from dssgan.refinement.critic_losses import CriticSet
from dssgan.refinement.gradient_balance import GradientBalance
from dssgan.refinement.loss_terms import LossTerms, estimated
from dssgan.refinement.scale import fitted
from dssgan.refinement.state import RefinementState
from dssgan.refinement.teacher import PseudoLabels
from tests.dssgan.small_refinement import (
    Descent,
    FreeSeparator,
    MagnitudeSeparator,
    Unpaired,
    group,
    make_critics,
    make_pair,
    make_refinement,
    run_refinement,
)
from tests.dssgan.small_training import make_state, make_step, run_steps
from tests.dssgan.stand_ins import SOURCES, TinySeparator, error

CRITICAL = ("critic", "critic_optimiser")
FREE = ("model", "optimiser", "average", "balance", "teacher", "loss_scale")


def weights(state):
    return np.concatenate([weight.numpy().ravel() for weight in state.weights])


def test_without_critics_and_teacher_it_is_the_supervised_update():
    rule = Descent()
    plain, state = make_state(rule=rule), None
    step, state = make_refinement(rule=rule, clip=0.05)
    source = Unpaired()
    expected = run_steps(make_step(plain, clip=0.05), source.paired, 3)
    found = run_refinement(step, source, 3)
    np.testing.assert_allclose(weights(state), weights(plain), atol=1e-6)
    for one, other in zip(found, expected):
        for name in ("loss", "gradient_norm", "learning_rate"):
            assert one[name] == pytest.approx(other[name], rel=1e-4)
        assert one["loss/supervised/first_source"] == pytest.approx(other["loss/first_source"])
    assert step.turns.cycle == 1


def plain_parts(model, critics, batch, crop):
    """(name → loss, name → gradient at the weights, name → norm at the estimates), term by term."""
    stems, mixture = batch["stems"], batch["mixtures"]
    trained = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape(persistent=True) as tape:
        paired = model.training_estimates(tf.reduce_sum(stems, 1), stems)
        unpaired = model.unpaired_estimates(mixture)
        estimates = unpaired["estimates"]
        if model.scale_free:
            estimates = fitted(estimates, mixture)
        adversarial = 0.0
        for entry in critics:
            logits, _ = entry.critic(estimates[:, entry.source, crop : 800 - crop])
            adversarial -= tf.reduce_mean(logits)
        rest = mixture - tf.reduce_sum(estimates, 1)
        if "magnitudes" in unpaired:
            rest = unpaired["mixture_magnitudes"] - tf.reduce_sum(unpaired["magnitudes"], 1)
        losses = {
            "supervised": error(paired, stems, None)[0],
            "adversarial": adversarial,
            "additivity": tf.reduce_mean(tf.square(rest)),
        }
    ends = {
        "supervised": paired["estimates"],
        "adversarial": unpaired["estimates"],
        "additivity": unpaired.get("magnitudes", unpaired["estimates"]),
    }
    gradients = {name: tape.gradient(loss, trained) for name, loss in losses.items()}
    norms = {
        name: float(tf.linalg.global_norm([tape.gradient(loss, ends[name])]))
        for name, loss in losses.items()
    }
    return {name: float(loss) for name, loss in losses.items()}, gradients, norms


@pytest.mark.parametrize("kind", [TinySeparator, MagnitudeSeparator, FreeSeparator])
@pytest.mark.parametrize("balance", [False, True])
def test_the_update_follows_the_gradient_of_the_plainly_written_loss(kind, balance):
    model, critics, source = kind(), make_critics(), Unpaired()
    losses, gradients, norms = plain_parts(model, critics, source.given(0), 50)
    factors = {"supervised": 1.0, "adversarial": 0.3, "additivity": 0.7}
    total = sum(factors[name] * losses[name] for name in factors)
    if balance:
        for name in ("adversarial", "additivity"):
            factors[name] *= norms["supervised"] / norms[name]
    step, state = make_refinement(
        model,
        critics=critics,
        rule=Descent(),
        rate=1.0,
        alpha=0.3,
        beta=0.7,
        balance=balance,
        margin=50,
    )
    before = [weight.numpy() for weight in state.weights]
    metrics = run_refinement(step, source, 1)[0]
    assert metrics["loss"] == pytest.approx(total, rel=1e-5)
    whole = sum(factors[name] * norms[name] for name in factors)
    for name, factor in factors.items():
        assert metrics[f"loss/{name}"] == pytest.approx(losses[name], rel=1e-5)
        assert metrics[f"share/{name}"] == pytest.approx(factor * norms[name] / whole, rel=1e-4)
    if balance:  # alpha and beta are shares, relative to the paired songs
        relative = metrics["share/adversarial"] / metrics["share/supervised"]
        assert relative == pytest.approx(0.3, rel=1e-4)
    for place, weight in enumerate(state.weights):
        expected = sum(factor * gradients[name][place] for name, factor in factors.items())
        np.testing.assert_allclose(before[place] - weight.numpy(), expected, atol=1e-5)


def test_the_balance_follows_running_norms():
    critics, source = make_critics(), Unpaired()
    step, state = make_refinement(critics=critics, rate=0.0, alpha=1.0, balance=True)
    norms = [plain_parts(state.model, critics, source.given(i), 0)[2] for i in range(3)]
    for index, expected in enumerate(norms):
        run_refinement(step, source, 1, start=index)
        for name, variable in zip(("supervised", "adversarial"), state.balance.norms):
            seen = [norm[name] for norm in norms[: index + 1]]
            mean = np.exp(np.mean(np.log(seen)))  # young: the plain geometric mean
            assert float(variable) == pytest.approx(mean, rel=1e-4), (name, expected)
    assert float(state.balance.norms[2]) == 0.0
    assert float(state.balance.counted) == 3.0


def test_rare_large_norms_do_not_change_the_shares():
    """SI-SDR of a quiet excerpt and a young critic pull a thousand times as hard as usual."""
    rng, balance, shares = np.random.default_rng(0), GradientBalance(), []
    weights = {"supervised": 1.0, "adversarial": 0.1, "additivity": 0.1}
    usual = {"supervised": 30.0, "adversarial": 0.2, "additivity": 5.0}
    for update in range(300):
        norms = {name: norm * np.exp(rng.normal(0, 0.3)) for name, norm in usual.items()}
        if update % 20 == 0:
            norms["adversarial" if update < 100 else "supervised"] *= 1000.0
        factors = balance.factors(weights, {name: tf.constant(v) for name, v in norms.items()})
        parts = {name: float(factors[name]) * norm for name, norm in norms.items()}
        shares.append([parts[name] / parts["supervised"] for name in weights])
    np.testing.assert_allclose(np.median(shares[100:], 0), [1.0, 0.1, 0.1], rtol=0.5)


def test_a_term_that_gradients_at_nothing_keeps_its_norm():
    balance, weights = GradientBalance(), {"supervised": 1.0, "adversarial": 1.0}
    for norm in (2.0, 0.0, 2.0):
        norms = {"supervised": tf.constant(4.0), "adversarial": tf.constant(norm)}
        factors = balance.factors(weights, norms)
    assert float(factors["adversarial"]) == pytest.approx(2.0)
    balance.factors(weights, norms | {"adversarial": tf.constant(np.nan)})
    assert float(balance.norms[1]) == pytest.approx(2.0)


def test_what_a_loss_wants_of_references_counts_for_no_norm():
    given = {"estimates": "a", "mixture": "b", "stages": [{"latent": "c", "references": "d"}]}
    given |= {"mixture_magnitudes": "e", "reference_latents": "f"}
    assert set(estimated({"paired": given})) == {"a", "c"}


def test_critics_and_separator_take_turns():
    step, _ = make_refinement(critics=make_critics(), alpha=1.0, critic_steps=3, critic_warmup=2)
    assert step.turns.cycle == 4
    turns = "".join("c" if step.turns.is_critic(index) else "s" for index in range(14))
    assert turns == "cc" + "cccs" * 3
    step, _ = make_refinement(critics=make_critics(), alpha=0.0, critic_steps=3, critic_warmup=2)
    assert not any(step.turns.is_critic(index) for index in range(8))


@pytest.fixture(scope="module")
def everything():
    """A refinement in which all takes part, with the state it began with."""
    step, state = make_refinement(
        TinySeparator(dropout=0.2),
        critics=make_critics("hinge", penalty=1.0),
        pairs=[make_pair()],
        teacher=TinySeparator(),
        pseudo_labels=PseudoLabels(drop=0.25),
        alpha=0.5,
        beta=0.5,
        balance=True,
        critic_steps=2,
        critic_clip=1.0,
        matching=1.0,
        average=0.9,
    )
    return step, state


def test_each_kind_of_update_leaves_the_other_side_alone_and_is_traced_once(everything):
    step, state = everything
    source = Unpaired()
    for index in range(6):
        before = {names: group(state, *names) for names in (CRITICAL, FREE)}
        metrics = run_refinement(step, source, 1, start=index)[0]
        alone, changed = (FREE, CRITICAL) if step.turns.is_critic(index) else (CRITICAL, FREE)
        after = group(state, *alone)
        seeds = {name for name in after if after[name] != before[alone][name]}
        # Only the separator's random state moves on when it works for the critics.
        assert all("model" in name for name in seeds)
        assert len(seeds) <= 1
        assert group(state, *changed) != before[changed]
        assert all(np.isfinite(value) for value in metrics.values())
    assert step.traces == 2


def test_metrics_tell_what_happened(everything):
    step, _ = everything
    critic, separator = (run_refinement(step, Unpaired(), 1, start=at)[0] for at in (0, 2))
    for name in ("tiny/drums", "tiny/vocals", "dependency/real", "dependency/generated"):
        kinds = ("loss", "real", "generated", "distance", "accuracy")
        assert {f"critic/{name}/{kind}" for kind in kinds} <= set(critic)
        difference = critic[f"critic/{name}/real"] - critic[f"critic/{name}/generated"]
        assert critic[f"critic/{name}/distance"] == pytest.approx(difference, abs=1e-6)
        assert 0.0 <= critic[f"critic/{name}/accuracy"] <= 1.0
    assert critic["critic/tiny/drums/penalty"] >= 0.0
    assert "critic/dependency/real/penalty" not in critic
    assert {"critic/loss", "critic/gradient_norm", "critic/learning_rate"} <= set(critic)
    parts = {"supervised", "adversarial", "additivity", "matching", "taught"}
    assert {f"loss/{part}" for part in parts} <= set(separator)
    shares = [separator[f"share/{name}"] for name in ("supervised", "adversarial", "additivity")]
    assert sum(shares) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("start", [0, 1])
def test_a_batch_that_is_no_number_changes_nothing(start):
    step, state = make_refinement(
        critics=make_critics(penalty=1.0),
        alpha=1.0,
        beta=1.0,
        balance=True,
        critic_steps=1,
        average=0.9,
        teacher=TinySeparator(),
        pseudo_labels=PseudoLabels(),
    )
    before = group(state, *CRITICAL, *FREE)
    metrics = run_refinement(step, Unpaired(broken=(start,)), 1, start=start)[0]
    assert np.isnan(metrics["loss" if start else "critic/loss"])
    assert group(state, *CRITICAL, *FREE) == before
    if start:  # the next one counts as if nothing had been
        run_refinement(step, Unpaired(), 1, start=start)
        assert np.isfinite(weights(state)).all()
        assert group(state, "model") != {k: v for k, v in before.items() if k.startswith("model")}


def terms_and_gradients(batch, labelled=None, **options):
    """(flat outputs by path, gradients) of terms that are computed as they stand."""
    critics = CriticSet(options.pop("critics", ()), (), options.pop("margin", 0))
    terms = LossTerms(TinySeparator(), error, critics=critics, **options)
    outputs = terms.outputs(batch, labelled)
    flat = [outputs[name]["estimates"] for name in outputs]
    _, gradients = terms.output_gradients(outputs, flat, batch, labelled)
    return {
        term: {name: part.numpy() for name, part in zip(outputs, parts)}
        for term, parts in gradients.items()
    }


def test_critics_do_not_reach_into_the_margins():
    gradients = terms_and_gradients(
        Unpaired().given(0), alpha=1.0, beta=1.0, critics=make_critics(), margin=100
    )
    seen = gradients["adversarial"]["unpaired"]
    assert seen[:, :, 100:700].any()
    assert not seen[:, :, :100].any()
    assert not seen[:, :, 700:].any()
    assert gradients["additivity"]["unpaired"][:, :, :100].any()
    assert not gradients["adversarial"]["paired"].any()
    assert not gradients["supervised"]["unpaired"].any()


def test_features_are_matched_on_known_stems_alone():
    options = {"alpha": 1.0, "critics": make_critics()}
    batch = Unpaired().given(0)
    plain = terms_and_gradients(batch, **options)["supervised"]
    matched = terms_and_gradients(batch, matching=1.0, **options)["supervised"]
    assert np.abs(matched["paired"] - plain["paired"]).max() > 1e-6
    assert not matched["unpaired"].any()


def test_the_worst_labels_have_no_gradient():
    batch = Unpaired().given(0)
    labelled = batch["stems"] * tf.constant([1.0, 8.0, 1.0, 8.0])[:, None, None, None]
    whole = terms_and_gradients(batch, labelled, pseudo_labels=PseudoLabels(weight=3.0))[
        "supervised"
    ]
    labels = PseudoLabels(weight=3.0, drop=0.5)
    some = terms_and_gradients(batch, labelled, pseudo_labels=labels)["supervised"]
    kept = some["labelled"].reshape(4, -1).any(1)
    assert kept.sum() == 2
    np.testing.assert_allclose(some["labelled"][kept], 2 * whole["labelled"][kept], rtol=1e-5)
    np.testing.assert_allclose(some["paired"], whole["paired"])
    plain = terms_and_gradients(batch | {"stems": labelled})["supervised"]["paired"]
    np.testing.assert_allclose(whole["labelled"], 3 * plain, rtol=1e-5)


def by_stems(outputs, references, mixture):
    """A loss that a song with loud stems has most of, whatever is estimated."""
    del mixture
    return tf.reduce_mean(tf.square(outputs["estimates"]) * tf.abs(references)), {}


@pytest.mark.parametrize("channels", [1, 2])
def test_the_loss_itself_decides_which_labels_are_the_worst(channels):
    """Song by song, whatever the loss is; models fold channels into the first axis."""
    stems = np.concatenate([Unpaired(seed=5 + n).batch(0)["stems"] for n in range(channels)], -1)
    labelled = stems * np.array([4.0, 0.1, 0.2, 3.0], np.float32)[:, None, None, None]
    terms = LossTerms(Folded(), by_stems, pseudo_labels=PseudoLabels(drop=0.5))
    batch = {"stems": tf.constant(stems)}
    outputs = terms.outputs(batch, tf.constant(labelled))
    flat = [outputs["labelled"]["estimates"], outputs["labelled"]["folded"]]
    _, gradients = terms.output_gradients(outputs, flat, batch, tf.constant(labelled))
    reached = gradients["supervised"][0].numpy().reshape(4, -1).any(1)
    np.testing.assert_array_equal(reached, [False, True, True, False])


class Folded(TinySeparator):
    """Gives mono signals beside its estimates."""

    def training_estimates(self, mixture, references=None):
        estimates = self(mixture, training=True)
        folded = tf.reshape(tf.transpose(mixture, (0, 2, 1)), (-1, mixture.shape[1]))
        return {"estimates": estimates, "folded": folded}


def test_each_side_has_a_learning_rate_of_its_own_updates():
    """The third update of the critics has their third rate, whoever was updated in between."""
    step, _ = make_refinement(critics=make_critics(), alpha=1.0, critic_steps=2, critic_warmup=1)
    for change in (step.update, step.critic_update):
        change.schedule = lambda update: tf.cast(update, tf.float32) * 1e-6
    told = run_refinement(step, Unpaired(), 8)
    rates = [found.get("critic/learning_rate", found.get("learning_rate")) for found in told]
    assert "".join("c" if step.turns.is_critic(index) else "s" for index in range(8)) == "cccsccsc"
    np.testing.assert_allclose(np.array(rates) * 1e6, [0, 1, 2, 0, 3, 4, 1, 5], atol=1e-3)


def test_the_loss_scale_cancels_out_and_falls_after_an_overflow():
    steps = {}
    for scaled in (False, True):
        step, state = make_refinement(
            critics=make_critics(), alpha=0.3, beta=0.3, balance=True, scaled=scaled, loss=loud
        )
        run_refinement(step, Unpaired(), 2)
        steps[scaled] = step, state
    np.testing.assert_allclose(weights(steps[True][1]), weights(steps[False][1]), atol=1e-6)
    step, state = steps[True]
    state.loss_scale[0].assign(3e38)
    before = weights(state)
    metrics = run_refinement(step, Unpaired(), 1, start=2)[0]
    assert np.isfinite(metrics["loss"])
    assert not np.isfinite(metrics["gradient_norm"])
    np.testing.assert_array_equal(weights(state), before)
    assert float(state.loss_scale[0]) == pytest.approx(1.5e38)


@pytest.mark.slow
def test_the_real_separator_is_refined_in_half_precision():
    sizes = {"width": 16, "mels": 8, "bottleneck": 8, "hidden": 8, "layers": 1, "stacks": 1}

    def made():
        return build("multistage", stages=1, sources=SOURCES, precision="float16", **sizes)

    step, state = make_refinement(
        made(),
        critics=make_critics(sources=(0,)),
        teacher=made(),
        pseudo_labels=PseudoLabels(drop=0.25),
        loss=LOSSES["multistage"],
        alpha=0.1,
        beta=0.1,
        balance=True,
        critic_steps=1,
        clip=5.0,
        scaled=True,
        rate=1e-3,
    )
    state.loss_scale[0].assign(32.0)  # the default takes a dozen halvings to come down to this
    before, updates = weights(state), 0
    for metrics in run_refinement(step, Unpaired(samples=1600), 6):
        assert all(np.isfinite(value) for name, value in metrics.items() if "norm" not in name)
        updates += bool(np.isfinite(metrics.get("gradient_norm", np.nan)))
    assert updates >= 2
    assert np.isfinite(weights(state)).all()
    assert np.abs(weights(state) - before).max() > 1e-5
    assert all(variable.dtype == "float32" for variable in [*state.weights, *state.balance.norms])


@pytest.mark.slow
def test_compiled_with_xla_the_updates_are_the_same():
    """But for what is drawn: compiled programs draw other floats from the same seed."""
    found, options = [], {"alpha": 0.3, "beta": 0.3, "balance": True, "critic_steps": 1}
    for xla in (False, True):
        step, state = make_refinement(
            critics=make_critics(),
            rule=Descent(),
            critic_rule=Descent(),
            matching=0.5,
            margin=50,
            xla=xla,
            **options,
        )
        metrics = run_refinement(step, Unpaired(), 4)
        assert step.traces == 2
        found.append((state.variables(), metrics))
    (plain, expected), (compiled, metrics) = found
    for name, variable in plain.items():
        np.testing.assert_allclose(compiled[name], variable, atol=1e-6, err_msg=name)
    for one, other in zip(metrics, expected):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)

    step, state = make_refinement(
        FreeSeparator(),
        critics=make_critics(penalty=1.0),
        pairs=[make_pair()],
        teacher=FreeSeparator(),
        pseudo_labels=PseudoLabels(drop=0.25),
        xla=True,
        **options,
    )
    before = group(state, "model", "critic")
    for metrics in run_refinement(step, Unpaired(), 2):
        assert all(np.isfinite(value) for value in metrics.values())
    assert all(value != before[name] for name, value in group(state, "model", "critic").items())


class Same(Unpaired):
    """One batch again and again."""

    def batch(self, index):
        return super().batch(0)


@pytest.mark.parametrize("objective", ["wasserstein", "least_squares", "hinge", "logistic"])
def test_a_critic_learns_one_batch_by_heart(objective):
    step, _ = make_refinement(
        critics=make_critics(objective, sources=(0,)),
        alpha=1.0,
        critic_steps=1,
        critic_warmup=1000,
        critic_rate=0.02,
    )
    metrics = run_refinement(step, Same(), 60)
    assert metrics[-1]["critic/loss"] < metrics[0]["critic/loss"] - 0.1
    assert metrics[-1]["critic/tiny/drums/accuracy"] > 0.95


def test_against_a_frozen_critic_the_separator_gains():
    step, state = make_refinement(
        critics=make_critics("logistic"), alpha=1.0, critic_steps=0, loss=nothing
    )
    before = group(state, "critic")
    metrics = run_refinement(step, Same(), 40)
    assert metrics[-1]["loss/adversarial"] < 0.8 * metrics[0]["loss/adversarial"]
    assert group(state, "critic") == before


def loud(*given):
    """A supervised loss whose gradient overflows in time."""
    value, parts = error(*given)
    return 1e3 * value, parts


def nothing(outputs, references, mixture):
    """A supervised loss that does not mind."""
    return 0.0 * tf.reduce_mean(outputs["estimates"]), {}


def test_a_teacher_that_follows_is_the_running_average_and_another_one_stays():
    teacher = TinySeparator(seed=7)
    step, state = make_refinement(
        teacher=teacher, pseudo_labels=PseudoLabels(), follow=True, average=0.9
    )
    expected = weights(state)
    assert teacher.get_weights()[0].tobytes() == state.model.get_weights()[0].tobytes()
    for count in range(3):
        run_refinement(step, Unpaired(), 1, start=count)
        decay = min(0.9, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) * weights(state)
    found = np.concatenate([v.numpy().ravel() for v in teacher.trainable_variables])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    names = state.variables()
    assert len(names) == len({id(variable) for variable in names.values()})
    state.adopt()  # has no say here
    np.testing.assert_array_equal(
        np.concatenate([v.numpy().ravel() for v in teacher.trainable_variables]), found
    )

    step, state = make_refinement(teacher=TinySeparator(seed=7), pseudo_labels=PseudoLabels())
    before = group(state, "teacher")
    run_refinement(step, Unpaired(), 2)
    assert group(state, "teacher") == before
    state.adopt()
    for own, taken in zip(state.model.get_weights(), state.teacher.get_weights()):
        np.testing.assert_array_equal(own, taken)


def test_a_teacher_adopts_the_averaged_weights():
    _, state = make_refinement(teacher=TinySeparator(seed=7), average=0.9)
    state.averages[0].assign(tf.ones_like(state.averages[0]))
    state.adopt()
    assert (state.teacher.get_weights()[0] == 1.0).all()
    assert not (state.model.get_weights()[0] == 1.0).any()


def test_nobody_follows_without_a_teacher():
    with pytest.raises(ValueError, match="there is no teacher"):
        RefinementState(TinySeparator(), Descent(), follow=True)

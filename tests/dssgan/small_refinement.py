"""A small refinement put together by hand, as dssgan.refinement.build does it."""

import keras
import numpy as np
import tensorflow as tf

from dssgan.critics.base import Critic
from dssgan.losses.adversarial import OBJECTIVES
from dssgan.optimisers import rules, schedules
from dssgan.optimisers.update import Update
from dssgan.refinement.critic_losses import CriticSet, DependencyCritics, SourceCritic
from dssgan.refinement.loss_terms import LossTerms
from dssgan.refinement.state import RefinementState
from dssgan.refinement.step import RefinementStep, Turns
from tests.dssgan.small_training import make_update
from tests.dssgan.stand_ins import SOURCES, Excerpts, TinySeparator, error


class TinyCritic(Critic):
    """A convolution of the waveform and the mean of what it finds; a hundred weights."""

    def __init__(self, seen=1, width=4, seed=0, partner=False):
        super().__init__(
            "tiny", {"sample_rate": 8000, "channels": 1, "samples": 800, "precision": "float32"}
        )
        self.seen, self.partner = seen, partner
        initial = [keras.initializers.GlorotUniform(seed + place) for place in range(2)]
        self.kernel = self.add_weight(shape=(9, seen, width), initializer=initial[0])
        self.last = self.add_weight(shape=(width, 1), initializer=initial[1])
        self.built = True

    @property
    def input_channels(self):
        return self.seen

    def represent(self, audio):
        return self.check_audio(audio)

    def logits_of(self, representation, training=False, precise=False):
        hidden = tf.nn.conv1d(representation, tf.convert_to_tensor(self.kernel), 2, "VALID")
        hidden = tf.square(tf.tanh(hidden))
        return 10.0 * tf.reduce_mean(hidden, 1) @ tf.convert_to_tensor(self.last), [hidden]


class MagnitudeSeparator(TinySeparator):
    """Says what a separator of spectra says, of the waveform's magnitude."""

    def unpaired_estimates(self, mixture):
        estimates = self(mixture, training=True)
        return {
            "estimates": estimates,
            "magnitudes": tf.abs(estimates),
            "mixture_magnitudes": tf.abs(mixture),
        }


class FreeSeparator(TinySeparator):
    """Leaves the scale of its estimates open."""

    scale_free = True


class Descent:
    """Plain gradient descent: the change of the weights shows the gradient."""

    def slots(self, value):
        return []

    def update(self, values, gradients, slots, count, rate):
        return [value - rate * gradient for value, gradient in zip(values, gradients)], slots


class Unpaired:
    """Paired excerpts, mixtures of other ones, louder solos; batch `index` is always the same."""

    def __init__(self, batch=4, samples=800, seed=5, broken=()):
        self.paired = Excerpts(batch, samples, seed)
        self.mixtures = Excerpts(batch, samples, seed + 1)
        self.solos = Excerpts(batch, samples, seed + 2)
        self.broken = broken

    def batch(self, index):
        found, free = self.paired.batch(index), self.mixtures.batch(index)
        mixtures = free["stems"].sum(1)
        if index in self.broken:
            mixtures[0, 7] = np.nan
        solos = 1.5 * self.solos.batch(index)["stems"]
        return {
            "stems": found["stems"],
            "mixtures": mixtures,
            "solos": {source: solos[:, place] for place, source in enumerate(SOURCES)},
            "names": [*found["names"], *free["names"]],
        }

    def given(self, index):
        """What a step takes of a batch."""
        batch = self.batch(index)
        return tf.nest.map_structure(
            tf.constant, {name: batch[name] for name in ("stems", "mixtures", "solos")}
        )

    def batches(self, start):
        while True:
            yield self.given(start)
            start += 1


def make_critics(objective="wasserstein", penalty=0.0, sources=(0, 1)):
    """A critic per source."""
    return [
        SourceCritic(
            f"tiny/{SOURCES[source]}",
            TinyCritic(seed=10 + source),
            source,
            OBJECTIVES[objective],
            penalty,
        )
        for source in sources
    ]


def make_pair(objective="logistic", penalty=0.0):
    """Two dependency critics."""
    critics = [TinyCritic(1 + len(SOURCES), seed=20 + place, partner=True) for place in range(2)]
    return DependencyCritics("dependency", *critics, OBJECTIVES[objective], penalty)


def make_refinement(
    model=None,
    *,
    critics=(),
    pairs=(),
    teacher=None,
    follow=False,
    rule=None,
    critic_rule=None,
    rate=0.01,
    critic_rate=0.01,
    critic_clip=0.0,
    critic_steps=0,
    critic_warmup=0,
    margin=0,
    loss=error,
    scaled=False,
    clip=0.0,
    average=0.0,
    alpha=0.0,
    beta=0.0,
    balance=False,
    matching=0.0,
    pseudo_labels=None,
    **options,
):
    """(step, state) of a refinement that begins with the model's weights."""
    critic_set = CriticSet(critics, pairs, margin)
    state = RefinementState(
        model or TinySeparator(),
        rule or rules.Adam(),
        critics=critic_set.models,
        critic_rule=critic_rule or rules.Adam(),
        teacher=teacher,
        follow=follow,
        average=average > 0,
        scaled=scaled,
    )
    state.begin()
    terms = LossTerms(state.model, loss, alpha, beta, balance, critic_set, matching, pseudo_labels)
    constant = schedules.schedule("constant", critic_rate)
    step = RefinementStep(
        state,
        terms,
        make_update(state, rate=rate, clip=clip, average=average),
        Update(state.critic_optimiser, constant, clip=critic_clip) if critic_set else None,
        Turns(critic_steps, critic_warmup),
        **options,
    )
    return step, state


def run_refinement(step, source, count, start=0):
    """Metrics of `count` updates."""
    return [
        {name: float(value) for name, value in step(source.given(index), index).items()}
        for index in range(start, start + count)
    ]


def group(state, *names):
    """The variables of some groups of a state as bytes."""
    return {
        name: variable.numpy().tobytes()
        for name, variable in state.variables().items()
        if name.partition("/")[0] in names
    }

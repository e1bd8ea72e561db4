"""One update of a refinement: of the critics, or of the separator they and a teacher refine.

The separator's loss is L = L_supervised + alpha · L_adversarial + beta · L_additivity (Stoller,
Ewert and Dixon, ICASSP 2018, equation 6), and beside the paired songs it may learn from songs made
of a teacher's labels. Every term is differentiated to the separator's output first, where it can be
weighed, and then through the separator once for all.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from dssgan.optimisers.update import Update, plain_gradients, replica_means
from dssgan.refinement.critic_losses import CriticInputs, DependencyCritics, SourceCritic
from dssgan.refinement.gradient_balance import weighed
from dssgan.refinement.loss_terms import Metrics, Terms, estimated
from dssgan.refinement.scale import scaled
from dssgan.refinement.state import RefinementState
from dssgan.refinement.teacher import PseudoLabels
from dssgan.training.supervised_step import Loss


class RefinementStep:
    """Updates of critics and separator in turn: `critic_steps` of the former, one of the latter.

    Without critics (no judges, or alpha = 0) every update is one of the separator.

    Args:
      state: what is updated.
      loss: the supervised loss, see dssgan.losses.
      schedule: update of the separator → learning rate. critic_schedule: update of the critics →
        theirs.
      alpha, beta: weights of the adversarial and of the additivity loss. With `balance` they are
        shares of the gradient at the separator's output, see dssgan.refinement.gradient_balance.
      judges, pairs: critics of single sources, and of the estimates beside their mixture.
      critic_steps: updates of the critics before each one of the separator.
      critic_warmup: updates of the critics before the separator moves for the first time.
      matching: weight of feature matching, on songs whose stems are known.
      teaching: how to use state.teacher; None without one.
      margin: samples at both ends of an excerpt that critics do not hear, because the separator
        lacked context there.
      seed: for what is drawn in the step (penalty, shuffling, new songs).
      clip, average, xla, strategy: as of `dssgan.training.supervised_step.SupervisedStep`.
    """

    def __init__(
        self,
        state: RefinementState,
        loss: Loss,
        schedule: Callable[[tf.Tensor], tf.Tensor],
        *,
        alpha: float = 0.0,
        beta: float = 0.0,
        balance: bool = False,
        judges: Sequence[SourceCritic] = (),
        pairs: Sequence[DependencyCritics] = (),
        critic_schedule: Callable[[tf.Tensor], tf.Tensor] | None = None,
        critic_steps: int = 0,
        critic_warmup: int = 0,
        critic_clip: float = 0.0,
        matching: float = 0.0,
        teaching: PseudoLabels | None = None,
        margin: int = 0,
        seed: int = 0,
        clip: float = 0.0,
        average: float = 0.0,
        xla: bool = False,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.state, self.seed, self.margin, self.balance = state, seed, margin, balance
        self.judges, self.pairs = list(judges), list(pairs)
        critical = bool(alpha and (judges or pairs))
        self.critic_steps = critic_steps if critical else 0
        self.critic_warmup = critic_warmup if critical else 0
        self.cycle = self.critic_steps + 1
        self.teaching = teaching if state.teacher is not None else None
        self.terms = Terms(
            state.model,
            loss,
            alpha=alpha,
            beta=beta,
            judges=self.judges,
            pairs=self.pairs,
            matching=matching if critical else 0.0,
            teaching=self.teaching,
            margin=margin,
        )
        self.change = Update(
            state.optimiser,
            schedule,
            clip=clip,
            averages=state.averages,
            average=average,
            loss_scale=state.loss_scale,
        )
        self.change_critics = (
            Update(state.critic_optimiser, critic_schedule, clip=critic_clip) if critical else None
        )
        self.strategy = strategy or tf.distribute.get_strategy()
        self.replicas = self.strategy.num_replicas_in_sync
        compiled = {"jit_compile": xla and self.replicas == 1, "autograph": False}
        self._runs = [
            tf.function(lambda batch, step: self._spread(self._separator, batch, step), **compiled),
            tf.function(lambda batch, step: self._spread(self._critics, batch, step), **compiled),
        ]

    def __call__(self, batch: Any, step: int) -> Metrics:
        """Update once.

        Args:
          batch: {"stems" (batch, sources, samples, channels) of paired songs, "mixtures" (batch,
            samples, channels) and "solos" {source: (batch, samples, channels)} that belong to
            nothing}, or one such part per replica.
          step: updates done before this one, of either kind.

        Returns:
          Float32 scalars: of a separator update "loss", its parts, "gradient_norm",
          "learning_rate" and the share of each term in the gradient; of a critic update
          "critic/loss", and scores, distance, accuracy and penalty of each critic.
        """
        return self._runs[self.is_critic(step)](batch, tf.constant(step, tf.int64))

    def is_critic(self, step: int) -> bool:
        """Whether update number `step` is one of the critics."""
        if step < self.critic_warmup:
            return True
        return (step - self.critic_warmup) % self.cycle < self.critic_steps

    @property
    def traces(self) -> int:
        """How often updates were traced; at most once for each kind."""
        return sum(run.experimental_get_tracing_count() for run in self._runs)

    def _spread(self, update: Callable[..., Metrics], batch: Any, step: tf.Tensor) -> Metrics:
        results = self.strategy.run(update, args=(batch, step))
        local = self.strategy.experimental_local_results
        return {name: local(value)[0] for name, value in results.items()}

    def _seed(self, step: tf.Tensor) -> tf.Tensor:
        """A seed of this update and replica."""
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        seed = tf.stack([tf.constant(self.seed % 2**31, tf.int32), tf.cast(step, tf.int32)])
        return tf.random.fold_in(seed, replica)

    def _critics(self, batch: Any, step: tf.Tensor) -> Metrics:
        """Update the critics on what the separator gives at the moment."""
        model, optimiser = self.state.model, self.state.critic_optimiser
        outputs = tf.nest.map_structure(
            tf.stop_gradient, model.unpaired_estimates(batch["mixtures"])
        )
        estimates = scaled(model, outputs["estimates"], batch["mixtures"])
        logs = outputs.get("log_magnitudes")
        heard = CriticInputs.of(model.sources, estimates, batch, self.margin, logs)
        judges = [*self.judges, *self.pairs]
        seeds = tf.random.split(self._seed(step), len(judges))
        metrics, losses = {}, []
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(optimiser.weights)
            for place, judge in enumerate(judges):
                loss, told = judge.learn(heard, seeds[place])
                losses.append(loss)
                metrics |= told
            metrics["critic/loss"] = tf.add_n(losses)
        gradients = plain_gradients(tape, metrics["critic/loss"], optimiser.weights)
        metrics, gradients = replica_means((metrics, gradients), self.replicas)
        changed = self.change_critics(
            gradients, metrics["critic/loss"], step - self._separated(step)
        )
        return metrics | {f"critic/{name}": value for name, value in changed.items()}

    def _separator(self, batch: Any, step: tf.Tensor) -> Metrics:
        """Update the separator by all terms of its loss."""
        state, terms, taught = self.state, self.terms, None
        if self.teaching:
            seed = tf.random.fold_in(self._seed(step), 1)
            taught = self.teaching.songs(state.teacher, batch, seed)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state.weights)
            outputs = terms.outputs(batch, taught)
            flat = [tensor for tensor in tf.nest.flatten(outputs) if tensor.dtype.is_floating]
        metrics, pulls = terms.pulls(outputs, flat, batch, taught)
        pull, shares = self._weighed(pulls, flat, {id(tensor) for tensor in estimated(outputs)})
        if state.loss_scale:
            pull = [part * tf.cast(state.loss_scale[0], part.dtype) for part in pull]
        gradients = plain_gradients(tape, flat, state.weights, output_gradients=pull)
        metrics, gradients = replica_means((metrics, gradients), self.replicas)
        changed = self.change(gradients, metrics["loss"], self._separated(step))
        return metrics | shares | changed

    def _separated(self, step: tf.Tensor) -> tf.Tensor:
        """Updates of the separator before update number `step` of either kind."""
        return tf.maximum(step - self.critic_warmup, 0) // self.cycle

    def _weighed(
        self, pulls: dict[str, list], flat: list[tf.Tensor], counting: set[int]
    ) -> tuple[list[tf.Tensor], Metrics]:
        """The gradient of the whole loss at `flat`, and each term's share of it.

        Norms are taken over the tensors whose ids are in `counting`.
        """
        norms = {}
        for name, parts in pulls.items():
            parts = [part for part, tensor in zip(parts, flat) if id(tensor) in counting]
            norms[name] = tf.linalg.global_norm([tf.cast(part, tf.float32) for part in parts])
        norms = replica_means(norms, self.replicas)
        factors = {name: tf.constant(self.terms.weights[name], tf.float32) for name in pulls}
        if self.balance:
            factors = self.state.balance.factors(self.terms.weights, norms)
        parts = {name: factors[name] * norm for name, norm in norms.items()}
        whole = tf.add_n(list(parts.values())) + 1e-12
        shares = {f"share/{name}": part / whole for name, part in parts.items()}
        return weighed(pulls, factors), shares

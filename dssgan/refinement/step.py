"""One update of a refinement: of the critics, or of the separator they and a teacher refine.

The separator's loss is L = L_supervised + alpha · L_adversarial + beta · L_additivity (Stoller,
Ewert and Dixon, ICASSP 2018, equation 6), and beside the paired songs it may learn from songs made
of a teacher's labels. Every term is differentiated to the separator's output first, where it can be
weighed, and then through the separator once for all.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from dssgan.optimisers.update import Update, plain_gradients, replica_means
from dssgan.refinement.gradient_balance import weighed
from dssgan.refinement.loss_terms import LossTerms, Metrics, estimated
from dssgan.refinement.scale import scaled
from dssgan.refinement.state import RefinementState


@dataclasses.dataclass(frozen=True)
class Turns:
    """Whose update it is: first `warmup` of the critics, then `critic_steps` and one, in turn.

    Attributes:
      critic_steps: updates of the critics before each one of the separator.
      warmup: updates of the critics before the separator's first.
    """

    critic_steps: int = 0
    warmup: int = 0

    @property
    def cycle(self) -> int:
        """Calls of the step for one update of the separator."""
        return self.critic_steps + 1

    def is_critic(self, step: int) -> bool:
        """Whether update number `step` is one of the critics."""
        if step < self.warmup:
            return True
        return (step - self.warmup) % self.cycle < self.critic_steps

    def separator_updates(self, step: tf.Tensor) -> tf.Tensor:
        """Updates of the separator before update number `step` of either kind."""
        return tf.maximum(step - self.warmup, 0) // self.cycle


class RefinementStep:
    """Updates of critics and separator in turn.

    Args:
      state: what is updated.
      terms: the separator's loss, its critics among them.
      update: changes the separator's weights along their gradients.
      critic_update: likewise those of the critics; None without.
      turns: whose update it is; without critics in the loss every one is the separator's.
      strategy: the tf.distribute strategy the state was built under.
      xla: compile the step.
      seed: for what is drawn in the step (penalty, shuffling, pseudo-labelled songs).
    """

    def __init__(
        self,
        state: RefinementState,
        terms: LossTerms,
        update: Update,
        critic_update: Update | None = None,
        turns: Turns = Turns(),  # noqa: B008 immutable
        *,
        strategy: tf.distribute.Strategy | None = None,
        xla: bool = False,
        seed: int = 0,
    ):
        self.state, self.terms, self.seed = state, terms, seed
        self.update, self.critic_update = update, critic_update
        self.turns = turns if terms.adversarial else Turns()
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
          "critic/loss", and logits, distance, accuracy and penalty of each critic.
        """
        return self._runs[self.turns.is_critic(step)](batch, tf.constant(step, tf.int64))

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
        model, critics, optimiser = (
            self.state.model,
            self.terms.critics,
            self.critic_update.optimiser,
        )
        with self.state.trained.applied():
            outputs = model.unpaired_estimates(batch["mixtures"])
        outputs = tf.nest.map_structure(tf.stop_gradient, outputs)
        estimates = scaled(model, outputs["estimates"], batch["mixtures"])
        inputs = critics.inputs(model.sources, estimates, batch, outputs.get("log_magnitudes"))
        entries = list(critics)
        seeds = tf.random.split(self._seed(step), len(entries))
        metrics, losses = {}, []
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(optimiser.weights)
            for place, entry in enumerate(entries):
                loss, explained = entry.loss(inputs, seeds[place])
                losses.append(loss)
                metrics |= explained
            metrics["critic/loss"] = tf.add_n(losses)
        gradients = plain_gradients(tape, metrics["critic/loss"], optimiser.weights)
        metrics, gradients = replica_means((metrics, gradients), self.replicas)
        done = step - self.turns.separator_updates(step)
        changed = self.critic_update(gradients, metrics["critic/loss"], done)
        return metrics | {f"critic/{name}": value for name, value in changed.items()}

    def _separator(self, batch: Any, step: tf.Tensor) -> Metrics:
        """Update the separator by all terms of its loss."""
        state, terms, labelled = self.state, self.terms, None
        if terms.pseudo_labels:
            seed = tf.random.fold_in(self._seed(step), 1)
            with state.teaching():
                labelled = terms.pseudo_labels.remix(state.teacher, batch, seed)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state.weights)
            with state.trained.applied():
                outputs = terms.outputs(batch, labelled)
            flat = [tensor for tensor in tf.nest.flatten(outputs) if tensor.dtype.is_floating]
        metrics, by_term = terms.output_gradients(outputs, flat, batch, labelled)
        counted = {id(tensor) for tensor in estimated(outputs)}
        output_gradient, shares = self._weighed(by_term, flat, counted)
        if state.loss_scale:
            output_gradient = [
                part * tf.cast(state.loss_scale[0], part.dtype) for part in output_gradient
            ]
        gradients = plain_gradients(tape, flat, state.weights, output_gradients=output_gradient)
        metrics, gradients = replica_means((metrics, gradients), self.replicas)
        changed = self.update(gradients, metrics["loss"], self.turns.separator_updates(step))
        return metrics | shares | changed

    def _weighed(
        self, gradients: dict[str, list], flat: list[tf.Tensor], counted: set[int]
    ) -> tuple[list[tf.Tensor], Metrics]:
        """The gradient of the whole loss at `flat`, and each term's share of it.

        Norms are taken over the tensors whose ids are in `counted`.
        """
        norms = {}
        for name, parts in gradients.items():
            parts = [part for part, tensor in zip(parts, flat) if id(tensor) in counted]
            norms[name] = tf.linalg.global_norm([tf.cast(part, tf.float32) for part in parts])
        norms = replica_means(norms, self.replicas)
        factors = {name: tf.constant(self.terms.weights[name], tf.float32) for name in gradients}
        if self.terms.balance:
            factors = self.state.balance.factors(self.terms.weights, norms)
        parts = {name: factors[name] * norm for name, norm in norms.items()}
        whole = tf.add_n(list(parts.values())) + 1e-12
        shares = {f"share/{name}": part / whole for name, part in parts.items()}
        return weighed(gradients, factors), shares

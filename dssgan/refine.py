"""One update of a refinement: of the critics, or of the separator they and a teacher refine.

The separator's loss is L = L_supervised + alpha · L_adversarial + beta · L_additivity (Stoller,
Ewert and Dixon, ICASSP 2018, equation 6), and beside the paired songs it may learn from songs made
of a teacher's labels. Every term is differentiated to the separator's output first, where it can be
weighed, and then through the separator once for all.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from dssgan import adversarial
from dssgan.judges import Heard, Judge, Pair, likeness, verdict
from dssgan.losses import activity, si_sdr
from dssgan.refined_state import TERMS, RefinementState
from dssgan.relabel import fitted, labels, mildest, remixed
from dssgan.steps import Loss
from dssgan.updates import Update, assign, plain_gradients, replica_means

Metrics = dict[str, tf.Tensor]
NORM_DECAY = 0.99


@dataclasses.dataclass(frozen=True)
class Teaching:
    """How a teacher's labels become songs; see dssgan.relabel.

    Attributes:
      weight: of the loss on these songs, beside 1 for that on paired songs.
      threshold_db: a source that much below its mixture counts as silent.
      drop: share of these songs, those with the highest loss, that is left out.
      solo_share: chance that a source is an exact solo instead of an estimate.
      gain_db: lowest and highest gain of a stem.
    """

    weight: float = 1.0
    threshold_db: float = 30.0
    drop: float = 0.0
    solo_share: float = 0.5
    gain_db: tuple[float, float] = (-10.0, 10.0)


class RefinementStep:
    """Updates of critics and separator in turn: `critic_steps` of the former, one of the latter.

    Without critics (no judges, or alpha = 0) every update is one of the separator.

    Args:
      state: what is updated.
      loss: the supervised loss, see dssgan.losses.
      schedule: update of the separator → learning rate. critic_schedule: that of the critics.
      alpha, beta: weights of the adversarial and of the additivity loss. With `balance` they are
        shares: each term's gradient at the separator's output is divided by its running norm and
        multiplied by that of the supervised one, so that alpha = 1 pulls as hard as the paired
        songs do (the balancer of EnCodec, arXiv 2210.13438, section 3.4).
      judges, pairs: critics of single sources, and of the estimates beside their mixture.
      critic_steps: updates of the critics before each one of the separator.
      critic_warmup: updates of the critics before the separator moves for the first time.
      matching: weight of feature matching, on songs whose stems are known.
      teaching: how to use state.teacher; None without one.
      margin: samples at both ends of an excerpt that critics do not hear, because the separator
        lacked context there.
      seed: for what is drawn in the step (penalty, shuffling, new songs).
      clip, average, xla, strategy: as of `dssgan.steps.SupervisedStep`.
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
        judges: Sequence[Judge] = (),
        pairs: Sequence[Pair] = (),
        critic_schedule: Callable[[tf.Tensor], tf.Tensor] | None = None,
        critic_steps: int = 0,
        critic_warmup: int = 0,
        critic_clip: float = 0.0,
        matching: float = 0.0,
        teaching: Teaching | None = None,
        margin: int = 0,
        seed: int = 0,
        clip: float = 0.0,
        average: float = 0.0,
        xla: bool = False,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.state, self.loss, self.seed, self.margin = state, loss, seed, margin
        self.alpha, self.beta, self.balance = alpha, beta, balance
        self.judges, self.pairs = list(judges), list(pairs)
        critical = bool(alpha and (judges or pairs))
        self.critic_steps = critic_steps if critical else 0
        self.critic_warmup = critic_warmup if critical else 0
        self.cycle = self.critic_steps + 1
        self.matching = matching if critical else 0.0
        self.teaching = teaching if state.teacher is not None else None
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
        estimates = self._scaled(self.state.model(batch["mixtures"], training=True), batch)
        heard = self._heard(tf.stop_gradient(estimates), batch)
        weights = self.state.critic_optimiser.weights
        metrics, losses = {}, []
        judges = [*self.judges, *self.pairs]
        seeds = tf.random.split(self._seed(step), len(judges))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            for place, judge in enumerate(judges):
                loss, told = judge.learn(heard, seeds[place])
                losses.append(loss)
                metrics |= told
            total = tf.add_n(losses)
        found = metrics | {"critic/loss": total}, plain_gradients(tape, total, weights)
        metrics, gradients = replica_means(found, self.replicas)
        changed = self.change_critics(gradients, metrics["critic/loss"], step)
        return metrics | {f"critic/{name}": value for name, value in changed.items()}

    def _separator(self, batch: Any, step: tf.Tensor) -> Metrics:
        """Update the separator by all terms of its loss."""
        state, stems = self.state, batch["stems"]
        mixture = tf.reduce_sum(stems, 1)
        taught = self._taught(batch, step) if self.teaching else None
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state.weights)
            outputs = {"paired": state.model.training_estimates(mixture, stems)}
            if taught is not None:
                outputs["taught"] = state.model.training_estimates(tf.reduce_sum(taught, 1), taught)
            if self.alpha or self.beta:
                outputs["unpaired"] = state.model.unpaired_estimates(batch["mixtures"])
            flat = [tensor for tensor in tf.nest.flatten(outputs) if tensor.dtype.is_floating]
        metrics, pulls = self._terms(outputs, flat, stems, taught, batch)
        norms = {name: tf.linalg.global_norm(pull) for name, pull in pulls.items()}
        norms = replica_means(norms, self.replicas)
        factors = self._factors(norms)
        pull = [tf.zeros_like(tensor) for tensor in flat]
        for name, term in pulls.items():
            factor = factors[name]
            pull = [so + tf.cast(factor, part.dtype) * part for so, part in zip(pull, term)]
        if state.loss_scale:
            pull = [part * tf.cast(state.loss_scale[0], part.dtype) for part in pull]
        gradients = plain_gradients(tape, flat, state.weights, output_gradients=pull)
        metrics, gradients = replica_means((metrics, gradients), self.replicas)
        weights = {"supervised": 1.0, "adversarial": self.alpha, "additivity": self.beta}
        metrics["loss"] = tf.add_n([weights[name] * metrics[f"loss/{name}"] for name in pulls])
        weighed = {name: factors[name] * norm for name, norm in norms.items()}
        whole = tf.add_n(list(weighed.values())) + 1e-12
        metrics |= {f"share/{name}": norm / whole for name, norm in weighed.items()}
        update = tf.maximum(step - self.critic_warmup, 0) // self.cycle
        return metrics | self.change(gradients, metrics["loss"], update)

    def _terms(self, outputs, flat, stems, taught, batch) -> tuple[Metrics, dict[str, list]]:
        """Losses, and each term's gradient at the separator's outputs, for all of `flat`."""
        metrics: Metrics = {}
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(flat)
            values = {"supervised": self._supervised(outputs["paired"], stems, metrics)}
            if taught is not None:
                found, _ = self.loss(outputs["taught"], taught, tf.reduce_sum(taught, 1))
                values["taught"] = found
            if "unpaired" in outputs:
                estimates = self._scaled(outputs["unpaired"]["estimates"], batch)
                if self.beta:
                    values["additivity"] = self._additivity(outputs["unpaired"], estimates, batch)
                if self.alpha and (self.judges or self.pairs):
                    heard = self._heard(estimates, batch)
                    values["adversarial"] = verdict(
                        self.judges, self.pairs, heard.estimates, heard.mixture
                    )
        pulls = {
            name: tape.gradient(value, flat, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            for name, value in values.items()
        }
        del tape
        if taught is not None:
            kept = self.teaching.weight * self._kept(outputs["taught"]["estimates"], taught)
            pulls["supervised"] = [
                own + _rows(kept, more) * more
                for own, more in zip(pulls["supervised"], pulls.pop("taught"))
            ]
            metrics["loss/taught"] = values.pop("taught")
            values["supervised"] += self.teaching.weight * metrics["loss/taught"]
        metrics |= {f"loss/{name}": value for name, value in values.items()}
        return {name: tf.cast(value, tf.float32) for name, value in metrics.items()}, pulls

    def _supervised(self, outputs, stems, metrics: Metrics) -> tf.Tensor:
        """The loss on paired songs, feature matching included."""
        mixture = tf.reduce_sum(stems, 1)
        value, parts = self.loss(outputs, stems, mixture)
        metrics |= {f"loss/supervised/{name}": part for name, part in parts.items()}
        if self.matching and self.judges:
            estimates = outputs["estimates"]
            if self.state.model.scale_free:
                estimates = fitted(estimates, mixture)
            crop = self._crop
            metrics["loss/matching"] = likeness(self.judges, crop(estimates, 2), crop(stems, 2))
            value += self.matching * metrics["loss/matching"]
        return value

    def _additivity(self, outputs, estimates, batch) -> tf.Tensor:
        if "magnitudes" in outputs:
            return adversarial.spectral_additivity(
                outputs["magnitudes"], outputs["mixture_magnitudes"]
            )
        return adversarial.additivity(estimates, batch["mixtures"])

    def _taught(self, batch, step: tf.Tensor) -> tf.Tensor:
        """Songs made of the teacher's labels of unpaired mixtures and of solos."""
        teaching, model = self.teaching, self.state.model
        estimates = self._scaled(self.state.teacher(batch["mixtures"], training=False), batch)
        solos = {model.sources.index(name): solo for name, solo in batch["solos"].items()}
        stems = remixed(
            labels(estimates, batch["mixtures"], teaching.threshold_db),
            solos,
            tf.random.fold_in(self._seed(step), 1),
            solo_share=teaching.solo_share,
            gain_db=teaching.gain_db,
        )
        return tf.stop_gradient(stems)

    def _kept(self, estimates, stems) -> tf.Tensor:
        """(batch,): 0 for songs that are left out, the others raised so that the mean stays."""
        if not self.teaching.drop:
            return tf.ones(estimates.shape[:1])
        estimates, stems = (tf.transpose(audio, (0, 1, 3, 2)) for audio in (estimates, stems))
        active = activity(stems)
        scores = tf.reduce_sum(si_sdr(estimates, stems) * active, (1, 2))
        scores /= tf.maximum(tf.reduce_sum(active, (1, 2)), 1.0)
        kept = mildest(-scores, self.teaching.drop)
        return kept / tf.reduce_mean(kept)

    def _factors(self, norms: Metrics) -> Metrics:
        """What each term's gradient is multiplied by."""
        factors = {"supervised": 1.0, "adversarial": self.alpha, "additivity": self.beta}
        if self.balance:
            state, changes, smooth = self.state, [], {}
            counted = tf.convert_to_tensor(state.counted)
            follow = 1.0 - tf.minimum(NORM_DECAY, counted / (1.0 + counted))
            for name, variable in zip(TERMS, state.norms):
                if name not in norms:
                    continue
                old = tf.convert_to_tensor(variable)
                new = tf.where(tf.math.is_finite(norms[name]), norms[name], old)
                smooth[name] = old + follow * (new - old)
                changes.append((variable, smooth[name]))
            assign([*changes, (state.counted, counted + 1.0)])
            for name in set(norms) - {"supervised"}:
                factors[name] *= smooth["supervised"] / (smooth[name] + 1e-12)
        return {name: tf.convert_to_tensor(factors[name], tf.float32) for name in norms}

    def _scaled(self, estimates: tf.Tensor, batch) -> tf.Tensor:
        return fitted(estimates, batch["mixtures"]) if self.state.model.scale_free else estimates

    def _crop(self, audio: tf.Tensor, axis: int) -> tf.Tensor:
        """Without the margins on the axis of samples."""
        length = audio.shape[axis]
        begin = [0] * audio.shape.rank
        size = audio.shape.as_list()
        begin[axis], size[axis] = self.margin, length - 2 * self.margin
        return tf.slice(audio, begin, size)

    def _heard(self, estimates: tf.Tensor, batch) -> Heard:
        sources, crop, stems = self.state.model.sources, self._crop, batch["stems"]
        return Heard(
            crop(estimates, 2),
            crop(batch["mixtures"], 1),
            {sources.index(name): crop(solo, 1) for name, solo in batch["solos"].items()},
            crop(stems, 2),
            crop(tf.reduce_sum(stems, 1), 1),
        )


def _rows(factors: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """(batch,) → a shape that multiplies a tensor whose first axis is batch · channels."""
    count = tensor.shape[0] // factors.shape[0]
    rows = tf.repeat(factors, count)
    return tf.cast(tf.reshape(rows, [-1] + [1] * (tensor.shape.rank - 1)), tensor.dtype)

"""Everything a refinement resumes from: separator, critics, teacher, balance."""

import contextlib
from collections.abc import Sequence

import tensorflow as tf

from dssgan.models.base import SeparatorModel
from dssgan.optimisers.slots import Optimiser
from dssgan.refinement.gradient_balance import GradientBalance
from dssgan.training.state import TrainingState


class RefinementState(TrainingState):
    """The state of an adversarial or a self-training phase.

    Attributes:
      critics: Keras models, in the order of their `CriticSet`.
      critic_optimiser: its rule and slots; None without critics.
      teacher: a second separator that labels unpaired mixtures, or None.
      balance: running norms of each term's gradient at the separator's output.
    """

    def __init__(
        self,
        model: SeparatorModel,
        rule,
        *,
        critics: Sequence = (),
        critic_rule=None,
        teacher: SeparatorModel | None = None,
        follow: bool = False,
        average: bool = False,
        **options,
    ):
        """See the attributes; with `follow` the teacher's weights are the running average.

        `options` are those of `TrainingState`.
        """
        super().__init__(model, rule, average=average and not follow, **options)
        self.critics, self.teacher, self.follow = list(critics), teacher, follow
        if follow:
            if teacher is None:
                raise ValueError("a teacher that follows the student: there is no teacher")
            self._teaching = self.trained.of(teacher)
            self.averages = self._teaching.weights
        weights = [
            variable.value for critic in self.critics for variable in critic.trainable_variables
        ]
        self.critic_optimiser = Optimiser(critic_rule, weights) if weights else None
        self.balance = GradientBalance()

    def groups(self) -> dict[str, list[tf.Variable]]:
        """As of `TrainingState`, and what the critics and the teacher have."""
        teacher = []
        if self.teacher is not None:  # one that follows has weights in the average
            averages = {id(variable) for variable in self.averages}
            teacher = [v for v in self.teacher.variables if id(v.value) not in averages]
        optimiser = self.critic_optimiser
        return super().groups() | {
            "critic": [v.value for critic in self.critics for v in critic.variables],
            "critic_optimiser": [] if optimiser is None else optimiser.variables,
            "teacher": [variable.value for variable in teacher],
            "balance": self.balance.variables,
        }

    def begin(self) -> None:
        """As of `TrainingState`; the teacher takes over the weights, too."""
        super().begin()
        if self.teacher is not None:
            self.teacher.set_weights(self.model.get_weights())

    def teaching(self) -> contextlib.AbstractContextManager[None]:
        """Within the block the teacher labels with the weights that it has by now."""
        return self._teaching.applied() if self.follow else contextlib.nullcontext()

    def adopt(self) -> None:
        """A student that did better than any before becomes the teacher."""
        if self.teacher is not None and not self.follow:
            with self.averaged():
                self.teacher.set_weights(self.model.get_weights())

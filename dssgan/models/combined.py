"""Several separators as one: each gives the sources it was trained for.

Band-Split RNN (arXiv 2209.15174) has one network per target; so may any system. The estimates of
all of them share out the mixture like those of one model, where they are all that is in a song.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

from dssgan.models.base import SeparatorModel
from dssgan.models.bounds import create_variables
from dssgan.models.registry import SEPARATORS, build

STANDARD = ("drums", "bass", "other", "vocals")
REST = "accompaniment"
Member = tuple[SeparatorModel, Sequence[str] | None]
AGREE = ("sample_rate", "scale_free", "unit_variance")


class Combined(SeparatorModel):
    """The separator `combined`.

    Args:
      models: one dict per member: "name" (of dssgan.models.SEPARATORS), "hyperparameters", and
        "take", the sources taken from it; "weights", what each of these is multiplied with, where
        a source is a sum of several members' estimates.
      sources: names of the estimates, in order; each is taken from a member, or is "accompaniment",
        which becomes what the others leave of the mixture. None: all that are taken, and
        "accompaniment" unless these are all that is in a song.
      precision: for the members that have a choice; None leaves each its own.

    Raises:
      ValueError: members that do not fit together.
    """

    def __init__(
        self, *, models, sources=None, precision: str | None = None, name: str | None = None
    ):
        super().__init__(name=name or "combined", autocast=False)
        check_models(models)
        taken = [source for member in models for source in member["take"]]
        if sources is None:
            whole = set(taken) >= set(STANDARD) or REST in taken
            sources = taken if whole else [*taken, REST]
        self.hyperparameters = {
            "models": [
                {
                    "name": member["name"],
                    "hyperparameters": dict(member["hyperparameters"]),
                    "take": list(member["take"]),
                    **({"weights": list(member["weights"])} if "weights" in member else {}),
                }
                for member in models
            ],
            "sources": list(sources),
            "precision": precision,
        }
        check_sources(sources, [s for m in models if "weights" not in m for s in m["take"]], taken)
        self.sources = tuple(sources)
        self.members = [build_member(member, precision) for member in models]
        self.take = [tuple(member["take"]) for member in models]
        self.shares = [member.get("weights", [None] * len(member["take"])) for member in models]
        self.agree()
        self.multiple = math.lcm(*(member.multiple for member in self.members))
        self.grid = math.lcm(*(member.grid for member in self.members))
        longest = max(member.minimum for member in self.members)
        self.minimum = -(-longest // self.multiple) * self.multiple
        self.maximum = min((m.maximum for m in self.members if m.maximum), default=0)
        if self.maximum and self.minimum > self.maximum:
            raise ValueError(
                f"combined: one model takes {self.maximum} samples at most, together they take "
                f"multiples of {self.multiple} from {self.minimum}; they do not fit together"
            )
        self.context = max(member.context for member in self.members)
        self.normalises = any(member.normalises for member in self.members)
        self.channels_apart = all(member.channels_apart for member in self.members)
        self.built = True

    def agree(self) -> None:
        """Check what all members must have in common, and take it over."""
        first = self.members[0]
        for key in AGREE:
            for place, member in enumerate(self.members):
                if getattr(member, key) != getattr(first, key):
                    raise ValueError(
                        f"combined: model 0 ({self.take[0][0]}) has {key} {getattr(first, key)}, "
                        f"model {place} ({self.take[place][0]}) {getattr(member, key)}: expected "
                        "the same of all"
                    )
            setattr(self, key, getattr(first, key))

    def heads(self):
        """Those of every member, as "first source that it gives: target"."""
        return {
            f"{take[0]}: {target}": layers
            for member, take in zip(self.members, self.take)
            for target, layers in member.heads().items()
        }

    def last_layers(self):
        """Those of every member."""
        return [layer for member in self.members for layer in member.last_layers()]

    def inference_state(self):
        """That of every member."""
        return [member.inference_state() for member in self.members]

    def call(self, mixture, training: bool = False):
        """(batch, samples, channels) → (batch, sources, samples, channels)."""
        return self.joined([member(mixture, training=training) for member in self.members], mixture)

    def infer(self, mixture, state):
        """`call` for inference."""
        estimates = [
            member.infer(mixture, own) for member, own in zip(self.members, state, strict=True)
        ]
        return self.joined(estimates, mixture)

    def joined(self, estimates, mixture):
        """The sources taken from each member's estimates, and the rest."""
        found: dict[str, tf.Tensor] = {}
        for member, take, shares, own in zip(self.members, self.take, self.shares, estimates):
            for source, share in zip(take, shares):
                estimate = tf.cast(own[:, member.sources.index(source)], tf.float32)
                if share is not None:
                    estimate = share * estimate + found.get(source, 0.0)
                found[source] = estimate
        rest = mixture - tf.add_n(list(found.values()))
        return tf.stack([found.get(source, rest) for source in self.sources], 1)

    def calibrate(self, mixtures) -> None:
        """Fit the input statistics of every member."""
        mixtures = list(mixtures)
        for member in self.members:
            member.calibrate(mixtures)


def build_member(member: dict, precision: str | None) -> SeparatorModel:
    """A member, its variables made."""
    hyperparameters = dict(member["hyperparameters"])
    if precision is not None and "precision" in hyperparameters:
        hyperparameters["precision"] = precision
    model = build(member["name"], **hyperparameters)
    for source in member["take"]:
        if source not in model.sources:
            raise ValueError(
                f"combined: {source!r} cannot be taken from {member['name']}, which has "
                f"{', '.join(model.sources)}"
            )
    return create_variables(model)


def check_models(models) -> None:
    """Check the description of the members (ValueError)."""
    keys = {"name", "hyperparameters", "take"}
    if not models:
        raise ValueError("combined: models is empty: expected one or more")
    for place, member in enumerate(models):
        if set(member) - {"weights"} != keys or not member["take"]:
            raise ValueError(
                f"combined: models[{place}] has {', '.join(sorted(member))}: expected name, "
                "hyperparameters and take (one source or more)"
            )
        weights = member.get("weights", [1.0] * len(member["take"]))
        numbers = all(type(weight) in (int, float) and 0 < weight < 1e6 for weight in weights)
        if len(weights) != len(member["take"]) or not numbers:
            raise ValueError(
                f"combined: models[{place}]: weights {weights}: expected a number above 0 for each "
                f"of {', '.join(member['take'])}"
            )


def check_sources(sources, whole, taken) -> None:
    """Check that every source comes from one place, or is a sum of weighted estimates (ValueError).

    Args:
      whole: sources taken from members without weights. taken: all that are taken.
    """
    for source in taken:
        if taken.count(source) > 1 and source in whole:
            raise ValueError(f"combined: {source!r} is taken from two models: expected one")
        if source not in sources:
            raise ValueError(f"combined: {source!r} is taken, but none of the sources {sources}")
    for source in sources:
        if list(sources).count(source) > 1 or source not in (*taken, REST):
            raise ValueError(
                f"combined: source {source!r}: expected each once, and taken from a model "
                f"({', '.join(taken)}) or {REST!r}"
            )


def combine(members: Sequence[Member]) -> Combined:
    """One separator out of several.

    Args:
      members: (separator, sources to take from it; None: the targets of a separator that has some,
        else all but "accompaniment").

    Raises:
      ValueError: a source that a separator does not have, or that two give; separators that do not
        fit together, such as of two sample rates.
    """
    members = [(model, tuple(take or trained_for(model))) for model, take in members]
    names = {kind: name for name, kind in SEPARATORS.items()}
    combined = Combined(
        models=[
            {
                "name": names[type(model)],
                "hyperparameters": model.hyperparameters,
                "take": list(take),
            }
            for model, take in members
        ]
    )
    for ours, (theirs, _) in zip(combined.members, members, strict=True):
        ours.set_weights(theirs.get_weights())
    first = members[0][0].chunks
    if all(model.chunks == first for model, _ in members):
        combined.chunks = first
    return combined


def trained_for(model: SeparatorModel) -> list[str]:
    """The sources that a separator does not only get by subtraction."""
    targets = getattr(model, "targets", None) or model.sources
    return [source for source in targets if source != REST] or list(model.sources)

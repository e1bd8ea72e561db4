"""The sections and keys of a configuration, with their types, ranges and defaults.

The defaults are the published recipe of Meta-TasNet (arXiv 2002.07016) on the embedded band. Keys
of `model` and `loss` beyond the ones named here are handed to the separator and to the loss as
keyword arguments; their defaults live with the separator and the loss.
"""

from dataclasses import dataclass, field
from typing import Any

from dssgan.config.data import Data, Unpaired
from dssgan.config.reading import read, within
from dssgan.config.rules import check_rules

PHASES = ("supervised", "self_training", "adversarial", "test")
SOURCES = ("drums", "bass", "other", "vocals")
DATA, UNPAIRED = Data(), Unpaired()  # their defaults


@dataclass(frozen=True)
class Model:
    """A separator of dssgan.models.SEPARATORS and its hyperparameters."""

    name: str = "multistage"
    hyperparameters: dict[str, Any] = field(default_factory=dict, metadata={"rest": True})


@dataclass(frozen=True)
class Loss:
    """A loss of dssgan.losses.LOSSES and its weights."""

    name: str = "multistage"
    weights: dict[str, Any] = field(default_factory=dict, metadata={"rest": True})


@dataclass(frozen=True)
class OptimiserSettings:
    """How gradients change the weights; see dssgan.optimisers.rules."""

    name: str = "ranger"
    beta_1: float = within(0.95, low=0, high=0.9999)
    beta_2: float = within(0.999, low=0, high=0.999999)
    epsilon: float = within(1e-5, low=0)
    weight_decay: float = within(5e-4, low=0)  # weights shrink by learning rate × this per update
    lookahead_period: int = within(6, low=0)  # updates between steps of the slow weights; 0: none
    lookahead_ratio: float = within(0.5, low=0, high=1)  # share of the way that they go
    clip: float = within(5.0, low=0)  # largest norm of all gradients together; 0 does not clip
    accumulate: int = within(1, low=1)  # parts of a batch, one after the other, to save memory
    # Decay of a running average of the weights, which then is validated and exported; 0: none.
    average: float = within(0.0, low=0, high=0.999999)


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the updates; see dssgan.optimisers.rules."""

    name: str = "sgdr"
    learning_rate: float = within(1e-3, low=0)
    period: int = within(200_000, low=1)  # updates between restarts (sgdr), drops (exponential)
    decay: float = within(0.85, low=0)  # factor of the peak, or of the rate, each time
    warmup: int = within(0, low=0)  # updates of a linear rise from zero


@dataclass(frozen=True)
class Lora:
    """Low-rank updates (Hu et al., arXiv 2106.09685); see dssgan.training.low_rank."""

    rank: int = within(8, low=1, high=4096)
    alpha: float = within(16.0, low=0)  # updates count alpha / rank times


@dataclass(frozen=True)
class Supervised:
    """The phase of paired songs."""

    epochs: int = within(250, low=1)
    steps: int = within(1250, low=1)  # updates in an epoch
    calibration: int = within(5000, low=1)  # excerpts that the input statistics are fitted to
    # "scratch" begins with new weights, the folder or name of an exported separator with its own.
    init: str = within("scratch", path=True)


@dataclass(frozen=True)
class Refinement:
    """What the phases that refine a separator have in common."""

    epochs: int = within(20, low=1)
    steps: int = within(1000, low=1)  # updates of the separator in an epoch
    # "supervised" goes on from the phase before (the folder or name of an exported separator does
    # the same for another run's), "scratch" from new weights, which are no teacher's.
    init: str = within("supervised", path=True)
    schedule: Schedule = Schedule(name="constant", learning_rate=1e-4)


@dataclass(frozen=True)
class SelfTraining(Refinement):
    """The phase of pseudo-labelled songs; see dssgan.refinement.teacher."""

    # "best" is the student that did best on validation so far, "average" its running average.
    teacher: str = within("best", choices=("best", "average"))
    decay: float = within(0.999, low=0, high=0.999999)  # of that average
    weight: float = within(1.0, low=0)  # of the loss on pseudo-labelled songs, 1 on paired ones
    threshold_db: float = within(30.0, low=0)  # so far below the mixture a source is silent
    drop: float = within(0.0, low=0, high=0.9)  # share of those songs left out: the highest losses
    solo_share: float = within(0.5, low=0, high=1)  # exact solos among their stems, where there are
    gain_db: tuple[float, float] = within((-10.0, 10.0), low=-60, high=60)


@dataclass(frozen=True)
class CriticSettings:
    """A critic of dssgan.critics.CRITICS and its hyperparameters."""

    name: str = "dcgan"
    sources: tuple[str, ...] = ()  # one critic for each; empty: all. Dependency critics receive all
    # What critic and separator minimise, of dssgan.losses.adversarial.OBJECTIVES.
    objective: str = "wasserstein"
    penalty: float = within(10.0, low=0)  # weight of the gradient penalty
    weight: float = within(1.0, low=0)  # of this critic in the adversarial loss
    hyperparameters: dict[str, Any] = field(default_factory=dict, metadata={"rest": True})


@dataclass(frozen=True)
class Adversarial(Refinement):
    """The phase of the critics; see dssgan.refinement.step. alpha and beta stand at the top."""

    critics: tuple[CriticSettings, ...] = (CriticSettings(),)
    critic_steps: int = within(5, low=1)  # updates of the critics before each of the separator
    critic_warmup: int = within(0, low=0)  # updates of the critics before the separator's first
    critic_schedule: Schedule = Schedule(name="constant", learning_rate=1e-4)
    critic_optimiser: OptimiserSettings = OptimiserSettings(
        name="adam", beta_1=0.5, beta_2=0.9, epsilon=1e-8, weight_decay=0.0, lookahead_period=0
    )
    matching: float = within(0.0, low=0)  # weight of feature matching on known stems
    # alpha and beta as shares of the gradient at the output; see dssgan.refinement.step.
    balance: bool = False
    # Seconds at both ends of an excerpt that critics do not receive; null: the separator's context.
    margin: float | None = None
    taught: bool = False  # learn from a teacher's songs as well, as self_training says


@dataclass(frozen=True)
class Validation:
    """Which weights are the best, and when to stop."""

    metric: str = (
        "si_sdr"  # of evaluation.metrics.ratios, higher is better; "none" keeps the last weights
    )
    sources: tuple[str, ...] = ()  # whose mean decides; empty means all
    # What estimates are compared with: the songs' stems, or, of the songs of unpaired.mixtures that
    # are held back (their `valid`), what the separator that a refinement starts from makes of them,
    # mixed anew: see dssgan.refinement.held_back.
    references: str = within("stems", choices=("stems", "estimates"))
    songs: int = within(0, low=0)  # at most so many; 0 takes all
    every: int = within(1, low=1)  # epochs from one validation to the next
    patience: int = within(0, low=0)  # validations without a better score; 0 never stops early


@dataclass(frozen=True)
class Separation:
    """How whole songs are separated for validation and test; see dssgan.separator."""

    segment: float = within(8.0, low=0.1, high=3600)
    overlap: float = within(0.25, low=0, high=0.9)
    shifts: int = within(1, low=1, high=1000)
    batch: int = within(4, low=1, high=4096)


@dataclass(frozen=True)
class Checkpoint:
    """How often a run is saved within an epoch (0 switches a rule off) and how much is kept."""

    minutes: float = within(10.0, low=0)
    steps: int = within(0, low=0)
    keep: int = within(1, low=1)  # the latest so many, beside the best


@dataclass(frozen=True)
class Tracking:
    """Where a run is recorded."""

    folder: str = within("runs", path=True)  # run folders are made in here
    mongo: str = ""  # URL or host:port:database of a MongoDB that records the run as well
    tensorboard: bool = True
    every: int = within(25, low=1)  # updates between two points of a curve
    examples: int = within(1, low=0)  # validation songs that are shown and played …
    listen_every: int = within(10, low=1)  # … at the first so many validations, then each n-th
    seconds: float = within(8.0, low=0.1, high=3600)  # length of what is shown and played


@dataclass(frozen=True)
class Compute:
    """The machine."""

    # "mirrored" works on all GPUs at once; "auto" does so where there are several. "workers" works
    # on all machines that TF_CONFIG or SLURM names; see docs/training.md.
    strategy: str = within("auto", choices=("auto", "none", "mirrored", "workers"))
    workers: int = within(
        0, low=0, high=4096
    )  # how many processes that must be; 0 takes what is named
    wait: float = within(300.0, low=1)  # seconds that they wait for one another at the start
    # Compile the update; "auto" does so on a GPU.
    xla: str = within("auto", choices=("auto", "on", "off"))
    deterministic: bool = True  # repeat every operation bit by bit


@dataclass(frozen=True)
class Evaluation:
    """The test."""

    protocol: str = "musdb18"  # of evaluation.protocols
    songs: int = within(0, low=0)  # at most so many; 0 takes all
    workers: int = within(1, low=1, high=1024)


@dataclass(frozen=True)
class Config:
    """A whole run."""

    # Its folder within tracking.folder; a run of that name is taken up where it stopped. Empty
    # takes the configuration's name and the next free number.
    name: str = ""
    seed: int = within(42, low=0)  # everything random follows from it
    sources: tuple[str, ...] = SOURCES
    alpha: float = within(0.0, low=0)  # weight of the adversarial loss
    beta: float = within(0.0, low=0)  # weight of the additivity loss
    phases: tuple[str, ...] = within(("supervised", "test"), choices=PHASES)  # in order
    # Which of the separator's weights every phase changes: all, its last layers, or low-rank
    # updates of its dense layers.
    trainable: str = within("all", choices=("all", "heads", "lora"))
    lora: Lora = Lora()
    data: Data = DATA
    unpaired: Unpaired = UNPAIRED
    model: Model = Model()
    loss: Loss = Loss()
    optimiser: OptimiserSettings = OptimiserSettings()
    schedule: Schedule = Schedule()
    supervised: Supervised = Supervised()
    self_training: SelfTraining = SelfTraining()
    adversarial: Adversarial = Adversarial()
    validation: Validation = Validation()
    separation: Separation = Separation()
    checkpoint: Checkpoint = Checkpoint()
    tracking: Tracking = Tracking()
    compute: Compute = Compute()
    evaluation: Evaluation = Evaluation()


def from_dict(values: dict[str, Any]) -> Config:
    """Build a configuration; keys left out keep their defaults.

    Raises:
      ValueError: one line that starts with the dotted key (see dssgan.config.reading.read).
    """
    config = read(Config, values)
    check_rules(config)
    return config

"""Refinement phases as they run: resume, teacher, the start that may be best, phases in a row."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common import cli
from dssgan.losses import LOSSES
from dssgan.models import SEPARATORS
from dssgan.monitoring.step_results import NonFiniteLoss
from dssgan.phases.run import Run
from dssgan.refinement.teacher import PseudoLabels
from dssgan.separator import Separator
from dssgan.training.checkpoints import read_progress
from experiments.run import train
from tests.dssgan.small_refinement import Unpaired, make_critics, make_pair, make_refinement
from tests.dssgan.small_training import bits, make_loop
from tests.dssgan.stand_ins import TinySeparator, error
from tests.dssgan.training.test_loop import Scripted

ROOT = Path(__file__).parents[3]


def whole(follow=False):
    """A refinement with everything that a resume has to bring back."""
    more = {} if follow else {"pairs": [make_pair()], "matching": 1.0, "balance": True}
    return make_refinement(
        TinySeparator(dropout=0.2),
        critics=make_critics("hinge", penalty=0.0 if follow else 1.0),
        teacher=TinySeparator(),
        follow=follow,
        pseudo_labels=PseudoLabels(drop=0.25),
        alpha=0.5,
        beta=0.5,
        critic_steps=3,
        critic_warmup=2,
        average=0.9,
        **more,
    )


@pytest.mark.slow
@pytest.mark.parametrize("follow", [False, True])
def test_stopped_anywhere_in_the_cycle_training_ends_with_the_same_bits(tmp_path, follow):
    source, last = Unpaired(), 10  # two critic updates, then twice three and one
    step, state = whole(follow)
    for index in range(last):
        state.save(tmp_path / f"{index}.npz")
        step(source.given(index), index)
    expected = bits(state)
    groups = {name.partition("/")[0] for name in expected}
    assert {"model", "optimiser", "critic", "critic_optimiser", "balance"} <= groups
    assert {"teacher", "average"} & groups
    again, resumed = whole(follow)
    for start in range(last):
        resumed.restore(tmp_path / f"{start}.npz")
        for index in range(start, last):
            again(source.given(index), index)
        assert bits(resumed) == expected, start


def test_a_loop_that_broke_off_among_the_critics_goes_on(tmp_path):
    step, state = make_refinement(critics=make_critics(), alpha=0.5, critic_steps=3)
    make_loop(tmp_path / "alone", state, step, Unpaired(), epochs=2, steps=4).run()

    class Stop(Exception):
        pass

    def breaking(batch, index):
        if index == 6:
            raise Stop
        return broken(batch, index)

    broken, cut = make_refinement(critics=make_critics(), alpha=0.5, critic_steps=3)
    folder = tmp_path / "cut"
    with pytest.raises(Stop):
        make_loop(folder, cut, breaking, Unpaired(), epochs=2, steps=4, save_steps=1).run()
    assert read_progress(folder / "last.npz").step == 6
    step, resumed = make_refinement(critics=make_critics(), alpha=0.5, critic_steps=3)
    resumed.restore(folder / "last.npz")
    make_loop(folder, resumed, step, Unpaired(), epochs=2, steps=4).run()
    assert bits(resumed) == bits(state)


def test_critics_that_diverge_end_the_run_and_the_batch_is_named(tmp_path):
    step, state = make_refinement(critics=make_critics(), alpha=0.5, critic_steps=3)
    source = Unpaired(broken=(5,))  # the second of the critics' second turn
    with pytest.raises(NonFiniteLoss, match=r"step 5: the loss is nan .*song5-0@1.0s"):
        make_loop(tmp_path, state, step, source, epochs=4, steps=4, save_steps=1).run()
    assert read_progress(tmp_path / "last.npz").step == 5


def test_a_better_student_becomes_the_teacher_and_a_worse_one_does_not(tmp_path):
    step, state = make_refinement(teacher=TinySeparator(seed=7), pseudo_labels=PseudoLabels())
    scores, seen = Scripted([1.0, 2.0, 1.5, 2.5]), []

    def validating(*given):
        seen.append([m.get_weights()[0].tobytes() for m in (state.model, state.teacher)])
        return scores(*given)

    loop = make_loop(
        tmp_path,
        state,
        step,
        Unpaired(),
        epochs=3,
        steps=2,
        validator=validating,
        score_first=True,
        adopt=state.adopt,
    )
    progress = loop.run()
    start, first, second, third = seen
    assert start[0] == start[1] == first[1]
    assert first[0] != first[1]
    assert second[1] == first[0]  # better than the start
    assert third[1] == first[0]  # the second one was worse
    assert state.teacher.get_weights()[0].tobytes() == third[0]
    assert (progress.best, progress.best_epoch) == (2.5, 3)


def test_the_start_stays_the_best_when_refinement_makes_it_worse(tmp_path):
    step, state = make_refinement(critics=make_critics(), alpha=0.5, critic_steps=1)
    start, lines = state.model.get_weights()[0].tobytes(), []
    loop = make_loop(
        tmp_path,
        state,
        step,
        Unpaired(),
        epochs=9,
        steps=4,
        validator=Scripted([5.0, 1.0, 2.0]),
        score_first=True,
        patience=2,
        metric="si_sdr",
        log=lines.append,
    )
    progress = loop.run()
    assert lines[0] == "starting from si_sdr 5.00"
    assert "stopped early" in lines[-1]
    assert (progress.best, progress.best_epoch, progress.epoch) == (5.0, 0, 2)
    assert read_progress(tmp_path / "best.npz").step == 0
    assert state.model.get_weights()[0].tobytes() != start
    state.restore(tmp_path / "best.npz")
    assert state.model.get_weights()[0].tobytes() == start


DISTRIBUTED = """
import json
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from dssgan import critics
from dssgan.losses.adversarial import OBJECTIVES
from dssgan.refinement.critic_losses import SourceCritic
from dssgan.distributed.replicas import spread
from dssgan.refinement.teacher import PseudoLabels
from tests.dssgan.stand_ins import TinySeparator
from tests.dssgan.small_refinement import Unpaired, make_critics, make_pair, make_refinement

source = Unpaired(batch=8)
audio = tf.TensorSpec((8, 800, 1))
spec = {"stems": tf.TensorSpec((8, 2, 800, 1)), "mixtures": audio}
spec["solos"] = {"drums": audio, "vocals": audio}
sizes = {"frame_length": 64, "hop": 32, "frames": 8, "width": 2, "hidden": 4, "normalised": True}


def train(strategy):
    with strategy.scope():
        critic = critics.build("dcgan", sample_rate=8000, samples=800, **sizes)
        entries = [SourceCritic("dcgan", critic, 1, OBJECTIVES["least_squares"])]
        step, state = make_refinement(
            critics=entries, strategy=strategy, alpha=0.3, beta=0.3, critic_steps=1, average=0.9
        )
    dataset = tf.data.Dataset.from_generator(lambda: source.batches(0), output_signature=spec)
    batches, losses = iter(spread(dataset, strategy)), []
    for index in range(4):
        metrics = step(next(batches), index)
        losses.append(float(metrics.get("loss", metrics.get("critic/loss"))))
    values = {name: variable.numpy() for name, variable in state.variables().items()}
    return losses, {n: v.astype(float).ravel().tolist() for n, v in values.items()}, step.traces


def everything(strategy):
    # What is drawn differs between devices, so that one device cannot be the reference.
    with strategy.scope():
        model, teacher = TinySeparator(), TinySeparator(seed=3)
        step, state = make_refinement(
            model,
            critics=make_critics("hinge", penalty=1.0),
            pairs=[make_pair()],
            teacher=teacher,
            follow=True,
            pseudo_labels=PseudoLabels(drop=0.25),
            strategy=strategy,
            alpha=0.3,
            beta=0.3,
            balance=True,
            critic_steps=1,
            matching=0.5,
            average=0.9,
        )
    dataset = tf.data.Dataset.from_generator(lambda: source.batches(0), output_signature=spec)
    batches = iter(spread(dataset, strategy))
    metrics = [float(value) for index in range(4) for value in step(next(batches), index).values()]
    copies = {}
    for name, variable in state.variables().items():
        own = strategy.experimental_local_results(variable)
        copies[name] = [copy.numpy().astype(float).ravel().tolist() for copy in own]
    return metrics, copies, step.traces


mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
told = [train(tf.distribute.get_strategy()), train(mirrored)]
print(json.dumps([*told, everything(mirrored), everything(mirrored)]))
"""


@pytest.mark.slow
def test_two_devices_refine_as_one():
    done = subprocess.run(
        [sys.executable, "-c", DISTRIBUTED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    alone, other, whole, again = json.loads(done.stdout.splitlines()[-1])
    losses, values, traces = alone
    assert traces == other[2] == 2
    np.testing.assert_allclose(other[0], losses, rtol=1e-4)
    assert set(other[1]) == set(values)
    for name, value in values.items():
        np.testing.assert_allclose(other[1][name], value, atol=1e-4, err_msg=name)
    assert whole == again
    metrics, copies, traces = whole
    assert traces == 2
    assert np.isfinite(metrics).all()
    for name, (first, second) in copies.items():
        assert first == second, name


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder for the songs, the runs and the configuration of a whole module."""
    return tmp_path_factory.mktemp("refinement")


@pytest.fixture
def words(place, monkeypatch):
    """Words that make a run of a few seconds."""
    monkeypatch.setitem(SEPARATORS, "tiny", TinySeparator)
    monkeypatch.setitem(LOSSES, "error", error)
    band = {"songs": 2, "seconds": 2.0, "sample_rate": 8000}
    critic = {"name": "dcgan", "frame_length": 64, "hop": 32, "frames": 8, "width": 2, "hidden": 4}
    pair = critic | {"name": "dependency", "objective": "logistic", "penalty": 0}
    mine = {
        "sources": ["drums", "accompaniment"],
        "phases": ["supervised"],
        "data": {"cache": str(place / "cache"), "options": band, "seconds": 0.25, "batch": 4},
        "model": {"name": "tiny"},
        "loss": {"name": "error"},
        "supervised": {"epochs": 1, "steps": 2, "calibration": 4},
        "self_training": {"epochs": 1, "steps": 2},
        "adversarial": {
            "epochs": 2,
            "steps": 1,
            "critic_steps": 1,
            "critic_warmup": 1,
            "critics": [critic, pair],
        },
        "tracking": {"folder": str(place / "runs"), "every": 1, "seconds": 1.0},
        "separation": {"segment": 1.0},
        "compute": {"deterministic": False},  # it could not be switched off again in this process
    }
    (place / "mine.yaml").write_text(yaml.safe_dump(mine))
    return ["with", str(place / "mine.yaml")]


def stamps(folder):
    files = [path for name in ("checkpoints", "separator") for path in folder.glob(f"{name}*/**/*")]
    return {path: path.stat().st_mtime_ns for path in files if path.is_file()}


@pytest.mark.slow
def test_phases_are_added_to_a_run_and_done_once(place, words, capsys):
    run = place / "runs" / "story"
    assert train.main([*words, "name=story"]) == 0
    first = Separator.load(run / "separator").model.get_weights()[0]
    more = ["phases=[supervised, self_training, adversarial]", "alpha=0.5", "beta=0.5"]
    capsys.readouterr()
    assert train.main(["with", f"resume={run}", *more]) == 0
    said = capsys.readouterr().out
    assert "supervised: going on at step 2" in said
    assert f"self_training: starting from {run / 'separators' / 'supervised'}" in said
    assert "self_training: teacher: best" in said
    assert f"adversarial: starting from {run / 'separators' / 'self_training'}" in said
    assert "critics dcgan/drums, dcgan/accompaniment, dependency" in said
    assert said.count("starting from si_sdr") == 2
    kept = Separator.load(run / "separators" / "supervised").model.get_weights()[0]
    np.testing.assert_array_equal(kept, first)
    # One update of the critics ahead, then two epochs of one update of each kind.
    assert read_progress(run / "checkpoints" / "adversarial" / "last.npz").step == 5
    told = json.loads((run / "separator" / "config.json").read_text())["provenance"]
    assert told["progress"]["phase"] == "adversarial"

    before = stamps(run)
    assert train.main(["with", f"resume={run}"]) == 0
    assert stamps(run) == before

    events = EventAccumulator(str(run / "tensorboard" / "adversarial"))
    events.Reload()
    tags = set(events.Tags()["tensors"])
    names = ["dcgan/drums", "dcgan/accompaniment", "dependency/real", "dependency/generated"]
    kinds = ["real", "generated", "distance", "accuracy"]
    assert {f"train/critic/{name}/{kind}" for name in names for kind in kinds} <= tags
    assert {f"train/critic/dcgan/{source}/penalty" for source in ("drums", "accompaniment")} <= tags
    terms = ("supervised", "adversarial", "additivity")
    assert {f"train/{kind}/{term}" for kind in ("share", "loss") for term in terms} <= tags
    sounds = ["mixture", "drums/real", "drums/generated", "accompaniment/generated"]
    assert {f"spectrogram/unpaired/{name}" for name in sounds} <= tags
    assert {f"sound/unpaired/{name}" for name in sounds} <= tags


@pytest.mark.slow
def test_refinement_starts_from_scratch_or_from_a_folder(place, words, capsys):
    alone = [*words, "phases=[adversarial]", "alpha=0.5", "adversarial.epochs=1"]
    assert train.main([*alone, "name=scratch", "adversarial.init=scratch"]) == 0
    said = capsys.readouterr().out
    assert "adversarial: fitting input statistics" in said
    assert "starting from" not in said
    exported = place / "runs" / "scratch" / "separator"
    weights = Separator.load(exported).model.get_weights()[0]
    assert train.main([*alone, "name=next", f"adversarial.init={exported}"]) == 0
    assert f"adversarial: starting from {exported}" in capsys.readouterr().out
    first = place / "runs" / "next" / "checkpoints" / "adversarial" / "best.npz"
    if read_progress(first).step == 0:
        next_one = Separator.load(place / "runs" / "next" / "separator").model.get_weights()[0]
        np.testing.assert_array_equal(next_one, weights)
    words = [*alone, "name=other", f"adversarial.init={exported}", "model.width=4"]
    with pytest.raises(
        ValueError, match=r"^adversarial\.init: .* has width=8, the configuration 4"
    ):
        train.main(words)


def test_a_test_in_between_is_nothing_to_start_from(tmp_path):
    from dssgan.config.schema import from_dict

    names = ["supervised", "test", "self_training", "adversarial"]
    config = from_dict({"phases": names, "alpha": 0.1})
    run = Run(config, tmp_path, training_data=None, score=None)
    assert run.exported_before("self_training") == tmp_path / "separators" / "supervised"
    assert run.exported_before("adversarial") == tmp_path / "separators" / "self_training"
    assert run.exported_by("adversarial") == tmp_path / "separator"


ADVERSARIAL = "phases=[supervised, adversarial]"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["alpha=-0.1", ADVERSARIAL], "alpha=-0.1: expected 0 or more"),
        (["beta=nan", ADVERSARIAL], "beta=nan: expected a finite number"),
        (["alpha=0.1", "phases=[supervised]"], "set alpha=0 or add the phase"),
        (["adversarial.critics=[{name: dcgn}]"], "critics[0].name='dcgn': expected one of"),
        (["unpaired.solos=[{name: recordings, source: drums}]", ADVERSARIAL], "root is missing"),
        ([ADVERSARIAL, "adversarial.init=scrach"], "did you mean scratch?"),
    ],
)
def test_misuse_is_one_line_and_exit_code_two(argv, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(train.main, ["with", f"tracking.folder={tmp_path / 'runs'}", *argv])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_song_in_two_roles_is_told_before_a_folder_is_made(place, words, capsys):
    band = "{songs: 2, seconds: 2.0, sample_rate: 8000}"
    entry = f"{{name: band, options: {band}, train: [band-900000]}}"
    words = [*words, "name=roles", "phases=[supervised, adversarial]", "alpha=0.1"]
    with pytest.raises(cli.UsageError, match=r"'band-900000' is both in test and in unpaired\.mix"):
        train.main([*words, f"unpaired.mixtures=[{entry}]"])
    assert not (place / "runs" / "roles").exists()
    capsys.readouterr()

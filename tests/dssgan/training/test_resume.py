"""A run that is killed and started again ends with the bits of one that was left alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from common.interrupts import Interrupted
from dssgan import models
from dssgan.losses import LOSSES
from dssgan.monitoring.tensorboard import TensorBoard
from dssgan.monitoring.validation import Validator
from dssgan.separator import Separator
from dssgan.training.checkpoints import read_progress
from tests.dssgan.small_training import bits, make_loop, make_state, make_step, run_steps
from tests.dssgan.stand_ins import SOURCES, Excerpts, Song, TinySeparator, negative_error

# Dropout, a running average, RAdam's adaptive steps and lookahead all take part. The process kills
# itself: in the middle of writing a checkpoint, in the middle of an epoch, or while it validates.
PROGRAM = """
import os, signal, sys
import numpy as np

folder, moment, when = sys.argv[1], sys.argv[2], int(sys.argv[3])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

from dssgan.training import state as states
from dssgan.separator import Separator
from dssgan.monitoring.validation import Validator
from tests.dssgan.stand_ins import Song, TinySeparator, negative_error
from tests.dssgan.small_training import make_loop, make_state, make_step

state = make_state(TinySeparator(dropout=0.2), average=True)
step = make_step(state, average=0.9, clip=1.0)
validator = Validator(Separator(state.model), [Song()], negative_error)

def stepping(stems, index):
    if (moment, when) == ("step", index):
        die()
    return step(stems, index)

def validating(*given):
    if (moment, when) == ("validation", state.progress.epoch):
        die()
    return validator(*given)

def saving(file, **arrays):
    if (moment, when) == ("save", state.progress.step):
        file.write(b"half a checkpoint")
        file.flush()
        die()
    np_savez(file, **arrays)

np_savez, states.np.savez = np.savez, saving
loop = make_loop(folder, state, stepping, epochs=3, steps=5, save_steps=2, validator=validating)
if loop.checkpoints.last.exists():
    state.restore(loop.checkpoints.last)
print("start", state.progress.step)
loop.run()
"""


def train(folder, moment="", when=0):
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", PROGRAM, str(folder), moment, str(when)]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    start = [line for line in done.stdout.splitlines() if line.startswith("start")]
    assert start, done.stderr[-3000:]
    return done.returncode, int(start[0].split()[1])


def test_killed_anywhere_training_ends_with_the_same_bits(tmp_path):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    state = make_state(TinySeparator(dropout=0.2), average=True)
    step = make_step(state, average=0.9, clip=1.0)
    validator = Validator(Separator(state.model), [Song()], negative_error)
    make_loop(alone, state, step, epochs=3, steps=5, validator=validator).run()

    assert train(killed, "save", 2) == (-signal.SIGKILL, 0)
    assert not (killed / "last.npz").exists()
    assert train(killed, "step", 7) == (-signal.SIGKILL, 0)
    assert train(killed, "validation", 1) == (-signal.SIGKILL, 6)
    assert train(killed) == (0, 10)
    for name in ("last.npz", "best.npz"):
        with np.load(alone / name) as expected, np.load(killed / name) as found:
            assert set(expected.files) == set(found.files)
            for key in set(expected.files) - {"header"}:
                assert expected[key].tobytes() == found[key].tobytes(), key
        assert read_progress(alone / name).best == read_progress(killed / name).best


@pytest.mark.parametrize(
    ("number", "code", "moment"),
    [
        (signal.SIGTERM, 143, "step"),
        (signal.SIGINT, 130, "step"),
        (signal.SIGTERM, 143, "validation"),
    ],
)
def test_signals_save_before_they_end_the_run(tmp_path, number, code, moment):
    state = make_state(TinySeparator(dropout=0.2))
    validator = Validator(Separator(state.model), [Song()], negative_error)
    loop = make_loop(tmp_path / "a", state, epochs=2, steps=3, validator=validator)
    inner = loop.phase.step

    def stepping(stems, index):
        if (moment, index) == ("step", 4):
            os.kill(os.getpid(), number)
        return inner(stems, index)

    def validating(*given):
        if moment == "validation" and state.progress.epoch == 1:
            os.kill(os.getpid(), number)
        return validator(*given)

    loop.phase.step, loop.validator = stepping, validating
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        loop.run()
    assert caught.value.code == code
    assert signal.getsignal(number) is before
    assert read_progress(tmp_path / "a" / "last.npz").step == (5 if moment == "step" else 6)

    resumed = make_state(TinySeparator(dropout=0.2))
    resumed.restore(tmp_path / "a" / "last.npz")
    assert bits(resumed) == bits(state)
    again = Validator(Separator(resumed.model), [Song()], negative_error)
    make_loop(tmp_path / "a", resumed, epochs=2, steps=3, validator=again).run()
    alone = make_state(TinySeparator(dropout=0.2))
    quiet = Validator(Separator(alone.model), [Song()], negative_error)
    make_loop(tmp_path / "b", alone, epochs=2, steps=3, validator=quiet).run()
    assert bits(resumed) == bits(alone)


def test_a_validation_leaves_training_untouched():
    state = make_state(TinySeparator(dropout=0.2), average=True)
    before = bits(state)
    validator = Validator(Separator(state.model), [Song()], negative_error)
    with state.averaged():
        validator(0, TensorBoard(None))
    assert bits(state) == before


def test_the_real_separator_goes_on_with_the_same_bits(tmp_path):
    def made():
        keras.utils.set_random_seed(3)
        sizes = {"width": 16, "mels": 8, "bottleneck": 8, "hidden": 8, "layers": 1, "stacks": 1}
        model = models.build("multistage", stages=1, sources=SOURCES, dropout=0.2, **sizes)
        state = make_state(model, average=True)
        return state, make_step(state, loss=LOSSES["multistage"], average=0.9, clip=5.0)

    source = Excerpts(batch=2, samples=1600)
    state, step = made()
    first = bits(state)
    run_steps(step, source, 3)
    state.progress.step = 3
    state.save(tmp_path / "last.npz")
    run_steps(step, source, 4, start=3)
    again, step = made()
    assert bits(again) == first
    again.restore(tmp_path / "last.npz")
    assert again.progress.step == 3
    run_steps(step, source, 4, start=3)
    assert bits(again) == bits(state)
    assert bits(again) != first

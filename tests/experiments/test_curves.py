"""Curves of runs as a picture: phases one after the other, names that fit, what is not there."""

import numpy as np
import pytest

from common import cli
from dssgan.monitoring.tensorboard import TensorBoard
from experiments import curves


@pytest.fixture
def run(tmp_path):
    """Two phases; the second one was begun later, and one of its steps was done twice."""
    folder = tmp_path / "run"
    for phase, values in (("supervised", [3.0, 2.0]), ("adversarial", [5.0, 4.0])):
        logs = TensorBoard(folder / "tensorboard" / phase)
        for step, value in enumerate(values, 1):
            logs.scalars(10 * step, {"train/loss": value, "train/share/additivity": value / 10})
        if phase == "adversarial":
            logs.scalars(20, {"train/loss": 1.0, "validation/si_sdr": -2.0})
        logs.close()
    first, second = (next((folder / "tensorboard" / n).iterdir()) for n in ("supervised", phase))
    first.rename(first.with_name("events.out.tfevents.1.here"))
    second.rename(second.with_name("events.out.tfevents.2.here"))
    return folder


def test_phases_follow_one_another_and_the_later_point_counts(run):
    found = curves.read(run)
    assert set(found) == {"train/loss", "train/share/additivity", "validation/si_sdr"}
    steps, values = found["train/loss"]
    np.testing.assert_array_equal(steps, [10, 20, 30, 40])
    np.testing.assert_array_equal(values, [3.0, 2.0, 5.0, 1.0])
    np.testing.assert_array_equal(found["validation/si_sdr"][0], [40])


def test_a_picture_has_a_panel_per_name(run, tmp_path, capsys):
    out = tmp_path / "made" / "curves.png"
    words = [str(out), str(run), str(run), "--curves", "train/loss", "train/share/*"]
    assert curves.main(words) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == f"{out}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["x.png", "RUN", "--curves", "train/los"],
            "--curves train/los: no such curve (train/loss",
        ),
        (["x.png", "NOTHING"], "no curves"),
        (["x.pdf", "RUN"], "expected a name that ends in .png"),
    ],
)
def test_what_is_not_there_is_told(words, message, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [str(run) if word == "RUN" else word for word in words]
    with pytest.raises(SystemExit):
        cli.run(curves.main, words)
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1

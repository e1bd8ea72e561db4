"""Every recipe is a valid configuration whose header says how to run it; sizes and settings."""

import re

import numpy as np
import pytest
import tensorflow as tf

from dssgan.config.schema import from_dict
from dssgan.training.build import build_model, build_schedule, excerpt_samples
from dssgan.training.options import check_choices
from experiments.run.configuration import configure
from experiments.run.yaml_files import read_yaml
from tests.guide import ROOT, commands

RECIPE_FILES = ROOT / "experiments" / "recipes"
RECIPES = sorted(path.stem for path in RECIPE_FILES.glob("*.yaml"))
FIELDS = ("Paper:", "Needs:", "Command:", "Time:", "Score:")


def header(name):
    """{"title", "Paper:", …: text} and the remarks below them, all without the comment signs."""
    lines = (RECIPE_FILES / f"{name}.yaml").read_text("utf-8").partition("\n\n")[0].splitlines()
    assert all(line.startswith("#") and len(line) <= 120 for line in lines)
    found, last = {"title": lines[0].removeprefix("# ")}, ""
    assert lines[1] == "#"
    for place, line in enumerate(lines[2:], 2):
        label = line[2:11].strip()
        if label in FIELDS:
            found[label], last = line[11:], label
        elif line.startswith("#          "):
            found[last] += f" {line[11:]}"
        else:
            assert line == "#", line  # remarks stand below an empty line
            return found, lines[place + 1 :]
    return found, []


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_valid_and_have_the_same_header(name):
    config = from_dict(read_yaml(RECIPE_FILES / f"{name}.yaml"))
    check_choices(config)
    found, _ = header(name)
    assert tuple(found) == ("title", *FIELDS)
    assert found["title"].endswith(".")
    assert found["Paper:"].startswith(("arXiv ", "JOSS ")) and "(what differs: " in found["Paper:"]
    assert found["Command:"].startswith(f"python -m dssgan.train with {name}")
    figure = r"not measured here|README|python -m|\d"
    assert re.search(figure, found["Time:"]) and re.search(figure, found["Score:"])


def commands_of(name):
    """The trainings of a recipe's header."""
    found, remarks = header(name)
    lines = [found["Command:"], *(line[4:] for line in remarks if line.startswith("#   "))]
    return [
        command
        for command in commands("\n".join(lines))
        if command.words[:3] == ["python", "-m", "dssgan.train"]
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_commands_of_the_headers_are_understood(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = commands_of(name)
    for command in found:
        assert command.words[3:4] in ([], ["with"])
        config, _, origin = configure(command.words[4:])
        check_choices(config)
    assert origin == f"experiments/recipes/{name}.yaml"  # the last one is its own


def test_the_header_of_stoller2018_names_every_root(monkeypatch):
    monkeypatch.chdir(ROOT)
    config, *_ = configure(commands_of("stoller2018")[1].words[4:])
    assert [entry.root for entry in config.data.also] == ["MedleyDB", "ccMixter"]
    unpaired = (*config.unpaired.mixtures, *config.unpaired.solos)
    assert [entry.root for entry in unpaired] == ["MedleyDB", "ccMixter"] * 3
    folders = {"medleydb": "MedleyDB", "ccmixter": "ccMixter", "dsd100": "DSD100"}
    for entry in (config.data, *config.data.also, *unpaired):
        assert entry.root == folders[entry.name]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("meta_tasnet_musdb18", 45_531_260),
        ("conv_tasnet", 20_242_484),
        ("wavenet_multi", 3_277_763),
        ("wavenet_singing", 3_277_249),
        ("bandsplit_drums", 41_024_392),
        ("htdemucs", 41_984_456),
        ("dssgan_original", 958_596),
        ("stoller2018", 958_596),
    ],
)
def test_sizes_of_the_readme(name, weights):
    """A recipe's model has as many weights as the README says, and as its authors say."""
    config = from_dict(read_yaml(RECIPE_FILES / f"{name}.yaml"))
    model = build_model(config)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_variables) == weights


@pytest.mark.parametrize("name", ["dssgan_original", "stoller2018"])
def test_the_original_system_has_both_phases(name, monkeypatch):
    """Settings of the published program (its own last ones, for DSSGAN)."""
    monkeypatch.chdir(ROOT)
    supervised, semi = (configure(command.words[4:])[0] for command in commands_of(name))
    assert (supervised.phases, semi.phases) == (("supervised", "test"), ("adversarial", "test"))
    assert (supervised.alpha, supervised.beta, semi.alpha, semi.beta) == (0.0, 0.0, 1e-3, 1e-3)
    adversarial = semi.adversarial
    assert (adversarial.init, adversarial.critic_steps, semi.data.batch) == ("scratch", 5, 64)
    assert semi.schedule.learning_rate == adversarial.critic_schedule.learning_rate == 5e-5
    assert supervised.supervised.steps == adversarial.steps == 1001
    assert semi.validation.patience == 1
    (critic,) = adversarial.critics
    assert (critic.name, critic.objective, critic.penalty) == ("dcgan", "wasserstein", 10.0)
    assert semi.unpaired.gain == (0.2, 1.2)
    assert excerpt_samples(semi, build_model(semi)) == 157 * 256


def test_bandsplit_mixes_and_slows_down_as_the_paper_says():
    config = from_dict(read_yaml(RECIPE_FILES / "bandsplit_drums.yaml"))
    augmentation = config.data.augmentation
    assert augmentation.gain_db == (-10.0, 10.0)
    assert (augmentation.drop, augmentation.remix) == (0.1, 1.0)
    assert (augmentation.active, augmentation.active_rule) == ("drums", "activity")
    rate = build_schedule(config.schedule)
    two_epochs = 2 * config.supervised.steps
    assert two_epochs * config.data.batch == 40_000
    # Full from the first update on, and 0.98 times as high after every two epochs.
    for update, expected in ((0, 1e-3), (two_epochs, 0.98e-3), (10 * two_epochs, 0.98**10 * 1e-3)):
        assert float(rate(tf.constant(update, tf.int64))) == pytest.approx(expected, rel=1e-5)
    assert (config.optimiser.clip, config.validation.patience) == (5.0, 10)

"""One Band-Split RNN for several targets: a shared trunk learns them, is exported and separates."""

import numpy as np
import pytest
import tensorflow as tf

from dssgan.losses import LOSSES
from dssgan.models import build
from dssgan.optimisers import rules
from dssgan.separator import Separator
from dssgan.training.state import TrainingState
from tests.dssgan.models.test_bandsplit import SMALL
from tests.dssgan.small_training import make_step

RATE, SOURCES, TARGETS = 8000, ("drums", "other", "vocals"), ("drums", "vocals")
TONES = {"drums": (300.0, 420.0), "other": (3300.0, 3700.0), "vocals": (1600.0, 2400.0)}


@pytest.fixture(scope="module")
def stems():
    """(2, sources, samples, 1): tones of every source in bands of its own."""
    time = np.arange(1280) / RATE
    waves = [[np.sin(2 * np.pi * f * time) for f in TONES[source]] for source in SOURCES]
    return 0.1 * np.array(waves, np.float32).transpose(1, 0, 2)[..., None]


@pytest.fixture(scope="module")
def learnt(stems):
    """The model after sixty updates on one batch, and the losses on the way."""
    model = build("bandsplit", **SMALL, sources=list(SOURCES), targets=list(TARGETS))
    state = TrainingState(model, rules.Adam())
    step = make_step(state, rate=5e-3, loss=LOSSES["bandsplit"], clip=5.0)
    return model, [float(step(tf.constant(stems), number)["loss"]) for number in range(60)]


def test_one_batch_of_several_targets_is_learnt(learnt, stems):
    model, losses = learnt
    assert len(model.masks) == len(TARGETS)
    assert losses[-1] < 0.2 * losses[0]
    estimates = model(stems.sum(1))
    for place, source in enumerate(SOURCES):  # what the targets leave is right as well
        error = np.square(estimates[:, place] - stems[:, place]).mean()
        assert error < 0.1 * np.square(stems[:, place]).mean(), source


def test_it_is_exported_loaded_and_separates_all_targets(learnt, stems, tmp_path):
    model, _ = learnt
    Separator(model).save(tmp_path / "separator")
    separator = Separator.load(tmp_path / "separator", segment=0.5)
    assert separator.sources == SOURCES and separator.model.targets == TARGETS
    song = np.tile(stems[0], (1, 6, 1))  # 0.96 s: chunks that overlap
    found = separator.separate(song.sum(0), RATE)
    np.testing.assert_allclose(sum(found.values()), song.sum(0), atol=1e-5)
    for place, source in enumerate(SOURCES):
        error = np.square(found[source] - song[place]).mean()
        assert error < 0.2 * np.square(song[place]).mean(), source
    assert list(separator.separate(song.sum(0), RATE, ["vocals"])) == ["vocals"]

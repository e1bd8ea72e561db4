"""The section data.augmentation and what `datasets.excerpts` makes of it are the same."""

import dataclasses

import pytest

from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.effects import FAMILIES, RANGES, Effects
from dssgan.config.augmentation import AugmentationSettings
from dssgan.config.mappings import to_dict
from dssgan.config.schema import from_dict
from experiments.songs.checks import check_data
from experiments.songs.training_data import augmentation


def read(**values):
    return from_dict({"data": {"augmentation": values}})


def test_the_defaults_are_those_of_the_library():
    assert augmentation(read()) == Augmentation() and not Augmentation().effects.on


@pytest.mark.parametrize("family", FAMILIES)
def test_ranges_are_those_of_the_library(family):
    section = getattr(AugmentationSettings(), family)
    assert to_dict(section) == to_dict(FAMILIES[family]())
    for option in dataclasses.fields(section):
        limits = RANGES.get(f"{family}.{option.name}") or RANGES.get(option.name)
        if limits:
            assert (option.metadata["low"], option.metadata["high"]) == limits, option.name


def test_every_option_arrives():
    found = augmentation(
        read(
            tone={"share": 0.7, "db": 4},
            lowpass={"share": 0.25, "hertz": [9000, 16000]},
            parts={"chances": [0.7, 0.3], "sources": ["other"]},
            silence={"drums": 0.06},
            level={"share": 1, "source": "bass", "db": [-3, 3]},
        )
    ).effects
    assert (found.tone.share, found.tone.db) == (0.7, 4.0)
    assert (found.lowpass.share, found.lowpass.hertz) == (0.25, (9000.0, 16000.0))
    assert (found.parts.chances, found.parts.sources) == ((0.7, 0.3), ("other",))
    assert found.silence == {"drums": 0.06} and found.level.source == "bass"
    assert isinstance(found, Effects) and found.on


def test_several_mixes_and_a_missing_folder_are_refused_before_songs_are_read(tmp_path):
    with pytest.raises(ValueError, match=r"data\.augmentation: mixes=3"):
        augmentation(read(mixes=3, tone={"share": 0.5}))
    folder = tmp_path / "rooms"
    config = read(room={"share": 0.5, "folder": str(folder)})
    with pytest.raises(ValueError, match=r"data\.augmentation\.room\.folder=.*no such folder"):
        check_data(config)
    folder.mkdir()
    check_data(config)

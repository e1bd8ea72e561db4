"""The section data.augmentation: what is refused, and in which words."""

import pytest

from dssgan.config import schema


def read(**values):
    return schema.from_dict({"data": {"augmentation": values}}).data.augmentation


def test_a_family_is_one_section():
    found = read(tone={"share": 0.75, "db": 5}, silence={"drums": 0.06}, parts={"chances": [0.7]})
    assert (found.tone.share, found.tone.db) == (0.75, 5.0)
    assert found.silence == {"drums": 0.06} and found.parts.chances == (0.7,)
    assert found.lowpass == read().lowpass and found.lowpass.share == 0.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tone": 3}, "data.augmentation.tone=3: expected a section of keys"),
        ({"tone": {"share": 1.5}}, "data.augmentation.tone.share=1.5: expected 1 or less"),
        ({"tone": {"shares": 1}}, "tone.shares; did you mean data.augmentation.tone.share?"),
        ({"tone": {"db": 41}}, "tone.db=41.0: expected 40 or less"),
        ({"lowpass": {"hertz": [10, 9000]}}, "expected 20 or more"),
        ({"lowpass": {"hertz": [19000, 9000]}}, "lowpass.hertz=[19000, 9000]: the lower one"),
        ({"room": {"seconds": [0, 1]}}, "expected 0.001 or more"),
        ({"room": {"wet": [1, 0]}}, "data.augmentation.room.wet=[1, 0]: the lower one"),
        ({"saturation": {"drive_db": [0, 61]}}, "expected 60 or less"),
        ({"compression": {"ratio": [0.9, 2]}}, "expected 1 or more"),
        ({"speed": {"factor": [0.4, 1]}}, "expected 0.5 or more"),
        ({"width": {"factor": [0.5]}}, "expected a list of 2"),
        ({"level": {"db": [7, -12]}}, "level.db=[7, -12]: the lower one comes first"),
        ({"level": {"share": 0.5, "source": "lead"}}, "level.source: 'lead' is none of"),
        ({"parts": {"chances": [0.5, 2]}}, "expected 1 or less"),
        ({"parts": {"sources": ["lead"]}}, "parts.sources: 'lead' is none of the sources"),
        ({"silence": {"lead": 0.1}}, "data.augmentation.silence: 'lead' is none of the sources"),
        ({"silence": {"drums": 1.1}}, "silence.drums=1.1: expected a share from 0 to 1"),
        ({"silence": {"drums": True}}, "silence.drums=True: expected a share"),
        ({"silence": {"drums": "x"}}, "silence.drums='x': expected a share"),
    ],
)
def test_mistakes_are_told_in_one_line(values, message):
    with pytest.raises(ValueError) as caught:
        read(**values)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_range_of_one_value_is_a_range():
    assert read(level={"db": [0, 0], "share": 1}).level.db == (0.0, 0.0)

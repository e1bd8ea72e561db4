"""Options of effects: ranges, names, what is off by default."""

import dataclasses

import pytest

from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.effects import (
    FAMILIES,
    RANGES,
    Compression,
    Effects,
    Level,
    Lowpass,
    Parts,
    Room,
    Saturation,
    Speed,
    Tone,
    Width,
)


def test_all_is_off_by_default():
    assert not Effects().on and not Augmentation().effects.on
    for family, kind in FAMILIES.items():
        options = {"chances": (0.5,)} if family == "parts" else {"share": 0.5}
        assert Effects(**{family: kind(**options)}).on, family
    assert Effects(silence={"drums": 0.1}).on and not Effects(silence={"drums": 0.0}).on


def test_every_number_has_a_range():
    for family, kind in FAMILIES.items():
        for option in dataclasses.fields(kind):
            text = option.name in ("source", "sources", "folder")
            known = option.name in RANGES or f"{family}.{option.name}" in RANGES
            assert text or known, f"{family}.{option.name}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tone": Tone(share=1.5)}, "tone.share=1.5: expected 0 to 1"),
        ({"tone": Tone(db=-1.0)}, "tone.db"),
        ({"tone": Tone(db=float("nan"))}, "tone.db=nan"),
        ({"lowpass": Lowpass(hertz=(19000.0, 9000.0))}, "the lower one first"),
        ({"lowpass": Lowpass(hertz=(0.0, 9000.0))}, "lowpass.hertz"),
        ({"room": Room(seconds=(0.0, 1.0))}, "room.seconds"),
        ({"room": Room(wet=(0.0,))}, "two numbers"),
        ({"saturation": Saturation(drive_db=(0.0, 90.0))}, "saturation.drive_db"),
        ({"compression": Compression(ratio=(0.5, 2.0))}, "compression.ratio"),
        ({"speed": Speed(factor=(0.1, 1.0))}, "speed.factor"),
        ({"width": Width(factor=(-1.0, 1.0))}, "width.factor"),
        ({"level": Level(db=(7.0, -12.0))}, "level.db"),
        ({"parts": Parts(chances=(0.5, 1.5))}, "parts.chances"),
        ({"silence": {"drums": 2.0}}, "silence.drums=2.0: expected 0 to 1"),
        ({"silence": {"drums": "often"}}, "silence.drums=often"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Effects(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"silence": {"vocals": 0.5}},
        {"parts": Parts(chances=(0.5,), sources=("vocals",))},
        {"level": Level(share=0.5, source="vocals")},
    ],
)
def test_unknown_sources_are_refused(options):
    Effects(**options).check_sources(("drums", "vocals"))
    with pytest.raises(ValueError, match="'vocals' is none of the sources drums, bass"):
        Effects(**options).check_sources(("drums", "bass"))


def test_the_level_of_an_unknown_source_is_of_no_account_while_it_is_off():
    Effects(level=Level(source="drums")).check_sources(("vocals",))


def test_further_parts_are_for_all_but_the_drums_unless_sources_are_named():
    assert Parts(chances=(0.5,)).of("drums") == ()
    assert Parts(chances=(0.5,)).of("accompaniment") == (0.5,)
    assert Parts(chances=(0.5,), sources=("drums",)).of("drums") == (0.5,)
    assert Parts(chances=(0.5,), sources=("drums",)).of("accompaniment") == ()


def test_several_mixes_and_effects_exclude_each_other():
    Augmentation(mixes=3)
    with pytest.raises(ValueError, match="mixes=3"):
        Augmentation(mixes=3, effects=Effects(tone=Tone(share=0.5)))


def test_recordings_receive_what_is_linear():
    everything = {name: kind() for name, kind in FAMILIES.items()}
    on = {
        name: dataclasses.replace(kind, share=1.0)
        for name, kind in everything.items()
        if name != "parts"
    }
    found = Effects(**on, silence={"drums": 1.0}).linear()
    applied = {name for name in on if getattr(found, name).share}
    assert applied == {"tone", "lowpass", "room", "speed", "width"}
    assert not found.silence

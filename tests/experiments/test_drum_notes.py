"""Hits of annotated songs: how they are read, matched and told."""

import numpy as np
import pytest

from dssgan.separator import Separator
from experiments.drum_notes import (
    BANDS,
    annotated,
    banded,
    counted,
    energy_shares,
    energy_table,
    f_measure,
    separated,
    table,
    together,
)
from tests.dssgan.conftest import KIT
from tests.dssgan.kit.test_onsets import RATE, clicks
from tests.dssgan.separator_stand_ins import Splitter


def test_annotations_are_sorted_by_piece(tmp_path):
    path = tmp_path / "song_class.txt"
    path.write_text("0.52 \t SD \n0.01\tTT\n0.3 SD\n0.4 OT\n\n".rstrip() + "\n")
    found = annotated(path)
    assert list(found) == list(KIT) == list(BANDS)
    assert found["snare"].tolist() == [0.3, 0.52] and found["toms"].tolist() == [0.01]
    assert all(not len(found[piece]) for piece in ("kick", "hats", "cymbals"))
    path.write_text("0.52 SD\nsoon SD\n")
    with pytest.raises(ValueError, match="line 2: expected a time and a class"):
        annotated(path)


def times(**pieces):
    return {piece: np.array(pieces.get(piece, [])) for piece in KIT}


def test_hits_of_all_songs_are_counted_together():
    known = [times(kick=[1.0, 2.0], snare=[1.5]), times(kick=[1.0])]
    found = [times(kick=[1.01, 2.04, 3.0]), times(hats=[1.0])]
    assert counted(known, found, "kick", 0.05) == (2, 3, 3)
    assert counted(known, found, "kick", 0.02) == (1, 3, 3)
    assert counted(known, found, "hats", 0.05) == (0, 0, 1)
    assert f_measure(2, 3, 3) == pytest.approx(2 / 3) and f_measure(0, 0, 0) == 0.0
    lines = table(known, {"ours": found}, [0.05])
    assert lines[2] == "| ours | 50 ms | 0.67 | 0.00 | 0.00 | 0.00 | 0.00 | 0.50 |"


def test_the_energy_of_a_hit_goes_to_the_stems_that_rise(rng):
    """Steady stems take no share, whatever their level; hits beside others are not asked."""
    audio = clicks([0.0, 0.5, 1.0, 1.05, 2.0], [0.4] * 5)[:, 0]
    steady = np.full(len(audio), 0.5, np.float32)
    stems = {"kick": np.sqrt(0.75) * audio, "snare": 0.5 * audio, "hats": steady}
    known = times(kick=[0.0, 0.5, 1.0, 3.5], snare=[1.05, 2.0])
    found = energy_shares(stems, RATE, known)
    assert [len(found[piece]) for piece in KIT] == [2, 1, 0, 0, 0]
    for shares in (*found["kick"][1:], *found["snare"]):
        assert shares == pytest.approx({"kick": 0.75, "snare": 0.25, "hats": 0.0}, abs=1e-3)
    lines = energy_table(found)
    assert lines[0] == "| hits of | alone | kick | snare | toms | hats | cymbals |"
    assert lines[3] == "| snare | 1 | 0.75 | 0.25 | 0.00 | 0.00 | 0.00 |"
    assert lines[4] == "| toms | 0 | – | – | – | – | – |"


def test_whole_stems_add_up(rng):
    audio = clicks([0.5], [0.4], seconds=1.5)
    separator = Separator(Splitter(gains=(0.5, 0.2, 0.1, 0.1, 0.1), sources=KIT), segment=0.5)
    stems = together(separator, audio, RATE)
    assert list(stems) == list(KIT)
    np.testing.assert_allclose(sum(stems.values()), audio[:, 0], atol=1e-6)


def test_both_ways_hear_clicks():
    places = [0.5, 1.0, 1.5, 2.0, 2.5]
    audio = clicks(places, [0.4] * 5)
    onsets = banded(audio, RATE, BANDS["hats"])
    assert f_measure(*counted([times(hats=places)], [times(hats=onsets)], "hats", 0.05)) > 0.9
    gains = (0.5, 0.2, 0.1, 0.1, 0.1)
    pieces = separated(Separator(Splitter(gains=gains, sources=KIT), segment=0.5), audio, RATE)
    assert list(pieces) == list(KIT)
    assert np.abs(pieces["kick"] - places).max() < 0.02

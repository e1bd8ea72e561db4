"""What half precision costs, per song."""

import re

import pytest

from common import cli
from dssgan import models
from dssgan.config.mappings import to_dict
from dssgan.config.schema import from_dict
from dssgan.separator import Separator
from experiments.benchmarks import precision
from experiments.run import scoring
from tests.dssgan.separator_stand_ins import Splitter


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Export a separator of a run on two test songs and measure it."""
    monkeypatch.setitem(models.SEPARATORS, "splitter", Splitter)
    config = from_dict(
        {
            "sources": ["drums", "accompaniment"],
            "data": {"options": {"songs": 2, "seconds": 2.0, "sample_rate": 8000}},
            "separation": {"segment": 0.5},
            "seed": 1,
        }
    )
    configuration = to_dict(config)

    def call(*options, gains=(0.5, 0.3), provenance=configuration):
        told = {} if provenance is None else {"configuration": provenance}
        Separator(Splitter(gains=gains)).save(tmp_path / "separator", told)
        with pytest.raises(SystemExit) as left:
            cli.run(precision.main, [str(tmp_path / "separator"), *options])
        return left.value.code, *capsys.readouterr(), scoring.test_songs(config)

    return call


def test_every_test_song_gets_a_line_and_the_largest_change_is_told(call):
    code, out, err, songs = call("--seconds", "1")
    assert not err and len(songs) >= 1
    lines = out.splitlines()
    assert "first 1 s" in lines[0] and len(lines) == len(songs) + 2
    changes = []
    for song, line in zip(songs, lines[1:]):
        assert line.startswith(f"{song.name}: drums ") and "accompaniment " in line
        for old, new, change in re.findall(r"(-?[\d.]+) → (-?[\d.]+) \(([-+][\d.]+)\)", line):
            assert abs(float(new) - float(old) - float(change)) < 2e-3
            changes.append(abs(float(change)))
    assert len(changes) == 2 * len(songs) and max(changes) > 0
    assert lines[-1].startswith(f"largest change: {max(changes):.4f} dB")
    assert code == (max(changes) >= precision.MOST_DB)


def test_a_change_above_the_target_fails(call, monkeypatch):
    monkeypatch.setattr(precision, "MOST_DB", 1e-9)
    assert call("--precision", "float16")[0] == 1


def test_the_scores_are_those_of_the_excerpt_alone(call):
    _, whole, _, _ = call("--seconds", "60")
    _, start, _, _ = call("--seconds", "0.5")
    assert whole.splitlines()[1] != start.splitlines()[1]


@pytest.mark.parametrize(
    ("options", "provenance", "words", "code"),
    [
        (["--seconds", "0"], {}, "--seconds 0: expected more than 0", 2),
        ([], None, "comes from no training run", 1),
        ([], {"sorces": ["drums"]}, "the configuration in it: ", 1),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(call, options, provenance, words, code):
    found, _, err, _ = call(*options, provenance=provenance)
    assert found == code and words in err and err.count("\n") == 1


def test_a_folder_without_a_separator_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        cli.run(precision.main, [str(tmp_path / "nothing")])
    assert left.value.code == 1 and "nothing" in capsys.readouterr().err

"""The report on an adapted separator: figures, intervals, verdict, export, misuse."""

import json
import math

import numpy as np
import pytest
import yaml

from common import cli
from datasets import audio
from dssgan.config.mappings import to_dict
from dssgan.config.schema import from_dict
from dssgan.models import SEPARATORS, export
from experiments import adapt_report
from experiments.adapting import figures, verdict
from experiments.adapting.figures import Figure
from experiments.adapting.passes import Passes, Song
from experiments.run.folder import RECORD
from tests.dssgan.stand_ins import TinySeparator

RATE, SAMPLES = 8000, 48000


def numbered(changes, name="remix SDR", higher=True, source="drums"):
    """A figure whose songs change by so much."""
    pairs = {f"song {n}": (5.0, 5.0 + change) for n, change in enumerate(changes)}
    return figures.figure(name, source, higher, pairs)


@pytest.mark.parametrize(
    ("changes", "higher", "expected"),
    [
        ([0.5, 0.6, 0.4], True, "better"),
        ([0.5, 0.6, 0.4], False, "worse"),
        ([-0.5, -0.6, -0.4], True, "worse"),
        ([0.5, -0.6, 0.4], True, "no change"),
        ([0.01, 0.02, 0.01], True, "no change"),  # too little
        ([0.5, 0.6], True, "no change"),  # too few
    ],
)
def test_a_figure_changes_where_its_interval_leaves_out_zero(changes, higher, expected):
    found = numbered(changes, higher=higher)
    assert found.verdict == expected
    assert found.low <= found.change <= found.high
    assert found.change == pytest.approx(np.mean(changes))


def test_songs_without_a_figure_are_left_out():
    pairs = {"one": (1.0, 2.0), "two": (math.nan, 2.0)}
    assert list(figures.figure("x", "drums", True, pairs).songs) == ["one"]
    assert figures.figure("x", "drums", True, {"two": (math.nan, 1.0)}) is None


UP, DOWN, SAME = [0.5, 0.6, 0.4], [-0.5, -0.6, -0.4], [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("remix", "others", "expected"),
    [
        (UP, [SAME], "better"),
        (UP, [UP, DOWN], "better"),
        (UP, [DOWN], "no change"),
        (SAME, [UP, UP], "no change"),
        (SAME, [DOWN], "worse"),
        (SAME, [SAME], "no change"),
        (DOWN, [UP, UP], "worse"),
    ],
)
def test_the_verdict_follows_from_remixes_and_the_balance_of_the_rest(remix, others, expected):
    found = [numbered(remix), *(numbered(each, "other") for each in others)]
    assert verdict.verdict(found, "drums") == expected
    assert expected in verdict.summary(expected, 3, "drums")
    assert verdict.verdict([numbered(DOWN, source="bass")], "drums") == "no change"


def test_critics_have_no_part_in_the_verdict():
    found = [numbered(SAME), numbered(DOWN, "critics")]
    assert verdict.verdict(found, "drums") == "no change"


def test_the_table_is_narrow_and_marks_what_changed():
    found = [numbered(UP), numbered(DOWN, "energy where inactive", False, "accompaniment")]
    lines = verdict.table(found, {"drums": 12.0}).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].endswith("+") and lines[2].endswith("+")
    assert "both agree on drums" in lines[3] and "12.00" in lines[3]
    data = json.loads(json.dumps(verdict.record(found, verdict="better")))
    assert data["figures"][0]["songs"]["song 1"] == [5.0, 5.6]
    assert Figure.__dataclass_fields__.keys() < data["figures"][0].keys()


def test_an_estimate_with_less_of_the_rest_in_it_is_better(rng):
    """Known stems: the second separator leaves a tenth of the accompaniment that the first did."""
    songs = []
    for number in range(4):
        drums = np.zeros((SAMPLES, 1))
        for place in range(1000, SAMPLES // 2, 4000):
            drums[place : place + 800] = rng.standard_normal((800, 1))
        rest = 0.2 * rng.standard_normal((SAMPLES, 1))
        song = Song(f"song {number}", RATE, (drums + rest).astype(np.float32))
        for made, share in (("before", 0.3), ("after", 0.03)):
            parts = np.stack([drums + share * rest, (1 - share) * rest])
            noise = 0.1 * share * rng.standard_normal(parts.shape)
            passes = Passes(parts, parts, parts + noise, parts - noise)
            passes.found = [(np.stack([drums, rest]), parts)]
            setattr(song, made, passes)
        songs.append(song)
    found = figures.all_figures(songs, ("drums", "accompaniment"))
    by_name = {(each.name, each.source): each for each in found}
    for name in ("remix SDR", "self-consistency", "energy where inactive", "onset contrast"):
        assert by_name[name, "drums"].verdict == "better", name
    assert ("onset contrast", "accompaniment") not in by_name
    assert by_name["residual", ""].verdict == "no change"
    assert verdict.verdict(found, "drums") == "better"
    assert figures.agreements(songs, ("drums", "accompaniment"))["drums"] > 0


@pytest.fixture
def run(tmp_path, monkeypatch, rng):
    """A run that refined a tiny separator, and the songs that it held back."""
    monkeypatch.setitem(SEPARATORS, "tiny", TinySeparator)
    for number in range(4):
        sound = 0.1 * rng.standard_normal((SAMPLES, 1)).astype(np.float32)
        audio.write(tmp_path / "mixes" / f"{number}.wav", sound * (number != 3), RATE)
    export.save(TinySeparator(seed=1), tmp_path / "before")
    folder = tmp_path / "run"
    export.save(TinySeparator(seed=2), folder / "separator")
    entry = {"name": "recordings", "root": str(tmp_path / "mixes"), "valid": ["1", "2", "3"]}
    config = {
        "sources": ["drums", "vocals"],
        "phases": ["self_training"],
        "self_training": {"init": str(tmp_path / "before")},
        "model": {"name": "tiny"},
        "unpaired": {"mixtures": [entry]},
        "validation": {"references": "estimates", "sources": ["vocals"]},
        "separation": {"segment": 1.0},
    }
    record(folder, config)
    return folder, config


def record(folder, config):
    (folder / RECORD).write_text(yaml.safe_dump(to_dict(from_dict(config))))


def test_a_run_is_reported_and_exported(run, tmp_path, capsys):
    folder, _ = run
    assert adapt_report.main([str(folder), "--seconds", "5"]) == 0
    said = capsys.readouterr().out
    assert "left out, silent: 3" in said
    assert "\\n" not in said and max(map(len, said.splitlines()[3:-1])) <= 80
    assert "remix SDR, vocals" in said and "self-consistency, drums" in said
    assert "no change (vocals, 2 songs held back; 3 or more are needed to tell)" in said
    data = json.loads((folder / adapt_report.RECORD).read_text())
    assert data["verdict"] == "no change" and not data["same"]
    assert set(data["figures"][0]["songs"]) == {"1", "2"}
    out = tmp_path / "out"
    assert adapt_report.main([str(folder), "--seconds", "5", "--export", str(out)]) == 0
    own = export.load(folder / "separator").get_weights()
    for one, other in zip(export.load(out).get_weights(), own):
        np.testing.assert_array_equal(one, other)


def test_a_worse_separator_is_not_exported_unless_forced(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verdict, "verdict", lambda *_: "worse")
    out, words = (
        tmp_path / "out",
        [str(run[0]), "--seconds", "5", "--export", str(tmp_path / "out")],
    )
    assert adapt_report.main(words) == 1
    assert "not exported: it is worse" in capsys.readouterr().out
    assert not out.exists()
    assert adapt_report.main([*words, "--force"]) == 0
    assert (out / "config.json").exists()


def test_a_run_that_kept_its_start_says_so(run, tmp_path, capsys):
    folder, _ = run
    words = [str(folder), "--seconds", "5", "--separator", str(tmp_path / "before")]
    assert adapt_report.main(words) == 0
    assert "both are the same" in capsys.readouterr().out
    data = json.loads((folder / adapt_report.RECORD).read_text())
    assert data["same"] and all(each["change"] == 0 for each in data["figures"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid": ["3"]}, "the 1 songs held back are silent"),
        ({"valid": []}, "none is held back; name some with unpaired.mixtures.0.valid"),
    ],
)
def test_without_songs_there_is_one_line(run, change, message, capsys):
    folder, config = run
    entry = config["unpaired"]["mixtures"][0] | change
    record(folder, config | {"unpaired": {"mixtures": [entry]}})
    with pytest.raises(SystemExit) as ended:
        cli.run(adapt_report.main, [str(folder)])
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("error: unpaired.mixtures: ") and message in said
    assert said.count("\n") == 1


def test_misuse_is_one_line(tmp_path, run, capsys):
    for words, message in (
        ([str(tmp_path)], "no run in it (no configuration.yaml)"),
        ([str(run[0]), "--seconds", "1"], "--seconds 1: expected 5 to 600"),
    ):
        with pytest.raises(SystemExit):
            cli.run(adapt_report.main, words)
        assert message in capsys.readouterr().err

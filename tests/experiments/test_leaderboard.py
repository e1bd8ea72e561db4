"""The best run of each contest, from files and from a database."""

import datetime
import json

import pytest

from common import cli
from experiments import leaderboard
from experiments.tracking import __main__ as tracking
from tests.experiments.fake_runs import make_run, scores_of, usual_scores
from tests.experiments.mongo_server import MongoServer


@pytest.fixture
def library(tmp_path):
    """Three contests: eight songs, two songs, two songs by another protocol."""
    runs = tmp_path / "runs"
    make_run(runs / "low", scores=usual_scores(0.0))
    make_run(runs / "high", {"name": "refined"}, usual_scores(2.0))
    make_run(runs / "middle", scores=usual_scores(1.0))
    few = {"x": {"drums": [1.0], "vocals": [2.0]}, "y": {"drums": [3.0], "vocals": [8.0]}}
    make_run(runs / "few", scores=scores_of(few))
    make_run(runs / "other", scores=scores_of({song: {"drums": [9.0]} for song in few}, "bach10"))
    make_run(runs / "running", status="RUNNING")
    return runs


def run(*argv):
    with pytest.raises(SystemExit) as done:
        cli.run(leaderboard.main, [*map(str, argv)])
    return done.value.code


def rows(text):
    """{first cell: the other cells} of every table."""
    return [
        [cell for cell in line.split("  ") if cell.strip()]
        for line in text.splitlines()
        if line and not line.startswith(("-", "source", " "))
    ]


def test_the_best_of_each_contest(library, capsys):
    assert run(library) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    heads = [line for line in captured.out.splitlines() if "[" in line]
    assert [head.partition(" [")[0] for head in heads] == [
        "bach10, BSS Eval v3-sources, 2 songs",
        "musdb18, BSS Eval v4, 8 songs",
        "musdb18, BSS Eval v4, 2 songs",
    ]
    assert "3 runs" in heads[1] and "1 run;" in heads[2]
    cells = [[cell.strip() for cell in row] for row in rows(captured.out) if len(row) == 5]
    summary = usual_scores(2.0)["median"]
    expected = {
        "drums": f"{summary['drums']['SDR']:.2f}",
        "all but drums": f"{summary['accompaniment']['SDR']:.2f}",
    }
    assert cells == [
        ["drums", "9.00", "other", "multistage", "2026-01-02"],
        *([source, score, "high", "refined", "2026-01-02"] for source, score in expected.items()),
        ["drums", "2.00", "few", "multistage", "2026-01-02"],
        ["vocals", "5.00", "few", "multistage", "2026-01-02"],
    ]


def test_each_source_has_its_own_best(tmp_path, capsys):
    for name, drums, vocals in (("a", 1.0, 5.0), ("b", 2.0, 4.0), ("c", float("nan"), 3.0)):
        scores = scores_of({"x": {"drums": [drums], "vocals": [vocals]}})
        make_run(tmp_path / "runs" / name, scores=scores)
    assert run(tmp_path / "runs") == 0
    found = {
        row[0].strip(): row[2].strip() for row in rows(capsys.readouterr().out) if len(row) == 5
    }
    assert found == {"drums": "b", "vocals": "a"}


def test_names_of_songs_and_settings_decide_what_is_one_contest():
    same = scores_of({"x": {"drums": [1.0]}})
    other_song = scores_of({"y": {"drums": [2.0]}})
    older = {
        **same,
        "settings": {k: v for k, v in same["settings"].items() if k != "same_rounding"},
    }
    entries = [
        leaderboard.Entry(str(place), f"run {place}", "", "", summary)
        for place, summary in enumerate((same, other_song, older, same))
    ]
    boards = leaderboard.contests(entries)
    assert sorted(board.runs for board in boards) == [1, 1, 2]
    assert len({board.digest for board in boards}) == 3
    assert sum("older settings" in leaderboard.board(board, False) for board in boards) == 1


def test_accompaniments_of_different_sources_do_not_compete():
    two = {"x": {"drums": [1.0], "accompaniment": [9.0]}}
    singing = {"x": {"vocals": [1.0], "accompaniment": [5.0]}}
    entries = [
        leaderboard.Entry(str(place), f"run {place}", "", "", scores_of(songs))
        for place, songs in enumerate((two, singing))
    ]
    (board,) = leaderboard.contests(entries)
    assert {source: score for source, (score, _) in board.best.items()} == {
        "drums": 1.0,
        "all but drums": 9.0,
        "vocals": 1.0,
        "accompaniment": 5.0,
    }


def test_a_terminal_of_80_columns_is_enough_and_markdown_is_whole(tmp_path, capsys):
    name = "a_very_long_name_of_a_run_that_says_all_that_was_changed_in_its_configuration-1"
    long = scores_of({"x": {"accompaniment": [1.0], "drums": [1.0], "bass": [1.0]}})
    make_run(tmp_path / "runs" / name, {"name": "the configuration of this run"}, long)
    assert run(tmp_path / "runs") == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    assert run(tmp_path / "runs", "--markdown") == 0
    out = capsys.readouterr().out
    assert (
        out.startswith("### musdb18") and name in out and "| the configuration of this run |" in out
    )


def test_what_cannot_be_read_is_told(library, tmp_path, capsys):
    (library / "high" / "run.json").write_text("{")
    (library / "middle" / "scores" / "summary.json").write_text("[]")
    assert run(library, tmp_path / "nowhere") == 1
    captured = capsys.readouterr()
    told = captured.err.splitlines()
    assert len(told) == 3
    assert "high/run.json: not a JSON file" in told[0]
    assert "middle/scores/summary.json: expected one JSON object" in told[1]
    assert "nowhere: there is no such folder" in told[2]
    assert "low" in captured.out


def test_no_scores_no_board(tmp_path, capsys):
    make_run(tmp_path / "runs" / "a")
    assert run(tmp_path / "runs") == 1
    assert "no run with scores" in capsys.readouterr().err


def test_a_database_tells_the_same_as_the_files(library, server, capsys):
    assert run(library) == 0
    expected = capsys.readouterr().out
    assert tracking.sync([library], server.url) == 0
    capsys.readouterr()
    assert run("--mongo", server.url) == 0
    assert capsys.readouterr().out == expected
    assert run(library, "--mongo", server.url) == 0  # a run that is in both counts once
    assert capsys.readouterr().out == expected


def test_runs_whose_artifacts_are_gone_are_told_by_their_results(tmp_path, capsys):
    server = MongoServer(tmp_path / "server").start()
    try:
        scores = scores_of({"x": {"drums": [float("nan"), 4.0]}, "y": {"drums": [6.0]}})
        folder = make_run(tmp_path / "runs" / "a", scores=scores)
        assert run(tmp_path / "runs") == 0
        expected = capsys.readouterr().out
        assert tracking.sync([folder], server.url) == 0
        database = server.database()
        database.runs.update_one({}, {"$set": {"artifacts": []}})
        started = datetime.datetime(2026, 1, 2)
        database.runs.insert_one({"_id": 90, "start_time": started, "config": {}})
        broken = {"config": {"evaluation": {"protocol": "musdb18"}}, "result": {"SDR/drums": "x"}}
        database.runs.insert_one({"_id": 91, "info": {"scores": {"x": {}}}, **broken})
        capsys.readouterr()
        assert run("--mongo", server.url) == 1
        captured = capsys.readouterr()
        assert captured.out == expected
        assert "run 91: its scores cannot be read" in captured.err
        assert len(captured.err.splitlines()) == 1
    finally:
        server.kill()


def test_a_database_that_is_away_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr("experiments.compare.database.PATIENCE", 0.2)
    assert run("--mongo", "mongodb://me:secret@127.0.0.1:9/sacred") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no answer" in line and "secret" not in line


def test_a_run_is_named_by_its_configuration():
    model = {"model": {"name": "unet"}, "phases": ["supervised", "adversarial", "test"]}
    assert leaderboard.named({"name": "drums", **model}, "run-1") == "drums"
    assert leaderboard.named({"name": "run-1", **model}, "run-1") == "unet+adversarial"
    assert leaderboard.named({}, "run-1") == ""
    assert json.dumps(leaderboard.named({"model": 3}, "x")) == '""'

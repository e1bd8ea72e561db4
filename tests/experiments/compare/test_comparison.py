"""Runs side by side: what is read, and what their table says."""

import datetime
import json

import numpy as np
import pytest

from evaluation.reports.tables import WIDTH
from experiments.compare import facts, table
from experiments.tracking.records import KEYS
from tests.experiments.fake_runs import (
    START,
    comparison_of,
    curve,
    make_run,
    read,
    scores_of,
    song_names,
    usual_scores,
)


def cells(comparison, label):
    return {fact.label: fact.cells for fact in facts.facts(comparison)}[label]


def test_updates_are_counted_through_phases(tmp_path):
    phases = {
        "train/loss": curve([100, 200, 100, 150], [4.0, 3.0, 2.0, 1.0]),
        "validation/si_sdr": curve([100, 200, 0, 100, 150], [1.0, 2.0, 2.0, 3.0, 4.0]),
    }
    found, _ = read(make_run(tmp_path / "a", curves=phases))
    assert found.curves["train/loss"] == [(100, 4.0), (200, 3.0), (300, 2.0), (350, 1.0)]
    assert [x for x, _ in found.curves["validation/si_sdr"]] == [100, 200, 200, 300, 350]
    assert (found.updates, found.borders) == (350, [200])


def test_a_run_without_curves_has_neither_time_nor_updates(tmp_path):
    found, told = read(make_run(tmp_path / "a", curves={}))
    assert (found.updates, found.seconds, found.borders, told) == (None, None, [], [])


def test_training_time_ends_with_the_last_point_of_each_session(tmp_path):
    folder = make_run(tmp_path / "a", curves={"train/loss": curve([1, 2, 3], [3, 2, 1])})
    assert read(folder)[0].seconds == 180  # the test, up to an hour, is not in it
    record = json.loads((folder / "run.json").read_text())
    (folder / "run-1.json").write_text(json.dumps(record))
    again = START + datetime.timedelta(hours=5)
    (folder / "run.json").write_text(json.dumps(record | {"start_time": again.isoformat()}))
    assert read(folder)[0].seconds == 180  # the second session only tested
    curves = json.loads((folder / "metrics.json").read_text())
    for key, value in zip(KEYS, (4, 0.5, (again + datetime.timedelta(seconds=30)).isoformat())):
        curves["train/loss"][key].append(value)
    (folder / "metrics.json").write_text(json.dumps(curves))
    assert read(folder)[0].seconds == 210


def test_times_are_read_with_and_without_their_zone(tmp_path):
    points = curve([1, 2], [2.0, 1.0])
    points["timestamps"] = [f"{time}+00:00" for time in points["timestamps"]]
    assert read(make_run(tmp_path / "a", curves={"train/loss": points}))[0].seconds == 120
    points["timestamps"] = ["yesterday", "today"]
    assert read(make_run(tmp_path / "b", curves={"train/loss": points}))[0].seconds is None


def test_only_what_differs_and_matters_is_told(tmp_path):
    a = make_run(tmp_path / "a", {"data": {"workers": 1, "batch": 4}})
    phases = ["supervised", "adversarial", "test"]
    also = [{"name": "folders", "root": "songs"}]
    b = make_run(
        tmp_path / "b",
        {"phases": phases, "data": {"workers": 2, "batch": 8, "also": also}, "alpha": 0.1},
    )
    comparison, _ = comparison_of([a, b])
    found = {fact.label: fact.cells for fact in facts.differences(comparison.runs)}
    assert found["alpha"] == ("0", "0.1")
    assert found["phases"] == ("supervised, test", "supervised, adversarial, test")
    assert found["data.batch"] == ("4", "8")
    assert found["data.also[0].root"] == ("–", "songs")
    # names, threads and the keys of a phase that only one has are no differences
    assert not {"name", "data.workers", "seed"} & set(found)
    assert not [key for key in found if key.startswith(("tracking", "adversarial", "supervised"))]


def test_older_configurations_are_compared_as_they_are(tmp_path):
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    config = json.loads((a / "config.json").read_text())
    del config["unpaired"]
    config["forgotten_key"] = 3
    (a / "config.json").write_text(json.dumps(config))
    found, told = read(a)
    assert len(told) == 1
    assert "of another version" in told[0] and "forgotten_key" in told[0]
    differences = facts.differences([found, read(b)[0]])
    assert [(fact.label, fact.cells) for fact in differences] == [("forgotten_key", ("3", "–"))]


def test_a_gain_is_the_mean_over_common_songs(tmp_path):
    base = {song: {"drums": [1.0 + place]} for place, song in enumerate(song_names(6))}
    better = {song: {"drums": [values["drums"][0] + 0.5]} for song, values in base.items()}
    better["Song 00"] = {"drums": [float("nan")]}
    better["only here"] = {"drums": [99.0]}
    a = make_run(tmp_path / "a", scores=scores_of(base))
    b = make_run(tmp_path / "b", scores=scores_of(better))
    comparison, told = comparison_of([a, b])
    np.testing.assert_allclose(comparison.gain(comparison.runs[1], "drums"), [0.5, 0.5, 0.5])
    assert cells(comparison, "drums SDR gain") == ("–", "+0.50 [+0.50, +0.50]")
    assert cells(comparison, "songs") == ("6", "7")
    assert told == ["the runs were scored with different songs: only gains compare like with like"]


def test_an_uncertain_gain_has_a_wide_interval(tmp_path):
    rng = np.random.default_rng(3)
    base = {song: {"drums": [0.0]} for song in song_names(40)}
    noisy = {song: {"drums": [float(rng.normal(0.0, 1.0))]} for song in base}
    folders = [
        make_run(tmp_path / name, scores=scores_of(songs))
        for name, songs in (("a", base), ("b", noisy))
    ]
    comparison, _ = comparison_of(folders)
    mean, low, high = comparison.gain(comparison.runs[1], "drums")
    gains = [values["drums"][0] for values in noisy.values()]
    assert mean == pytest.approx(np.mean(gains))
    error = np.std(gains) / np.sqrt(len(gains))
    np.testing.assert_allclose((low, high), (mean - 1.96 * error, mean + 1.96 * error), atol=0.06)


def test_one_song_has_no_interval_and_no_common_song_no_gain(tmp_path):
    folders = [
        make_run(tmp_path / name, scores=scores_of({song: {"drums": [value]}}))
        for name, song, value in (("a", "x", 1.0), ("b", "x", 3.0), ("c", "y", 5.0))
    ]
    comparison, told = comparison_of(folders)
    assert cells(comparison, "drums SDR gain") == ("–", "+2.00", "–")
    assert f"{folders[2]}: no song in common with the baseline; no gain" in told


def test_the_figure_is_the_one_that_the_protocol_reports(tmp_path):
    songs = {"x": {"drums": [1.0]}, "y": {"drums": [2.0]}, "z": {"drums": [6.0]}}
    median = make_run(tmp_path / "a", scores=scores_of(songs, "musdb18"))
    mean = make_run(tmp_path / "b", scores=scores_of(songs, "bach10"))
    assert cells(comparison_of([median])[0], "drums SDR") == ("2.00",)
    comparison, _ = comparison_of([mean])
    assert cells(comparison, "drums SDR") == ("3.00",)
    assert "protocol bach10, BSS Eval v3-sources, whole songs" in facts.legend(comparison)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 12])
def test_a_terminal_of_80_columns_is_enough(tmp_path, count):
    folders = [
        make_run(
            tmp_path / f"a_rather_long_name_of_a_run-{place}",
            {
                "loss": {"weight": place / 7},
                "data": {"root": f"/a/long/way/to/the/songs/{place}" * 2},
            },
            usual_scores(place / 10),
        )
        for place in range(count)
    ]
    comparison, _ = comparison_of(folders)
    text = table.text(comparison)
    assert max(map(len, text.splitlines())) <= WIDTH
    for place in range(1, count):  # an interval is never shortened
        assert facts.interval(comparison.gain(comparison.runs[place], "drums")) in text
    markdown = table.markdown(comparison)
    assert all(folder.name in markdown for folder in folders)
    assert markdown.count("/a/long/way") == (2 * count if count > 1 else 0)


def test_many_runs_stand_in_order_of_their_scores(tmp_path):
    shifts = {"low": 0.0, "base": -1.0, "high": 2.0, "middle": 1.0}
    folders = [make_run(tmp_path / n, scores=usual_scores(shift)) for n, shift in shifts.items()]
    comparison, _ = comparison_of([*folders, make_run(tmp_path / "none")], baseline=1)
    names = [comparison.runs[place].name for place in table.order(comparison)]
    assert names == ["base", "high", "middle", "low", "none"]


def test_keys_of_many_runs_are_words_where_a_table_would_be_too_wide(tmp_path):
    folders = []
    for place in range(4):
        keys = {"seed": place, "data": {"root": f"/{'long' * 12}/{place}", "seconds": 1.0 + place}}
        also = [{"name": "folders", "root": f"/other/{place}", "train": ["A B"]}] if place else []
        keys["data"]["also"] = also
        folders.append(make_run(tmp_path / f"run-{place}", keys, usual_scores()))
    text = table.text(comparison_of(folders)[0])
    assert max(map(len, text.splitlines())) <= WIDTH
    block = text[: text.index("\n\n")].replace("\n    ", " ").splitlines()
    assert block[0] == "configuration: what differs"
    assert f"run-2: seed=2 data.root=/{'long' * 12}/2 seconds=3 " in block[3]
    assert "also[0].root=/other/2" in block[3] and "also" not in block[1]


def test_runs_of_one_name_are_told_apart(tmp_path):
    folders = [make_run(tmp_path / parent / "run-1") for parent in ("a", "b")]
    comparison, _ = comparison_of([*folders, make_run(tmp_path / "c")])
    assert [found.name for found in comparison.runs] == ["a/run-1", "b/run-1", "c"]


def test_a_damaged_summary_is_made_again_from_the_songs(tmp_path):
    scores = usual_scores()
    folder = make_run(tmp_path / "a", scores=scores)
    frames = [{"time": 0, "duration": 1, "metrics": {"SDR": 4.0}}]
    song = {"targets": [{"name": "drums", "frames": frames}], "settings": scores["settings"]}
    (folder / "scores" / "test").mkdir()
    (folder / "scores" / "test" / "x.json").write_text(json.dumps(song))
    (folder / "scores" / "summary.json").write_text("{")
    found, told = read(folder)
    assert told == []
    assert found.scores["musdb18"]["median"] == {"drums": {"SDR": 4.0}}

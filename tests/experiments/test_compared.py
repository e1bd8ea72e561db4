"""Runs side by side: what is read, what is told, what is left out."""

import datetime
import json

import numpy as np
import pytest

from common import shell
from evaluation.report import WIDTH
from experiments import (
    compare,
    compare_runs,
    compared,
    compared_facts,
    compared_plots,
    compared_run,
    compared_sisec,
    compared_table,
)
from experiments.tracking_records import KEYS
from tests.experiments.fake_runs import (
    START,
    curve,
    make_run,
    scores_of,
    song_names,
    usual_curves,
    usual_scores,
)


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch, tmp_path):
    """Without the frames of SiSEC 2018, and with simple pictures: the real ones take their time."""
    monkeypatch.setattr(compared_sisec, "PLACE", tmp_path / "nothing.npz")
    for name in ("curves", "boxes"):
        monkeypatch.setattr(compared_plots, name, lambda *given: '<svg role="img"></svg>')


def run(*argv):
    with pytest.raises(SystemExit) as done:
        shell.run(compare.main, [*map(str, argv), "--without-audio"])
    return done.value.code


def read(folder):
    told = []
    return compared_run.read(folder, told.append), told


def comparison_of(folders, baseline=0):
    runs = compared.with_names([read(folder)[0] for folder in folders])
    told = []
    chosen = None if baseline is None else runs[baseline]
    return compared.compare_scores(runs, chosen, None, None, told.append), told


def cells(comparison, label):
    return {fact.label: fact.cells for fact in compared_facts.facts(comparison)}[label]


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
    found = {fact.label: fact.cells for fact in compared_facts.differences(comparison.runs)}
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
    differences = compared_facts.differences([found, read(b)[0]])
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


def test_scores_that_are_not_numbers_are_dashes(tmp_path):
    nothing = scores_of({"x": {"drums": [float("nan")], "accompaniment": [2.0]}})
    a = make_run(tmp_path / "a", scores=nothing)
    b = make_run(tmp_path / "b", scores=usual_scores())
    comparison, _ = comparison_of([a, b])
    assert cells(comparison, "drums SDR")[0] == "–"
    assert cells(comparison, "accompaniment SDR")[0] == "2.00"
    assert run(a, b, "--baseline", a, "--out", tmp_path / "out") == 0
    assert "NaN" not in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_the_figure_is_the_one_that_the_protocol_reports(tmp_path):
    songs = {"x": {"drums": [1.0]}, "y": {"drums": [2.0]}, "z": {"drums": [6.0]}}
    median = make_run(tmp_path / "a", scores=scores_of(songs, "musdb18"))
    mean = make_run(tmp_path / "b", scores=scores_of(songs, "bach10"))
    assert cells(comparison_of([median])[0], "drums SDR") == ("2.00",)
    comparison, _ = comparison_of([mean])
    assert cells(comparison, "drums SDR") == ("3.00",)
    assert "protocol bach10, BSS Eval v3-sources, whole songs" in compared_facts.legend(comparison)


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
    text = compared_table.text(comparison)
    assert max(map(len, text.splitlines())) <= WIDTH
    for place in range(1, count):  # an interval is never shortened
        assert compared_facts.interval(comparison.gain(comparison.runs[place], "drums")) in text
    markdown = compared_table.markdown(comparison)
    assert all(folder.name in markdown for folder in folders)
    assert markdown.count("/a/long/way") == (2 * count if count > 1 else 0)


def test_many_runs_stand_in_order_of_their_scores(tmp_path):
    shifts = {"low": 0.0, "base": -1.0, "high": 2.0, "middle": 1.0}
    folders = [make_run(tmp_path / n, scores=usual_scores(shift)) for n, shift in shifts.items()]
    comparison, _ = comparison_of([*folders, make_run(tmp_path / "none")], baseline=1)
    names = [comparison.runs[place].name for place in compared_table.order(comparison)]
    assert names == ["base", "high", "middle", "low", "none"]


def test_keys_of_many_runs_are_words_where_a_table_would_be_too_wide(tmp_path):
    folders = []
    for place in range(4):
        keys = {"seed": place, "data": {"root": f"/{'long' * 12}/{place}", "seconds": 1.0 + place}}
        also = [{"name": "folders", "root": f"/other/{place}", "train": ["A B"]}] if place else []
        keys["data"]["also"] = also
        folders.append(make_run(tmp_path / f"run-{place}", keys, usual_scores()))
    text = compared_table.text(comparison_of(folders)[0])
    assert max(map(len, text.splitlines())) <= WIDTH
    block = text[: text.index("\n\n")].replace("\n    ", " ").splitlines()
    assert block[0] == "configuration: what differs"
    assert f"run-2: seed=2 data.root=/{'long' * 12}/2 seconds=3 " in block[3]
    assert "also[0].root=/other/2" in block[3] and "also" not in block[1]


def test_runs_of_one_name_are_told_apart(tmp_path):
    folders = [make_run(tmp_path / parent / "run-1") for parent in ("a", "b")]
    comparison, _ = comparison_of([*folders, make_run(tmp_path / "c")])
    assert [found.name for found in comparison.runs] == ["a/run-1", "b/run-1", "c"]


def test_energy_is_an_estimate_that_somebody_answers_for(tmp_path, capsys):
    folder = make_run(tmp_path / "a", scores=usual_scores())
    assert run(folder, "--out", tmp_path / "out") == 0
    assert "energy" in capsys.readouterr().out
    assert run(folder, "--out", tmp_path / "out", "--watts", 100) == 0
    out = capsys.readouterr().out
    assert "0.01 kWh" in out  # six minutes at 100 W
    assert "time × 100 W" in out


def test_a_folder_of_runs_and_its_report(tmp_path, capsys):
    for name, shift in (("a", 0.0), ("b", 1.0), ("c", 2.0)):
        make_run(tmp_path / "sweep" / name, {"seed": 1}, usual_scores(shift), usual_curves(shift))
    out = tmp_path / "out"
    assert run(tmp_path / "sweep", "--baseline", tmp_path / "sweep" / "b", "--out", out) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "−1.00 [−1.00, −1.00]" in captured.out
    assert str(out / "report.html") in captured.out
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<svg") == 3  # curves, drums, accompaniment
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/", "")
    assert (out / "table.md").read_text("utf-8").count("\n|") > 5


def test_what_cannot_be_compared_is_one_line_each(tmp_path, capsys):
    good = make_run(tmp_path / "runs" / "good", scores=usual_scores())
    make_run(tmp_path / "runs" / "running", status="RUNNING")
    corrupt = make_run(tmp_path / "runs" / "corrupt", scores=usual_scores())
    (corrupt / "run.json").write_text('{"status": "COMPL')
    strange = make_run(tmp_path / "runs" / "strange", scores=usual_scores())
    (strange / "config.json").write_text("[1, 2]")
    make_run(tmp_path / "runs" / "other", scores=scores_of({"x": {"drums": [1.0]}}, "bach10"))
    broken = make_run(tmp_path / "runs" / "broken", scores=usual_scores())
    (broken / "scores" / "summary.json").write_text('{"settings": {"name": "musdb18"}}')
    curved = make_run(tmp_path / "runs" / "curved", scores=usual_scores())
    (curved / "metrics.json").write_text('{"train/loss": 3}')
    (tmp_path / "empty").mkdir()
    asked = [tmp_path / "runs", tmp_path / "nowhere", tmp_path / "empty"]
    assert run(*asked, "--out", tmp_path / "out") == 1
    captured = capsys.readouterr()
    told = captured.err.splitlines()
    for part in (
        "corrupt/run.json: not a JSON file",
        "strange/config.json: expected one JSON object",
        "running: RUNNING, no scores; compared without",
        "other: scored with bach10, not musdb18; its scores are left out (--protocol bach10",
        "broken/scores/summary.json: not the summary of scores",
        "broken: COMPLETED, no scores",
        "curved/metrics.json: train/loss is no curve; its curves are left out",
        "nowhere: there is no such folder of runs",
        "empty: no run in it",
    ):
        assert sum(part in line for line in told) == 1, part
    assert len(told) == 9
    assert "good" in captured.out and "curved" in captured.out and "strange" not in captured.out
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "scored with bach10, not musdb18" in page and "nowhere" in page
    assert run(good, "--out", tmp_path / "out") == 0


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


def test_the_protocol_can_be_chosen(tmp_path, capsys):
    make_run(tmp_path / "runs" / "a", scores=usual_scores())
    make_run(tmp_path / "runs" / "b", scores=usual_scores())
    make_run(tmp_path / "runs" / "c", scores=scores_of({"x": {"drums": [1.5]}}, "bach10"))
    assert run(tmp_path / "runs", "--protocol", "bach10", "--out", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert "protocol bach10" in captured.out and "1.50" in captured.out
    assert captured.err.count("not bach10") == 2


def test_a_baseline_that_is_away_gives_no_gains(tmp_path, capsys):
    folder = make_run(tmp_path / "a", scores=usual_scores())
    assert run(folder, "--baseline", tmp_path / "gone", "--out", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert "no gains" in captured.err and "gain" not in captured.out


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["nowhere"], 1, "no run that can be compared"),
        (["a", "--protocol", "musdb"], 1, "unknown protocol 'musdb'"),
        (["a", "--sisec", "nowhere.npz"], 0, "nowhere.npz"),
        (["a", "--watts", "-3"], 2, "expected more than 0"),
    ],
)
def test_misuse(tmp_path, monkeypatch, capsys, argv, code, message):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "a", scores=usual_scores())
    assert run(*argv) == code
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_runs_and_commands_are_told_apart(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "systems", scores=usual_scores())
    assert run("./systems") == 0
    assert "systems" in capsys.readouterr().out
    assert (tmp_path / compare_runs.OUT / "report.html").exists()
    assert compare.parse(["baselines", "--data", "x", "--out", "y"]).command == "baselines"
    with pytest.raises(SystemExit, match="0"):
        compare.parse(["--help"])
    told = capsys.readouterr().out
    assert "--baseline RUN" in told and "compare systems --help" in told


def test_alpha_and_beta_make_a_heat_map(tmp_path):
    out = tmp_path / "out"
    for alpha in (0.0, 0.1):
        for seed, beta in enumerate((0.0, 0.0, 0.5)):
            keys = {"alpha": alpha, "beta": beta, "seed": seed, "phases": ["adversarial", "test"]}
            keys["adversarial"] = {"init": "scratch"}
            make_run(tmp_path / "runs" / f"{alpha}-{beta}-{seed}", keys, usual_scores(alpha + seed))
    assert run(tmp_path / "runs", "--out", out) == 0
    assert (out / "alpha_beta-drums.png").read_bytes()[:4] == b"\x89PNG"
    assert (out / "report.html").read_text("utf-8").count("data:image/png") == 2
    assert run(*sorted((tmp_path / "runs").glob("0.0-*")), "--out", tmp_path / "line") == 0
    assert not (tmp_path / "line" / "alpha_beta-drums.png").exists()
    corners = [tmp_path / "runs" / name for name in ("0.0-0.0-0", "0.1-0.5-2")]
    assert run(*corners, "--out", tmp_path / "line") == 0  # runs that differ in both are no grid
    assert not (tmp_path / "line" / "alpha_beta-drums.png").exists()


def test_the_source_that_validation_hears_is_heard(tmp_path, monkeypatch, capsys):
    asked = []

    def excerpts(comparison, source, say):
        asked.append((source, [run.name for run in comparison.runs]))
        say("nothing today")
        return []

    monkeypatch.setattr(compare_runs.compared_excerpts, "excerpts", excerpts)
    monkeypatch.setattr(compare_runs, "MOST_HEARD", 2)
    keys = {"validation": {"sources": ["accompaniment"]}}
    for name, shift in (("a", 0.0), ("b", 2.0), ("c", 1.0)):
        make_run(tmp_path / "runs" / name, keys, usual_scores(shift))
    argv = [str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    baseline = ["--baseline", str(tmp_path / "runs" / "a")]
    assert compare.main([*argv, *baseline]) == 0
    assert "players for 2 of 3 runs" in capsys.readouterr().err
    assert "nothing today" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert compare.main([*argv, "--source", "drums"]) == 0
    # the baseline and the best of the others; without a baseline the best two
    assert asked == [("accompaniment", ["a", "b"]), ("drums", ["b", "c"])]
    with pytest.raises(shell.Misuse, match="--source bass: no scores of it, only of drums, acc"):
        compare.main([*argv, "--source", "bass"])

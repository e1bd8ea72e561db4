"""`python -m experiments.compare RUN…`: what is printed, written, told and left out."""

import pytest

from common import cli
from experiments.compare import __main__ as compare
from experiments.compare import facts, runs, sisec
from experiments.compare.report import plots
from tests.experiments.fake_runs import (
    comparison_of,
    make_run,
    scores_of,
    usual_curves,
    usual_scores,
)


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch, tmp_path):
    """Without the frames of SiSEC 2018, and with simple pictures: the real ones take their time."""
    monkeypatch.setattr(sisec, "PLACE", tmp_path / "nothing.npz")
    for name in ("curves", "boxes"):
        monkeypatch.setattr(plots, name, lambda *given: '<svg role="img"></svg>')


def run(*argv):
    with pytest.raises(SystemExit) as done:
        cli.run(compare.main, [*map(str, argv), "--without-audio"])
    return done.value.code


def cells(comparison, label):
    return {fact.label: fact.cells for fact in facts.facts(comparison)}[label]


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
    assert (tmp_path / runs.OUT / "report.html").exists()
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

    def excerpts(comparison, source, log):
        asked.append((source, [run.name for run in comparison.runs]))
        log("nothing today")
        return []

    monkeypatch.setattr(runs.excerpts, "excerpts", excerpts)
    monkeypatch.setattr(runs, "MOST_HEARD", 2)
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
    with pytest.raises(cli.UsageError, match="--source bass: no scores of it, only of drums, acc"):
        compare.main([*argv, "--source", "bass"])


def test_scores_that_are_not_numbers_are_dashes(tmp_path):
    nothing = scores_of({"x": {"drums": [float("nan")], "accompaniment": [2.0]}})
    a = make_run(tmp_path / "a", scores=nothing)
    b = make_run(tmp_path / "b", scores=usual_scores())
    comparison, _ = comparison_of([a, b])
    assert cells(comparison, "drums SDR")[0] == "–"
    assert cells(comparison, "accompaniment SDR")[0] == "2.00"
    assert run(a, b, "--baseline", a, "--out", tmp_path / "out") == 0
    assert "NaN" not in (tmp_path / "out" / "report.html").read_text("utf-8")

"""Tables, pictures and the page."""

import re

import pytest

from evaluation.reports import box_plots, tables
from evaluation.reports.page import write_report
from evaluation.reports.summary import summarise
from tests.evaluation.reports.test_summary import song

LONG = "A Very Long Name of a Song That Nobody Would Ever Type Again, Live at the Hall | Remix"


@pytest.fixture
def summary():
    songs = {LONG: song([-1.234, -3]), "<b>Ärger & Ruß</b>": song([5, 6]), "短い歌": song([2])}
    return {"settings": None, **summarise(songs)}


@pytest.mark.parametrize("markdown", [False, True])
def test_tables_fit_80_columns(summary, markdown):
    for text in (tables.totals(summary, markdown), tables.per_song(summary, "drums", markdown)):
        assert max(map(len, text.splitlines())) <= 80
        assert "…" in text or "median over" in text


def test_table_columns_line_up():
    text = tables.table(("dB", "SDR"), [("drums", "1.00"), ("vocals", "−12.34")])
    assert text.splitlines() == [
        "dB           SDR",
        "----------------",
        "drums       1.00",
        "vocals    −12.34",
    ]
    rows = tables.table(("a", "b"), [("x|y", "1")], markdown=True).splitlines()
    assert rows[1] == "| -------- | : |"
    assert rows[2] == "| x\\|y     | 1 |"


def test_tables_may_keep_long_cells_whole():
    row = (LONG, "1.00")
    assert LONG.replace("|", "\\|") in tables.table(("song", "dB"), [row], True, width=None)
    assert LONG not in tables.table(("song", "dB"), [row])


def test_numbers():
    assert tables.number(-1.005) == "−1.00"
    assert tables.number(float("nan")) == tables.number(None) == "–"


def test_per_song_table_ends_with_the_median(summary):
    assert tables.per_song(summary, "drums").splitlines()[-1].split()[:2] == ["median", "2.00"]


def test_report_is_complete_and_self_contained(summary, tmp_path):
    summary["failed"] = {"x": "x.wav: <broken>"}
    written = write_report(summary, tmp_path)
    assert sorted(path.name for path in written) == [
        "report.html",
        "report.md",
        "scores-drums.png",
    ]
    page = (tmp_path / "report.html").read_text("utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "&lt;b&gt;Ärger" in page
    assert "<b>" not in page
    assert "x.wav: &lt;broken&gt;" in page
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "![drums](scores-drums.png)" in text
    assert "x.wav: <broken>" in text


def test_the_same_scores_give_the_same_picture(summary, tmp_path):
    for name in ("a.png", "b.png"):
        box_plots.box_plot(summary, "drums", tmp_path / name)
    first = (tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert first == (tmp_path / "b.png").read_bytes()


def test_a_target_without_scores_is_drawn_empty(tmp_path):
    box_plots.box_plot(summarise({"a": song([float("nan")])}), "drums", tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_full_disk_leaves_no_half_picture(summary, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(summary, tmp_path)
    assert list(tmp_path.iterdir()) == []

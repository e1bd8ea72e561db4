"""Pictures of comparisons, and the published methods beside the runs."""

import json
import re

import numpy as np
import pytest

from evaluation.protocols import PROTOCOLS
from experiments.compare import run, sisec
from experiments.compare.comparison import compare_scores, with_names
from experiments.compare.report import plots
from tests.experiments.fake_runs import curve, make_run, scores_of, usual_curves, usual_scores


def runs_of(*folders):
    return with_names([run.read(folder, print) for folder in folders])


def comparison_of(*folders):
    return compare_scores(runs_of(*folders), None, None, None, print)


def shown(svg):
    """Words of a picture in the order in which they were drawn."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_curves_of_many_runs(tmp_path):
    folders = [
        make_run(tmp_path / f"run-0.12345-{place}", curves=usual_curves(place))
        for place in range(11)
    ]
    svg = plots.curves(runs_of(*folders))
    for place in range(11):
        assert svg.count(f'class="run run-{place}"') == 4  # one line in each panel
    assert plots.COLOURS[3] in svg
    assert plots.dash(runs_of(*folders)[10]) != plots.dash(runs_of(*folders)[0])
    assert "currentColor" in svg and plots.INK not in svg
    assert {"training: loss", "validation: SI-SDR, dB, drums"} <= set(shown(svg))


def test_the_mean_over_one_source_is_not_told_again(tmp_path):
    same = curve([1, 2], [1.0, 2.0])
    curves = {"validation/si_sdr": same, "validation/si_sdr/drums": same}
    runs = runs_of(make_run(tmp_path / "a", curves=curves))
    assert plots.panels(runs) == ["validation/si_sdr/drums"]


def test_no_curves_no_picture(tmp_path):
    assert plots.curves(runs_of(make_run(tmp_path / "a", curves={}))) is None
    broken = {"train/loss": curve([1, 2], [float("nan"), float("inf")])}
    assert plots.curves(runs_of(make_run(tmp_path / "b", curves=broken))) is None


def test_boxes_stand_in_order_and_names_stay_whole(tmp_path):
    folders = [
        make_run(tmp_path / f"alpha-0.001{place}<b>", scores=usual_scores(shift))
        for place, shift in enumerate((0.0, 3.0, 1.0))
    ]
    svg = plots.boxes(comparison_of(*folders), "drums", None)
    names = [word for word in shown(svg) if word.startswith("alpha")]
    # drawn from the bottom to the top: the best is the last
    assert names == [f"alpha-0.001{place}&lt;b&gt;" for place in (0, 2, 1)]
    assert [word for word in shown(svg) if word.endswith(", dB")] == [
        "SDR, dB",
        "SIR, dB",
        "SAR, dB",
    ]


def test_a_source_without_any_score_has_no_boxes(tmp_path):
    folder = make_run(tmp_path / "a", scores=scores_of({"x": {"drums": [float("nan")]}}))
    assert plots.boxes(comparison_of(folder), "drums", None) is None


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A small file like the published one."""
    path = tmp_path_factory.mktemp("sisec") / "frames.npz"
    keys = ["IRM1|Song 00|drums", "WK|Song 00|drums", "WK|Song 01|drums", "WK|Song 00|vocals"]
    values = np.full((8, 4), np.nan, np.float32)
    values[:7, 0] = (9, 11, 4, 6, 7, 9, 1)
    values[:7, 1] = 12
    np.savez(path, keys=np.array(keys), lengths=np.array([2, 2, 2, 2]), values=values)
    return path


def test_published_frames_become_medians_of_songs(frames):
    found = sisec.read(frames)
    assert found.songs == {"Song 00", "Song 01"}
    assert found.scores["drums"]["WK"]["SDR"] == {"Song 00": 5, "Song 01": 8}
    assert found.scores["drums"]["IRM1"]["SIR"] == {"Song 00": 12}
    assert found.scores["vocals"]["WK"]["SDR"] == {"Song 00": 1}
    assert "SAR" not in found.scores["drums"]["WK"]


def test_published_methods_stand_beside_the_runs(tmp_path, frames):
    comparison = comparison_of(make_run(tmp_path / "mine", scores=usual_scores()))
    svg = plots.boxes(comparison, "drums", sisec.read(frames))
    names = [word for word in shown(svg) if word in ("mine", "IRM1", "WK")]
    assert names == ["mine", "WK", "IRM1"]


@pytest.mark.parametrize("damage", ["text", "names", "lengths"])
def test_other_files_are_refused(tmp_path, damage):
    path = tmp_path / "frames.npz"
    if damage == "text":
        path.write_text("no archive")
    elif damage == "names":
        np.savez(path, values=np.zeros((2, 4)))
    else:
        wrong = {"keys": np.array(["a|b|c"]), "lengths": np.array([3])}
        np.savez(path, values=np.zeros((2, 4)), **wrong)
    with pytest.raises(ValueError, match=r"frames.npz: not the frames of SiSEC 2018"):
        sisec.read(path)
    with pytest.raises(OSError):
        sisec.read(tmp_path / "nothing.npz")


def test_medians_of_sisec_2018(shared):
    """Columns are in the right order and aggregation is SiSEC's: the published medians come out."""
    folder = shared / "fixtures" / "evaluation" / "sisec2018"
    found = sisec.read(folder / "sisec2018_frames.npz")
    expected = json.loads((folder / "medians_expected.json").read_text())
    assert len(found.songs) == 50
    methods = {method for table in found.scores.values() for method in table}
    assert methods == set(expected) and len(methods) == 31
    for method, sources in expected.items():
        for source, median in sources.items():
            songs = found.scores[source].get(method, {}).get("SDR", {})
            told = np.median(list(songs.values())) if songs else np.nan
            np.testing.assert_allclose(told, median, atol=1e-6, err_msg=f"{method} {source}")
    # The mixture as an estimate: interference is all that is wrong with it, so its SAR is highest.
    mixture = found.scores["drums"]["MIX"]
    sir, isr, sar = (np.median(list(mixture[metric].values())) for metric in ("SIR", "ISR", "SAR"))
    assert sir < 0 < isr < sar


def test_what_may_stand_beside_the_published_scores():
    fits = {name for name, p in PROTOCOLS.items() if sisec.fits(p.settings())}
    assert fits == {"musdb18", "museval", "csdr"}
    two, four = ("drums", "accompaniment"), ("drums", "bass", "other", "vocals")
    assert sisec.source_fits("drums", two)
    assert not sisec.source_fits("accompaniment", two)  # all but the drums
    assert sisec.source_fits("accompaniment", (*four, "accompaniment"))
    assert not sisec.source_fits("guitar", four)


def test_other_songs_are_said_to_be_others(frames):
    published = sisec.read(frames)
    assert sisec.songs_remark(["Song 00", "Song 01"], published) == ""
    assert "1 of the 2 test songs" in sisec.songs_remark(["Song 00"], published)
    assert "other songs" in sisec.songs_remark(["Song 00", "Mine"], published)

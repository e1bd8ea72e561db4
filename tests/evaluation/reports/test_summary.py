"""Frames to songs to one number."""

import json

import numpy as np
import pytest

from evaluation.protocols import PROTOCOLS
from evaluation.reports.summary import aggregate, read_scores, summarise, summarise_folder


def song(values, target="drums", **more):
    frames = [
        {"time": t, "duration": 1, "metrics": {"SDR": v, "ISR": 1, "SIR": 2, "SAR": 3}}
        for t, v in enumerate(values)
    ]
    return {"targets": [{"name": target, "frames": frames}], **more}


def test_medians_and_means():
    summary = summarise({"a": song([1, 2, 9]), "b": song([4, 6]), "c": song([np.nan, 10])})
    assert summary["songs"]["a"]["drums"]["SDR"] == 2
    assert summary["median"]["drums"] == {"SDR": 5, "ISR": 1, "SIR": 2, "SAR": 3}
    assert summary["mean"]["drums"]["SDR"] == pytest.approx((4 + 5 + 10) / 3)
    assert summary["mean_of_medians"]["drums"]["SDR"] == pytest.approx((2 + 5 + 10) / 3)


def test_frames_without_a_score_do_not_count():
    assert aggregate([np.nan, 3, np.inf, 5], "median") == 4
    assert np.isnan(aggregate([np.nan], "mean"))
    assert np.isnan(aggregate([], "median"))


def test_songs_without_a_target_do_not_count():
    summary = summarise({"a": song([1]), "b": song([5], "vocals")})
    assert summary["median"]["vocals"]["SDR"] == 5
    assert summary["median"]["drums"]["SDR"] == 1


def test_weighted_means_powers_and_deviations():
    songs = {
        "a": song([1, 3], sample_rate=100, samples=300),
        "b": song([8, np.nan], sample_rate=100, samples=100),
        "c": song([np.nan], sample_rate=100, samples=5000),
    }
    summary = summarise(songs, ("weighted_mean", "mean_power", "deviation"))
    assert summary["reported"] == ["weighted_mean", "mean_power", "deviation"]
    assert summary["weighted_mean"]["drums"]["SDR"] == pytest.approx((3 * 2 + 8) / 4)
    power = np.mean(10 ** (np.array([1, 3, 8]) / 10))
    assert summary["mean_power"]["drums"]["SDR"] == pytest.approx(10 * np.log10(power))
    assert summary["deviation"]["drums"]["SDR"] == pytest.approx(3)
    assert summary["median"]["drums"]["SDR"] == 5
    assert "mean_power" not in summarise(songs)


def test_the_metrics_are_those_of_the_songs():
    frames = [{"time": 0, "duration": 9, "metrics": {"SNR": 3.0, "NSDR": 2.0, "SDR": 1.0}}]
    summary = summarise({"a": {"targets": [{"name": "drums", "frames": frames}]}})
    assert list(summary["median"]["drums"].items()) == [("SDR", 1), ("NSDR", 2), ("SNR", 3)]


def test_medians_of_sisec_2018_for_all_methods(shared):
    folder = shared / "fixtures" / "evaluation" / "sisec2018"
    frames = np.load(folder / "sisec2018_frames.npz")
    expected = json.loads((folder / "medians_expected.json").read_text())
    values = np.split(frames["values"], np.cumsum(frames["lengths"])[:-1])
    methods = {}
    for key, block in zip(frames["keys"], values):
        method, track, target = str(key).split("|")
        scores = methods.setdefault(method, {}).setdefault(track, {"targets": []})
        rows = [{"metrics": {"SDR": value}} for value in block[:, 0].tolist()]
        scores["targets"].append({"name": target, "frames": rows})
    assert len(methods) == len(expected) == 31
    protocol = PROTOCOLS["musdb18"]
    for method, songs in methods.items():
        summary = summarise(songs, protocol.reported)
        found = {name: row["SDR"] for name, row in summary[protocol.reported[0]].items()}
        assert any(np.isfinite(list(found.values())))
        told = {target: found.get(target, np.nan) for target in expected[method]}
        for target, median in expected[method].items():
            np.testing.assert_allclose(
                told[target], median, atol=1e-6, err_msg=f"{method} {target}"
            )


def test_a_folder_is_summarised(tmp_path):
    for name, values in (("a", [1, 2]), ("b", [3, 5])):
        (tmp_path / "test").mkdir(exist_ok=True)
        (tmp_path / f"test/{name}.json").write_text(json.dumps(song(values, settings={"x": 1})))
    (tmp_path / "summary.json").write_text("{}")
    summary = summarise_folder(tmp_path)
    assert summary["settings"] == {"x": 1}
    assert summary["median"]["drums"]["SDR"] == 2.75
    (tmp_path / "c.json").write_text(json.dumps(song([1], settings={"x": 2})))
    with pytest.raises(ValueError, match="different settings"):
        summarise_folder(tmp_path)


def test_folders_without_scores(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        summarise_folder(tmp_path / "none")
    with pytest.raises(ValueError, match="no score files"):
        summarise_folder(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"targets": 3}', '{"targets": [{"name": "x"}]}', "\xff"]
)
def test_broken_files_are_named(tmp_path, text):
    path = tmp_path / "song.json"
    path.write_text(text, "latin-1")
    with pytest.raises(ValueError, match=r"song\.json: not the scores") as caught:
        read_scores(path)
    assert "\n" not in str(caught.value)


def test_museval_s_own_file_is_read(shared):
    folder = shared / "fixtures" / "evaluation" / "museval"
    summary = summarise_folder(folder)
    assert set(summary["median"]) == {"vocals", "accompaniment"}
    assert summary["settings"] is None


def test_a_folder_is_summarised_as_its_protocol_reports(tmp_path):
    for name, values in (("a", [2.0]), ("b", [8.0])):
        settings = PROTOCOLS["usdr"].settings()
        frames = [{"time": 0, "duration": 1, "metrics": {"uSDR": value}} for value in values]
        scores = {"targets": [{"name": "drums", "frames": frames}], "settings": settings}
        (tmp_path / f"{name}.json").write_text(json.dumps(scores))
    summary = summarise_folder(tmp_path)
    assert summary["reported"] == ["mean", "median"]
    assert summary["mean"]["drums"] == {"uSDR": 5}

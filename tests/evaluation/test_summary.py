"""Frames to songs to one number."""

import json

import numpy as np
import pytest

from evaluation.summary import aggregate, read_scores, summarise, summarise_folder


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


def test_sisec_2018(shared):
    folder = shared / "fixtures" / "evaluation" / "sisec2018"
    frames = np.load(folder / "sisec2018_frames.npz")
    expected = json.loads((folder / "medians_expected.json").read_text())
    values = np.split(frames["values"], np.cumsum(frames["lengths"])[:-1])
    methods = {}
    for key, block in zip(frames["keys"], values):
        method, track, target = str(key).split("|")
        methods.setdefault(method, {}).setdefault(target, {})[track] = block
    checked = 0
    for method, targets in expected.items():
        for target, median in targets.items():
            tracks = methods[method].get(target, {})
            found = aggregate(
                (aggregate(block[:, 0], "median") for block in tracks.values()), "median"
            )
            np.testing.assert_allclose(found, median, atol=1e-4, err_msg=f"{method} {target}")
            checked += bool(tracks)
    assert checked > 80


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

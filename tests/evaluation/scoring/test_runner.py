"""Many songs: one file each, resumed, failing one by one."""

import errno
import json

import numpy as np
import pytest

from evaluation import protocols
from evaluation.scoring import preparation, tasks
from evaluation.scoring.runner import evaluate
from evaluation.scoring.song import map_estimates, score_song
from tests.evaluation.songs import FAST, RATE, Separator, Song


@pytest.fixture
def songs():
    return [Song("One"), Song("Two", seed=2), Song("Three", "valid", seed=3)]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_one_file_per_song_and_a_summary(songs, tmp_path):
    result = evaluate(Separator(), songs, FAST, tmp_path)
    assert files(tmp_path) == ["summary.json", "test/One.json", "test/Two.json", "valid/Three.json"]
    one = json.loads((tmp_path / "test/One.json").read_text())
    assert [target["name"] for target in one["targets"]] == ["drums", "bass"]
    assert len(one["targets"][0]["frames"]) == 3
    sdr = [frame["metrics"]["SDR"] for frame in one["targets"][0]["frames"]]
    assert result["songs"]["One"]["drums"]["SDR"] == np.median(sdr)
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written["median"] == result["median"]
    assert result["failed"] == {}


def test_museval_reads_the_files(songs, tmp_path, museval):
    songs = [song for song in songs if song.split == "test"]
    result = evaluate(Separator(), songs, FAST, tmp_path)
    for path in tmp_path.glob("test/*.json"):
        store = museval.TrackStore("x")
        store.scores = json.loads(path.read_text())
        store.validate()
    for how in ("median", "mean"):
        store = museval.EvalStore(frames_agg=how, tracks_agg=how)
        store.add_eval_dir(tmp_path)
        theirs = store.agg_frames_tracks_scores()
        for target, metrics in result[how].items():
            for metric, value in metrics.items():
                np.testing.assert_allclose(value, theirs[target][metric], atol=1e-9)


def test_scored_songs_are_not_scored_again(songs, tmp_path):
    first = evaluate(Separator(), songs, FAST, tmp_path)
    separator = Separator()
    assert evaluate(separator, songs, FAST, tmp_path) == first
    assert separator.calls == 0


def test_an_interrupted_run_goes_on(songs, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        evaluate(Separator(fails=[None, KeyboardInterrupt()]), songs, FAST, tmp_path)
    assert files(tmp_path) == ["test/One.json"]
    separator = Separator()
    resumed = evaluate(separator, songs, FAST, tmp_path)
    assert separator.calls == 2
    assert resumed == evaluate(Separator(), songs, FAST, tmp_path / "fresh")


@pytest.mark.parametrize("change", ["identity", "protocol", "sources", "song", "broken file"])
def test_other_conditions_are_scored_anew(songs, tmp_path, change):
    evaluate(Separator(), songs, FAST, tmp_path, identity="a", sources=("drums", "bass"))
    protocol, options = FAST, {"identity": "a", "sources": ("drums", "bass")}
    expected = 3
    if change == "identity":
        options["identity"] = "b"
    elif change == "sources":
        options["sources"] = ("bass", "drums")
    elif change == "protocol":
        protocol = type(FAST)(**FAST.settings() | {"hop_s": 0.25})
    elif change == "song":
        songs[0], expected = Song("One", stems=("drums", "bass", "other")), 1
    else:
        (tmp_path / "test/One.json").write_text('{"targets": [{"na')
        expected = 1
    separator = Separator()
    evaluate(separator, songs, protocol, tmp_path, **options)
    assert separator.calls == expected


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_song_stops_no_other(songs, tmp_path, workers):
    songs[1].audio["bass"][3] = np.nan
    separator = Separator(fails=[OSError(errno.EIO, "Input/output error", "One.wav")])
    lines = []
    result = evaluate(separator, songs, FAST, tmp_path, workers=workers, report=lines.append)
    assert result["failed"]["One"] == "One.wav: Input/output error"
    assert "NaN" in result["failed"]["Two"]
    assert len(lines) == 2
    assert files(tmp_path) == ["summary.json", "valid/Three.json"]
    assert list(result["songs"]) == ["Three"]


def test_old_scores_of_a_failing_song_do_not_stay(songs, tmp_path):
    evaluate(Separator(), songs, FAST, tmp_path)
    failing = Separator(fails=[ValueError("broken")])
    evaluate(failing, songs, FAST, tmp_path, identity="new", report=lambda line: None)
    assert files(tmp_path) == ["summary.json", "test/Two.json", "valid/Three.json"]


def test_workers_give_the_same_scores(songs, tmp_path):
    alone = evaluate(Separator(), songs, FAST, tmp_path / "1")
    assert evaluate(Separator(), songs, FAST, tmp_path / "2", workers=2) == alone


def test_a_full_disk_ends_the_run_and_leaves_no_half_file(songs, tmp_path, monkeypatch):
    def full(path, value):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    separator = Separator()
    monkeypatch.setattr(tasks, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        evaluate(separator, songs, FAST, tmp_path)
    assert separator.calls == 1
    assert files(tmp_path) == []


def test_a_song_without_any_scores_is_summarised_as_nothing(songs, tmp_path):
    failing = Separator(fails=[ValueError("no")] * 3)
    result = evaluate(failing, songs, FAST, tmp_path, report=lambda line: None)
    assert result["songs"] == result["median"] == {}
    assert len(result["failed"]) == 3


def test_the_accompaniment_is_made_up(tmp_path):
    song = Song("One", stems=("drums", "bass", "other", "vocals"))
    two = ("drums", "accompaniment")
    four = Separator(("drums", "bass", "other", "vocals"))
    result = evaluate(four, [song], FAST, tmp_path, sources=two)
    given = preparation.SongAudio(
        song.audio, map_estimates(four(song.read(), 1), two, song.read()), 1000, 1000
    )
    expected = score_song(given, FAST)["targets"][1]["frames"]
    median = np.median([frame["metrics"]["SIR"] for frame in expected])
    assert result["songs"]["One"]["accompaniment"]["SIR"] == median


def test_names_that_are_no_utf8_and_names_with_slashes(tmp_path):
    songs = [Song("caf\udce9"), Song("AC/DC", seed=2)]
    result = evaluate(Separator(), songs, FAST, tmp_path)
    assert sorted(result["songs"]) == ["AC/DC", "caf\\xe9"]
    assert (tmp_path / "test" / "AC_DC.json").exists()
    again = Separator()
    assert evaluate(again, songs, FAST, tmp_path) == result
    assert again.calls == 0
    (tmp_path / "summary.json").read_text("utf-8")


def test_misuse(songs, tmp_path):
    with pytest.raises(ValueError, match="no songs"):
        evaluate(Separator(), [], FAST, tmp_path)
    with pytest.raises(ValueError, match="workers 0"):
        evaluate(Separator(), songs, FAST, tmp_path, workers=0)
    with pytest.raises(ValueError, match="unknown protocol"):
        evaluate(Separator(), songs, "sisec", tmp_path)
    with pytest.raises(ValueError, match="two songs would be written to"):
        evaluate(Separator(), [songs[0], Song("One")], FAST, tmp_path)


def test_protocols_that_look_at_the_mixture_are_given_it(tmp_path):
    """The track's own mixture, which need not be the sum of the references."""
    song = Song("One")
    mastered = np.tanh(song.read("mixture"))
    read = song.read
    song.read = lambda stem="mixture": mastered if stem == "mixture" else read(stem)
    protocol = protocols.find("mirex")
    result = evaluate(Separator(), [song], protocol, tmp_path)
    given = preparation.SongAudio(
        song.audio, Separator()(mastered, 1), RATE, RATE, mixture=mastered
    )
    frames = score_song(given, protocol)["targets"][0]["frames"]
    assert result["songs"]["One"]["drums"] == frames[0]["metrics"]
    assert result["reported"][0] == "weighted_mean"
    written = json.loads((tmp_path / "test/One.json").read_text())
    assert written["warnings"] == []


def test_a_stem_that_a_song_lacks_is_silent_and_no_other_one(tmp_path):
    """The original DSSGAN's lists have songs without an accompaniment."""
    song = Song("One", stems=("drums",))
    song.missing = ("accompaniment",)
    separate = Separator(("drums", "accompaniment"))
    result = evaluate(separate, [song], "dssgan", tmp_path)
    written = json.loads((tmp_path / "test/One.json").read_text())
    assert "reference accompaniment is silent: noise takes its place" in written["warnings"]
    assert result["songs"]["One"]["accompaniment"]["SDR"] < -5
    assert np.isnan(result["songs"]["One"]["drums"]["NSDR"])
    assert np.isfinite(result["songs"]["One"]["drums"]["SDR"])

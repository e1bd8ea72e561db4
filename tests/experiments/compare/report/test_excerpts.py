"""What a report lets one hear: which songs, which ten seconds, at which level, in which files."""

import io
import json

import numpy as np
import pytest
import soundfile

from experiments.compare.comparison import compare_scores, with_names
from experiments.compare.report import clips, excerpts
from experiments.compare.run import read
from tests.experiments.fake_runs import make_run, scores_of

RATE = 8000
SECONDS = 14


class Halves:
    """A separator: half of the mixture is drums."""

    def separate(self, mixture, sample_rate, name=""):
        assert sample_rate == RATE
        return {"drums": mixture / 2, "accompaniment": mixture - mixture / 2}


@pytest.fixture
def library(tmp_path):
    """Songs A to E; drums are loud in the last seconds."""
    rng = np.random.default_rng(0)
    for name in "ABCDE":
        (tmp_path / "songs" / name).mkdir(parents=True)
        drums = 0.01 * rng.standard_normal(SECONDS * RATE)
        drums[-9 * RATE :] *= 20
        other = 0.1 * np.sin(2 * np.pi * 440 * np.arange(SECONDS * RATE) / RATE)
        for stem, audio in (("drums", drums), ("other", other)):
            soundfile.write(tmp_path / "songs" / name / f"{stem}.wav", audio, RATE, "FLOAT")
    return tmp_path / "songs"


def trained(folder, library, values):
    """A run that has scores of songs and an exported separator."""
    scores = scores_of({song: {"drums": [value]} for song, value in values.items()})
    data = {
        "name": "folders",
        "root": str(library),
        "train": [],
        "valid": [],
        "test": list("ABCDE"),
    }
    run = make_run(folder, {"data": data}, scores)
    (run / "separator").mkdir()
    for name in ("config.json", "separator.weights.h5"):
        (run / "separator" / name).write_text("{}")
    return run


@pytest.fixture
def heard(monkeypatch):
    """(excerpts, what was told) of run folders, separated by a stand-in."""
    monkeypatch.setattr(excerpts, "load", lambda run, config: Halves())

    def listen(*folders):
        told = []
        runs = with_names([read(folder, told.append) for folder in folders])
        comparison = compare_scores(runs, None, None, None, told.append)
        told.clear()
        return excerpts.excerpts(comparison, "drums", told.append), told

    return listen


VALUES = {"A": 1.0, "B": 5.0, "C": 3.0, "D": 4.0, "E": 2.0}


def test_the_worst_the_median_and_the_best_song():
    ranks = excerpts.ranked({**VALUES, "F": float("nan")})
    assert ranks == {"A": ("worst",), "C": ("median",), "B": ("best",)}
    assert excerpts.ranked({"A": 1.0}) == {"A": ("worst", "median", "best")}
    assert excerpts.ranked({"A": 1.0, "B": 2.0}) == {
        "A": ("worst", "median"),
        "B": ("best",),
    }
    assert excerpts.ranked({}) == {}


def test_ten_seconds_where_the_reference_is_loudest(tmp_path, library, heard):
    found, told = heard(trained(tmp_path / "a", library, VALUES))
    assert told == []
    assert [excerpt.song for excerpt in found] == ["A", "C", "B"]
    for excerpt in found:
        assert excerpt.start == 4  # of 14 seconds the loud nine come last
        drums, _ = soundfile.read(library / excerpt.song / "drums.wav", dtype="float32")
        other, _ = soundfile.read(library / excerpt.song / "other.wav", dtype="float32")
        part = slice(4 * RATE, 14 * RATE)
        np.testing.assert_array_equal(excerpt.reference[:, 0], drums[part])
        np.testing.assert_allclose(excerpt.mixture[:, 0], (drums + other)[part], atol=1e-6)
        (take,) = excerpt.estimates
        np.testing.assert_allclose(take.estimate, excerpt.mixture / 2, atol=1e-6)
    assert [excerpt.estimates[0].ranks for excerpt in found] == [("worst",), ("median",), ("best",)]
    assert [excerpt.estimates[0].score for excerpt in found] == [1.0, 3.0, 5.0]


def test_the_separator_hears_what_comes_before_and_after(tmp_path, library, heard, monkeypatch):
    lengths = []

    class Measuring(Halves):
        def separate(self, mixture, sample_rate, name=""):
            lengths.append(len(mixture) / RATE)
            return super().separate(mixture, sample_rate)

    monkeypatch.setattr(excerpts, "load", lambda run, config: Measuring())
    heard(trained(tmp_path / "a", library, VALUES))
    assert lengths == [14.0] * 3  # four seconds before, none after the end


def test_few_runs_are_all_heard_in_each_song(tmp_path, library, heard):
    other = {"A": 5.0, "B": 1.0, "C": 3.0, "D": 4.0, "E": 2.0}
    folders = [trained(tmp_path / "a", library, VALUES), trained(tmp_path / "b", library, other)]
    found, _ = heard(*folders)
    takes = {e.song: [(take.run.name, take.ranks) for take in e.estimates] for e in found}
    assert takes == {
        "A": [("a", ("worst",)), ("b", ("best",))],
        "B": [("a", ("best",)), ("b", ("worst",))],
        "C": [("a", ("median",)), ("b", ("median",))],
    }


def test_of_many_runs_each_is_heard_in_its_own_songs(tmp_path, library, heard):
    last = {"A": 3.0, "B": 3.1, "C": 0.0, "D": 9.0, "E": 5.0}
    folders = [trained(tmp_path / name, library, VALUES) for name in "abc"]
    found, _ = heard(*folders, trained(tmp_path / "d", library, last))
    takes = {excerpt.song: [take.run.name for take in excerpt.estimates] for excerpt in found}
    assert takes == {"A": list("abc"), "B": list("abcd"), "C": list("abcd"), "D": ["d"]}


def test_what_is_gone_is_told_and_the_rest_is_heard(tmp_path, library, heard):
    good = trained(tmp_path / "good", library, VALUES)
    bare = trained(tmp_path / "bare", library, VALUES)
    (bare / "separator" / "separator.weights.h5").unlink()
    moved = trained(tmp_path / "moved", library, VALUES)
    for path in (moved / "config.json",):
        config = json.loads(path.read_text())
        config["data"]["root"] = str(tmp_path / "gone")
        path.write_text(json.dumps(config))
    renamed = trained(tmp_path / "renamed", library, {"Z": 9.0, "A": 1.0, "B": 2.0})
    found, told = heard(good, bare, moved, renamed)
    assert {take.run.name for excerpt in found for take in excerpt.estimates} == {"good", "renamed"}
    assert len(told) == 3
    assert "bare: nothing to listen to: no exported separator (no separator/separator.we" in told[0]
    assert "moved: nothing to listen to" in told[1] and "gone" in told[1]
    assert "renamed: Z: nothing to listen to: the song is no longer there" in told[2]


def test_older_configurations_are_heard(tmp_path, library, heard):
    folder = trained(tmp_path / "old", library, VALUES)
    config = json.loads((folder / "config.json").read_text())
    config["forgotten"] = 1
    config["supervised"]["forgotten"] = 2
    config["data"]["augmentation"]["forgotten"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    found, told = heard(folder)
    assert (len(found), told) == (3, [])


def test_a_configuration_of_another_shape_is_told(tmp_path, library, heard):
    folder = trained(tmp_path / "odd", library, VALUES)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"data": 3, "validation": 4}))
    found, told = heard(folder)
    assert found == [] and len(told) == 1 and "odd: nothing to listen to" in told[0]


def test_a_separator_that_cannot_be_loaded_is_told(tmp_path, library):
    folder = trained(tmp_path / "a", library, VALUES)
    run = with_names([read(folder, print)])
    comparison = compare_scores(run, None, None, None, print)
    told = []
    assert excerpts.excerpts(comparison, "drums", told.append) == []
    assert len(told) == 1 and "a: nothing to listen to" in told[0]


def test_the_loudest_place_of_short_audio():
    assert excerpts.loudest(np.ones((5, 1)), 10, 2) == 0
    audio = np.zeros((100, 2))
    audio[70:80, 1] = -1.0
    assert 60 <= excerpts.loudest(audio, 20, 5) <= 70


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (32000, 1), (44100, 2)])
def test_clips_are_short_files_that_keep_their_sound(rate, channels):
    time = np.arange(2 * rate) / rate
    tone = 0.4 * np.sin(2 * np.pi * 440 * time)
    audio = np.repeat(tone[:, None], channels, axis=1).astype(np.float32)
    data = clips.opus(audio, rate, 48.0)
    assert data[:4] == b"OggS" and b"OpusHead" in data[:64]
    assert len(data) < 2 * 64_000 / 8
    decoded, found = soundfile.read(io.BytesIO(data))
    decoded = decoded.reshape(len(decoded), -1)
    assert decoded.shape[1] == channels and len(decoded) / found == pytest.approx(2, abs=0.01)
    wanted = 0.4 * np.sin(2 * np.pi * 440 * np.arange(len(decoded)) / found)
    middle = slice(found // 2, found)
    correlation = np.corrcoef(decoded[middle, 0], wanted[middle])[0, 1]
    assert correlation > 0.95


def test_more_bits_make_larger_clips(rng):
    noise = 0.1 * rng.standard_normal((48000, 1))
    sizes = [len(clips.opus(noise, 48000, kbps)) for kbps in (32.0, 64.0, 96.0)]
    assert sizes[0] < 0.7 * sizes[1] < 0.6 * sizes[2]


def test_many_clips_share_the_budget():
    assert clips.kbps_of(8, 10.0) == clips.MOST_KBPS
    assert clips.kbps_of(40, 10.0) * 40 * 10 / 8 * 1000 == pytest.approx(2.8e6)
    assert clips.kbps_of(400, 10.0) == clips.FEWEST_KBPS


def test_takes_of_a_song_keep_their_relation_in_level():
    quiet, loud = np.full((4, 1), 0.1), np.full((4, 1), -2.0)
    factor = clips.loudness_factor(quiet, loud)
    assert factor * 2.0 == pytest.approx(10 ** (-1 / 20), abs=0.002)
    assert clips.loudness_factor(np.zeros((4, 1))) == 1.0


@pytest.mark.parametrize("hz", [100.0, 1000.0, 7000.0])
def test_a_tone_is_a_line_at_its_frequency(hz):
    rate = 32000
    audio = np.sin(2 * np.pi * hz * np.arange(rate) / rate)[:, None]
    levels = clips.spectrogram(audio, rate)
    columns, rows = clips.SIZE
    assert levels.shape == (rows, columns)
    place = 1 - np.log(hz / clips.LOWEST_HZ) / np.log(rate / 2 / clips.LOWEST_HZ)
    strongest = np.argmax(levels[:, columns // 2])
    assert abs((strongest + 0.5) / rows - place) < 0.03
    ticks = dict(clips.frequency_ticks(rate))
    if hz == 1000.0:
        assert ticks["1k"] == pytest.approx(place)


def test_anti_phase_stereo_is_not_silent(rng):
    noise = rng.standard_normal((8000, 1))
    levels = clips.spectrogram(np.hstack([noise, -noise]), 8000)
    assert levels.max() > 0


def test_pictures_are_webp(rng):
    data = clips.picture(rng.normal(-40, 20, (132, 420)), 0.0)
    assert data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    assert clips.uri(b"abc", "image/webp") == "data:image/webp;base64,YWJj"

"""One of several separators for each song."""

import json

import numpy as np
import pytest

from datasets import audio
from dssgan.exports import CONFIG
from dssgan.kit.chained import ChainedSeparator
from dssgan.postprocessing import routed
from dssgan.postprocessing.processed import ProcessedSeparator
from dssgan.postprocessing.routed import RoutedSeparator
from dssgan.postprocessing.style import figures, over_songs
from dssgan.separation.stream import Report
from tests.dssgan.conftest import FOUR, KIT
from tests.dssgan.postprocessing.test_blended import TWO, separator, streamed
from tests.dssgan.postprocessing.test_style import RATE, clicks, drone


@pytest.fixture
def styles(rng):
    """Of songs that are struck, and of songs that are held."""
    struck = over_songs([figures(clicks(rng, 0.4 + 0.05 * k), RATE) for k in range(5)])
    held = over_songs([figures(drone(rng, 80 + 20 * k), RATE) for k in range(5)])
    return [struck, held]


@pytest.fixture
def pair(styles):
    four = separator(0.2, 0.1, 0.3, 0.4, sources=FOUR, segment=0.7)
    return RoutedSeparator({"struck": separator(0.9, 0.1), "held": four}, styles)


def test_the_stems_are_those_of_the_chosen_one(pair, rng):
    struck, held = clicks(rng, 0.62), drone(rng, 95)
    report, seconds = Report(), []
    stems = streamed(pair, struck, rate=RATE, report=report, progress=seconds.append)
    alone = streamed(pair.separators[0], struck, rate=RATE)
    assert stems.keys() == alone.keys() and pair.sources == TWO
    for name, stem in alone.items():
        np.testing.assert_array_equal(stems[name], stem)
    assert min(report.distances, key=report.distances.get) == "struck"
    assert report.samples == len(struck) and report.remaining_db < -120
    assert sum(seconds) == pytest.approx(len(struck) / RATE)

    stems = streamed(pair, held, rate=RATE, report=report)
    four = streamed(pair.separators[1], held, rate=RATE)
    np.testing.assert_array_equal(stems["drums"], four["drums"])
    rest = sum(four[name] for name in FOUR[1:])
    np.testing.assert_allclose(stems["accompaniment"], rest, atol=1e-6)
    assert report.distances["held"] < report.distances["struck"]
    assert list(streamed(pair, held, rate=RATE, sources=["drums"])) == ["drums"]


def test_a_song_is_chosen_for_by_its_beginning(pair, rng, monkeypatch):
    """What comes after it changes nothing, and is not kept."""
    monkeypatch.setattr(routed, "HEARD_S", 4.0)
    both = np.concatenate([clicks(rng)[: 5 * RATE], drone(rng), drone(rng)])
    report = Report()
    stems = streamed(pair, both, rate=RATE, report=report)
    assert report.distances["struck"] < report.distances["held"]
    assert len(stems["drums"]) == len(both)
    np.testing.assert_allclose(sum(stems.values()), both, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 5000, 3 * RATE])
def test_silence_and_short_songs_take_the_first(pair, samples):
    song = np.full((samples, 1), 0.0 if samples > RATE else 0.5, np.float32)
    report = Report()
    stems = streamed(pair, song, rate=RATE, report=report)
    assert report.distances == {}
    alone = streamed(pair.separators[0], song, rate=RATE)
    np.testing.assert_array_equal(stems["drums"], alone["drums"])


def test_no_block_is_no_stem(pair):
    assert list(pair.stream([], RATE)) == []


def test_steps_and_the_kit_around_it(pair, rng):
    song = clicks(rng)
    report = Report()
    stems = streamed(ProcessedSeparator(pair, None, ["wiener"]), song, rate=RATE, report=report)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-5)
    assert set(report.distances) == {"struck", "held"}
    kit = separator(0.3, 0.25, 0.2, 0.15, 0.05, sources=KIT)
    report = Report()
    stems = streamed(ChainedSeparator(pair, kit, "drums"), song, rate=RATE, report=report)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-5)
    assert set(report.distances) == {"struck", "held"}


def test_other_sources_are_refused(styles):
    one, other = separator(0.9, 0.1), separator(0.5, 0.5, sources=("vocals", "rest"))
    with pytest.raises(ValueError, match="only separators of the same sources go together"):
        RoutedSeparator({"a": one, "b": other}, styles)
    with pytest.raises(ValueError, match="1 separators: expected two or more"):
        RoutedSeparator({"a": one}, styles[:1])


def test_the_command_says_which_it_took(call, exports, tmp_path, styles, rng):
    folders = [exports / "loud", exports / "four"]
    for folder, style in zip(folders, styles):
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | {"style": style.as_json()}))
    audio.write(tmp_path / "in" / "struck.wav", clicks(rng, 0.62), RATE, bits="32f")
    audio.write(tmp_path / "in" / "held.wav", drone(rng, 95), RATE, bits="32f")
    words = [tmp_path / "in", "-o", tmp_path / "out", "--by-style"]
    models = ("--models", ",".join(map(str, folders)))
    code, out, err = call(*words, *models, "--two-stems", "drums", model=None)
    assert code == 0 and not err
    lines = [line.split()[1] for line in out.splitlines() if line.startswith("  style: ")]
    assert lines == ["four", "loud"]  # the nearest stands first; held comes before struck

    code, _, err = call(*words, "--skip-existing", model=None)
    assert code == 2 and "--by-style: chooses one of --models A,B" in err
    code, _, err = call(*words, *models, "--blend", "time", model=None)
    assert code == 2 and "--by-style: chooses one of --models A,B, and blends none" in err
    models = ("--models", f"{exports / 'two'},{exports / 'loud'}")
    code, _, err = call(*words, *models, "--overwrite", model=None)
    assert code == 2 and "tells nothing of the style of its training songs" in err

"""Lists of active stretches: the command, what reads them, excerpts and drop-outs."""

import json

import numpy as np
import pytest

from common import cli
from datasets import audio, load
from datasets.__main__ import main
from datasets.activity.lists import list_path, listed
from datasets.activity.windows import activity
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.paired import PairedExcerpts
from datasets.excerpts.shape import ExcerptShape

RATE = 8000
PLAIN = Augmentation(gain=(1.0, 1.0), swap=0.0, remix=0.0, normalise="none", active_share=1.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A cache of two songs: drums in the middle of the first, bass at the end of the second."""
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    for song, (start, stop) in {"first": (12, 24), "second": (6, 18)}.items():
        for stem in ("drums", "bass"):
            data = np.zeros((36 * RATE, 2), np.float32)
            shift = 0 if stem == "drums" else 12
            place = slice((start + shift) * RATE, (stop + shift) * RATE)
            data[place] = 0.1 * rng.standard_normal((12 * RATE, 2))
            audio.write(folder / song / f"{stem}.wav", data, RATE)
    out = folder / "cache"
    command = ["prepare", "folders", str(folder), "--out", str(out), "--rates", str(RATE), "4000"]
    with pytest.raises(SystemExit) as ended:
        cli.run(main, [*command, "--workers", "1"])
    assert ended.value.code == 0
    return out


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        cli.run(main, [str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return ended.value.code, out, error


def test_the_command_lists_where_a_source_plays(root, capsys):
    code, text, _ = run(capsys, "activity", root, "--target", "drums", "vocals")
    assert code == 0
    assert text.splitlines() == [
        f"drums plays in 0.01 of 0.02 h of 2 songs: {root / 'activity-drums.json'}",
        "first: vocals plays nowhere",
        "second: vocals plays nowhere",
        f"vocals plays in 0.00 of 0.02 h of 2 songs: {root / 'activity-vocals.json'}",
    ]
    songs = json.loads(list_path(root, "drums").read_text())["songs"]
    assert songs["first"]["active"] == [[12.0, 24.0]]
    assert songs["second"]["active"] == [[6.0, 18.0]]
    for rate in (RATE, 4000):  # in seconds, so that one list serves all rates
        for track in load("cache", root, sample_rate=rate):
            start, stop = songs[track.name]["active"][0]
            assert listed(track, ("drums",)) == [(start * rate, stop * rate)]


def test_a_list_is_believed_while_it_fits_the_song(root):
    track = load("cache", root)[0]
    path = list_path(root, "drums")
    assert listed(track, ("drums", "bass")) == activity(track, ("drums", "bass"))
    for change, expected in (
        ({"active": [[0.0, 6.0]]}, [(0, 6 * RATE)]),
        ({"active": [[0.0, 6.0]], "seconds": 17.0}, activity(track, "drums")),
        ({"active": [[0.0, 6.0]], "level": None}, activity(track, "drums")),
    ):
        facts = {"seconds": track.duration, "level": track.levels["drums"]}
        content = {"format": 1, "songs": {track.name: facts | change}}
        path.unlink(missing_ok=True)
        path.write_text(json.dumps(content))
        assert listed(track, ("drums",)) == expected
    path.unlink()
    path.write_text("{")
    with pytest.raises(ValueError, match="delete it, or write it again"):
        listed(track, ("drums",))
    path.unlink()
    assert listed(track, ("drums",)) == activity(track, "drums")


def test_excerpts_come_from_active_stretches(root):
    tracks = load("cache", root)
    shape = ExcerptShape(2 * RATE, 8, channels=2, sources=("drums", "bass"))
    rule = PLAIN.__dict__ | {"active_rule": "activity"}
    together = PairedExcerpts(tracks, shape, Augmentation(**rule), seed=3)
    drums, _ = np.moveaxis(np.square(together.batch(0)["stems"]).mean((2, 3)), 1, 0)
    assert (drums > 0.005).all()
    # Remixed, each source is taken from where it plays itself; aligned they hardly ever both play.
    mixed = PairedExcerpts(tracks, shape, Augmentation(**rule | {"remix": 1.0}), seed=3)
    batch = mixed.batch(0)
    assert (np.square(batch["stems"]).mean((2, 3)) > 0.005).all()
    assert len(set(batch["names"][0].split("+"))) == 2
    np.testing.assert_array_equal(batch["stems"], mixed.batch(0)["stems"])


def test_stems_are_dropped_by_chance(root):
    tracks = load("cache", root)
    rule = PLAIN.__dict__ | {"active_rule": "activity", "remix": 1.0, "drop": 0.25}
    shape = ExcerptShape(800, 64, sources=("drums", "bass"))
    found = PairedExcerpts(tracks, shape, Augmentation(**rule))
    silent = ~np.concatenate([found.batch(n)["stems"] for n in range(4)]).any((2, 3))
    assert abs(silent.mean() - 0.25) < 0.06
    with pytest.raises(ValueError, match=r"drop=1\.5"):
        Augmentation(drop=1.5)

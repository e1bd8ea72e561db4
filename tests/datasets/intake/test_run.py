"""Whole intakes: what is taken, refused, kept, and left after a kill."""

import json
import os
import shutil
import signal
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from common.files import locked
from datasets import audio, load
from datasets.intake.report import MANIFEST, read_manifest
from datasets.intake.run import Options
from datasets.intake.run import intake as run_intake
from datasets.intake.terms import Terms
from tests.commands import begin
from tests.damaged_json import damages, survives, texts


def reasons(outcome) -> dict[str, str]:
    return {one.name: " / ".join(one.reasons) for one in outcome.refused}


def names(outcome) -> list[str]:
    return [song["name"] for song in outcome.songs]


def test_stems_are_summed_and_add_up_bit_by_bit(tmp_path, contribute, take):
    files = ("KickIn", "OH_L", "Snare", "Bass DI", "Gtr 1", "keys", "LeadVox", "BV 2")
    written = contribute(tmp_path / "give" / "Song", files)
    outcome = take(tmp_path / "give", tmp_path / "out")
    assert names(outcome) == ["Song"] and not outcome.refused
    (track,) = load("folders", tmp_path / "out")
    assert track.stems == ("drums", "bass", "other", "vocals")
    drums = written["KickIn"] + written["OH_L"] + written["Snare"]
    assert np.array_equal(track.read("drums"), drums)
    assert np.array_equal(track.read("vocals"), written["BV 2"] + written["LeadVox"])
    total = np.zeros_like(drums)
    for stem in track.stems:
        total += track.read(stem)
    assert np.array_equal(track.read("mixture"), total)
    (song,) = read_manifest(tmp_path / "out")
    assert song["stems"]["drums"] == ["KickIn.wav", "OH_L.wav", "Snare.wav"]
    assert (song["licence"], song["credit"], song["missing"]) == ("CC0-1.0", "Some One", [])
    assert "Some One; licence CC0-1.0" in (tmp_path / "out" / "CREDITS.md").read_text()


def test_missing_silent_mono_and_shorter_stems(tmp_path, contribute, take, play):
    song = tmp_path / "give" / "Song"
    written = contribute(song, ("Gtr", "Keys"))
    audio.write(song / "Kick.wav", np.zeros((96_000, 2), np.float32), 32000)
    audio.write(song / "Vox.wav", play(2.8, 50)[:, :1], 32000, bits=24)
    outcome = take(tmp_path / "give", tmp_path / "out")
    (song,) = outcome.songs
    assert song["missing"] == ["drums", "bass"]
    notes = "\n".join(song["notes"])
    assert "drums is silent: not written" in notes and "Vox.wav: ends at 2.800 s" in notes
    (track,) = load("folders", tmp_path / "out")
    assert track.stems == ("other", "vocals") and track.channels == 2
    assert np.array_equal(track.read("other"), written["Gtr"] + written["Keys"])


def test_several_songs_and_zips_and_a_mapping(tmp_path, contribute, take):
    contribute(tmp_path / "give" / "One", ("Kick", "Zork"), seed=1)
    contribute(tmp_path / "pack" / "Two" / "Stems", ("a", "b"), seed=2)
    (tmp_path / "pack" / "Two" / "song.yaml").write_text(
        "name: The Second\nlicence: cc-by-4.0\ncredit: A <b>|C\n"
        "stems: {a.wav: drums, b.wav: bass}\n"
    )
    shutil.make_archive(str(tmp_path / "two"), "zip", tmp_path / "pack")
    terms = Terms("", licence="CC0-1.0", credit="X", stems=(("zork*", "other"),))
    outcome = take(
        [tmp_path / "give", tmp_path / "two.zip"], tmp_path / "out", terms=terms, workers=2
    )
    assert names(outcome) == ["One", "The Second"] and not outcome.refused
    assert outcome.songs[1]["licence"] == "CC-BY-4.0"
    assert outcome.songs[1]["contributed"] == "two.zip/Two"
    credit = (tmp_path / "out" / "CREDITS.md").read_text()
    assert r"**The Second** — A &lt;b&gt;\|C; licence CC-BY-4.0" in credit
    assert [track.name for track in load("folders", tmp_path / "out")] == ["One", "The Second"]


def make_wrong(song: Path, contribute, play) -> None:
    """A good song with a mixture, whose parts are then made wrong by `WRONG`."""
    written = contribute(song)
    audio.write(song / "Mix.wav", sum(written.values()), 32000, bits="32f")


def late(song, play):
    del play
    data = audio.read(song / "Gtr 1.wav")[0]
    audio.write(song / "Gtr 1.wav", np.roll(data, 4000, 0), 32000, bits=24)


WRONG = {
    "late": (late, "other comes 0.125 s (4000 samples) late against the mixture"),
    "missing": (
        lambda song, _: (song / "KickIn.wav").unlink(),
        "its stems do not add up to its mixture: ",
    ),
    "same stem": (
        lambda song, _: shutil.copy(song / "KickIn.wav", song / "Bass DI.wav"),
        "of the energy of bass follows drums",
    ),
    "clipped": (
        lambda song, play: audio.write(
            song / "KickIn.wav", np.clip(30 * play(3, 0), -1, 1), 32000, bits=24
        ),
        "KickIn.wav: ",
    ),
    "cut": (
        lambda song, _: (song / "LeadVox.wav").write_bytes(
            (song / "LeadVox.wav").read_bytes()[:200_000]
        ),
        "LeadVox.wav: holds 1",
    ),
    "no audio": (
        lambda song, _: (song / "LeadVox.wav").write_bytes(b"x" * 999),
        "LeadVox.wav: not",
    ),
    "rates": (
        lambda song, play: audio.write(song / "LeadVox.wav", play(3, 9, 44100), 44100),
        "its files have several rates (",
    ),
    "unknown": (lambda song, _: shutil.copy(song / "KickIn.wav", song / "Zork.wav"), "is unknown"),
    "licence": (
        lambda song, _: (song / "song.yaml").write_text("licence: CC-BY-NC-4.0"),
        "its licence CC-BY-NC-4.0 forbids commercial use",
    ),
    "yaml": (lambda song, _: (song / "song.yaml").write_text("a: ["), "its song.yaml: not YAML"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_refused_song_leaves_nothing(tmp_path, contribute, take, play, wrong, packed, tree):
    song, source = tmp_path / "give" / "Bad Song", tmp_path / "give"
    make_wrong(song, contribute, play)
    change, message = WRONG[wrong]
    change(song, play)
    if packed:
        source = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", source))
    outcome = take(source, tmp_path / "out")
    said = reasons(outcome)
    assert message in said["Bad Song"] and "\n" not in said["Bad Song"]
    assert str(tmp_path) not in said["Bad Song"]  # the name that was contributed, not ours
    assert set(tree(tmp_path / "out")) == {"CREDITS.md", "REPORT.md", "intake.json", "report.json"}
    assert "Bad Song" in (tmp_path / "out" / "REPORT.md").read_text()
    (entry,) = json.loads((tmp_path / "out" / "report.json").read_text())["refused"]
    assert entry["name"] == "Bad Song" and " / ".join(entry["reasons"]) == said["Bad Song"]


def test_the_song_that_those_are_made_of_is_taken(tmp_path, contribute, take, play):
    make_wrong(tmp_path / "give" / "Good", contribute, play)
    outcome = take(tmp_path / "give", tmp_path / "out")
    (song,) = outcome.songs
    assert song["measured"]["sum"]["decibels"] > 60 and song["notes"] == []
    assert set(song["measured"]["lags"].values()) == {0}


@pytest.mark.parametrize("master", [lambda x: np.tanh(3 * x) / 2, lambda x: np.clip(4 * x, -1, 1)])
def test_a_mastered_mixture_is_noted(tmp_path, contribute, take, master):
    written = contribute(tmp_path / "give" / "Song")
    mastered = master(sum(written.values()))
    audio.write(tmp_path / "give" / "Song" / "Master.wav", mastered, 32000, bits=24)
    (song,) = take(tmp_path / "give", tmp_path / "out").songs
    assert any("its mixture is not quite the sum of its stems" in note for note in song["notes"])
    (track,) = load("folders", tmp_path / "out")
    total = sum(track.read(stem) for stem in track.stems)
    assert np.allclose(track.read("mixture"), total, atol=1e-6)


@pytest.mark.parametrize("allow", [(), ("CC-BY-NC-4.0",)])
def test_a_licence_is_allowed_by_name(tmp_path, contribute, take, allow):
    contribute(tmp_path / "give" / "Song")
    terms = Terms("", licence="CC-BY-NC-4.0", credit="X")
    outcome = take(tmp_path / "give", tmp_path / "out", terms=terms, allowed=allow)
    assert bool(outcome.songs) == bool(allow)


def test_the_same_song_twice(tmp_path, contribute, take, play, tree):
    """In one run, across runs, and as a test song, though cut, quieter and in another format."""
    contribute(tmp_path / "a" / "First", ("Kick", "Gtr"), seed=3, seconds=6)
    copy = tmp_path / "a" / "Other Name"
    for name in ("Kick", "Gtr"):
        data = 0.5 * audio.read(tmp_path / "a" / "First" / f"{name}.wav")[0][30_001:]
        copy.mkdir(exist_ok=True)
        audio.write(copy / f"{name}.flac", audio.resample(data, 32000, 44100), 44100, bits=16)
    contribute(tmp_path / "a" / "Third", ("Kick", "Gtr"), seed=4, seconds=6)
    out = tmp_path / "out"
    outcome = take(tmp_path / "a", out, workers=2)
    assert names(outcome) == ["First", "Third"]
    assert "it is the same as the song 'First': " in reasons(outcome)["Other Name"]
    before = tree(out)
    shutil.copytree(copy, tmp_path / "b" / "Again")
    assert "the song 'First'" in reasons(take(tmp_path / "b", out))["Again"]
    kept = {name for name in before if name.endswith(".wav")}
    assert {name: tree(out)[name] for name in kept} == {name: before[name] for name in kept}

    audio.write(tmp_path / "test.flac", sum(audio.read(f)[0] for f in copy.iterdir()), 44100)
    outcome = take(tmp_path / "a", out, test_songs=(str(tmp_path / "test.flac"),))
    assert names(outcome) == ["Third"]
    assert "the same as the test song 'test'" in reasons(outcome)["First"]
    assert not (out / "First").exists() and not (out / ".intake" / "First.npy").exists()
    folder = (f"folders:{tmp_path / 'out'}",)
    fresh = take(tmp_path / "a", tmp_path / "new", test_songs=folder)
    assert names(fresh) == ["First"] and "'Third'" in reasons(fresh)["Third"]


def test_names_that_are_taken(tmp_path, contribute, take):
    for number, folder in enumerate(("a/Song", "b/song")):
        contribute(tmp_path / folder, ("Kick", "Gtr"), seed=number)
    both = [tmp_path / "a", tmp_path / "b"]
    outcome = take(both, tmp_path / "out")
    assert names(outcome) == ["Song"] and "a/Song is called 'song' too" in reasons(outcome)["song"]
    later = take(tmp_path / "b", tmp_path / "out")
    assert "a song from a/Song is called so already" in reasons(later)["song"]
    (tmp_path / "mine" / "Song").mkdir(parents=True)
    (tmp_path / "mine" / "Song" / "drums.wav").symlink_to(tmp_path / "a" / "Song" / "Gtr.wav")
    outcome = take(tmp_path / "a", tmp_path / "mine")
    assert "is there already, and not from an intake" in reasons(outcome)["Song"]
    assert os.listdir(tmp_path / "mine" / "Song") == ["drums.wav"]


def test_what_is_there_is_not_heard_again(tmp_path, contribute, take, tree, monkeypatch):
    contribute(tmp_path / "give" / "One", ("Kick", "Gtr"), seed=1)
    contribute(tmp_path / "give" / "Two", ("Kick", "Gtr"), seed=2)
    out = tmp_path / "out"
    take(tmp_path / "give", out)
    before = tree(out)
    monkeypatch.setattr("datasets.intake.run.take", None)
    outcome = take(tmp_path / "give", out)
    assert outcome.taken == [] and names(outcome) == ["One", "Two"] and tree(out) == before
    shutil.rmtree(tmp_path / "give" / "One")
    assert names(take(tmp_path / "give", out)) == ["One", "Two"]
    (out / ".intake" / "Two.npy").unlink()
    assert take(tmp_path / "give", out).taken == [] and tree(out) == before


def test_what_has_changed_is_heard_again(tmp_path, contribute, take):
    contribute(tmp_path / "give" / "Song", ("Kick", "Gtr"), seed=1)
    out = tmp_path / "out"
    take(tmp_path / "give", out)
    contribute(tmp_path / "give" / "Song", ("Kick", "Gtr"), seed=2)
    assert take(tmp_path / "give", out).taken == ["Song"]
    assert take(tmp_path / "give", out, limits={"sum": 11}).taken == ["Song"]
    contribute(tmp_path / "give" / "Song", ("Zork",))
    outcome = take(tmp_path / "give", out)
    assert outcome.refused and not outcome.songs and not (out / "Song").exists()


def test_a_folder_that_was_changed_is_not_touched(tmp_path, contribute, take, tree):
    contribute(tmp_path / "give" / "Song", ("Kick", "Gtr"))
    out = tmp_path / "out"
    take(tmp_path / "give", out)
    (out / "Song" / "drums.wav").write_bytes(b"mine")
    before = tree(out)
    with pytest.raises(ValueError, match=r"drums.wav: is not as it was taken in; delete the"):
        take(tmp_path / "give", out)
    assert tree(out) == before
    shutil.rmtree(out / "Song")
    assert take(tmp_path / "give", out).taken == ["Song"]


def test_two_at_once_and_folders_in_one_another(tmp_path, contribute, take):
    contribute(tmp_path / "give" / "Song", ("Kick", "Gtr"))
    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out"), pytest.raises(ValueError, match="another intake is at work"):
        take(tmp_path / "give", tmp_path / "out")
    for out in (tmp_path / "give" / "out", tmp_path, tmp_path / "give"):
        with pytest.raises(ValueError, match="lies in the other"):
            take(tmp_path / "give", out)
    assert not (tmp_path / "give" / "out").exists()


def test_names_of_others_are_escaped(tmp_path, contribute, take):
    folder = tmp_path / "give" / "Song"
    contribute(folder, ("Kick", "Gtr"))
    shutil.copy(folder / "Kick.wav", folder / "zork \x1b[31m\n| <b>.wav")
    outcome = take(tmp_path / "give", tmp_path / "out")
    report = (tmp_path / "out" / "REPORT.md").read_text()
    assert outcome.refused and "\x1b" not in report and "<b>" not in report


class TestKilled:
    """A process is killed in the middle; the same command goes on and ends with the same bytes."""

    @pytest.fixture
    def give(self, tmp_path, contribute):
        for number in range(4):
            contribute(tmp_path / "give" / f"Song {number}", seed=number, seconds=12)
        shutil.copytree(tmp_path / "give" / "Song 1", tmp_path / "give" / "Song 4")
        (tmp_path / "give" / "Song 2" / "song.yaml").write_text("licence: CC-BY-ND-4.0")
        return tmp_path / "give"

    def command(self, give, out, workers):
        words = ["intake", give, "--out", out, "--licence", "CC0-1.0", "--credit", "X"]
        return begin("datasets", *words, "--workers", workers)

    @pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGTERM), (2, signal.SIGKILL)])
    def test_and_started_again(self, tmp_path, give, tree, workers, number):
        whole, out = tmp_path / "whole", tmp_path / "out"
        options = Options(terms=Terms("", licence="CC0-1.0", credit="X"))
        run_intake([give], whole, options)
        for songs in (0, 1):
            process = self.command(give, out, workers)
            while process.poll() is None:
                done = len(list(out.glob("Song */mixture.wav")))
                if done >= songs and list(out.glob(".intake/unfinished/*/song/.partial-*")):
                    break
                time.sleep(0.005)
            process.send_signal(number)
            process.communicate()
            time.sleep(0.5)  # its workers notice
        process = self.command(give, out, workers)
        text, error = process.communicate()
        assert process.returncode == 0 and "3 songs" in text, error
        assert tree(out) == tree(whole)
        assert not (out / ".intake" / "unfinished").exists()
        assert "Song 2: refused: its licence CC-BY-ND-4.0 forbids changes" in error
        assert "Song 4: refused: it is the same as the song 'Song 1'" in error


def test_damaged_manifests(tmp_path, contribute, take):
    contribute(tmp_path / "give" / "Song", ("Kick", "Gtr"))
    out = tmp_path / "out"
    take(tmp_path / "give", out)
    good = json.loads((out / MANIFEST).read_text())
    (out / "x").mkdir()
    (out / "x" / "precious.txt").write_text("kept")
    for text in (
        *map(json.dumps, damages(good, (None, -1, "x", [], {}, 10**20))),
        *texts(good, ()),
    ):
        (out / MANIFEST).write_text(text)
        survives(lambda: read_manifest(out), out)
    for text in texts(good, ()):
        (out / MANIFEST).write_text(text)
        assert survives(lambda: take(tmp_path / "give", out), out)


def test_a_song_of_a_zip_that_lies_is_refused(tmp_path, contribute, take):
    contribute(tmp_path / "give" / "Song", ("Kick", "Gtr"))
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for one in sorted((tmp_path / "give" / "Song").iterdir()):
            file.write(one, one.name)
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    outcome = take(path, tmp_path / "out")
    assert "Gtr.wav: a.zip" in reasons(outcome)["a"] or "is damaged" in reasons(outcome)["a"]

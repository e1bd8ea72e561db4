"""Songs as WAV files: the mixture is the sum of its parts, bit by bit."""

import numpy as np
import pytest

from common import cli
from datasets import audio, load
from datasets.__main__ import main
from datasets.audio import stem_mp4
from datasets.legacy import songs
from datasets.legacy.export import export
from datasets.legacy.lists import read
from datasets.sources import read_sources, source_stems

NAMES = ("Drums", "Bass", "Synths", "Vox")


@pytest.fixture
def stem_files(tmp_path, make_audio):
    """Two songs as Native Instruments make them: loud parts, and a mastered mixture."""
    for split, song, seed in (("train", "One", 1), ("test", "Two", 9)):
        stems = {name: make_audio(9000, 2, seed + n, 0.9) for n, name in enumerate(NAMES)}
        path = tmp_path / "ni" / split / f"{song}.stem.mp4"
        stem_mp4.write(path, np.tanh(sum(stems.values())), stems, 44100)
    return tmp_path / "ni"


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        cli.run(main, [str(argument) for argument in arguments])
    return ended.value.code


def test_stem_files_become_mix_drums_and_accompaniment(stem_files, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("export", "stems", stem_files, "--out", out, "--workers", 1) == 0
    assert "2 songs, 0.00 h, 2 of them written now, and dataset.pkl" in capsys.readouterr().out
    originals = load("stems", stem_files)
    for original in originals:
        folder = out / original.split / original.name
        mix, drums, rest = (
            audio.read(folder / f"{name}.wav")[0] for name in ("mixture", "drums", "accompaniment")
        )
        assert np.array_equal(drums, original.read("drums"))
        parts = [original.read(stem) for stem in original.stems if stem != "drums"]
        assert np.abs(rest - sum(parts)).max() < 1e-6
        assert np.array_equal(mix, drums + rest)
        assert np.abs(mix).max() > 1  # louder than full scale, and not clipped
        assert np.abs(mix - original.read("mixture")).max() > 0.1  # the mastered one is another


def test_what_was_written_is_read_as_folders_and_as_the_original_s_list(stem_files, tmp_path):
    out = tmp_path / "out"
    export(load("stems", stem_files), out)
    for tracks in (load("folders", out), load("legacy", out / "dataset.pkl")):
        assert [(track.name, track.split) for track in tracks] == [
            ("One", "train"),
            ("Two", "test"),
        ]
        pair = read_sources(tracks[0], ("drums", "accompaniment"))
        assert np.array_equal(tracks[0].read(), pair[0] + pair[1])
        assert tracks[0].warnings == ()
    lists = read(out / "dataset.pkl")
    row = lists["train_sup"][0]
    assert [sample.path.rsplit("/", 1)[1] for sample in row] == [
        "mixture.wav", "accompaniment.wav", "drums.wav",
    ]  # fmt: skip
    assert row[0].duration == pytest.approx(9000 / 44100, abs=0.1) and lists["valid"] == []


def test_songs_that_are_there_are_left_and_others_written(stem_files, tmp_path, tree, capsys):
    out = tmp_path / "out"
    tracks = load("stems", stem_files)
    assert export(tracks, out) == 2
    before = tree(out)
    assert export(tracks, out) == 0 and tree(out) == before
    (out / "train" / "One" / "drums.wav").unlink()
    assert export(tracks, out) == 1 and tree(out) == before
    assert export(tracks, out, ("vocals", "accompaniment")) == 2
    assert run("export", "stems", stem_files, "--out", out, "--split", "train") == 0
    assert "1 songs, 0.00 h, 1 of them written now" in capsys.readouterr().out


def test_an_interrupted_song_is_written_again(stem_files, tmp_path, monkeypatch):
    out = tmp_path / "out"
    (track, _) = load("stems", stem_files)
    blocks = track.blocks

    def ends_early(stem, block):
        yield from blocks(stem, 1000) if stem == "drums" else (_ for _ in ()).throw(OSError(5, "x"))

    monkeypatch.setattr(track, "blocks", ends_early)
    with pytest.raises(OSError, match="x"):
        export([track], out)
    assert [path for path in out.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    assert export([track], out) == 1


def test_four_sources_and_songs_without_some(tmp_path, make_song):
    make_song(tmp_path / "in" / "full", samples=4000)
    make_song(tmp_path / "in" / "some", ("drums", "other"), samples=4000)
    tracks = load("folders", tmp_path / "in")
    four = ("drums", "bass", "other", "vocals")
    export(tracks, tmp_path / "out", four)
    full, some = load("folders", tmp_path / "out")
    assert np.array_equal(read_sources(full, four), read_sources(tracks[0], four))
    assert np.abs(full.read() - read_sources(full, four).sum(0)).max() < 1e-6
    assert not some.read("bass").any() and some.missing == ()


def test_sources_that_do_not_add_up_are_refused(tmp_path, make_song):
    make_song(tmp_path / "song")
    tracks = load("folders", tmp_path)
    with pytest.raises(ValueError, match="song: its bass is in none of the sources drums, vocals"):
        export(tracks, tmp_path / "out", ("drums", "vocals"))
    with pytest.raises(ValueError, match="no stem 'guitar', only mixture, drums, bass"):
        export(tracks, tmp_path / "out", ("guitar", "accompaniment"))
    with pytest.raises(ValueError, match="its drums is in more than one of the sources"):
        export(tracks, tmp_path / "out", ("mixture", "drums", "accompaniment"))
    with pytest.raises(ValueError, match="there is no song to write"):
        export([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_sum_of_stems_as_the_mixture_of_a_stem_file(stem_files):
    (own, _), (summed, _) = (load("stems", stem_files, own_mixture=own) for own in (True, False))
    assert own.own_mixture and not summed.own_mixture
    total = read_sources(summed, summed.stems).sum(axis=0)
    assert np.abs(summed.read() - total).max() < 1e-6
    assert np.abs(own.read() - total).max() > 0.1


def test_what_the_accompaniment_of_a_song_is(tmp_path, make_song):
    make_song(tmp_path / "song", ("drums", "bass", "vocals"))
    (track,) = load("folders", tmp_path)
    assert source_stems(track, ("drums", "accompaniment")) == [("drums",), ("bass", "vocals")]
    assert source_stems(track, ("other", "mixture")) == [(), ("drums", "bass", "vocals")]


def test_channels_and_sums_are_no_files_of_their_own(tmp_path, make_audio):
    audio.write(tmp_path / "Wavfile" / "1_verse.wav", make_audio(3000), 44100)
    tracks = load("ikala", tmp_path)
    with pytest.raises(ValueError, match=r"1_verse: its mixture is not an audio file of its own"):
        songs.listed(tracks, sources=("accompaniment", "vocals"))
    export(tracks, tmp_path / "out", ("vocals", "accompaniment"))
    (track,) = load("legacy", tmp_path / "out/dataset.pkl", sources=["accompaniment", "vocals"])
    assert np.array_equal(track.read("vocals"), tracks[0].read("vocals"))
    assert np.array_equal(track.read(), tracks[0].read())

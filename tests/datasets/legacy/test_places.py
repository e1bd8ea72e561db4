"""What a list of songs names lies below its folder, and is written nowhere else."""

import os

import pytest

from datasets import load
from datasets.legacy.export import export
from datasets.legacy.lists import Sample, write
from datasets.track import AudioShape, Track


def listing(folder, *paths):
    rows = [tuple(Sample(path, 8000, 1, 0.1) for path in paths)]
    write(
        folder / "dataset.pkl",
        {"train_sup": rows, "valid": [], "test": [], "train_unsup": [[], [], []]},
    )
    return folder / "dataset.pkl"


@pytest.mark.parametrize("broken", [None, []])
@pytest.mark.parametrize("path", ["../secret.wav", "a/../../secret.wav", "{}/secret.wav"])
def test_files_outside_of_the_folder_are_not_read(tmp_path, make_audio, path, broken):
    from datasets import audio

    audio.write(tmp_path / "secret.wav", make_audio(800, 1), 8000)
    (tmp_path / "songs").mkdir()
    path = path.format(tmp_path)
    with pytest.raises(ValueError, match=r"dataset\.pkl: names the file .* refused") as caught:
        load("legacy", listing(tmp_path / "songs", path, path, path), broken=broken)
    assert "option folder" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", [".hidden/mix.wav", "a\nb.wav", "a\x1b[31m.wav", "x" * 220 + ".wav"]
)
def test_names_that_are_none_of_songs_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be the name of a song: refused"):
        load("legacy", listing(tmp_path, name, name, name), broken=[])


@pytest.mark.parametrize("name", ["..", ".", "", ".hidden"])
def test_songs_are_written_into_the_folder_of_their_split(tmp_path, name):
    track = Track(name, "train", AudioShape(8000, 1, 10), ("drums", "vocals"))
    with pytest.raises(ValueError, match="cannot be the folder of a song"):
        export([track], tmp_path / "out" / "in")
    assert not list(tmp_path.iterdir())


def test_a_pipe_is_told_at_once(tmp_path):
    os.mkfifo(tmp_path / "dataset.pkl")
    with pytest.raises(ValueError, match="is a pipe"):
        load("legacy", tmp_path / "dataset.pkl")

"""The command line: python -m datasets prepare | check | list."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common import cli
from datasets import load
from datasets.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def songs(tmp_path, make_song):
    make_song(tmp_path / "songs" / "first", samples=44100 * 2)
    make_song(tmp_path / "songs" / "second", ("drums", "other"), samples=44100)
    return tmp_path / "songs"


def run(capsys, *arguments):
    """Exit code, standard output, standard error of a command in this process."""
    with pytest.raises(SystemExit) as ended:
        cli.run(main, [str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return ended.value.code, out, error


def test_prepare_list_check(tmp_path, songs, capsys):
    out = tmp_path / "cache"
    code, text, error = run(
        capsys, "prepare", "folders", songs, "--out", out, "--rates", 32000, "--workers", 1,
        "--valid", "second",
    )  # fmt: skip
    assert (code, error) == (0, "")
    assert text.splitlines() == [
        "second: bass is missing: silence",
        "second: vocals is missing: silence",
        f"2 songs, 0.00 h, 32000 Hz, 0.00 GB in {out}",
    ]
    code, text, _ = run(capsys, "list", out)
    assert code == 0 and text.splitlines() == [
        "first   train    0:02  32000 Hz  2 ch",
        "second  valid    0:01  32000 Hz  2 ch  missing: bass, vocals",
        "2 songs, 0.00 h, 1 with missing stems",
    ]
    assert run(capsys, "check", out)[:2] == (0, "2 songs, 2 files: all is well\n")
    file = next((out / "32000").glob("second*.npy"))
    data = bytearray(file.read_bytes())
    data[5000] ^= 4
    file.write_bytes(data)
    code, text, error = run(capsys, "check", out)
    assert (code, text) == (1, "") and str(file) in error.splitlines()[0]


def test_variants_are_prepared_beside_their_songs(tmp_path, songs, capsys):
    out = tmp_path / "cache"
    code, _, error = run(
        capsys, "prepare", "folders", songs, "--out", out, "--rates", 32000, "--workers", 1,
        "--valid", "second", "--variants", 2, "--semitones", 1,
    )  # fmt: skip
    assert (code, error) == (0, "")
    names = [track.name for track in load("cache", out)]
    assert names == ["first", "first (variant 1)", "first (variant 2)", "second"]
    lengths = [track.samples for track in load("cache", out, "train")]
    assert lengths[0] == 64000 and len(set(lengths)) == 3
    assert run(capsys, "check", out)[0] == 0


def test_songs_that_cannot_be_read_are_named_and_may_be_left_out(tmp_path, songs, capsys):
    next(songs.glob("**/drums.wav")).write_bytes(b"nothing")
    words = ["prepare", "folders", songs, "--out", tmp_path / "cache", "--rates", "8000"]
    code, _, error = run(capsys, *map(str, words))
    assert code == 1
    last = error.strip().splitlines()[-1]
    assert last.startswith("error: 1 songs cannot be read, the first: ")
    assert last.endswith("; repair them, or leave them out with --skip-broken")
    code, _, _ = run(capsys, *map(str, words), "--skip-broken")
    assert code == 0


def test_list_of_a_dataset(songs, capsys):
    code, text, _ = run(capsys, "list", "folders", songs, "--songs", "second")
    assert code == 0 and text.splitlines()[0].startswith("second  train    0:01  44100 Hz  2 ch")
    (songs / "first" / "bass.wav").write_bytes(b"")
    code, text, error = run(capsys, "list", "folders", songs)
    assert code == 1 and text.splitlines()[0].startswith("second")
    assert error == f"cannot be read: {songs / 'first' / 'bass.wav'}: is empty (0 bytes); " + (
        "fetch the file again\n"
    )


def test_options_of_a_dataset(capsys):
    code, text, _ = run(
        capsys, "list", "band", "--split", "test", "--options", "songs=3", "seconds=2.0"
    )
    assert code == 0 and text.count(" test ") == 3 and "0:02" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["list", "foldres", "x"], 1, "error: unknown dataset 'foldres'; did you mean 'folders'?"),
        (["list", "folders", "/nowhere"], 1, "error: /nowhere: No such file or directory"),
        (["list", "folders"], 1, "error: dataset folders: needs the path of its folder"),
        (["check", "/nowhere"], 1, "error: /nowhere: No such file or directory"),
        (["prepare", "folders", "x"], 2, "the following arguments are required: --out"),
        (["list", "band", "--options", "songs"], 2, "error: option 'songs': expected KEY=VALUE"),
        (
            ["list", "band", "--options", "song=3"],
            1,
            "unknown option 'song'; did you mean 'songs'?",
        ),
        (["prepare", "band", "--out", "x", "--rates", "7"], 1, "rate 7: expected 1000 to 384000"),
        (["list", "band", "--split", "dev"], 2, "invalid choice: 'dev'"),
    ],
)
def test_misuse(capsys, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    ended, text, error = run(capsys, *arguments)
    assert (ended, text) == (code, "") and message in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_not_utf8_are_printed(tmp_path, make_song):
    make_song(tmp_path / os.fsdecode(b"na\xefve"), ("drums",))
    done = subprocess.run(
        [sys.executable, "-m", "datasets", "list", "folders", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[0].startswith(r"na\udcefve  train")

"""`python -m dssgan.separate` with songs and stems in an object store, here and on a cluster."""

import io
import os

import numpy as np
import pytest

from common.cli import UsageError
from datasets import audio
from dssgan.separate import main
from tests.dssgan.test_separate import song
from tests.dssgan.test_separate_cluster import separate
from tests.object_stores import gs, keys, s3  # noqa: F401


@pytest.fixture
def songs(s3, tmp_path):  # noqa: F811
    """Two songs, a text and a file that is no audio, in a bucket and in a folder."""
    for number in range(2):
        song(tmp_path / "songs" / "in" / f"Söng {number}.wav", 30000, level=0.05 + 0.02 * number)
    (tmp_path / "songs" / "in" / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "songs" / "in" / "notes.txt").write_bytes(b"la la")
    for path in sorted((tmp_path / "songs" / "in").iterdir()):
        s3.upload_file(os.fspath(path), "songs", f"in/{path.name}")
    return tmp_path / "songs"


def stored(client, key, tmp_path):
    """The audio of an object."""
    data = io.BytesIO()
    client.download_fileobj("songs", key, data)
    (tmp_path / "object.wav").write_bytes(data.getvalue())
    return audio.read(tmp_path / "object.wav")[0]


def test_stems_are_those_of_this_machine(songs, s3, tmp_path, capsys):  # noqa: F811
    words = ["--model", "drums", "--sources", "drums", "--bits", "32f"]
    assert main([str(songs), "-o", str(tmp_path / "here"), *words]) == 1
    capsys.readouterr()
    assert main(["s3://songs/in", "-o", "s3://songs/out", *words]) == 1
    out, err = capsys.readouterr()
    assert "s3://songs/in/Söng 0.wav -> s3://songs/out/Söng 0/drums.wav" in out
    assert "error: s3://songs/in/broken.wav: " in err and "/tmp" not in err
    wanted = ["out/Söng 0/drums.wav", "out/Söng 1/drums.wav"]
    assert [key for key in keys(s3) if key.startswith("out/")] == wanted
    for number in range(2):
        ours = audio.read(tmp_path / "here" / "in" / f"Söng {number}" / "drums.wav")[0]
        theirs = stored(s3, wanted[number], tmp_path)
        np.testing.assert_array_equal(ours, theirs)
    # What is there is not written over unasked, and not done again.
    assert main(["s3://songs/in", "-o", "s3://songs/out", *words]) == 1
    assert capsys.readouterr().err.count("would overwrite s3://songs/out/") == 2
    s3.delete_object(Bucket="songs", Key=wanted[1])
    s3.delete_object(Bucket="songs", Key="in/broken.wav")
    assert main(["s3://songs/in", "-o", "s3://songs/out", "--skip-existing", *words]) == 0
    out = capsys.readouterr().out
    assert "skipped 1 songs" in out and out.count("x real time") == 1
    # From the store into a folder, and from a folder into the store; one object by its name.
    one = "s3://songs/in/Söng 1.wav"
    assert main([one, "-o", str(tmp_path / "down"), *words]) == 0
    ours = audio.read(tmp_path / "down" / "Söng 1" / "drums.wav")[0]
    np.testing.assert_array_equal(ours, stored(s3, wanted[1], tmp_path))
    (songs / "in" / "broken.wav").unlink()
    assert main([str(songs), "-o", "s3://songs/up", "--midi", *words]) == 0
    wanted = {f"up/in/Söng {n}/{name}" for n in (0, 1) for name in ("drums.wav", f"Söng {n}.mid")}
    assert {key for key in keys(s3) if key.startswith("up/")} == wanted


def test_notes_of_others_are_not_written_over(songs, s3, tmp_path, capsys):  # noqa: F811
    """Neither in a folder nor in the store; what is there stays as it is."""
    words = ["s3://songs/in/Söng 1.wav", "--model", "drums", "--sources", "drums", "--midi"]
    mine = tmp_path / "out" / "Söng 1" / "Söng 1.mid"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    assert main([*words, "-o", str(tmp_path / "out")]) == 1
    assert "would overwrite" in capsys.readouterr().err and mine.read_bytes() == b"mine"
    s3.put_object(Bucket="songs", Key="out/Söng 1/Söng 1.mid", Body=b"mine")
    assert main([*words, "-o", "s3://songs/out"]) == 1
    assert "would overwrite s3://songs/out/Söng 1/Söng 1.mid" in capsys.readouterr().err
    assert [key for key in keys(s3) if key.startswith("out/")] == ["out/Söng 1/Söng 1.mid"]
    assert main([*words, "-o", "s3://songs/out", "--skip-existing"]) == 0
    assert "out/Söng 1/drums.wav" in keys(s3)


def test_the_other_store(gs, tmp_path, capsys):  # noqa: F811
    """gs:// takes the same way, through a library of its own."""
    song(tmp_path / "in" / "Söng 1.wav", 30000)
    (tmp_path / "in" / "broken.wav").write_bytes(b"RIFF")
    for path in sorted((tmp_path / "in").iterdir()):
        gs.pipe_file(f"songs/in/{path.name}", path.read_bytes())
    words = ["--model", "drums", "--sources", "drums", "--bits", "32f"]
    assert main(["gs://songs/in", "-o", "gs://songs/out", *words]) == 1
    out, err = capsys.readouterr()
    assert "gs://songs/in/Söng 1.wav -> gs://songs/out/Söng 1/drums.wav" in out
    assert err.count("\n") == 2 and "error: gs://songs/in/broken.wav: " in err
    assert gs.find("songs/out") == ["songs/out/Söng 1/drums.wav"]
    (tmp_path / "object.wav").write_bytes(gs.cat_file("songs/out/Söng 1/drums.wav"))
    assert main([str(tmp_path / "in" / "Söng 1.wav"), "-o", str(tmp_path / "here"), *words]) == 0
    ours = audio.read(tmp_path / "here" / "Söng 1" / "drums.wav")[0]
    np.testing.assert_array_equal(ours, audio.read(tmp_path / "object.wav")[0])
    capsys.readouterr()
    assert main(["gs://songs/nothing", "-o", "gs://songs/out", *words]) == 1
    assert capsys.readouterr().err.startswith("error: gs://songs/nothing: no such object")


def test_workers_of_a_cluster_fetch_and_store(songs, s3, tmp_path, dask):  # noqa: F811
    address, _ = dask.scheduler()
    for _ in range(2):
        dask.worker(address, cwd=tmp_path)
    words = ("--model", "drums", "--sources", "drums", "--cluster", address)
    run = separate("s3://songs/in", "-o", "s3://songs/out", *words)
    assert run.returncode == 1 and run.stderr.count("error: ") == 1 and "broken" in run.stderr
    found = [key for key in keys(s3) if key.startswith("out/")]
    assert found == ["out/Söng 0/drums.wav", "out/Söng 1/drums.wav"]
    assert "hush" not in run.stdout + run.stderr


def test_bad_addresses_are_one_line(songs, tmp_path, capsys):
    assert main(["s3://songs/nothing", "-o", str(tmp_path / "out"), "--model", "drums"]) == 1
    assert capsys.readouterr().err.startswith("error: s3://songs/nothing: no such object")
    assert main(["s3://nobodys/x.wav", "-o", str(tmp_path / "out"), "--model", "drums"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    for words, message in (
        (["s3://a:hush@b/c"], "credentials do not belong"),
        (["s3://songs/in", "-"], "an object store and a pipe do not go together"),
    ):
        with pytest.raises(UsageError, match=message) as raised:
            main([*words, "-o", str(tmp_path / "out"), "--model", "drums"])
        assert "hush" not in str(raised.value)

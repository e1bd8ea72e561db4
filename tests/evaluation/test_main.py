"""The command line: folders in, scores out, one line for whatever is wrong."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from common import cli
from evaluation import __main__ as command
from evaluation.protocols import PROTOCOLS
from evaluation.reports import tables

ROOT = Path(__file__).resolve().parents[2]
STEMS = ("drums", "bass")


def write(path, audio, rate=8000, **options):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        soundfile.write(file, audio, rate, format=options.pop("format", "WAV"), **options)


@pytest.fixture
def folders(tmp_path, rng):
    """References and estimates of two songs."""
    for song in ("One", "Two"):
        for stem in STEMS:
            audio = 0.1 * rng.standard_normal((20000, 2))
            write(tmp_path / "ref" / song / f"{stem}.wav", audio)
            write(tmp_path / "est" / song / f"{stem}.wav", 0.9 * audio + 0.01)
    return tmp_path


def run(*argv):
    """Exit code of the command."""
    with pytest.raises(SystemExit) as done:
        cli.run(command.main, [str(argument) for argument in argv])
    return done.value.code


def score(folder, *more):
    return run("score", "--references", folder / "ref", "--estimates", folder / "est", *more)


def test_score(folders, capsys):
    assert score(folders, "--out", folders / "out") == 0
    out = capsys.readouterr().out
    assert "drums" in out
    assert max(map(len, out.splitlines()[:-1])) <= 80
    names = {path.name for path in (folders / "out").iterdir()}
    assert names == {
        "test",
        "summary.json",
        "report.md",
        "report.html",
        "scores-drums.png",
        "scores-bass.png",
    }
    one = json.loads((folders / "out/test/One.json").read_text())
    assert [target["name"] for target in one["targets"]] == list(STEMS)
    assert one["settings"]["name"] == "musdb18"


@pytest.mark.parametrize("name", [*PROTOCOLS])
def test_every_protocol_by_name(folders, capsys, name):
    shutil.rmtree(folders / "ref/Two")
    shutil.rmtree(folders / "est/Two")
    protocol = PROTOCOLS[name]
    out = folders / "out"
    if protocol.needs_mixture():
        stems = [soundfile.read(folders / f"ref/One/{stem}.wav")[0] for stem in STEMS]
        write(folders / "ref/One/mix.wav", sum(stems), subtype="FLOAT")
    assert score(folders, "--out", out, "--protocol", name) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines()[:-1])) <= 80
    assert printed.startswith(tables.HEADS[protocol.reported[0]])
    assert all(metric in printed for metric in protocol.metrics)
    text = (out / "report.md").read_text("utf-8")
    assert f"protocol {name}: " in text
    one = json.loads((out / "test/One.json").read_text())
    assert one["settings"]["name"] == name
    assert list(one["targets"][0]["frames"][0]["metrics"]) == list(protocol.metrics)
    assert not any("mixture" in line for line in one["warnings"])
    assert run("summary", out) == 0
    assert capsys.readouterr().out.startswith(printed[:60])


def test_a_mixture_of_another_rate(folders, capsys):
    write(folders / "ref/Two/mixture.wav", np.ones((20000, 2)) / 9, rate=16000)
    assert score(folders, "--protocol", "mirex") == 1
    assert "mixture.wav: at 16000 Hz, references at 8000 Hz: resample it" in capsys.readouterr().err


def test_scores_go_beside_the_estimates_by_default_and_are_reused(folders):
    assert score(folders) == 0
    path = folders / "est/scores/test/One.json"
    before = path.stat().st_mtime_ns
    assert score(folders) == 0
    assert path.stat().st_mtime_ns == before
    write(folders / "est/One/bass.wav", np.random.default_rng(1).standard_normal((20000, 2)) / 9)
    assert score(folders) == 0
    assert path.stat().st_mtime_ns != before


def test_split_folders_aliases_and_other_formats(folders, rng):
    (folders / "ref/valid").mkdir()
    (folders / "ref/One").rename(folders / "ref/valid/One")
    for stem in ("other", "mixture"):
        write(folders / f"ref/valid/One/{stem}.flac", rng.random((20000, 2)) / 9, format="FLAC")
    write(folders / "est/One/mixture_others.ogg", rng.random((20000, 2)) / 9, format="OGG")
    (folders / "est/One/notes.txt").write_text("not audio")
    assert score(folders, "--sources", "drums,other", "--out", folders / "out") == 0
    one = json.loads((folders / "out/valid/One.json").read_text())
    assert [target["name"] for target in one["targets"]] == ["drums", "other"]
    # A stem that a song lacks on both sides is not a source of that song.
    two = json.loads((folders / "out/test/Two.json").read_text())
    assert [target["name"] for target in two["targets"]] == ["drums"]


def test_one_song_without_folders(folders):
    code = run(
        "score",
        "--references",
        folders / "ref/One",
        "--estimates",
        folders / "est/Two",
        "--out",
        folders / "out",
    )
    assert code == 0
    assert [path.name for path in (folders / "out/test").iterdir()] == ["One.json"]


def test_accompaniment_is_the_rest(folders, rng):
    write(folders / "ref/One/other.wav", rng.random((20000, 2)) / 9)
    for song in ("One", "Two"):
        (folders / f"est/{song}/bass.wav").rename(folders / f"est/{song}/no_drums.wav")
    assert score(folders, "--out", folders / "out") == 0
    summary = json.loads((folders / "out/summary.json").read_text())
    assert list(summary["median"]) == ["drums", "accompaniment"]


def test_songs_without_estimates_are_counted(folders, capsys):
    for file in (folders / "est/Two").iterdir():
        file.unlink()
    assert score(folders) == 0
    assert "1 reference songs have no estimates" in capsys.readouterr().out


def spoil_rate(song):
    write(song / "drums.wav", np.ones((20000, 2)) / 9, rate=16000)


def spoil_all_rates(song):
    for stem in STEMS:
        write(song / f"{stem}.wav", np.ones((20000, 2)) / 9, rate=16000)


def spoil_truncated(song):
    write(song / "drums.wav", np.random.default_rng(1).random((20000, 2)), format="FLAC")
    data = (song / "drums.wav").read_bytes()
    (song / "drums.flac").write_bytes(data[: len(data) // 2])
    (song / "drums.wav").unlink()


SPOILED = {
    "no estimate of drums, only bass": lambda song: (song / "drums.wav").unlink(),
    "estimate of drums contains NaN": lambda song: write(
        song / "drums.wav", np.full((20000, 2), np.nan), subtype="FLOAT"
    ),
    "files of different rates": spoil_rate,
    "estimates at 16000 Hz, references at 8000 Hz": spoil_all_rates,
    "has 3 channels, its reference 2": lambda song: write(
        song / "drums.wav", np.ones((20000, 3)) / 9
    ),
    "estimate of drums is empty": lambda song: write(song / "drums.wav", np.zeros((0, 2))),
    "drums.wav: cannot be read as audio": lambda song: (song / "drums.wav").write_bytes(b"RIFF"),
    "drums.flac: cannot be read as audio": spoil_truncated,
}


def test_a_silent_estimate_leaves_the_scores_of_the_others(folders, capsys):
    assert score(folders, "--out", folders / "whole") == 0
    write(folders / "est/Two" / "drums.wav", np.zeros((20000, 2)))
    capsys.readouterr()
    assert score(folders, "--out", folders / "out") == 0
    captured = capsys.readouterr()
    assert "drums: no score in 1 of 2 songs (silence)" in captured.out.splitlines()
    assert not captured.err
    found, whole = (
        json.loads((folders / name / "summary.json").read_bytes()) for name in ("out", "whole")
    )
    assert found["unscored"] == {"drums": 1} and "unscored" not in whole
    others = [target for target in found["songs"]["Two"] if target != "drums"]
    assert others
    for target in others:
        assert found["songs"]["Two"][target] == pytest.approx(whole["songs"]["Two"][target])
    assert found["songs"]["One"] == whole["songs"]["One"]


@pytest.mark.parametrize("message", SPOILED)
def test_a_spoiled_song_is_one_line_and_the_others_are_scored(folders, capsys, message):
    SPOILED[message](folders / "est/Two")
    assert score(folders, "--out", folders / "out") == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 2
    assert err[0].startswith("error: Two: ")
    assert message in err[0]
    assert err[1] == "1 of 2 songs failed"
    assert [path.name for path in (folders / "out/test").iterdir()] == ["One.json"]


def test_an_estimate_that_nobody_may_read(folders, capsys):
    path = folders / "est/Two/drums.wav"
    path.unlink()
    path.symlink_to(folders / "nowhere.wav")
    assert score(folders, "--out", folders / "out") == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["score", "--references", "nowhere", "--estimates", "."], 1, "nowhere: no such folder"),
        (
            ["score", "--references", ".", "--estimates", "."],
            1,
            "no songs; expected SONG/drums.wav",
        ),
        (["score", "--references", ".", "--estimates", ".", "--protocol", "dsd"], 2, "'dsd100'"),
        (["score", "--references", ".", "--estimates", ".", "--workers", "0"], 2, "--workers 0"),
        (["score", "--references", ".", "--estimates", ".", "--sources", ","], 2, "with commas"),
        (["summary", "nowhere"], 1, "no such folder"),
        (["separator", ".", "--data", "nothing", "--out", "x"], 1, "nothing"),
    ],
)
def test_misuse_is_one_line(tmp_path, monkeypatch, capsys, argv, code, message):
    monkeypatch.chdir(tmp_path)
    assert run(*argv) == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_names_that_are_no_utf8(folders):
    raw = os.fsencode(folders / "est") + b"/caf\xe9"
    for kind in ("ref", "est"):
        os.rename(folders / kind / "Two", os.fsencode(folders / kind) + b"/caf\xe9")
    assert os.path.isdir(raw)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "evaluation",
            "score",
            "--references",
            folders / "ref",
            "--estimates",
            folders / "est",
            "--out",
            folders / "out",
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((folders / "out/summary.json").read_text("utf-8"))
    assert sorted(summary["songs"]) == ["One", "caf\\xe9"]


def members(group):
    """Processes of a group that have not ended."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, pgrp = (place / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found.append(int(place.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_stopped_leaves_no_process(tmp_path, rng, number):
    for folder in ("ref", "est"):
        for song in range(4):
            write(tmp_path / folder / str(song) / "drums.wav", rng.uniform(-1, 1, (900_000, 2)))
    words = ["--references", "ref", "--estimates", "est", "--out", "out", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "evaluation", "score", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stderr=subprocess.PIPE,
        # Whoever runs the tests in the background may have them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        text=True,
    )
    while len(members(process.pid)) < 4 and process.poll() is None:  # workers, resource tracker
        time.sleep(0.02)
    time.sleep(1.5)
    assert process.poll() is None
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    said = process.communicate(timeout=20)[1]
    if number != signal.SIGKILL:
        assert (process.returncode, said) in ((143, "terminated\n"), (130, "interrupted\n"))
    end = time.monotonic() + 10
    while members(process.pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert members(process.pid) == []
    # What a kill finds half-written goes with the next run, which goes on with the rest.
    assert number == signal.SIGKILL or not list(tmp_path.rglob(".partial-*"))
    folders = ["--references", tmp_path / "ref", "--estimates", tmp_path / "est"]
    assert run("score", *folders, "--out", tmp_path / "out") == 0
    assert not list(tmp_path.rglob(".partial-*"))


def test_summary(folders, capsys):
    assert score(folders, "--out", folders / "out") == 0
    first = (folders / "out/report.html").read_bytes()
    for name in ("report.html", "summary.json", "scores-drums.png"):
        (folders / "out" / name).unlink()
    assert run("summary", folders / "out") == 0
    assert (folders / "out/report.html").read_bytes() == first
    assert json.loads((folders / "out/summary.json").read_text())["median"]["bass"]


def test_separator_on_a_dataset(folders, monkeypatch, capsys):
    class Half:
        @classmethod
        def load(cls, folder, **options):
            return cls()

        def separate(self, mixture, sample_rate):
            ramp = np.linspace(0, 1, len(mixture), dtype=np.float32)[:, None]
            return {"drums": ramp * mixture, "accompaniment": mixture - ramp * mixture}

    import types

    monkeypatch.setitem(sys.modules, "dssgan.separator", types.SimpleNamespace(Separator=Half))
    export = folders / "export"
    export.mkdir()
    argv = [
        "separator",
        export,
        "--data",
        "folders",
        "--root",
        folders / "ref",
        "--split",
        "all",
        "--out",
        folders / "out",
    ]
    assert run(*argv) == 1
    assert "expected the folder of an exported separator" in capsys.readouterr().err
    (export / "config.json").write_text("{}")
    (export / "separator.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n weights")
    assert run(*argv) == 0
    summary = json.loads((folders / "out/summary.json").read_text())
    assert list(summary["median"]) == ["drums", "accompaniment"]
    assert sorted(summary["songs"]) == ["One", "Two"]
    assert run(*argv, "--split", "test") == 1
    assert "no songs in split 'test', only in train" in capsys.readouterr().err
    assert run(*argv, "--songs", "Three") == 1
    assert "no song ends in 'Three'" in capsys.readouterr().err


def test_everything_works_without_tensorflow(folders):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'sacred', 'dssgan', 'datasets'):\n"
        "    sys.modules[name] = None\n"
        "from evaluation.__main__ import main\n"
        f"sys.exit(main(['score', '--references', {str(folders / 'ref')!r}, '--estimates', "
        f"{str(folders / 'est')!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr

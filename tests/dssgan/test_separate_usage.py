"""What users of a separator expect of the command: parts, pipes, tags, formats, existing files."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import mutagen
import numpy as np
import pytest

from common.cli import run
from datasets import audio
from datasets.audio import stem_mp4
from datasets.audio.tags import Tags, read_tags
from dssgan import separate
from dssgan.exports import CONFIG, WEIGHTS
from dssgan.separation import options as command_line
from dssgan.separation.records import RECORD
from tests.dssgan.conftest import FOUR
from tests.dssgan.test_separate import lag, listed, noise, soft_noise, song


@pytest.mark.parametrize("suffix", ["wav", "mp3", "m4a", "ogg"])
def test_a_part_is_what_the_same_samples_of_a_file_of_their_own_give(call, tmp_path, suffix):
    audio.write(tmp_path / f"take.{suffix}", soft_noise(100_000), 44100)
    start, stop = round(0.75 * 44100), round(0.75 * 44100) + 44100
    cut, _ = audio.read(tmp_path / f"take.{suffix}", start, stop)
    audio.write(tmp_path / "cut.wav", cut, 44100, bits="32f")
    part = ("--start", "0:00.75", "--duration", "1", "--bits", "32f")
    assert call(tmp_path / f"take.{suffix}", "-o", tmp_path / "out", *part)[0] == 0
    assert call(tmp_path / "cut.wav", "-o", tmp_path / "out", "--bits", "32f")[0] == 0
    for name in ("drums", "accompaniment"):
        found, expected = (
            audio.read(tmp_path / "out" / name_of / f"{name}.wav")[0] for name_of in ("take", "cut")
        )
        assert found.shape == (44100, 2) and np.array_equal(found, expected)


def test_a_part_of_a_stem_file_and_of_two_stems_holds_that_part_of_the_mixture(call, tmp_path):
    mixture = song(tmp_path / "take.wav", 60_000, 8000)
    where = (tmp_path / "take.wav", "-o", tmp_path, "--start", "2", "--duration", "0:01")
    code, _, _ = call(*where, "--two-stems", "drums", "--bits", "32f", model="some")
    stems = [audio.read(tmp_path / "take" / f"{n}.wav")[0] for n in ("drums", "accompaniment")]
    assert code == 0 and np.abs(sum(stems) - mixture[16000:24000]).max() < 1e-6
    assert call(*where, "--format", "stem.mp4", model="four")[0] == 0
    assert stem_mp4.read_all(tmp_path / "take.stem.mp4")[0].shape == (5, 8000, 2)


def test_a_part_ends_with_the_song_and_cannot_begin_behind_it(call, tmp_path):
    song(tmp_path / "take.wav", 9000, 8000)
    where = (tmp_path / "take.wav", "-o", tmp_path / "out")
    assert call(*where, "--start", "1", "--duration", "1:00:00")[0] == 0
    assert audio.probe(tmp_path / "out" / "take" / "drums.wav").samples == 1000
    code, _, err = call(*where, "--start", "3")
    assert code == 1 and "take.wav: ends at 1.125 s, before --start 3 s" in err


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("1.5", 1.5), ("1:30", 90), ("1:01:30.5", 3690.5), ("0", 0)]
)
def test_times(text, value):
    assert command_line.seconds(text) == value


@pytest.mark.parametrize("text", ["", "x", "-1", "1:60", "1:2:3:4", "1.5:10", "nan", "inf", ":5"])
def test_what_is_no_time(text):
    with pytest.raises(command_line.argparse.ArgumentTypeError, match="expected seconds"):
        command_line.seconds(text)


@pytest.mark.parametrize(
    ("format", "bits", "extension"),
    [("aiff", "16", "aiff"), ("aiff", "32f", "aiff"), ("alac", "16", "m4a"), ("alac", "24", "m4a")],
)
def test_new_formats_without_loss(call, tmp_path, format, bits, extension):
    mixture = song(tmp_path / "take.wav", rate=8000)
    where = (tmp_path / "take.wav", "-o", tmp_path)
    assert call(*where, "--format", format, "--bits", bits, model="four")[0] == 0
    stem, rate = audio.read(tmp_path / "take" / f"drums.{extension}")
    tolerance = {"16": 1 / 32768, "24": 2**-23, "32f": 1e-7}[bits]
    assert rate == 8000 and np.abs(stem - 0.4 * mixture).max() <= tolerance


def test_opus_runs_at_48_khz_and_says_so(call, tmp_path):
    mixture = soft_noise()
    audio.write(tmp_path / "take.wav", mixture, 44100, bits="32f")
    where = (tmp_path / "take.wav", "-o", tmp_path / "out", "--format", "opus")
    code, out, err = call(*where, "--bitrate", "256", "--sources", "drums", model="four")
    assert code == 0 and not err and "at 44100 Hz, stems at 48000 Hz, as Opus is" in out
    stem, rate = audio.read(tmp_path / "out" / "take" / "drums.opus")
    expected = audio.resample(0.4 * mixture, 44100, 48000)
    assert rate == 48000 and stem.shape == expected.shape and lag(stem, expected) == 0
    assert np.sqrt(np.mean(np.square(stem - expected)) / np.mean(np.square(expected))) < 0.15


def test_a_bit_rate_makes_smaller_files(call, tmp_path):
    song(tmp_path / "take.wav", 100_000)
    sizes = []
    for rate in ("64", "192"):
        where = (tmp_path / "take.wav", "-o", tmp_path / rate, "--sources", "drums")
        assert call(*where, "--format", "mp3", "--bitrate", rate)[0] == 0
        sizes.append((tmp_path / rate / "take" / "drums.mp3").stat().st_size)
    assert 2 < sizes[1] / sizes[0] < 4
    where = (tmp_path / "take.wav", "-o", tmp_path / "x", "--format", "mp3", "--bitrate", "100")
    code, _, err = call(*where)
    assert code == 1 and "mp3 at 44100 Hz has 32, 40" in err and not (tmp_path / "x/take").exists()


def test_stems_keep_tags_and_cover_and_are_named_in_the_title(call, tmp_path):
    picture = b"\x89PNG" + bytes(5000)
    tags = Tags({"title": "Song", "artist": "Band", "replaygain_track_gain": "-3 dB"}, (picture,))
    with audio.Writer(tmp_path / "take.flac", 44100, 2, tags=tags) as file:
        file.write(noise(20_000))
    where = (tmp_path / "take.flac", "-o", tmp_path / "out")
    for format in ("wav", "flac", "mp3", "ogg", "opus", "alac", "aiff", "stem.mp4"):
        code, _, err = call(*where, "--format", format, "--overwrite", model="four")
        assert code == 0 and not err
    found = listed(tmp_path / "out")
    assert len(found) == 7 * 4 + 1
    for name in found:
        kept = read_tags(tmp_path / "out" / name)
        title = "Song" if name.endswith("stem.mp4") else f"Song ({Path(name).stem})"
        assert kept.texts == {"title": title, "artist": "Band"} and kept.pictures == (picture,)


def test_a_song_without_tags_gives_stems_without(call, tmp_path):
    song(tmp_path / "take.wav")
    assert call(tmp_path / "take.wav", "-o", tmp_path, "--format", "flac")[0] == 0
    assert not mutagen.File(tmp_path / "take" / "drums.flac").tags


def test_what_this_command_did_not_write_is_not_overwritten(call, tmp_path):
    song(tmp_path / "take.wav", 900, 8000)
    where = (tmp_path / "take.wav", "-o", tmp_path / "out", "--sources", "drums")
    stem = tmp_path / "out" / "take" / "drums.wav"
    assert call(*where)[0] == call(*where)[0] == 0  # its own stems are replaced
    own = stem.read_bytes()
    stem.write_bytes(b"x" * 100)
    code, _, err = call(*where)
    assert code == 1 and err.count("\n") == 1 and "would overwrite" in err
    assert f"{stem}" in err and "--overwrite" in err and stem.read_bytes() == b"x" * 100
    assert call(*where, "--skip-existing")[0] == 1
    assert call(*where, "--overwrite")[0] == 0 and stem.read_bytes() == own
    (stem.parent / RECORD).unlink()
    assert call(*where)[0] == 1


def test_songs_that_are_done_are_skipped_and_counted(call, tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        song(tmp_path / "in" / f"{name}.wav", 900, 8000)
    where = (tmp_path / "in", "-o", tmp_path / "out", "--skip-existing")
    assert call(tmp_path / "in" / "a.wav", *where[1:])[0] == 0
    assert call(tmp_path / "in" / "b.wav", *where[1:], "--sources", "drums")[0] == 0
    times = {
        name: (tmp_path / "out" / name).stat().st_mtime_ns for name in listed(tmp_path / "out")
    }
    code, out, err = call(*where)  # of b one stem is missing
    assert code == 0 and not err and "skipped 1 songs whose stems are there" in out
    changed = {
        name for name in times if (tmp_path / "out" / name).stat().st_mtime_ns != times[name]
    }
    assert changed == {"b/drums.wav"} and len(listed(tmp_path / "out")) == 6
    monkeypatch.setattr("dssgan.separate_with.load", None)  # nothing is loaded when nothing is left
    code, out, _ = call(*where)
    assert code == 0 and "skipped 3 songs" in out


class Stdin:
    """Standard input that holds some bytes."""

    def __init__(self, data, terminal=False):
        self.buffer, self.terminal = io.BufferedReader(io.BytesIO(data)), terminal

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "m4a", "ogg", "stem.mp4"])
def test_standard_input_is_a_song(call, tmp_path, monkeypatch, suffix):
    if suffix == "stem.mp4":
        stem_mp4.write(tmp_path / "x.stem.mp4", noise(9000), {"drums": noise(9000)}, 44100)
    else:
        audio.write(tmp_path / f"x.{suffix}", noise(9000), 44100)
    data = (tmp_path / f"x.{suffix}").read_bytes()
    monkeypatch.setattr(sys, "stdin", Stdin(data))
    code, out, err = call("-", "-o", tmp_path / "out", "--bits", "32f")
    assert code == 0 and not err and "standard input -> " in out
    assert listed(tmp_path / "out") == ["stdin/accompaniment.wav", "stdin/drums.wav"]
    stems = [audio.read(path)[0] for path in (tmp_path / "out" / "stdin").glob("*.wav")]
    assert np.abs(sum(stems) - audio.read(tmp_path / f"x.{suffix}")[0]).max() < 1e-6
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["stdin"]


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (Stdin(b""), "standard input: is empty (0 bytes)"),
        (Stdin(b"", terminal=True), "standard input is a terminal"),
        (Stdin(b"no music at all\n" * 9), "standard input: "),
    ],
)
def test_standard_input_that_is_no_song_is_one_line(call, tmp_path, monkeypatch, stdin, words):
    monkeypatch.setattr(sys, "stdin", stdin)
    code, _, err = call("-", "-o", tmp_path / "out")
    assert code == 1 and err.count("\n") == 1 and err.startswith(f"error: {words}")
    assert ".partial" not in err and not list(tmp_path.glob("out/*"))


def test_empty_standard_input_is_told_before_tensorflow_is_loaded(call, tmp_path, monkeypatch):
    monkeypatch.setattr("dssgan.separate_with.load", None)
    monkeypatch.setattr(sys, "stdin", Stdin(b""))
    code, _, err = call("-", "-o", tmp_path / "out")
    assert code == 1 and err.startswith("error: standard input: is empty")


def test_standard_input_stops_before_the_disk_is_full(call, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(sys, "stdin", Stdin(bytes(5000)))
    code, _, err = call("-", "-o", tmp_path / "out")
    assert code == 1 and "standard input needs" in err and not list((tmp_path / "out").iterdir())


def test_a_named_pipe_is_read(call, tmp_path):
    audio.write(tmp_path / "x.wav", noise(9000), 44100)
    data = (tmp_path / "x.wav").read_bytes()
    os.mkfifo(tmp_path / "pipe.wav")
    thread = threading.Thread(target=lambda: (tmp_path / "pipe.wav").write_bytes(data))
    thread.start()
    code, out, err = call(tmp_path / "pipe.wav", "-o", tmp_path / "out")
    thread.join()
    assert code == 0 and not err and "pipe.wav -> " in out
    assert audio.probe(tmp_path / "out" / "pipe" / "drums.wav").samples == 9000


def to_stdout(exports, capfdbinary, *arguments):
    arguments = [*map(os.fspath, arguments), "--model", os.fspath(exports / "four")]
    with pytest.raises(SystemExit) as left:
        run(separate.main, [*arguments, "-o", "-", "--segment", "0.5"])
    output = capfdbinary.readouterr()
    return left.value.code, output.out, output.err.decode()


@pytest.mark.usefixtures("registered")
def test_one_stem_goes_to_standard_output(exports, capfdbinary, tmp_path):
    mixture = song(tmp_path / "take.wav", 9000, 8000)
    part = ("--sources", "drums", "--bits", "32f")
    code, out, err = to_stdout(exports, capfdbinary, tmp_path / "take.wav", *part)
    assert code == 0 and "take.wav -> standard output" in err and "residual" in err
    (tmp_path / "out.wav").write_bytes(out)
    assert np.abs(audio.read(tmp_path / "out.wav")[0] - 0.4 * mixture).max() < 1e-6
    assert listed(tmp_path) == ["out.wav", "take.wav"]
    code, out, err = to_stdout(exports, capfdbinary, tmp_path / "take.wav")
    assert code == 2 and not out and "-o -: standard output takes one stem, not drums, bass" in err
    song(tmp_path / "more.wav", 9000, 8000)
    code, out, err = to_stdout(
        exports, capfdbinary, tmp_path / "take.wav", tmp_path / "more.wav", *part
    )
    assert code == 2 and not out and "takes one song, not 2" in err


@pytest.mark.usefixtures("registered")
def test_a_file_that_is_called_dash_is_a_file(exports, capfdbinary, tmp_path, monkeypatch):
    song(tmp_path / "x.wav", 900, 8000)
    (tmp_path / "x.wav").rename(tmp_path / "-")
    monkeypatch.chdir(tmp_path)
    code, out, _ = to_stdout(exports, capfdbinary, "./-", "--sources", "drums")
    assert code == 0 and out[:4] == b"RIFF"


@pytest.mark.usefixtures("registered")
class TestModel:
    """Which separator a path names."""

    def say(self, capsys, *arguments):
        with pytest.raises(SystemExit) as left:
            run(separate.main, [os.fspath(argument) for argument in arguments])
        output = capsys.readouterr()
        return left.value.code, output.out, output.err

    def test_a_run_stands_for_its_separator(self, exports, capsys, tmp_path, monkeypatch):
        song(tmp_path / "take.wav", 900, 8000)
        for name in ("a", "b"):
            shutil.copytree(exports / "four", tmp_path / "runs" / name / "separator")
        (tmp_path / "runs" / "empty").mkdir()
        monkeypatch.chdir(tmp_path)
        code, out, _ = self.say(capsys, "take.wav", "-o", "out", "--model", "runs/a")
        assert code == 0 and f"separator: runs/a/separator ({', '.join(FOUR)})" in out
        code, _, err = self.say(capsys, "take.wav", "-o", "out", "--model", "runs")
        assert code == 2 and err.count("\n") == 1
        assert "separators in it: runs/a/separator, runs/b/separator" in err

    def test_what_is_no_separator_is_told_without_tensorflow(
        self, exports, capsys, tmp_path, monkeypatch
    ):
        monkeypatch.setattr("dssgan.separate_with.load", None)
        song(tmp_path / "take.wav", 900, 8000)
        good = tmp_path / "good"
        shutil.copytree(exports / "four", good)
        for place in ("no_weights", "no_config", "text", "json"):
            shutil.copytree(good, tmp_path / place)
        (tmp_path / "no_weights" / WEIGHTS).unlink()
        (tmp_path / "no_config" / CONFIG).unlink()
        (tmp_path / "text" / WEIGHTS).write_text("text")
        (tmp_path / "json" / CONFIG).write_text(json.dumps({"separator": "splitter"}))
        for place, words in {
            "god": "no such folder",
            f"good/{WEIGHTS}": f"a file, no folder; .*name its folder, {good}",
            "no_weights": f"no {WEIGHTS} in it",
            "no_config": f"no {CONFIG} in it",
            "text": "no HDF5 file",
            "json": "expected the key 'sources'",
        }.items():
            code, _, err = self.say(
                capsys, tmp_path / "take.wav", "-o", tmp_path, "--model", tmp_path / place
            )
            assert code == 2 and err.startswith("error: --model ") and err.count("\n") == 1
            assert re.search(words, err), err

    def test_sources_and_absent_inputs_are_told_without_tensorflow(
        self, exports, capsys, tmp_path, monkeypatch
    ):
        monkeypatch.setattr("dssgan.separate_with.load", None)
        song(tmp_path / "take.wav", 900, 8000)
        model = ("-o", tmp_path / "out", "--model", exports / "four")
        code, _, err = self.say(capsys, tmp_path / "take.wav", *model, "--sources", "x")
        assert code == 2 and "no source 'x'" in err
        code, _, err = self.say(capsys, tmp_path / "absent.wav", *model)
        assert code == 1 and "absent.wav: No such file" in err and err.count("\n") == 1


def test_home_folders_are_expanded(call, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    song(tmp_path / "take.wav", 900, 8000)
    assert call("~/take.wav", "-o", "~/out", "--sources", "drums")[0] == 0
    assert listed(tmp_path / "out") == ["take/drums.wav"]


@pytest.mark.parametrize(
    "words", [["--model", "absent"], ["--overlap", "2"], ["--format", "x"], ["--start", "x"]]
)
def test_misuse_is_told_before_anything_slow_is_imported(tmp_path, words):
    code = (
        "import sys; from common import cli; from dssgan import separate\n"
        "try: cli.run(separate.main, sys.argv[1:])\n"
        "except SystemExit as left: assert left.code == 2\n"
        "slow = {'tensorflow', 'keras', 'numpy', 'av', 'soundfile', 'tqdm'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    command = [sys.executable, "-c", code, "song.wav", "-o", os.fspath(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].count("error: ") == 1

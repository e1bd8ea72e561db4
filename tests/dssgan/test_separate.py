"""The command `python -m dssgan.separate`: files in, stems out, one line for what cannot be."""

import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from datasets import audio
from datasets.audio import stem_mp4
from dssgan.exports import PRETRAINED, SHIPPED, WEIGHTS
from dssgan.separation.records import RECORD, record_stems, recorded, recorded_stems
from tests.dssgan.conftest import FOUR


def noise(samples=20000, channels=2, level=0.1):
    shape = (samples, channels)
    return (np.random.default_rng(samples).standard_normal(shape) * level).astype(np.float32)


def soft_noise(samples=44100):
    """Noise that an 8 kHz separator hears whole, with edges that show a shift of one sample."""
    audio = noise(samples, level=0.3)
    for channel in range(2):
        audio[:, channel] = np.convolve(audio[:, channel], np.hanning(34) / 17, "same")
    return audio


def lag(audio, reference):
    """By how many samples `audio` comes late."""
    audio, reference = (part[2000:10192, 0] for part in (audio, reference))
    return int(np.argmax(np.correlate(audio, reference, "same"))) - len(reference) // 2


def song(path, samples=20000, rate=44100, channels=2, level=0.1):
    path.parent.mkdir(parents=True, exist_ok=True)
    mixture = noise(samples, channels, level)
    audio.write(path, mixture, rate, format="wav", bits="32f")
    return mixture


def listed(folder):
    """Files below a folder, without the records of what was written."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
    return sorted(str(path.relative_to(folder)) for path in files)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (96000, 1), (8000, 6), (11025, 2)])
@pytest.mark.parametrize("samples", [1, 20000])
def test_stems_have_the_rate_channels_and_length_of_their_song(
    call, tmp_path, rate, channels, samples
):
    mixture = song(tmp_path / "take.wav", samples, rate, channels)
    code, out, err = call(tmp_path / "take.wav", "-o", tmp_path / "stems", "--bits", "32f")
    assert code == 0 and not err
    assert listed(tmp_path / "stems") == ["take/accompaniment.wav", "take/drums.wav"]
    stems = []
    for path in sorted((tmp_path / "stems" / "take").glob("*.wav")):
        info = audio.probe(path)
        assert (info.sample_rate, info.channels, info.samples) == (rate, channels, samples)
        stems.append(audio.read(path)[0])
    assert np.abs(sum(stems) - mixture).max() < 1e-6
    assert "residual" in out and "x real time" in out and "peak" in out


@pytest.mark.parametrize(
    ("format", "bits", "tolerance"),
    [
        ("wav", "16", 1 / 32768),
        ("wav", "24", 2**-23),
        ("wav", "32f", 1e-6),
        ("flac", "16", 1 / 32768),
        ("flac", "24", 2**-23),
    ],
)
def test_formats_without_loss_are_read_back(call, tmp_path, format, bits, tolerance):
    mixture = song(tmp_path / "take.wav", rate=8000)
    code, _, _ = call(
        tmp_path / "take.wav", "-o", tmp_path, "--format", format, "--bits", bits, model="four"
    )
    assert code == 0
    total = 0
    for gain, source in zip((0.4, 0.3, 0.2, 0.1), FOUR):
        stem, rate = audio.read(tmp_path / "take" / f"{source}.{format}")
        assert rate == 8000 and np.abs(stem - gain * mixture).max() <= tolerance
        total = total + stem
    assert np.abs(total - mixture).max() <= 4 * tolerance


@pytest.mark.parametrize("format", ["mp3", "ogg", "m4a"])
def test_formats_with_loss_are_read_back_aligned(call, tmp_path, format):
    mixture = soft_noise()
    audio.write(tmp_path / "take.wav", mixture, 44100, bits="32f")
    where = (tmp_path / "take.wav", "-o", tmp_path / "out")
    code, _, _ = call(*where, "--format", format, "--sources", "drums", model="four")
    assert code == 0 and listed(tmp_path / "out") == [f"take/drums.{format}"]
    stem, rate = audio.read(tmp_path / "out" / "take" / f"drums.{format}")
    assert rate == 44100 and stem.shape == mixture.shape and lag(stem, mixture) == 0
    error = np.sqrt(np.mean(np.square(stem - 0.4 * mixture)))
    assert error < 0.1 * np.sqrt(np.mean(np.square(0.4 * mixture)))


def test_a_stem_file_holds_the_mixture_first_and_names_its_stems(call, tmp_path):
    mixture = soft_noise()
    audio.write(tmp_path / "take.wav", mixture, 44100, bits="32f")
    code, _, err = call(
        tmp_path / "take.wav", "-o", tmp_path / "out", "--format", "stem.mp4", model="four"
    )
    assert code == 0 and not err and listed(tmp_path / "out") == ["take.stem.mp4"]
    path = tmp_path / "out" / "take.stem.mp4"
    assert stem_mp4.stem_names(path) == FOUR
    tracks, rate = stem_mp4.read_all(path)
    assert rate == 44100 and tracks.shape == (5, *mixture.shape)
    heard = tracks.reshape(5, -1) @ mixture.ravel() / np.square(mixture).sum()
    assert np.allclose(heard, (1, 0.4, 0.3, 0.2, 0.1), atol=0.01)
    assert all(lag(track, mixture) == 0 for track in tracks)


def test_a_stem_file_with_two_stems_of_an_incomplete_separator(call, tmp_path):
    mixture = soft_noise()
    audio.write(tmp_path / "take.wav", mixture, 44100, bits="32f")
    code, _, _ = call(
        tmp_path / "take.wav", "-o", tmp_path, "--format", "stem.mp4", "--two-stems", "drums",
        model="some",
    )  # fmt: skip
    assert code == 0
    path = tmp_path / "take.stem.mp4"
    assert stem_mp4.stem_names(path) == ("drums", "accompaniment")
    tracks, _ = stem_mp4.read_all(path)
    heard = tracks.reshape(3, -1) @ mixture.ravel() / np.square(mixture).sum()
    assert np.allclose(heard, (1, 0.4, 0.6), atol=0.01)


def test_two_stems_add_up_to_the_mixture(call, tmp_path):
    mixture = song(tmp_path / "take.wav", rate=8000)
    for model in ("two", "four", "some"):
        out = tmp_path / model
        where = (tmp_path / "take.wav", "-o", out, "--bits", "32f")
        assert call(*where, "--two-stems", "drums", model=model)[0] == 0
        assert listed(out) == ["take/accompaniment.wav", "take/drums.wav"]
        stems = [audio.read(path)[0] for path in sorted((out / "take").glob("*.wav"))]
        assert np.abs(sum(stems) - mixture).max() < 1e-6
        if model != "two":
            assert np.abs(stems[1] - 0.4 * mixture).max() < 1e-6


def test_a_stem_that_would_clip_takes_all_down_by_one_gain(call, tmp_path):
    mixture = song(tmp_path / "take.wav", rate=8000, level=0.15)
    peak = 3 * np.abs(mixture).max()
    assert peak > 1
    code, out, _ = call(tmp_path / "take.wav", "-o", tmp_path, "--bits", "24", model="loud")
    gain = (1 - 2**-15) / peak
    assert code == 0 and f"common gain {20 * np.log10(gain):.2f} dB" in out
    assert f"peak {peak:.3f}" in out
    for source, factor in (("drums", 3), ("accompaniment", -2)):
        stem, _ = audio.read(tmp_path / "take" / f"{source}.wav")
        assert np.abs(stem - gain * factor * mixture).max() < 1e-6
    code, out, _ = call(tmp_path / "take.wav", "-o", tmp_path, "--bits", "32f", model="loud")
    stem, _ = audio.read(tmp_path / "take" / "drums.wav")
    assert "common gain" not in out and np.abs(stem).max() == pytest.approx(peak)


def test_not_consistent_is_as_the_model_says(call, tmp_path):
    mixture = song(tmp_path / "take.wav")
    where = (tmp_path / "take.wav", "-o", tmp_path, "--bits", "32f")
    code, out, _ = call(*where, "--no-consistent", model="four")
    stems = [audio.read(path)[0] for path in sorted((tmp_path / "take").glob("*.wav"))]
    assert code == 0 and "shared out" not in out
    assert np.abs(sum(stems) - mixture).max() > 0.01  # the model hears nothing above 4 kHz


def test_folders_are_searched_and_keep_their_shape(call, tmp_path):
    for name in ("b.wav", "a/c.WAV", "a/.hidden.wav", "a/d.txt"):
        song(tmp_path / "in" / name, 900, 8000)
    out = tmp_path / "in" / "stems"
    for _ in range(2):  # the second time, the stems of the first lie among the inputs
        code, _, err = call(tmp_path / "in", "-o", out, "--sources", "drums")
        assert code == 0 and not err
        assert listed(out) == ["a/c/drums.wav", "b/drums.wav"]


def test_stems_of_earlier_runs_are_no_songs_in_whatever_format(call, tmp_path):
    """They are known by their record: moved, renamed folders included; changed files are songs."""
    song(tmp_path / "in" / "b.wav", 900, 8000)
    out = tmp_path / "in" / "stems"
    for format in ("wav", "flac", "ogg", "stem.mp4"):
        code, said, err = call(tmp_path / "in", "-o", out, "--format", format, model="four")
        assert code == 0 and not err
    assert sum(name.startswith("b/") for name in listed(out)) == 12
    assert f"{tmp_path / 'in'}: 1 songs; skipped: 12 stems of earlier separations" in said
    (out / "b").rename(tmp_path / "in" / "moved")
    audio.write(tmp_path / "in" / "moved" / "drums.wav", noise(901), 8000)
    (tmp_path / "in" / "moved" / "bass.wav").rename(tmp_path / "in" / "moved" / "mine.wav")
    code, said, err = call(tmp_path / "in", "-o", tmp_path / "out", "--sources", "drums")
    assert code == 0 and not err and "3 songs; skipped: 11 stems of earlier" in said
    assert listed(tmp_path / "out") == [
        "b/drums.wav",
        "moved/drums/drums.wav",
        "moved/mine/drums.wav",
    ]


def test_a_record_adds_up_and_a_damaged_one_is_none(tmp_path):
    files = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]
    for file in files:
        file.write_bytes(file.name.encode())
    record_stems(files[:1])
    record_stems(files[1:])
    assert recorded_stems(tmp_path) == set(files)
    files[1].write_bytes(b"x.wav")
    files[2].unlink()
    assert recorded_stems(tmp_path) == {files[0]}
    for text in (
        b"",
        b"[]",
        b'{"format": 2, "stems": {}}',
        b'{"format": 1, "stems": [1]}',
        b"\xff",
    ):
        (tmp_path / RECORD).write_bytes(text)
        assert recorded_stems(tmp_path) == set()
    record_stems(files[:1])
    assert recorded_stems(tmp_path) == {files[0]}


def test_what_a_killed_run_was_writing_is_known_and_not_finished(tmp_path):
    old, new = tmp_path / "stems" / "a.wav", tmp_path / "stems" / "b.wav"
    old.parent.mkdir()
    old.write_bytes(b"old")
    record_stems([old])
    before = (old.parent / RECORD).read_bytes()
    with pytest.raises(ValueError, match="broken"), recorded([old, new]):
        raise ValueError("broken")
    assert (old.parent / RECORD).read_bytes() == before
    with recorded([old, new]):
        old.write_bytes(b"newer")
        new.write_bytes(b"new")
        assert recorded_stems(old.parent) == {old, new}  # as a kill would leave it
        assert recorded_stems(old.parent, unfinished=False) == set()
    assert recorded_stems(old.parent, unfinished=False) == {old, new}
    with pytest.raises(ValueError, match="broken"), recorded([tmp_path / "alone" / "c.wav"]):
        raise ValueError("broken")
    assert not list((tmp_path / "alone").iterdir())


def test_a_killed_run_is_gone_on_with_and_not_skipped(call, tmp_path):
    song(tmp_path / "take.wav", 900)
    out = tmp_path / "out" / "take"
    words = (tmp_path / "take.wav", "-o", tmp_path / "out")
    assert call(*words)[0] == 0
    whole = {path: path.read_bytes() for path in out.glob("*.wav")}
    record = json.loads((out / RECORD).read_text())
    record["stems"] = {name: {"writing": True} for name in record["stems"]}
    (out / RECORD).write_text(json.dumps(record))
    next(iter(whole)).write_bytes(b"of another run")
    assert call(*words, "--skip-existing")[0] == 0
    assert {path: path.read_bytes() for path in out.glob("*.wav")} == whole


def test_what_is_skipped_in_a_folder_is_counted(call, tmp_path):
    top = tmp_path / "in"
    places = ("a.wav", "x/b.wav", ".Trash/c.wav", "__MACOSX/d.wav", "$RECYCLE.BIN/e.wav", ".f.wav")
    for name in (*places, "notes.txt"):
        song(top / name, 900, 8000)
    song(tmp_path / "elsewhere" / "g.wav", 900, 8000)
    (top / "linked").symlink_to(tmp_path / "elsewhere")
    (top / "again").symlink_to(top / "x")
    (top / "x" / "loop").symlink_to(top)
    os.mkfifo(top / "pipe.wav")
    code, said, err = call(top, "-o", tmp_path / "out", "--sources", "drums")
    assert code == 0 and not err
    assert listed(tmp_path / "out") == ["a/drums.wav", "linked/g/drums.wav", "x/b/drums.wav"]
    assert (
        f"{top}: 3 songs; skipped: 1 files that are not audio by name, 1 hidden audio files, "
        "3 hidden or system folders, 2 links to folders that were searched already, "
        "1 pipes or devices\n"
    ) in said


def test_what_works_when_named_is_found_in_a_folder(call, tmp_path):
    for name in ("a.w64", "b.caf", "c.oga", "d.webm", "e.m4b", "f.wma", "g.mka", "h.ac3", "i.wv"):
        song(tmp_path / "in" / name, 900, 8000)  # the content decides how it is read
    code, _, err = call(tmp_path / "in", "-o", tmp_path / "out", "--sources", "drums")
    assert code == 0 and not err and len(listed(tmp_path / "out")) == 9


def test_names_follow_the_pattern(call, tmp_path):
    for name in ("a.wav", "a.flac"):
        song(tmp_path / name, 900, 8000)
    inputs = (tmp_path / "a.wav", tmp_path / "a.flac")
    pattern = ("--pattern", "{source}/{song}-{extension}.{format}")
    assert call(*inputs, "-o", tmp_path / "out", *pattern)[0] == 0
    assert listed(tmp_path / "out") == [
        "accompaniment/a-flac.wav",
        "accompaniment/a-wav.wav",
        "drums/a-flac.wav",
        "drums/a-wav.wav",
    ]
    code, _, err = call(*inputs, "-o", tmp_path / "again")
    assert code == 1 and "a.flac: its stems would overwrite those of" in err
    assert listed(tmp_path / "again") == ["a/accompaniment.wav", "a/drums.wav"]


def test_an_input_is_never_overwritten(call, tmp_path):
    song(tmp_path / "drums.wav", 900, 8000)
    before = (tmp_path / "drums.wav").read_bytes()
    code, _, err = call(tmp_path / "drums.wav", "-o", tmp_path, "--pattern", "{source}.{format}")
    assert code == 1 and "would overwrite it" in err
    assert listed(tmp_path) == ["drums.wav"] and (tmp_path / "drums.wav").read_bytes() == before


def bad_inputs(folder):
    """{file: words that the line about it must hold}."""
    mixture = noise(9000)
    mixture[5000, 1] = np.nan
    soundfile.write(folder / "nan.wav", mixture, 44100, subtype="FLOAT")
    soundfile.write(folder / "whole.flac", noise(90000), 44100)
    data = (folder / "whole.flac").read_bytes()
    (folder / "whole.flac").unlink()
    (folder / "truncated.flac").write_bytes(data[: len(data) // 2])
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.mp3").write_text("no music at all\n" * 99)
    return {
        "nan.wav": "sample 5000",
        "truncated.flac": "truncated",
        "empty.wav": "empty",
        "text.mp3": "not audio",
        "absent.ogg": "No such file",
    }


def test_bad_songs_are_one_line_each_and_the_others_go_on(call, tmp_path):
    (tmp_path / "in").mkdir()
    bad = bad_inputs(tmp_path / "in")
    song(tmp_path / "in" / "good.wav", 5000)
    (tmp_path / "nothing").mkdir()
    inputs = [tmp_path / "in" / name for name in (*bad, "good.wav")]
    code, out, err = call(*inputs, tmp_path / "nothing", "-o", tmp_path / "out")
    assert code == 1 and "Traceback" not in err
    lines = err.splitlines()
    assert len(lines) == len(bad) + 2
    for name, words in bad.items():
        assert [line for line in lines if name in line and words in line], (name, err)
    assert any("nothing: no audio file in this folder" in line for line in lines)
    assert lines[-1] == f"{len(bad) + 1} of {len(bad) + 2} inputs failed"
    assert listed(tmp_path / "out") == ["good/accompaniment.wav", "good/drums.wav"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good"]
    assert "good.wav" in out


def test_a_single_bad_song_fails_the_same_way(call, tmp_path):
    for name, words in bad_inputs(tmp_path).items():
        code, _, err = call(tmp_path / name, "-o", tmp_path / "out")
        assert code == 1 and err.count("\n") == 1
        assert err.startswith("error: ") and name in err and words in err


def test_odd_but_sound_songs_give_a_sensible_result(call, tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), 44100)
    soundfile.write(tmp_path / "silent.wav", np.zeros((5000, 2)), 44100)
    soundfile.write(tmp_path / "clipped.wav", np.sign(noise(5000)), 44100)
    name = os.fsdecode(b"caf\xe9.wav")
    song(tmp_path / name, 5000)
    names = ["none.wav", "silent.wav", "clipped.wav", name]
    code, out, err = call(*(tmp_path / one for one in names), "-o", tmp_path / "out")
    assert code == 0 and not err and "caf" in out
    for one, samples in zip(names, (0, 5000, 5000, 5000)):
        stem, _ = audio.read(tmp_path / "out" / one[:-4] / "drums.wav")
        assert stem.shape == (samples, 2)
        assert bool(stem.any()) == (one not in ("none.wav", "silent.wav"))


def test_a_file_cut_short_is_separated_with_a_warning(call, tmp_path):
    soundfile.write(tmp_path / "take.wav", noise(20000), 44100)
    data = (tmp_path / "take.wav").read_bytes()
    (tmp_path / "take.wav").write_bytes(data[: 44 + 4 * 7000])
    code, _, err = call(tmp_path / "take.wav", "-o", tmp_path / "out")
    assert code == 0 and err.startswith("warning: ") and "take.wav" in err and "truncated" in err
    assert audio.probe(tmp_path / "out" / "take" / "drums.wav").samples == 7000


def test_a_full_disk_leaves_nothing(call, tmp_path, monkeypatch):
    song(tmp_path / "take.wav", 60000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (100_000, 200_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            code, _, err = call(tmp_path / "take.wav", "-o", tmp_path / "out", "--bits", "24")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert code == 1 and err.count("\n") == 1 and "File too large" in err
        assert not list((tmp_path / "out").iterdir())


def test_too_little_space_is_said_before_the_work(call, tmp_path, monkeypatch):
    song(tmp_path / "take.wav", 60000)
    usage = shutil.disk_usage(tmp_path)._replace(free=1_400_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    code, _, err = call(tmp_path / "take.wav", "-o", tmp_path / "out")
    assert code == 1 and "take.wav needs 0.00 GB of temporary space" in err and "free some" in err


def test_an_error_at_the_last_file_takes_the_first_ones_back(call, tmp_path, monkeypatch):
    song(tmp_path / "take.wav", 5000)
    real = audio.Writer.close

    def close(writer):
        if writer.path.endswith("drums.wav"):  # the first opened is the last closed
            writer.abort()
            raise OSError(28, "No space left on device", writer.path)
        real(writer)

    monkeypatch.setattr(audio.Writer, "close", close)
    code, _, err = call(tmp_path / "take.wav", "-o", tmp_path / "out")
    assert code == 1 and "No space left on device; free some space" in err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sources", "drums", "--two-stems", "drums"], "exclude each other"),
        (["--sources", "drum"], "no source 'drum'"),
        (["--two-stems", "vocals"], "no source 'vocals'"),
        (["--two-stems", "accompaniment"], "expected one source"),
        (["--format", "flac", "--bits", "32f"], "flac holds 16 or 24 bits"),
        (["--pattern", "{song}"], "add {source}"),
        (["--pattern", "{singer}/{source}"], "expected text with {song}"),
        (["--pattern", "{source"], "expected text with {song}"),
        (["--format", "xyz"], "invalid choice"),
        (["--format", "alac", "--bits", "32f"], "alac holds 16 or 24 bits"),
        (["--format", "mp3", "--bits", "16"], "mp3 has no depth"),
        (["--format", "flac", "--bitrate", "128"], "flac has none"),
        (["--format", "mp3", "--bitrate", "321"], "mp3 has 8 to 320 kbit/s"),
        (["--start", "1:60"], "expected seconds"),
        (["--start", "-3"], "expected seconds"),
        (["--duration", "0"], "expected more than 0 s"),
        (["--skip-existing", "--overwrite"], "not allowed with"),
        (["--overlap", "1.5"], "overlap is 1.5: expected 0 ≤ overlap < 1"),
        (["--shifts", "0"], "shifts is 0: expected a whole number from 1"),
        ([], "required"),
    ],
)
def test_misuse_is_exit_code_2(call, tmp_path, arguments, words):
    song(tmp_path / "take.wav", 100)
    out = ["-o", tmp_path / "out"] if arguments else []
    code, _, err = call(tmp_path / "take.wav", *out, *arguments)
    assert code == 2 and words in err and "Traceback" not in err


def test_what_a_format_cannot_hold_is_said_at_once(call, tmp_path):
    song(tmp_path / "fast.wav", 100, 96000)
    song(tmp_path / "wide.wav", 100, 44100, 6)
    inputs = (tmp_path / "fast.wav", tmp_path / "wide.wav")
    code, _, err = call(*inputs, "-o", tmp_path / "out", "--format", "mp3")
    assert code == 1 and "cannot hold 96000 Hz" in err and "holds 1 to 2 channels, not 6" in err
    assert not list((tmp_path / "out").iterdir())


def test_the_newest_export_is_the_default(call, exports, tmp_path, monkeypatch):
    song(tmp_path / "take.wav", 100)
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("take.wav", "-o", "out", model=None)
    assert code == 0 and f"separator: {PRETRAINED / SHIPPED} (drums, accompaniment)" in out
    for place, model in (("runs/1/best", "two"), ("demo/separator", "four")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(exports / model, tmp_path / place)
    os.utime(tmp_path / "runs/1/best" / WEIGHTS, (1, 1))
    code, out, _ = call("take.wav", "-o", "out", model=None)
    assert code == 0 and "separator: demo/separator (drums, bass, other, vocals)" in out
    os.utime(tmp_path / "demo/separator" / WEIGHTS, (0, 0))
    code, out, _ = call("take.wav", "-o", "out", model=None)
    assert code == 0 and "separator: runs/1/best (drums, accompaniment)" in out


def test_ctrl_c_leaves_nothing_and_is_130(call, tmp_path, monkeypatch):
    song(tmp_path / "take.wav", 60000)
    real = audio.blocks

    def blocks(path):
        yield next(real(path, 9000))
        raise KeyboardInterrupt

    monkeypatch.setattr(audio, "blocks", blocks)
    code, _, err = call(tmp_path / "take.wav", "-o", tmp_path / "out")
    assert code == 130 and err == "interrupted\n"
    assert not list((tmp_path / "out").iterdir())


def test_real_songs_are_separated_sample_for_sample(call, tmp_path, shared):
    path = shared / "audio" / "songs_cc" / "spleeter_audio_example.mp3"
    code, out, err = call(path, "-o", tmp_path, "--bits", "32f")
    assert code == 0 and not err and "spleeter_audio_example" in out
    mixture, rate = audio.read(path)
    stems = [audio.read(file) for file in sorted((tmp_path / path.stem).glob("*.wav"))]
    assert all(one_rate == rate and stem.shape == mixture.shape for stem, one_rate in stems)
    residual = mixture - sum(stem for stem, _ in stems)
    assert 10 * np.log10(np.mean(np.square(residual)) + 1e-30) <= -90


def test_the_help_fits_and_starts_without_tensorflow():
    code = (
        "import sys; from dssgan import separate\n"
        "try: separate.main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"COLUMNS": "80"},
    )  # fmt: skip
    assert "INPUT" in done.stdout and max(map(len, done.stdout.splitlines())) <= 80

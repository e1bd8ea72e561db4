"""Untrained baselines, and the table that sets separators beside them."""

import json
import shutil
import sys
import types

import numpy as np
import pytest
import soundfile

from common import cli
from dssgan.exports import HDF5
from experiments.compare import __main__ as compare
from experiments.systems import baseline_scores
from experiments.systems.baselines import BASELINES, hpss, ideal_ratio_mask
from tests.dssgan.live.test_running import Delayed
from tests.dssgan.live.test_window import Fake

RATE = 8000
TWO = ("drums", "accompaniment")


def make_song(folder, name, seed):
    """Clicks as drums, tones as the rest."""
    rng = np.random.default_rng(seed)
    time = np.arange(3 * RATE) / RATE
    drums = np.zeros_like(time)
    for start in range(0, len(time), RATE // 4):
        burst = 0.4 * rng.standard_normal(400) * np.exp(-np.arange(400) / 60)
        drums[start : start + 400] += burst[: len(time) - start]
    other = 0.1 * sum(np.sin(2 * np.pi * f * time) for f in (220, 331, 440 + seed))
    (folder / name).mkdir(parents=True)
    soundfile.write(folder / name / "drums.wav", drums, RATE, "FLOAT")
    soundfile.write(folder / name / "other.wav", other, RATE, "FLOAT")
    return drums[:, None].astype(np.float32), other[:, None].astype(np.float32)


@pytest.fixture
def library(tmp_path):
    for seed, name in enumerate(("Music_Britpop", "Music_Grunge", "Music_Shadows")):
        make_song(tmp_path / "songs", name, seed)
    return tmp_path / "songs"


@pytest.fixture
def separator(tmp_path, monkeypatch):
    """A stand-in for an exported separator: two thirds of the mixture are drums."""
    loaded = []

    class Fake:
        @classmethod
        def load(cls, folder, **options):
            loaded.append(folder)
            return cls()

        def separate(self, mixture, sample_rate):
            four = ("drums", "bass", "other", "vocals")
            ramp = np.linspace(0.1, 1, len(mixture), dtype=np.float32)[:, None]
            return {name: mixture * ramp / (1 + place) for place, name in enumerate(four)}

    monkeypatch.setitem(sys.modules, "dssgan.separator", types.SimpleNamespace(Separator=Fake))
    folder = tmp_path / "runs" / "small" / "separator"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "separator.weights.h5").write_bytes(HDF5 + b"weights")
    return folder, loaded


def run(*argv):
    with pytest.raises(SystemExit) as done:
        cli.run(compare.main, ["baselines", *map(str, argv)])
    return done.value.code


def test_hpss_splits_clicks_from_tones(tmp_path):
    drums, other = make_song(tmp_path, "song", 1)
    parts = hpss(drums + other, dict.fromkeys(TWO), RATE)
    np.testing.assert_allclose(sum(parts.values()), drums + other, atol=1e-5)
    for found, reference in zip((parts["drums"], parts["accompaniment"]), (drums, other)):
        assert np.sum((found - reference) ** 2) < 0.2 * np.sum(reference**2)


def test_hpss_is_librosa_s_own():
    librosa = pytest.importorskip("librosa")
    mixture = np.random.default_rng(3).standard_normal((6000, 2)).astype(np.float32)
    parts = hpss(mixture, dict.fromkeys(TWO), RATE)
    harmonic, percussive = librosa.effects.hpss(mixture.T)
    np.testing.assert_allclose(parts["drums"], percussive.T, atol=1e-6)
    np.testing.assert_allclose(parts["accompaniment"], harmonic.T, atol=1e-6)


def test_hpss_knows_no_other_sources():
    with pytest.raises(ValueError, match="not bass, vocals"):
        hpss(np.ones((100, 1)), dict.fromkeys(("bass", "vocals")), RATE)


def test_ideal_ratio_masks_share_the_mixture_out(tmp_path):
    drums, other = make_song(tmp_path, "song", 1)
    references = dict(zip(TWO, (drums, other)))
    parts = ideal_ratio_mask(drums + other, references, RATE)
    np.testing.assert_allclose(sum(parts.values()), drums + other, atol=1e-5)
    for name, reference in references.items():
        error = np.sum((parts[name] - reference) ** 2)
        assert error < 0.1 * np.sum((drums + other - reference) ** 2)
        assert parts[name].shape == reference.shape


def test_silence_has_no_masks_to_divide_by():
    silence = np.zeros((9000, 2), np.float32)
    parts = ideal_ratio_mask(silence, dict.fromkeys(TWO, silence), RATE)
    assert not any(part.any() for part in parts.values())


def test_the_table(library, separator, tmp_path, capsys):
    folder, loaded = separator
    out = tmp_path / "out"
    argv = ["--data", f"folders:{library}:Britpop,Shadows", "--separator", folder, "--out", out]
    assert run(*argv) == 0
    printed = capsys.readouterr().out
    assert printed == (out / "table.md").read_text("utf-8")
    head, *rows = [line for line in printed.splitlines() if line.startswith("|")]
    assert head == "| song | mixture | HPSS | small | ideal ratio mask |"
    assert [row.split("|")[1].strip() for row in rows[1:]] == [
        "Music_Britpop",
        "Music_Shadows",
        "**median**",
    ]
    scores = json.loads((out / "scores.json").read_text())
    assert scores["sources"] == list(TWO)
    drums = {key: method["median"]["drums"]["SDR"] for key, method in scores["methods"].items()}
    assert drums["mixture"] < drums["hpss"] < drums["irm"]
    assert "2048/512" in scores["methods"]["hpss"]["description"]
    assert f"{drums['hpss']:.2f}".replace("-", "−") in rows[-1]
    assert len(loaded) == 1


def test_separators_live_have_columns_of_their_own(
    library, separator, tmp_path, capsys, monkeypatch
):
    loaded = []

    def load(folder, segment=None, **options):
        loaded.append(segment)
        return Fake(round((segment or 1.0) * RATE), lambda audio: 0.5 * audio)

    monkeypatch.setattr("dssgan.loading.load", load)
    words = [
        "--data",
        f"folders:{library}:Grunge",
        "--separator",
        separator[0],
        "--methods",
        "mixture",
    ]
    words += ["--latency", "0.5", "--latency", "2", "--speed", "3", "--out", tmp_path / "out"]
    assert run(*words) == 0
    assert loaded == [None, pytest.approx(0.2 / 1.4 * 3), pytest.approx(0.8 / 1.4 * 3)]
    methods = json.loads((tmp_path / "out" / "scores.json").read_text())["methods"]
    assert list(methods) == ["mixture", "small", "small__0.5_s", "small__2_s"]
    assert "latency 0.5 s = 0.200 block" in methods["small__0.5_s"]["description"]
    scores = [
        method["median"]["drums"]["SDR"] for key, method in methods.items() if key != "mixture"
    ]
    assert max(scores) - min(scores) < 1e-3  # this separator needs nothing to go by
    capsys.readouterr()


class Streaming:
    """A stand-in that streams: the first half of its shares are drums, aligned."""

    sources, sample_rate, complete, consistent = TWO, RATE, True, True
    temporary_folder = None

    def __init__(self, share):
        self.share = share

    def temporary_bytes(self, *_):
        return 0

    def asked(self, sources):
        return sources or self.sources

    def stream(self, blocks, *_, **__):
        for block in blocks:
            yield {"drums": self.share * block, "accompaniment": (1 - self.share) * block}

    def separate(self, mixture, rate):
        return next(self.stream([mixture]))


def test_steps_and_blends_have_columns_and_gains(library, separator, tmp_path, capsys, monkeypatch):
    other = separator[0].parent.parent / "other" / "separator"
    shutil.copytree(separator[0], other)
    shares = {"small": 0.5, "other": 0.3}
    monkeypatch.setattr("dssgan.loading.load", lambda path: Streaming(shares[path.parent.name]))
    words = ["--data", f"folders:{library}:Britpop,Shadows", "--methods", "mixture"]
    words += ["--separator", separator[0], "--separator", other, "--out", tmp_path / "out"]
    words += ["--step", "hpss", "--step", "wiener", "--blend", "time"]
    assert run(*words) == 0
    methods = json.loads((tmp_path / "out" / "scores.json").read_text())["methods"]
    assert list(methods)[3:] == [
        *("small__hpss", "small__wiener", "other__hpss", "other__wiener", "small___other__time"),
    ]
    drums = {key: method["median"]["drums"]["SDR"] for key, method in methods.items()}
    assert drums["small__hpss"] > drums["small"] + 1  # clicks and tones
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if line.startswith("* small, hpss: ")]
    gains = [
        methods["small__hpss"]["songs"][name]["drums"]["SDR"] - song["drums"]["SDR"]
        for name, song in methods["small"]["songs"].items()
    ]
    assert f"small with hpss; SDR {np.mean(gains):+.2f} dB [" in line and line.endswith("small")


def test_a_separator_by_style_has_a_column(library, separator, tmp_path, capsys, monkeypatch):
    """Each song is that of the separator whose training songs it is like, here by its crest."""
    other = separator[0].parent.parent / "other" / "separator"
    shutil.copytree(separator[0], other)
    crest = {"near": [0.0, 90.0], "far": [500.0, 0.1]}
    for folder, pair in ((separator[0], crest["far"]), (other, crest["near"])):
        style = {"songs": 99, "figures": {"crest": pair}}
        (folder / "config.json").write_text(json.dumps({"style": style}))
    shares = {"small": 0.5, "other": 0.3}
    monkeypatch.setattr("dssgan.loading.load", lambda path: Streaming(shares[path.parent.name]))
    words = ["--data", f"folders:{library}:Britpop,Shadows", "--methods", "mixture", "--by-style"]
    words += ["--separator", separator[0], "--separator", other, "--out", tmp_path / "out"]
    assert run(*words) == 0
    methods = json.loads((tmp_path / "out" / "scores.json").read_text())["methods"]
    assert list(methods)[1:] == ["small", "other", "small_or_other"]
    assert methods["small_or_other"]["songs"] == methods["other"]["songs"]
    assert "whose training songs are most like it; SDR" in capsys.readouterr().out
    (other / "config.json").write_text("{}")
    assert run(*words) == 2
    assert "--by-style: " in (said := capsys.readouterr().err) and "tells nothing of" in said


def test_a_causal_separator_carries_its_state_whatever_the_latency(
    library, separator, tmp_path, capsys, monkeypatch
):
    (separator[0] / "config.json").write_text('{"causal": true}')
    monkeypatch.setattr("dssgan.loading.load", lambda folder, *options, **more: Delayed())
    words = ["--data", f"folders:{library}:Grunge", "--separator", separator[0]]
    words += ["--methods", "mixture", "--latency", "0.05", "--out", tmp_path / "out"]
    assert run(*words) == 0
    methods = json.loads((tmp_path / "out" / "scores.json").read_text())["methods"]
    assert methods["small__0.05_s"]["description"].endswith("its state carried along the song")
    scores = [method["median"]["drums"]["SDR"] for method in methods.values()]
    assert scores[2] == pytest.approx(scores[1], abs=0.01)  # a quarter of the mixture, in time
    capsys.readouterr()


def test_what_is_scored_stays(library, separator, tmp_path, capsys):
    folder, loaded = separator
    argv = [
        "--data",
        f"folders:{library}:Grunge",
        "--separator",
        f"mine={folder}",
        "--methods",
        "mixture",
        "--out",
        tmp_path / "out",
    ]
    assert run(*argv) == 0
    first = capsys.readouterr().out
    assert "| song | mixture | mine |" in first
    assert run(*argv) == 0
    assert capsys.readouterr().out == first
    assert len(loaded) == 1
    (folder / "separator.weights.h5").write_bytes(HDF5 + b"other weights")
    assert run(*argv) == 0
    assert len(loaded) == 2


def test_the_mixture_scores_what_it_should(library, tmp_path):
    out = tmp_path / "out"
    assert run("--data", f"folders:{library}:Grunge", "--methods", "mixture", "--out", out) == 0
    song = json.loads((out / "mixture" / "train" / "Music_Grunge.json").read_text())
    frames = song["targets"][0]["frames"]
    drums, _ = soundfile.read(library / "Music_Grunge" / "drums.wav")
    other, _ = soundfile.read(library / "Music_Grunge" / "other.wav")
    expected = [
        10
        * np.log10(
            np.sum(drums[start : start + RATE] ** 2) / np.sum(other[start : start + RATE] ** 2)
        )
        for start in range(0, 3 * RATE, RATE)
    ]
    np.testing.assert_allclose([frame["metrics"]["SDR"] for frame in frames], expected, atol=1e-3)


def test_a_failing_song_is_told_and_the_table_still_comes(library, tmp_path, capsys):
    soundfile.write(library / "Music_Grunge" / "drums.wav", np.zeros(3 * RATE), RATE)
    soundfile.write(library / "Music_Grunge" / "other.wav", np.zeros(3 * RATE), RATE)
    argv = ["--data", f"folders:{library}", "--methods", "mixture", "--out", tmp_path / "out"]
    assert run(*argv) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "error: mixture: Music_Grunge: all references are silent: nothing to score"
    ]
    assert "Music_Britpop" in captured.out


def test_endless_ratios_are_not_numbers():
    assert baseline_scores.cell({"SDR": -1.234, "SIR": 5, "SAR": 172.1}) == "−1.23 / 5.0 / > 100"
    assert baseline_scores.cell(None) == "–"
    assert baseline_scores.cell({"uSDR": 2.345}) == "2.35"


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--data", "nothing:x"], 2, "no dataset 'nothing', only musdb18"),
        (["--data", "folders:nowhere:A"], 2, "expected NAME:PATH[:SONG"),
        (["--data", "folders:songs:Jazz"], 2, "no song ends in 'Jazz' (Music_Britpop"),
        (["--data", "folders:songs:"], 2, "with commas"),
        (["--data", "folders:songs", "--methods", "magic"], 2, "no method 'magic', only mixture"),
        (["--data", "folders:songs", "--separator", "nowhere"], 2, "that of an exported separator"),
        (["--data", "folders:songs", "--protocol", "x"], 1, "unknown protocol"),
    ],
)
def test_misuse_is_one_line(library, monkeypatch, capsys, argv, code, message):
    monkeypatch.chdir(library.parent)
    assert run(*argv, "--out", "out") == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_every_baseline_is_described():
    assert list(BASELINES) == ["mixture", "hpss", "irm"]
    assert all(baseline.description for baseline in BASELINES.values())


@pytest.mark.parametrize(
    ("protocol", "metrics", "last"),
    [
        ("dssgan", "SDR / SIR / SAR in dB, whole songs (protocol dssgan, BSS Eval v3-s", "mean"),
        ("usdr", "uSDR in dB, whole songs (protocol usdr", "mean"),
        ("csdr_repository", "SDR in dB, median over frames (protocol csdr_r", "mean of medians"),
    ],
)
def test_the_table_of_another_protocol(library, tmp_path, capsys, protocol, metrics, last):
    out = tmp_path / "out"
    argv = ["--data", f"folders:{library}:Britpop,Shadows", "--methods", "mixture,irm"]
    assert run(*argv, "--protocol", protocol, "--out", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"drums: {metrics}")
    row = next(line for line in lines if f"**{last}**" in line)
    scores = json.loads((out / "scores.json").read_text())
    method = scores["methods"]["irm"][last.replace(" ", "_")]
    first = next(iter(method["drums"].values()))
    assert f"{first:.2f}" in row

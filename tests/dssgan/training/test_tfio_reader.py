"""The optional in-graph reader: stated plainly where it is missing, equal where it is there."""

import importlib.util
import sys

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from datasets import audio, load
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.paired import PairedExcerpts
from datasets.excerpts.shape import ExcerptShape
from dssgan.training import pipeline, tfio_reader

INSTALLED = importlib.util.find_spec("tensorflow_io") is not None
NATIVE = tfio_reader.backend().native
FORMATS = [("wav", "PCM_U8"), ("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT")]
FORMATS += [("flac", "PCM_S8"), ("flac", "PCM_16"), ("flac", "PCM_24")]


@pytest.fixture
def write(tmp_path, rng):
    def write(suffix, subtype, channels=2, samples=5000, name="song"):
        path = tmp_path / f"{name}.{suffix}"
        noise = np.clip(0.3 * rng.standard_normal((samples, channels)), -1.0, 0.999)
        noise[:2] = [[-1.0], [0.999]]
        soundfile.write(path, noise, 44100, subtype=subtype)
        return path

    return write


def songs(folder, rng):
    """Three songs of wav and flac: a mono stem, a short one, a missing one."""
    for number, (suffix, subtype) in enumerate(FORMATS[1:3] + FORMATS[5:]):
        song = folder / f"song{number}"
        song.mkdir()
        for stem in ("drums", "bass", "other", "vocals")[: 3 + number % 2]:
            shape = (4000 - 900 * (stem == "bass"), 1 + (stem != "other"))
            noise = 0.1 * rng.standard_normal(shape)
            soundfile.write(song / f"{stem}.{suffix}", noise, 8000, subtype=subtype)
    return load("folders", folder)


def test_the_reader_in_use_and_the_reason_are_stated():
    backend = tfio_reader.backend()
    text = str(backend)
    assert backend.reason and "\n" not in text and backend.name in text
    if backend.native:
        assert backend.name == "tensorflow-io" and tf.__version__ in backend.reason
    elif INSTALLED:
        assert backend.name == "soundfile"
        assert f"does not load with TensorFlow {tf.__version__}" in backend.reason
        assert "requirements-tfio.txt" in backend.reason
    else:
        assert backend.name == "soundfile"
        assert "not installed" in backend.reason and "requirements-tfio.txt" in backend.reason


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "raise NotImplementedError('unable to open: undefined symbol: _ZN10tensorflow')",
            f"does not load with TensorFlow {tf.__version__} (undefined symbol)",
        ),
        ("raise OSError('libtensorflow_io.so')", "(OSError)"),
        ("import a_module_that_is_not_there", "needs a_module_that_is_not_there"),
        ("__version__ = '9.9'", "needs tensorflow_io.python"),
    ],
)
def test_a_package_that_is_broken_is_told_apart(tmp_path, monkeypatch, content, expected):
    package = tmp_path / "tensorflow_io"
    package.mkdir()
    (package / "__init__.py").write_text(content)
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorflow_io"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    backend = tfio_reader.backend.__wrapped__()
    sys.modules.pop("tensorflow_io", None)
    assert not backend.native and backend.name == "soundfile"
    assert expected in backend.reason and "\n" not in backend.reason


@pytest.mark.parametrize(("suffix", "subtype"), FORMATS)
def test_formats_that_it_reads(write, suffix, subtype):
    assert tfio_reader.unreadable([write(suffix, subtype)]) == ""


@pytest.mark.parametrize("subtype", ["PCM_32", "DOUBLE", "ULAW"])
def test_formats_that_it_must_not_be_given(write, subtype):
    path = write("wav", subtype)
    assert tfio_reader.unreadable([path]) == f"{path} is WAV {subtype}"


def test_other_files_and_missing_ones(tmp_path):
    text = tmp_path / "notes.wav"
    text.write_text("no audio")
    assert "neither wav nor flac" in tfio_reader.unreadable([text])
    with pytest.raises(FileNotFoundError):
        tfio_reader.unreadable([tmp_path / "absent.wav"])


def test_the_pipeline_says_which_reader_it_takes(tmp_path, rng):
    source = PairedExcerpts(songs(tmp_path, rng), ExcerptShape(1000, 2))
    name, why = pipeline.choose_reader(source)
    assert (name, why) == (
        ("tensorflow-io" if NATIVE else "numpy"),
        tfio_reader.backend().reason,
    )
    if not NATIVE:
        with pytest.raises(ValueError, match="cannot be used: tensorflow-io"):
            pipeline.dataset(source, reader="tensorflow-io")


def native_or_stated() -> bool:
    """Whether there is an in-graph reader to test; where there is none, it must be said plainly."""
    test_the_reader_in_use_and_the_reason_are_stated()
    return tfio_reader.backend().native


def test_songs_without_files_of_their_own_are_read_with_numpy():
    tracks = load("band", None, split="train", songs=1, seconds=1, sample_rate=8000)
    source = PairedExcerpts(tracks, ExcerptShape(1000, 2))
    name, why = pipeline.choose_reader(source)
    assert name == "numpy"
    if native_or_stated():
        assert why == "the stems are not audio files of their own"


@pytest.mark.parametrize(("suffix", "subtype"), FORMATS)
def test_excerpts_equal_the_default_reader(write, suffix, subtype):
    for channels in (1, 2):
        path = write(suffix, subtype, channels)
        for start, stop in ((0, 5000), (1234, 2345), (4900, 5900), (6000, 6100)):
            expected, _ = audio.read(path, min(start, 5000), stop)
            assert expected.shape == (max(0, min(stop, 5000) - start), channels)
            if not native_or_stated():
                continue
            read = tf.function(lambda p, s, n=stop - start: tfio_reader.read(p, s, n))
            found = read(str(path), tf.constant(start, tf.int64)).numpy()
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("split", [False, True])
def test_batches_equal_those_of_the_default_reader(tmp_path, rng, channels, split):
    tracks = songs(tmp_path, rng)
    for sources in (("drums", "bass", "other", "vocals"), ("drums", "accompaniment")):
        source = PairedExcerpts(
            tracks,
            ExcerptShape(1500, 3, channels, sources),
            Augmentation(polarity=0.5, split_accompaniment=split),
            seed=4,
        )
        chosen = "tensorflow-io" if native_or_stated() else "auto"
        graph = iter(pipeline.dataset(source, reader=chosen))
        plain = iter(pipeline.dataset(source, reader="numpy"))
        for _ in range(6):
            found, expected = next(graph), next(plain)
            np.testing.assert_array_equal(found["names"], expected["names"])
            np.testing.assert_allclose(found["stems"], expected["stems"], rtol=0, atol=2e-6)
            if sources[1] == "bass":  # nothing is added up: the same bits
                np.testing.assert_array_equal(found["stems"], expected["stems"])


def test_real_songs_equal_the_default_reader(shared):
    tracks = load("folders", shared / "audio" / "mdb9_mono")
    source = PairedExcerpts(tracks, ExcerptShape(44100, 2), seed=1)
    assert (pipeline.choose_reader(source)[0] == "tensorflow-io") == native_or_stated()
    graph = iter(pipeline.dataset(source))
    plain = iter(pipeline.dataset(source, reader="numpy"))
    for _ in range(4):
        np.testing.assert_array_equal(next(graph)["stems"], next(plain)["stems"])

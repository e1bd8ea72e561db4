"""Libraries that read audio."""

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator

from common import startup
from dssgan.doctor.fact import Fact
from dssgan.doctor.python_packages import INSTALL, installed


def readers() -> Iterator[Fact]:
    """What audio files can be read with."""
    try:
        soundfile = importlib.import_module("soundfile")
        missing = {"WAV", "FLAC", "OGG", "MP3"} - set(soundfile.available_formats())
        found = f"libsndfile {soundfile.__libsndfile_version__}: wav, flac, ogg, mp3"
        if missing:
            text = f"libsndfile {soundfile.__libsndfile_version__} lacks {', '.join(missing)}"
            yield Fact("warn", "soundfile", text, "pip install --upgrade soundfile")
        else:
            yield Fact("ok", "reader", found)
    except (ImportError, OSError) as error:
        yield Fact("fail", "reader", f"soundfile: {error}", INSTALL)
    try:
        av = importlib.import_module("av")
        missing = {"aac", "mp3", "opus"} - set(av.codecs_available)
        version = ".".join(map(str, av.library_versions["libavcodec"]))
        if missing:
            text = f"PyAV {av.__version__} lacks {', '.join(sorted(missing))}"
            yield Fact("warn", "reader", text, "pip install --force-reinstall av")
        else:
            yield Fact("ok", "reader", f"PyAV, libavcodec {version}: m4a, mp4, stem.mp4, mp3")
    except (ImportError, OSError) as error:
        yield Fact("fail", "reader", f"PyAV: {error}", INSTALL)
    yield from native_reader()


def native_reader() -> Iterator[Fact]:
    """The optional in-graph reader of tensorflow-io."""
    version = installed("tensorflow-io")
    if version is None:
        yield Fact("ok", "tensorflow-io", "not installed; its in-graph reader of wav and flac is "
                   "optional (requirements-tfio.txt)")  # fmt: skip
        return
    try:
        with startup.stderr_hidden():
            state = importlib.import_module("dssgan.training.tfio_reader").backend()
        yield Fact("ok", "tensorflow-io", f"{version}; reader: {state}")
    except Exception as error:  # a broken native library raises many kinds
        reason = " ".join(str(error).split())[:120]
        yield Fact("warn", "tensorflow-io", f"{version} does not load ({reason}); soundfile reads",
                   "pip install -r requirements-tfio.txt")  # fmt: skip

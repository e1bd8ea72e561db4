"""What the doctor finds out about Python, packages, device, processor and readers.

Every check is a generator of `Fact`s and survives whatever is missing or broken.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from common import chatter

ROOT = Path(__file__).resolve().parents[1]
INSTALL = "pip install -r requirements.txt"


class Fact(NamedTuple):
    """A finding: "ok", "warn" or "fail"; what it is about; what was found; what to do."""

    state: str
    about: str
    found: str
    advice: str = ""


def python() -> Iterator[Fact]:
    """The interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info[:2] >= (3, 11)
    advice = "" if fits else "install Python 3.11 or newer, then 'make PYTHON=python3.11 test'"
    yield Fact("ok" if fits else "fail", "python", version, advice)


def checkout() -> Iterator[Fact]:
    """Whether the project's packages are the ones that Python finds."""
    for name in ("common", "datasets", "dssgan", "evaluation"):
        spec = importlib.util.find_spec(name)
        origin = spec and (spec.origin or next(iter(spec.submodule_search_locations or ()), None))
        if origin is None or not Path(origin).resolve().is_relative_to(ROOT):
            advice = f"run the command from the checkout, {ROOT}"
            yield Fact("fail", "checkout", f"{name} is {origin or 'missing'}", advice)
            return
    yield Fact("ok", "checkout", str(ROOT))


def packages() -> Iterator[Fact]:
    """Versions of what the project stands on, against the ranges the tests run with."""
    native = installed("tensorflow-io") is not None
    file = "requirements-tfio.txt" if native else "requirements.txt"
    for name, ranges in requirements(ROOT / file):
        version = installed(name)
        if version is None:
            yield Fact("fail", name, "not installed", f"pip install -r {file}")
        elif not within(version, ranges):
            text = f"{version}, tested with {','.join(ranges)}"
            yield Fact("warn", name, text, f"pip install -r {file}")
        else:
            yield Fact("ok", name, version)
    version = installed("museval")
    text = version or "not installed; only the tests compare scores with it"
    yield Fact("ok", "museval", text)


def requirements(path: Path) -> list[tuple[str, list[str]]]:
    """Names and version ranges of a requirements file."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        match = re.match(r"([A-Za-z0-9_.-]+)\s*([<>=!~][^#;]*)?", line.strip())
        if match:
            ranges = [part.strip() for part in (match[2] or "").split(",")]
            found.append((match[1], [part for part in ranges if part]))
    return found


def within(version: str, ranges: list[str]) -> bool:
    """Whether a version lies within ranges such as [">=2.21", "<2.22"]."""
    tests = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        "==": lambda a, b: a == b,
        "<": lambda a, b: a < b,
        ">": lambda a, b: a > b,
    }
    for part in ranges:
        sign, limit = re.fullmatch(r"([<>=]+)\s*(.*)", part).groups()
        here, there = ([int(n) for n in re.findall(r"\d+", text)[:3]] for text in (version, limit))
        length = max(len(here), len(there))
        here, there = (numbers + [0] * (length - len(numbers)) for numbers in (here, there))
        if not tests[sign](here, there):
            return False
    return True


def installed(name: str) -> str | None:
    """The version of an installed distribution."""
    for candidate in (name, f"{name}-cpu") if name == "tensorflow" else (name,):
        try:
            return importlib.metadata.version(candidate)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def device() -> Iterator[Fact]:
    """Where TensorFlow really computes: a product is computed there."""
    cards = nvidia_cards()
    try:
        with chatter.hidden():
            tf = importlib.import_module("tensorflow")
            gpus = tf.config.list_physical_devices("GPU")
            with tf.device("/GPU:0" if gpus else "/CPU:0"):
                product = tf.linalg.matmul(tf.ones((64, 64)), tf.ones((64, 64)))
            place = product.device.rpartition("device:")[2]
            right = float(product[0, 0]) == 64
    except Exception as error:  # whatever keeps TensorFlow from computing is the finding
        reason = " ".join(str(error).split())[:200]
        advice = f"{INSTALL}; on a GPU check that its driver is new enough"
        yield Fact("fail", "device", f"TensorFlow cannot compute: {reason}", advice)
        return
    if not right or (gpus and not place.startswith("GPU")):
        advice = "reinstall: pip install --force-reinstall tensorflow"
        yield Fact("fail", "device", f"a product came out wrong, or not on {place}", advice)
        return
    if gpus:
        names = [tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus]
        yield Fact("ok", "device", f"{place} of {len(gpus)} GPU(s): {names[0] or 'unnamed'}")
    elif cards and os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        yield Fact("warn", "device", f"{place}; CUDA_VISIBLE_DEVICES hides {cards[0]}",
                   "unset CUDA_VISIBLE_DEVICES to use the GPU")  # fmt: skip
    elif cards:
        ranges = dict(requirements(ROOT / "requirements.txt"))["tensorflow"]
        yield Fact("warn", "device", f"{place}, although there is {cards[0]}: TensorFlow cannot "
                   "see it and silently falls back to the CPU",
                   f"pip install 'tensorflow[and-cuda]{','.join(ranges)}'")  # fmt: skip
    else:
        yield Fact("ok", "device", f"{place} (no NVIDIA GPU here)")


def nvidia_cards() -> list[str]:
    """Names of the NVIDIA GPUs that the driver knows."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        done = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"^GPU \d+: ([^(\n]+?)\s*(?:\(|$)", done.stdout, re.MULTILINE)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> Iterator[Fact]:
    """Cores, vector instructions and bfloat16."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = cpuinfo.read_text(errors="replace") if cpuinfo.exists() else ""
    flags = set(re.findall(r"[\w]+", "".join(re.findall(r"^flags\s*:(.*)", text, re.MULTILINE))))
    bfloat16 = sorted(flags & {"avx512_bf16", "amx_bf16"})
    if bfloat16:
        found = f"{cores} cores, bfloat16 in hardware ({', '.join(bfloat16)})"
    else:
        found = f"{cores} cores, no bfloat16 in hardware: keep precision float32"
    if flags and "avx2" not in flags:
        yield Fact("warn", "processor", f"{found}; no AVX2", "expect it to be slow")
    else:
        yield Fact("ok", "processor", found)


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
        with chatter.hidden():
            state = importlib.import_module("dssgan.tfio_reader").backend()
        yield Fact("ok", "tensorflow-io", f"{version}; reader: {state}")
    except Exception as error:  # a broken native library raises many kinds
        reason = " ".join(str(error).split())[:120]
        yield Fact("warn", "tensorflow-io", f"{version} does not load ({reason}); soundfile reads",
                   "pip install -r requirements-tfio.txt")  # fmt: skip

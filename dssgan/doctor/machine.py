"""Processor, memory and GPUs."""

import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from common import startup
from common.files import ROOT
from dssgan.doctor.fact import Fact
from dssgan.doctor.python_packages import INSTALL, requirements


def device() -> Iterator[Fact]:
    """Where TensorFlow really computes: a product is computed there."""
    cards = nvidia_cards()
    try:
        with startup.stderr_hidden():
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

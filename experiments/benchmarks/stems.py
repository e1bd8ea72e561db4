"""Reading stem files: our reader beside stempeg, as ratios.

    python -m experiments.benchmarks.stems [FILE.stem.mp4 …]

Takes seconds. stempeg runs an ffmpeg process per track and ffprobe twice per file. Where there is
no ffprobe (the package imageio-ffmpeg brings ffmpeg alone) `ffmpeg -i` stands in for it, and the
ratio is printed without those two calls as well.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import av
import numpy as np

from common import cli
from common.files import ROOT
from datasets.audio import stem_mp4

AUDIO = ROOT.parent / "shared" / "audio" / "stem_mp4"


def import_stempeg() -> tuple[ModuleType, list[float]]:
    """Import stempeg with an ffmpeg of the system or of the package imageio-ffmpeg.

    Returns:
      The module, and a list that gathers the seconds that stand-ins for ffprobe have taken.

    Raises:
      ValueError: there is no ffmpeg, or stempeg is not installed.
    """
    spent: list[float] = []
    probe = None
    if shutil.which("ffprobe") is None or shutil.which("ffmpeg") is None:
        program = _ffmpeg_program()
        folder = tempfile.mkdtemp(prefix="dssgan-ffmpeg-")
        for name in ("ffmpeg", "ffprobe"):  # stempeg does not import without both names
            os.symlink(program, os.path.join(folder, name))
        os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", "")])

        def probe(path, **_):
            start = time.perf_counter()
            subprocess.run([program, "-hide_banner", "-i", path], capture_output=True)
            spent.append(time.perf_counter() - start)
            return _streams(path)

    try:
        import ffmpeg
        import stempeg
    except ImportError as error:
        raise ValueError(f"{error}; pip install -r requirements-dev.txt") from None
    if probe is not None:
        ffmpeg.probe = probe
    return stempeg, spent


def _ffmpeg_program() -> str:
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise ValueError(
            "there is no ffmpeg; install it, or pip install -r requirements-dev.txt"
        ) from None


def _streams(path: str) -> dict:
    """What stempeg looks for in ffprobe's answer."""
    with av.open(path) as container:
        return {
            "streams": [
                {
                    "index": stream.index,
                    "codec_type": stream.type,
                    "sample_rate": str(stream.sample_rate),
                    "channels": stream.channels,
                    "duration_ts": stream.duration,
                    "duration": str(float(stream.duration * stream.time_base)),
                    "tags": dict(stream.metadata),
                }
                for stream in container.streams.audio
            ]
        }


def fastest(function: Callable[[], object], repeats: int = 7) -> float:
    """Seconds of the fastest of several calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main(argv: Sequence[str]) -> None:
    """Print one line per file and question."""
    files = list(argv) or sorted(map(str, AUDIO.glob("*.stem.mp4")))
    if not files:
        raise ValueError(f"no stem files in {AUDIO}; name some")
    stempeg, spent = import_stempeg()
    for file in files:
        ours, _ = stem_mp4.read_all(file)
        theirs, _ = stempeg.read_stems(file, dtype=np.float32)
        difference = float(np.abs(ours - theirs).max())
        seconds = ours.shape[1] / 44100
        print(f"{Path(file).name}: {len(ours)} tracks of {seconds:.1f} s, ", end="")
        print(f"largest difference {difference:.1e}")
        cases = {
            "all tracks": (
                lambda file=file: stem_mp4.read_all(file),
                lambda file=file: stempeg.read_stems(file, dtype=np.float32),
            ),
            "one track": (
                lambda file=file: stem_mp4.read(file, 1),
                lambda file=file: stempeg.read_stems(file, stem_id=1, dtype=np.float32),
            ),
        }
        for case, (our, their) in cases.items():
            spent.clear()
            quick, slow = fastest(our), fastest(their)
            line = f"  {case}: {quick:.4f} s, stempeg {slow:.4f} s: {slow / quick:.1f} times faster"
            if spent:
                decoding = slow - 2 * min(spent)
                line += f" ({decoding / quick:.1f} without stempeg's two probes)"
            print(line)


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

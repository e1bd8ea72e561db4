"""Samples of kits as arrays: decoded, tuned and resampled once per rate, and kept."""

from pathlib import Path

import numpy as np
import soxr

from datasets import audio
from datasets.render_cache import RenderCache

LONGEST = 30.0  # seconds of a sample; what follows is cut off
SILENT = 1e-5  # −100 dBFS; the end of a sample that is softer is left out


def sample(
    path: Path,
    rate: int,
    semitones: float = 0.0,
    offset: int = 0,
    gains: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Return a sample → float32 (samples, 2), read-only, full scale ±1.

    Args:
      path: an audio file; of more than two channels the first two are read.
      rate: in Hz.
      semitones: by which it becomes higher, and shorter, by resampling.
      offset: samples of the file that are left out at its beginning.
      gains: of the left and the right channel.

    Raises:
      ValueError: damaged. OSError: it cannot be read.
    """
    status = path.stat()
    file = (str(path), status.st_size, status.st_mtime_ns)
    return _KEPT.song((file, rate, round(semitones, 3), offset, gains))


def _decoded(key: tuple) -> np.ndarray:
    (path, _, _), rate, semitones, offset, gains = key
    info = audio.probe(path)
    offset = min(offset, info.samples)
    seconds = LONGEST * min(1.0, 2.0 ** (semitones / 12))  # tuned down, it becomes longer
    stop = min(info.samples, offset + round(seconds * info.sample_rate))
    found, own = audio.read(path, offset, stop)
    found = np.repeat(found, 2, axis=1) if found.shape[1] == 1 else found[:, :2]
    if semitones and len(found):
        found = soxr.resample(found, own * 2.0 ** (semitones / 12), rate, quality="HQ")
    else:
        found = audio.resample(found, own, rate)
    loud = np.flatnonzero(np.abs(found).max(axis=1) > SILENT)
    return found[: loud[-1] + 1 if len(loud) else 0] * np.array(gains, np.float32)


_KEPT = RenderCache(_decoded, limit=1024 * 1024 * 1024)

"""Silence at the ends of a chunk, which a model should not hear.

Models normalise what they hear by its mean and deviation over the whole chunk. A chunk that is
silent for the most part, as of a clip of two seconds, or where a song fades in or out, is then
another signal to them than the music in it.
"""

import numpy as np

#: Samples up to here, of a chunk's largest, count as silence: 100 dB below it.
SILENT = 1e-5
#: Samples that a silent end must have to count as one; a wave may rest at zero for some.
SHORTEST = 1024


def sounding(audio: np.ndarray, quiet: float = 0.0) -> np.ndarray:
    """False where a chunk begins or ends with digital silence, and in chunks that have no other.

    Args:
      audio: float32 (batch, samples, channels). quiet: the value of silence beside 0.

    Returns:
      bool (batch, samples).
    """
    loud = ((audio != 0) & (audio != np.float32(quiet))).any(axis=2)
    heard = np.zeros(loud.shape, bool)
    for flags, row in zip(loud, heard):
        found = np.flatnonzero(flags)
        if len(found):
            begin, end = found[0], found[-1] + 1
            begin = begin if begin >= SHORTEST else 0
            row[begin : end if len(flags) - end >= SHORTEST else len(flags)] = True
    return heard


def fill_silence(audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put mirrored music where a chunk begins or ends with silence.

    Args:
      audio: float32 (batch, samples, channels), of any scale.

    Returns:
      (the same with its silent ends filled, bool (batch, samples) that is False there and in chunks
      that are silent as a whole: estimates should be silent there too).
    """
    size = np.abs(audio).max(axis=2)
    loud = size > SILENT * size.max(axis=1, keepdims=True)
    heard = np.zeros(loud.shape, bool)
    filled = audio
    for place, (chunk, flags) in enumerate(zip(audio, loud)):
        found = np.flatnonzero(flags)
        if not len(found):
            continue
        begin, end = found[0], found[-1] + 1
        heard[place, begin:end] = True
        if end - begin < len(chunk):
            filled = audio.copy() if filled is audio else filled
            ends = ((begin, len(chunk) - end), (0, 0))
            filled[place] = np.pad(chunk[begin:end], ends, "symmetric")
    return filled, heard

"""Curves, pictures and sound for TensorBoard."""

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

FRAME = 1024  # of the pictured spectrograms, in samples
RANGE = 80.0  # decibels from black to white
MOST_FRAMES = 1024


class TensorBoard:
    """Writes TensorBoard events into a folder; None writes nothing."""

    def __init__(self, folder: str | os.PathLike | None):
        self.folder = folder
        self._writer = None if folder is None else tf.summary.create_file_writer(os.fspath(folder))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A point on each curve."""
        if self._writer is None:
            return
        with self._writer.as_default(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def sounds(
        self, step: int, name: str, sounds: Mapping[str, np.ndarray], sample_rate: int
    ) -> None:
        """Sound and spectrogram of several signals.

        Args:
          name: what they have in common, such as the song.
          sounds: {label: float (samples, channels)}, full scale ±1.
        """
        if self._writer is None:
            return
        with self._writer.as_default(step):
            for label, audio in sounds.items():
                peak = max(1.0, float(np.abs(audio).max(initial=0.0)))
                shown = (audio / peak).astype(np.float32)[None]
                tf.summary.audio(f"sound/{name}/{label}", shown, sample_rate, max_outputs=1)
                tf.summary.image(f"spectrogram/{name}/{label}", spectrogram_picture(audio)[None])

    def flush(self) -> None:
        """Bring everything to disk."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Flush and write nothing more."""
        if self._writer is not None:
            self._writer.close()


def spectrogram_picture(audio: np.ndarray) -> np.ndarray:
    """Log spectrogram as grey levels: white is the loudest, black 80 dB below, low notes at the
    bottom.

    Args:
      audio: float (samples, channels); channels are averaged in power.

    Returns:
      float32 (bins, frames, 1) from 0 to 1.
    """
    audio = np.asarray(audio, np.float32)
    if len(audio) < FRAME:
        audio = np.pad(audio, ((0, FRAME - len(audio)), (0, 0)))
    hop = max(FRAME // 4, -(-(len(audio) - FRAME) // (MOST_FRAMES - 1)))
    frames = np.lib.stride_tricks.sliding_window_view(audio, FRAME, axis=0)[::hop]
    spectra = np.fft.rfft(frames * np.hanning(FRAME).astype(np.float32), axis=-1)
    power = np.mean(np.abs(spectra) ** 2, axis=1)
    level = 10.0 * np.log10(power + 1e-10)
    level -= max(level.max(), RANGE - 100.0)  # silence stays black
    picture = np.clip(1.0 + level / RANGE, 0.0, 1.0)
    return picture.T[::-1, :, None].astype(np.float32)

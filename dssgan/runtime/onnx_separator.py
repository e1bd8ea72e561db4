"""A separator that ONNX Runtime computes; TensorFlow need not be installed."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from dssgan.exports import ONNX, chunks_of, own_options
from dssgan.runtime.description import described
from dssgan.runtime.spectra import istft, stft
from dssgan.separation.chunked import ChunkedSeparator, Infer

MOST_AT_ONCE = 4


class OnnxSeparator(ChunkedSeparator):
    """Separates audio with an exported model; what `Separator` does, as `Separator` does it.

    Args:
      model: what `described` tells of it.
      session: of ONNX Runtime.
      segment: length of a chunk in seconds; None is the one that the model was exported with, and
        many models take no other.
      overlap, shifts, consistent, temporary_folder: as of `dssgan.separator.Separator`.
      batch_size: chunks that run at once; None is one per core, 4 at most.

    Raises:
      ValueError: an option is out of its range.
    """

    def __init__(
        self,
        model: SimpleNamespace,
        session: Any,
        *,
        segment: float | None = None,
        overlap: float | None = None,
        shifts: int = 1,
        batch_size: int | None = None,
        consistent: bool | None = None,
        temporary_folder: str | os.PathLike | None = None,
    ):
        own = model.samples / model.sample_rate
        fixed = not model.any_length and segment is not None
        if fixed and round(segment * model.sample_rate) != model.samples:
            raise ValueError(
                f"segment is {segment:g} s, and the model was exported for {own:g} s: leave it "
                "out, or export it again with --segment"
            )
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        super().__init__(
            model,
            segment=segment or own,
            overlap=overlap,
            shifts=shifts,
            batch_size=batch_size or min(cores or 1, MOST_AT_ONCE),
            consistent=consistent,
            temporary_folder=temporary_folder,
        )
        self.session = session
        self._threads = ThreadPoolExecutor(cores, "onnx")

    @classmethod
    def load(cls, folder: str | os.PathLike, **options) -> "OnnxSeparator":
        """Load what `python -m dssgan.export --to onnx` wrote; `options` as of the class.

        Raises:
          ValueError: a file is damaged or does not fit the other.
          OSError: a file is missing or cannot be read.
          ImportError: ONNX Runtime is not installed.
        """
        model = described(Path(folder))
        given = {key: value for key, value in options.items() if value is not None}
        model.chunks = chunks_of(folder)
        chunks = own_options(model.chunks)
        chunks.pop("segment", None)  # its file has one length
        return cls(model, opened(Path(folder) / ONNX), **chunks | given)

    def inference(self, channels: int) -> Infer:
        """Rows of audio, one by one on as many threads as there are cores."""
        model, name = self.model, self.session.get_inputs()[0].name

        def row(audio: np.ndarray) -> np.ndarray:
            """(samples, channels of the model) → (sources, samples, channels)."""
            if not model.masks:
                return self.session.run(None, {name: audio[None]})[0][0]
            return self._masked(audio, lambda parts: self.session.run(None, {name: parts})[0])

        def infer(audio: np.ndarray) -> np.ndarray:
            if not model.channels_apart:
                return np.stack(list(self._threads.map(row, audio)))
            rows = np.moveaxis(audio, 2, 1).reshape(-1, audio.shape[1], 1)
            found = np.stack(list(self._threads.map(row, rows)))[..., 0]
            found = found.reshape(len(audio), audio.shape[2], *found.shape[1:])
            return np.moveaxis(found, 1, 3)

        if not model.channels_apart and channels != model.channels:
            raise ValueError(
                f"{channels} channels, and the model was exported for {model.channels}: "
                "export it again with --channels"
            )
        return infer

    def _masked(self, audio: np.ndarray, network: Infer) -> np.ndarray:
        """Masks on the spectrum of (samples, 1) → (sources, samples, 1)."""
        model = self.model
        mixture = np.ascontiguousarray(audio.T)
        spectrum = stft(mixture, model.frame_length, model.hop)
        masks = network(np.stack([spectrum.real, spectrum.imag], 1))[0]
        spectra = (masks[:, 0] + 1j * masks[:, 1]) * spectrum
        waves = istft(spectra, model.frame_length, model.hop, mixture.shape[1])
        found = dict(zip(model.targets, waves))
        rest = mixture[0] - waves.sum(axis=0)
        return np.stack([found.get(source, rest) for source in model.sources])[..., None]


def opened(path: Path) -> Any:
    """A session for a file; each of its runs uses one core, so that several may run at once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises kinds of its own
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: ONNX Runtime cannot open it: {reason}") from error

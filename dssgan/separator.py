"""Separator: a trained model applied to whole songs of any length, rate and channel count.

separator = Separator.load("runs/drums/separator")
stems = separator.separate(audio, sample_rate)      # {"drums": (samples, channels), …}
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from common.audio_files import resampled_length
from common.suggest import nearest
from dssgan.exports import LARGE, LARGE_SEGMENT_S, OVERLAP, SEGMENT_S, chunks_of
from dssgan.models import export
from dssgan.models.base import SeparatorModel
from dssgan.separation.buffers import require_space
from dssgan.separation.overlap_add import fade_window, overlap_add, shifted_average, split_chunks
from dssgan.separation.silence import fill_silence
from dssgan.separation.stream import Report, check_audio, check_sample_rate, separated_stream

STANDARD = {"drums", "bass", "other", "vocals"}
MOST_SHIFT = 0.5
FEED = 1 << 18


class Separator:
    """Separates audio with a `SeparatorModel`.

    Args:
      model: the trained model.
      segment: length of a chunk in seconds; raised to what the model needs at least and lowered
        to what it takes at most. None is 8, and 3 for a model of 20 million weights or more: the
        longer, the more memory it takes.
      overlap: share of a chunk that its neighbour covers too, 0 ≤ overlap < 1; None is 0.25.
      shifts: passes over the audio moved by up to half a second, averaged.
      batch_size: chunks that run at once; None is 1 on a CPU (least memory) and 4 on a GPU.
      consistent: share what the estimates leave of the mixture between them, so that they add up
        to it. None: where the sources are all that is in a song.
      precision: "float32", "bfloat16" or "float16"; None keeps the model's own.
      temporary_folder: for songs whose level or gains must be known first; None is the system's.

    Raises:
      ValueError: an option is out of its range.
    """

    def __init__(
        self,
        model: SeparatorModel,
        *,
        segment: float | None = None,
        overlap: float | None = None,
        shifts: int = 1,
        batch_size: int | None = None,
        consistent: bool | None = None,
        precision: str | None = None,
        temporary_folder: str | os.PathLike | None = None,
    ):
        if segment is not None and not 0 < segment < 3600:
            raise ValueError(f"segment is {segment} s: expected more than 0 and less than an hour")
        overlap = OVERLAP if overlap is None else overlap
        if not 0 <= overlap < 1:
            raise ValueError(f"overlap is {overlap}: expected 0 ≤ overlap < 1")
        for name, value in (
            ("shifts", shifts),
            ("batch_size", 1 if batch_size is None else batch_size),
        ):
            if value != int(value) or value < 1:
                raise ValueError(f"{name} is {value}: expected a whole number from 1")
        gpu = bool(tf.config.list_logical_devices("GPU"))
        self.model = export.with_precision(model, precision)
        self.batch_size = int(batch_size or (4 if gpu else 1))
        self.consistent = self.complete if consistent is None else bool(consistent)
        self.temporary_folder = temporary_folder
        if segment is None:
            large = self.model.count_params() >= LARGE
            segment = LARGE_SEGMENT_S if large else SEGMENT_S
        samples = max(round(segment * self.sample_rate), model.minimum, model.grid)
        samples = min(samples, model.maximum or samples)
        self.segment = -(-samples // model.multiple) * model.multiple
        # On the model's own grid, so that neighbouring chunks see the same frames.
        step = math.lcm(model.multiple, model.grid)
        hop = self.segment - round(self.segment * overlap)
        self.hop = max(step, hop - hop % step)
        self.shifts = int(shifts)
        # On a CPU a channel keeps all cores busy: more of them at once would only take more memory.
        self._one_channel = model.channels_apart and not gpu
        self._window = fade_window(self.segment, self.hop, model.context)
        self.traces = 0
        self._function = tf.function(self._trace, jit_compile=gpu, autograph=False)
        self._graphs: dict[int, Callable] = {}

    @classmethod
    def load(cls, folder: str | os.PathLike, **options) -> "Separator":
        """Load an exported separator; `options` as of `Separator`.

        Length and overlap of chunks are those that its configuration names, unless they are given.

        Raises:
          ValueError: a file is damaged or does not fit the other.
          OSError: a file is missing or cannot be read.
        """
        model = export.load(folder, options.pop("precision", None))
        given = {key: value for key, value in options.items() if value is not None}
        return cls(model, **chunks_of(folder) | given)

    def save(self, folder: str | os.PathLike, provenance: dict[str, Any] | None = None) -> None:
        """Export the model to `folder`: `config.json` and `separator.weights.h5`."""
        export.save(self.model, folder, provenance)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the estimates, in order."""
        return tuple(self.model.sources)

    @property
    def sample_rate(self) -> int:
        """The model's own rate in Hz; input of any rate is taken."""
        return int(self.model.sample_rate)

    @property
    def complete(self) -> bool:
        """Whether the sources are all that is in a song, so that they should add up to it."""
        return "accompaniment" in self.sources or set(self.sources) >= STANDARD

    @property
    def latency(self) -> float:
        """Longest delay in seconds of `stream` in a single pass; resampling adds 0.05 to 0.2 s."""
        return self.segment * self.batch_size / self.sample_rate

    def temporary_bytes(
        self, samples: int, sample_rate: int, channels: int, recover: bool = True
    ) -> int:
        """Size in bytes of the temporary files for so much audio; 0 for a model that needs none.

        Args:
          recover: recover gains where the model leaves the scale open.
        """
        gains = self.model.scale_free and recover
        if not (gains or self.model.unit_variance):
            return 0
        rows = len(self.sources) * resampled_length(samples, sample_rate, self.sample_rate)
        return 4 * channels * (samples + (rows if gains else 0))

    def separate(
        self,
        audio: np.ndarray,
        sample_rate: int,
        sources: Sequence[str] | None = None,
        **options,
    ) -> dict[str, np.ndarray]:
        """Separate a whole recording.

        Args:
          audio: float (samples, channels), full scale ±1; any length, also 0.
          sample_rate: in Hz.
          sources: the ones to return; None returns all.
          **options: `level`, `gains`, `name`, `report` and `progress` of `stream`.

        Returns:
          {source: float32 (samples, channels)}, same length, rate, channels and alignment.

        Raises:
          ValueError: audio of a wrong shape or type, or with a sample that is not finite.
          OSError: the temporary folder is full.
        """
        audio = check_audio(audio, options.get("name", "mixture"))
        blocks = (audio[start : start + FEED] for start in range(0, len(audio), FEED))
        size = self.temporary_bytes(len(audio), sample_rate, audio.shape[1], "gains" not in options)
        require_space(self.temporary_folder, size, options.get("name", "mixture"))
        stream = self.stream(blocks, sample_rate, sources, **options)
        stems = {source: np.empty(audio.shape, np.float32) for source in self._asked(sources)}
        place = 0
        for pieces in stream:
            length = len(next(iter(pieces.values())))
            for source, piece in pieces.items():
                stems[source][place : place + length] = piece
            place += length
        return stems

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        sample_rate: int,
        sources: Sequence[str] | None = None,
        *,
        level: Any = None,
        gains: Any = None,
        name: str = "mixture",
        report: Report | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Iterator[dict[str, np.ndarray]]:
        """Separate audio that comes in blocks, in constant memory; the numbers of `separate`.

        A model that wants the level of the whole track, or whose gains must be recovered from it,
        runs over a temporary file, and nothing comes out before everything went in. Given `level`
        and `gains` (a `report` of an earlier run has both) it runs in one pass and lags behind
        by no more than `latency`.

        Args:
          blocks: float (samples, channels) of any length, full scale ±1.
          sample_rate: in Hz.
          sources: the ones to yield; None yields all.
          level: standard deviation of the track at the model's rate, one number or one per channel.
          gains: {source: one number or one per channel}, or (sources, channels).
          name: what to call the audio in messages.
          report: filled in as far as the stream went.
          progress: called with the seconds that were newly separated.

        Yields:
          {source: float32 (samples, channels)}, the same number of samples for every source.

        Raises:
          ValueError: a block of wrong shape or type or with a sample that is not finite; a source
            that the model does not have.
          OSError: the temporary folder is full.
        """
        asked = self._asked(sources)
        check_sample_rate(sample_rate)
        return separated_stream(
            self,
            blocks,
            int(sample_rate),
            asked,
            known=(level, gains),
            name=name,
            report=Report() if report is None else report,
            progress=progress,
        )

    def estimates(self, blocks: Iterable[np.ndarray], channels: int) -> Iterator[np.ndarray]:
        """Chunks, inference and cross-fades at the model's rate, scale as the model gives it.

        Args:
          blocks: float32 (samples, channels) at the model's rate, scaled as the model expects.
          channels: of the blocks.

        Yields:
          float32 (samples, sources, channels), aligned with the blocks.
        """
        state = tf.nest.map_structure(tf.convert_to_tensor, self.model.inference_state())
        width = 1 if self._one_channel else channels
        if width not in self._graphs:
            mixture = tf.TensorSpec((self.batch_size, self.segment, width), tf.float32)
            self._graphs[width] = self._function.get_concrete_function(mixture, state)
        graph = self._graphs[width]

        def infer(audio: np.ndarray) -> np.ndarray:
            return self._infer(audio, lambda padded: graph(padded, state))

        def one_pass(shifted: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            grid = self.model.grid
            chunks = split_chunks(shifted, self.segment, self.hop, channels, grid)
            return overlap_add(chunks, infer, self._window, self.hop, self.batch_size)

        furthest = min(self.hop, MOST_SHIFT * self.sample_rate)
        shifts = (round(place * furthest / self.shifts) for place in range(self.shifts))
        shifts = (shift - shift % self.model.grid for shift in shifts)
        return shifted_average(blocks, one_pass, shifts, channels)

    def _infer(self, audio: np.ndarray, graph: Callable[[tf.Tensor], tf.Tensor]) -> np.ndarray:
        """(batch, segment, channels) → (batch, sources, segment, channels), silence → silence."""
        if not audio.any():
            batch, samples, channels = audio.shape
            return np.zeros((batch, len(self.sources), samples, channels), np.float32)
        if self.model.normalises:
            filled, heard = fill_silence(audio)
        else:
            filled, heard = audio, audio.any(axis=(1, 2))[:, None]
        padded = np.zeros((self.batch_size, *audio.shape[1:]), np.float32)
        padded[: len(audio)] = filled
        parts = np.split(padded, padded.shape[-1], -1) if self._one_channel else [padded]
        parts = [graph(tf.constant(part)).numpy() for part in parts]
        estimates = (parts[0] if len(parts) == 1 else np.concatenate(parts, -1))[: len(audio)]
        if estimates.shape[1] != len(self.sources) or estimates.shape[2:] != audio.shape[1:]:
            raise ValueError(
                f"{type(self.model).__name__} gave {estimates.shape} for {audio.shape}: "
                "expected (batch, sources, samples, channels)"
            )
        return estimates if heard.all() else estimates * heard[:, None, :, None]

    def _trace(self, mixture: tf.Tensor, state: Any) -> tf.Tensor:
        self.traces += 1
        return tf.cast(self.model.infer(mixture, state), tf.float32)

    def _asked(self, sources: Sequence[str] | None) -> tuple[str, ...]:
        if sources is None:
            return self.sources
        sources = (sources,) if isinstance(sources, str) else tuple(sources)
        for source in sources:
            if source not in self.sources:
                hint = nearest(source, self.sources, show=repr)
                known = ", ".join(self.sources)
                raise ValueError(f"no source {source!r}, this separator has {known}{hint}")
        if not sources:
            raise ValueError(f"no source asked for: expected some of {', '.join(self.sources)}")
        return tuple(dict.fromkeys(sources))

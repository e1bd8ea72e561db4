"""A separator applied to whole songs of any length, rate and channel count; no TensorFlow here."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from common.audio_files import resampled_length
from common.suggest import nearest
from dssgan.exports import OVERLAP
from dssgan.separation.buffers import require_space
from dssgan.separation.overlap_add import (
    fade_window,
    overlap_add,
    shifted_average,
    split_centred,
    split_chunks,
    triangle_window,
)
from dssgan.separation.silence import fill_silence, sounding
from dssgan.separation.stream import Report, check_audio, check_sample_rate, separated_stream

STANDARD = {"drums", "bass", "other", "vocals"}
KIT = {"kick", "snare", "toms", "hats", "cymbals"}  # all that is in drums
MOST_SHIFT = 0.5
FEED = 1 << 18
Infer = Callable[[np.ndarray], np.ndarray]


class ChunkedSeparator:
    """What separators have in common, whatever computes a chunk: `inference` says what does.

    Args:
      model: has the attributes of `dssgan.models.base.SeparatorModel` that are numbers and names;
        "window", "last" and "level" of its `chunks` are heeded (see `dssgan.exports.chunks_of`).
      segment: length of a chunk in seconds; raised to what the model needs at least and lowered
        to what it takes at most.
      overlap, shifts, consistent, temporary_folder: as of `dssgan.separator.Separator`.
      batch_size: chunks that run at once.

    Raises:
      ValueError: an option is out of its range.
    """

    def __init__(
        self,
        model: Any,
        *,
        segment: float,
        overlap: float | None,
        shifts: int,
        batch_size: int,
        consistent: bool | None,
        temporary_folder: str | os.PathLike | None,
    ):
        check_options(segment, overlap, shifts, batch_size)
        overlap = OVERLAP if overlap is None else overlap
        self.model = model
        self.batch_size = int(batch_size)
        self.consistent = self.complete if consistent is None else bool(consistent)
        self.temporary_folder = temporary_folder
        samples = max(round(segment * self.sample_rate), model.minimum, model.grid)
        samples = min(samples, model.maximum or samples)
        self.segment = -(-samples // model.multiple) * model.multiple
        # On the model's own grid, so that neighbouring chunks see the same frames.
        step = math.lcm(model.multiple, model.grid)
        chunks = getattr(model, "chunks", None) or {}
        self.centred = chunks.get("last") == "centred"
        self.mono_level = chunks.get("level") == "mono"
        hop = self.segment - round(self.segment * overlap)
        if self.centred:
            hop = int((1 - overlap) * self.segment)  # as Demucs rounds
        self.hop = max(step, hop - hop % step)
        self.shifts = int(shifts)
        self._window = fade_window(self.segment, self.hop, model.context)
        if chunks.get("window") == "triangle":
            self._window = triangle_window(self.segment)

    def inference(self, channels: int) -> Infer:
        """What separates chunks of so many channels.

        It takes float32 (up to batch_size, segment, channels) and returns (batch, sources, segment,
        channels), float32.
        """
        raise NotImplementedError

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the estimates, in order."""
        return tuple(self.model.sources)

    @property
    def sample_rate(self) -> int:
        """The model's own rate in Hz; input of any rate is taken."""
        return int(self.model.sample_rate)

    @property
    def wants_level(self) -> bool:
        """Whether the level of the whole track must be known first."""
        return self.model.unit_variance or self.mono_level

    @property
    def complete(self) -> bool:
        """Whether the sources are all that is in a song, or in drums: they should add up to it."""
        there = set(self.sources)
        return "accompaniment" in there or there >= STANDARD or there >= KIT

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
        if not (gains or self.wants_level):
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
        stems = {source: np.empty(audio.shape, np.float32) for source in self.asked(sources)}
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
        asked = self.asked(sources)
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

    def estimates(
        self, blocks: Iterable[np.ndarray], channels: int, quiet: float = 0.0
    ) -> Iterator[np.ndarray]:
        """Chunks, inference and cross-fades at the model's rate, scale as the model gives it.

        Args:
          blocks: float32 (samples, channels) at the model's rate, scaled as the model expects.
          channels: of the blocks. quiet: the value of silence in them.

        Yields:
          float32 (samples, sources, channels), aligned with the blocks.
        """
        inference = self.inference(channels)
        split = split_centred if self.centred else split_chunks

        def infer(audio: np.ndarray) -> np.ndarray:
            return self.infer(audio, inference, quiet)

        def one_pass(shifted: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            chunks = split(shifted, self.segment, self.hop, channels, self.model.grid)
            return overlap_add(chunks, infer, self._window, self.hop, self.batch_size)

        furthest = min(self.hop, MOST_SHIFT * self.sample_rate)
        shifts = (round(place * furthest / self.shifts) for place in range(self.shifts))
        shifts = (shift - shift % self.model.grid for shift in shifts)
        return shifted_average(blocks, one_pass, shifts, channels)

    def infer(self, audio: np.ndarray, inference: Infer, quiet: float = 0.0) -> np.ndarray:
        """(batch, segment, channels) → (batch, sources, segment, channels), silence → silence.

        Args:
          quiet: the value of silence beside 0, where chunks are `centred`.
        """
        batch, samples, channels = audio.shape
        heard = sounding(audio, quiet) if self.centred else None
        if not (audio if heard is None else heard).any():
            return np.zeros((batch, len(self.sources), samples, channels), np.float32)
        if heard is not None:
            filled = audio  # silence behind a song's end is what these models were trained with
        elif self.model.normalises:
            filled, heard = fill_silence(audio)
        else:
            filled, heard = audio, audio.any(axis=(1, 2))[:, None]
        estimates = inference(filled)
        if estimates.shape != (batch, len(self.sources), samples, channels):
            raise ValueError(
                f"{type(self.model).__name__} gave {estimates.shape} for {audio.shape}: "
                "expected (batch, sources, samples, channels)"
            )
        return estimates if heard.all() else estimates * heard[:, None, :, None]

    def asked(self, sources: Sequence[str] | None) -> tuple[str, ...]:
        """The sources to return, each once; None is all of them.

        Raises:
          ValueError: one that this separator does not have, or none.
        """
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


def check_options(segment: float | None, overlap: float | None, shifts, batch_size) -> None:
    """ValueError where an option of a separator is out of its range; None is in it."""
    if segment is not None and not 0 < segment < 3600:
        raise ValueError(f"segment is {segment} s: expected more than 0 and less than an hour")
    if overlap is not None and not 0 <= overlap < 1:
        raise ValueError(f"overlap is {overlap}: expected 0 ≤ overlap < 1")
    for name, value in (("shifts", shifts), ("batch_size", batch_size)):
        if value is not None and (value != int(value) or value < 1):
            raise ValueError(f"{name} is {value}: expected a whole number from 1")

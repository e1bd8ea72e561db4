"""Where decoded frames belong: samples are counted, time stamps only tell of what is lost.

The time stamps of many containers are coarser than a sample (a millisecond in Matroska, WebM, ASF
and Flash). A position that is read from them is wrong by up to half a tick at every packet, so the
samples of a decoder are set one after the other, as the decoder gives them.
"""

from dataclasses import dataclass

import av

LONGEST = 60  # seconds; time stamps that jump further are not those of lost packets


@dataclass(frozen=True)
class Hole:
    """A place where time stamps jump ahead: packets are lost there.

    Attributes:
      position: where it begins, in samples.
      samples: how much is missing.
      filled: whether it is filled with silence; else the samples go on without a gap.
    """

    position: int
    samples: int
    filled: bool

    def described(self, rate: int) -> str:
        """One line, without the file's name."""
        missing, at = self.samples / rate, self.position / rate
        if self.filled:
            return f"lacks {missing:.3f} s at {at:.3f} s: filled with silence"
        return f"has time stamps that jump by {missing:.1f} s at {at:.3f} s: read on without a gap"


class Positions:
    """Positions of the frames of one stream, in the order in which they are decoded.

    Time stamps are compared from frame to frame. A jump of less than half a frame or of less than
    three ticks is the time base's, and so is every step back; a larger one is a hole. Lost packets
    are whole frames: where the jump fits a number of them up to its rounding, it is that long.

    Args:
      time_base: seconds per tick.
      rate: in Hz.
      start: position of the first frame.

    Attributes:
      next: position after the last frame.
      holes: what was missing so far.
    """

    def __init__(self, time_base, rate: int, start: int = 0):
        self.next = start
        self.holes: list[Hole] = []
        self._rate = rate
        self._tick = float(time_base * rate)  # samples
        self._frame = 0
        self._ahead: float | None = None

    def place(self, frame: av.AudioFrame) -> int:
        """Return the position of a frame's first sample, after a hole where there is one."""
        self._frame = max(self._frame, frame.samples)
        if frame.pts is not None:
            ahead = frame.pts * self._tick - self.next
            missing = 0
            if self._ahead is not None:
                missing = self._missing(ahead - self._ahead)
            if missing:
                filled = missing <= LONGEST * self._rate
                self.holes.append(Hole(self.next, missing, filled))
                if filled:
                    self.next += missing
                    ahead -= missing
            self._ahead = ahead
        position = self.next
        self.next += frame.samples
        return position

    def _missing(self, jump: float) -> int:
        """Samples that a jump of the time stamps stands for; 0 where it is their resolution."""
        if jump < max(3 * self._tick, self._frame / 2):
            return 0
        frames = round(jump / self._frame)
        if abs(jump - frames * self._frame) <= 2 * self._tick + 1:
            return frames * self._frame
        return round(jump)

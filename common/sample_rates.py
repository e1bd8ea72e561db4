"""Lengths of audio at other sample rates."""


def resampled_length(samples: int, from_rate: int, to_rate: int) -> int:
    """Length after resampling: ceil(samples · to_rate / from_rate).

    Rounded up both ways, a round trip is never shorter than it began.

    Args:
      samples: length at `from_rate`.
      from_rate, to_rate: in Hz.
    """
    return -(-samples * to_rate // from_rate)

"""Which hyperparameters of the RoFormers are possible."""

from dssgan.models.targets import check_spectral

COUNTS = (
    "sample_rate",
    "frame_length",
    "hop",
    "features",
    "blocks",
    "heads",
    "head_width",
    "time_depth",
    "band_depth",
    "mask_depth",
    "mask_expansion",
    "feed_forward",
)


def check_sizes(system: str, given: dict) -> None:
    """Check the hyperparameters of a RoFormer: ValueError with one line that names the key."""
    check_spectral(system, given, COUNTS)
    if given["head_width"] % 2:
        raise ValueError(f"{system}: head_width is {given['head_width']}, expected an even number")


def check_bands(system: str, widths, bins: int) -> None:
    """Check bins per band: ValueError with one line."""
    whole = isinstance(widths, list | tuple) and all(type(width) is int for width in widths)
    if not whole or len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"{system}: bands {widths!r}: expected two or more numbers of bins")
    if sum(widths) != bins:
        raise ValueError(f"{system}: bands have {sum(widths)} bins, the spectrum has {bins}")

"""Which hyperparameters of the RoFormers are possible."""

from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.targets import check_targets

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
    for key in COUNTS:
        if not isinstance(given[key], int) or isinstance(given[key], bool) or given[key] < 1:
            raise ValueError(f"{system}: {key} is {given[key]!r}, expected an integer ≥ 1")
    if given["head_width"] % 2:
        raise ValueError(f"{system}: head_width is {given['head_width']}, expected an even number")
    if given["frame_length"] % 2 or given["hop"] > given["frame_length"] // 2:
        raise ValueError(
            f"{system}: frame_length {given['frame_length']} and hop {given['hop']}: expected an "
            "even length and at most half of it"
        )
    if given["channels"] not in (1, 2):
        raise ValueError(f"{system}: channels is {given['channels']!r}, expected 1 or 2")
    if given["precision"] not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ValueError(f"{system}: precision {given['precision']!r}, expected one of {known}")
    check_targets(system, given["sources"], given["targets"])


def check_bands(system: str, widths, bins: int) -> None:
    """Check bins per band: ValueError with one line."""
    whole = isinstance(widths, list | tuple) and all(type(width) is int for width in widths)
    if not whole or len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"{system}: bands {widths!r}: expected two or more numbers of bins")
    if sum(widths) != bins:
        raise ValueError(f"{system}: bands have {sum(widths)} bins, the spectrum has {bins}")

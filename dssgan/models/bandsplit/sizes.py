"""Which hyperparameters of Band-Split RNN are possible."""

from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.targets import check_targets

VARIANTS = ("authors", "amanteur")


def check_sizes(given: dict) -> None:
    """Check the hyperparameters of `BandSplit`: ValueError with one line that names the key."""
    sizes = ("sample_rate", "frame_length", "hop", "features", "hidden", "repeats", "mask_hidden")
    for key in (*sizes, "frames"):
        if not isinstance(given[key], int) or given[key] < 1:
            raise ValueError(f"bandsplit: {key} is {given[key]!r}, expected an integer ≥ 1")
    if given["frame_length"] % 2 or not 1 <= given["hop"] <= given["frame_length"] // 2:
        raise ValueError(
            f"bandsplit: frame_length {given['frame_length']} and hop {given['hop']}: expected an "
            "even length and at most half of it"
        )
    for key, known in (("variant", VARIANTS), ("precision", PRECISIONS)):
        if given[key] not in known:
            raise ValueError(f"bandsplit: {key} {given[key]!r}, expected one of {', '.join(known)}")
    if given["variant"] == "amanteur" and (given["frames"] - 1) * given["hop"] <= (
        given["frame_length"] // 2
    ):
        raise ValueError(
            f"bandsplit: frames is {given['frames']}: too short, (frames − 1) · hop must exceed "
            "half a frame"
        )
    check_targets("bandsplit", given["sources"], given["targets"])

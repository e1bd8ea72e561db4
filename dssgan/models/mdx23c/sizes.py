"""Which hyperparameters of MDX23C are possible."""

from dssgan.models.layers.precision import PRECISIONS
from dssgan.models.mdx23c.layers import activation
from dssgan.models.targets import check_targets

COUNTS = (
    "sample_rate",
    "frame_length",
    "hop",
    "bins",
    "subbands",
    "width",
    "growth",
    "scales",
    "blocks",
    "narrow",
)


def check_sizes(given: dict) -> None:
    """Check the hyperparameters of `MDX23C`: ValueError with one line that names the key."""
    for key in COUNTS:
        if type(given[key]) is not int or given[key] < (0 if key == "growth" else 1):
            raise ValueError(f"mdx23c: {key} is {given[key]!r}, expected an integer ≥ 1")
    factors = given["factors"]
    if len(factors) != 2 or not all(type(value) is int and value > 0 for value in factors):
        raise ValueError(f"mdx23c: factors is {factors!r}, expected two integers ≥ 1")
    if given["frame_length"] % 2 or given["hop"] > given["frame_length"] // 2:
        raise ValueError(
            f"mdx23c: frame_length {given['frame_length']} and hop {given['hop']}: expected an "
            "even length and at most half of it"
        )
    least = given["subbands"] * factors[1] ** given["scales"]
    if given["bins"] % least or given["bins"] > given["frame_length"] // 2 + 1:
        raise ValueError(
            f"mdx23c: bins is {given['bins']}: expected a multiple of {least} (subbands times "
            f"factors[1] to the power of scales), {given['frame_length'] // 2 + 1} at most"
        )
    if given["bins"] // least < given["narrow"]:
        raise ValueError(f"mdx23c: narrow is {given['narrow']}: {given['bins'] // least} at most")
    if given["channels"] not in (1, 2):
        raise ValueError(f"mdx23c: channels is {given['channels']!r}, expected 1 or 2")
    if given["precision"] not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ValueError(f"mdx23c: precision {given['precision']!r}, expected one of {known}")
    activation(given["activation"])
    check_targets("mdx23c", given["sources"], given["targets"])

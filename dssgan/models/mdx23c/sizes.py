"""Which hyperparameters of MDX23C are possible."""

from dssgan.models.mdx23c.layers import activation
from dssgan.models.targets import check_spectral

COUNTS = (
    "sample_rate",
    "frame_length",
    "hop",
    "bins",
    "subbands",
    "width",
    "scales",
    "blocks",
    "narrow",
)


def check_sizes(given: dict) -> None:
    """Check the hyperparameters of `MDX23C`: ValueError with one line that names the key."""
    check_spectral("mdx23c", given, COUNTS)
    if type(given["growth"]) is not int or given["growth"] < 0:
        raise ValueError(f"mdx23c: growth is {given['growth']!r}, expected an integer ≥ 0")
    factors = given["factors"]
    if len(factors) != 2 or not all(type(value) is int and value > 0 for value in factors):
        raise ValueError(f"mdx23c: factors is {factors!r}, expected two integers ≥ 1")
    least = given["subbands"] * factors[1] ** given["scales"]
    if given["bins"] % least or given["bins"] > given["frame_length"] // 2 + 1:
        raise ValueError(
            f"mdx23c: bins is {given['bins']}: expected a multiple of {least} (subbands times "
            f"factors[1] to the power of scales), {given['frame_length'] // 2 + 1} at most"
        )
    if given["bins"] // least < given["narrow"]:
        raise ValueError(f"mdx23c: narrow is {given['narrow']}: {given['bins'] // least} at most")
    activation(given["activation"])

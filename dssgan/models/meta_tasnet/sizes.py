"""Which sizes of the multi-stage separator are possible."""

from dssgan.models.layers.precision import PRECISIONS


def check_sizes(given: dict) -> None:
    """Check the hyperparameters of `MultiStage`: ValueError with one line that names the key."""
    for key in ("stages", "base_rate", "width", "filter_length", "stride", "banks", "layers"):
        if not isinstance(given[key], int) or given[key] < 1:
            raise ValueError(f"multistage: {key} is {given[key]!r}, expected an integer ≥ 1")
    if len(given["sources"]) < 2 or len(set(given["sources"])) != len(given["sources"]):
        raise ValueError(
            f"multistage: sources {given['sources']}: expected two or more, all different"
        )
    if given["precision"] not in PRECISIONS:
        raise ValueError(
            f"multistage: precision {given['precision']!r}, expected one of {', '.join(PRECISIONS)}"
        )
    for bank in range(given["banks"]):
        overhang = given["filter_length"] * 2**bank - given["stride"]
        if overhang < 0 or overhang % 2:
            raise ValueError(
                f"multistage: filters of {given['filter_length'] * 2**bank} samples at stride "
                f"{given['stride']}: the difference must be even and not negative"
            )
    if not 0 <= given["dropout"] < 1:
        raise ValueError(f"multistage: dropout is {given['dropout']}, expected 0 ≤ dropout < 1")

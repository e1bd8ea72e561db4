"""Which sizes of the Wavenet are possible, and where its weights begin."""

from dssgan.models.layers.precision import PRECISIONS


def check_sizes(given: dict) -> None:
    """Check the hyperparameters of `Wavenet`: ValueError with one line that names the key."""
    sizes = ("layers", "stacks", "residual", "skip", "sample_rate", "target_field")
    numbers = [(key, given[key]) for key in sizes]
    numbers += [(f"final[{place}]", size) for place, size in enumerate(given["final"])]
    for key, value in numbers:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"wavenet: {key} is {value!r}, expected an integer ≥ 1")
    if len(given["final"]) != 2:
        raise ValueError(f"wavenet: final is {given['final']}, expected the channels of two layers")
    if given["target_field"] % 2 == 0:
        raise ValueError(
            f"wavenet: target_field is {given['target_field']}, expected an odd number"
        )
    if given["precision"] not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ValueError(f"wavenet: precision {given['precision']!r}, expected one of {known}")
    sources, targets = given["sources"], given["targets"]
    for key, names in (("sources", sources), ("targets", targets)):
        if not names or len(set(names)) != len(names):
            raise ValueError(f"wavenet: {key} {names}: expected at least one name, each once")
    rest = set(sources) - set(targets)
    if set(targets) - set(sources) or len(rest) > 1:
        raise ValueError(
            f"wavenet: targets {targets} of sources {sources}: expected all sources, or all but "
            "one, which is what the others leave of the mixture"
        )

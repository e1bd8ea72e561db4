"""Which hyperparameters of SCNet are possible."""

from dssgan.models.targets import check_spectral

COUNTS = ("sample_rate", "frame_length", "hop", "compress", "module_kernel", "paths", "expand")
LISTS = {"widths": None, "strides": 3, "kernels": 3, "depths": 3}


def check_sizes(given: dict) -> None:
    """Check the hyperparameters of `SCNet`: ValueError with one line that names the key."""
    check_spectral("scnet", given, COUNTS)
    for key, length in LISTS.items():
        whole = all(type(value) is int and value > 0 for value in given[key])
        if not given[key] or not whole or len(given[key]) != (length or len(given[key])):
            count = f"{length} " if length else ""
            raise ValueError(f"scnet: {key} is {given[key]!r}, expected {count}integers ≥ 1")
    shares = given["shares"]
    if len(shares) != 3 or not all(0 < share < 1 for share in shares) or sum(shares[:2]) >= 1:
        raise ValueError(f"scnet: shares is {shares!r}, expected three above 0, 1 in all")
    for stride, kernel in zip(given["strides"], given["kernels"]):
        if kernel % stride:
            raise ValueError(f"scnet: a kernel of {kernel} at stride {stride}: expected a multiple")
    if given["paths"] % 2 or not given["module_kernel"] % 2:
        raise ValueError(
            f"scnet: paths {given['paths']} and module_kernel {given['module_kernel']}: expected "
            "an even and an odd number"
        )
    if min(given["widths"]) < given["compress"]:
        raise ValueError(f"scnet: widths {given['widths']}: expected {given['compress']} or more")

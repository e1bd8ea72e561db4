"""What differs between two configurations, and what may differ when a run goes on."""

from typing import Any

from dssgan.config.mappings import flatten, to_dict

# Keys that may differ when a run is taken up again: they do not change what is learnt.
FREE = ("name", "tracking", "checkpoint", "evaluation", "compute.xla", "data.workers", "data.cache")
FREE += ("compute.workers", "compute.wait")


def differences(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """{dotted key: (old value, new value)} of what would change the course of training."""
    before, after = decisive(old), decisive(new)
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {key: (before.get(key), after.get(key)) for key in keys}


def decisive(config: Any) -> dict[str, Any]:
    """{dotted key: value} of what the course of training follows from."""
    return {
        key: value
        for key, value in flatten(to_dict(config)).items()
        if not any(key == free or key.startswith(free + ".") for free in FREE)
    }

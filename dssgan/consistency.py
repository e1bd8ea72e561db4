"""What no single key of a configuration can tell: contradictions, changes since an older run."""

from typing import Any

from dssgan.typed import flatten, to_dict

# Keys that may differ when a run is taken up again: they do not change what is learnt.
FREE = ("name", "tracking", "checkpoint", "evaluation", "compute.xla", "data.workers", "data.cache")


def check(config: Any, phases: tuple[str, ...]) -> None:
    """Check a configuration as a whole; `phases` are the known ones.

    Raises:
      ValueError: keys that contradict each other.
    """
    for key in ("alpha", "beta"):
        if getattr(config, key):
            raise ValueError(
                f"{key}={getattr(config, key):g} weighs a loss of the adversarial phase, but the "
                f"phases are {', '.join(config.phases)}; set {key}=0 (known phases: "
                f"{', '.join(phases)})"
            )
    for key in ("sources", "phases"):
        names = getattr(config, key)
        if not names or len(set(names)) != len(names):
            raise ValueError(f"{key}={list(names)}: expected at least one name, each once")
    for source in config.validation.sources:
        if source not in config.sources:
            raise ValueError(
                f"validation.sources: {source!r} is none of the sources {', '.join(config.sources)}"
            )
    low, high = config.data.augmentation.gain
    if high < low:
        raise ValueError(
            f"data.augmentation.gain=[{low:g}, {high:g}]: the lower factor comes first"
        )
    if config.data.batch % config.optimiser.accumulate:
        raise ValueError(
            f"data.batch={config.data.batch} is not a multiple of "
            f"optimiser.accumulate={config.optimiser.accumulate}"
        )


def differences(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """{dotted key: (old value, new value)} of what would change the course of training."""
    before, after = flatten(to_dict(old)), flatten(to_dict(new))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {
        key: (before.get(key), after.get(key))
        for key in keys
        if not any(key == free or key.startswith(free + ".") for free in FREE)
    }

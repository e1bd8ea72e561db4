"""What a run stands on: the project's programs, its packages, its state in Git."""

import contextlib
import importlib.metadata
from pathlib import Path
from typing import Any

PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "scipy", "soundfile", "soxr", "av")
PACKAGES += ("librosa", "mir_eval", "sacred", "pymongo", "tensorboard", "matplotlib", "pyyaml")


def add_sources(experiment: Any, root: Path) -> None:
    """Let Sacred record the project's programs and the versions of the packages they stand on.

    It asked Git once, about the main file; to ask about each of a hundred files takes seconds.
    """
    experiment.save_git_info = False
    for package in ("common", "dssgan", "datasets", "evaluation", "experiments"):
        for path in sorted((root / package).rglob("*.py")):
            experiment.add_source_file(str(path))
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            experiment.add_package_dependency(package, importlib.metadata.version(package))


def has_git(root: Path) -> bool:
    """Whether Sacred can ask Git about the project (it fails on a repository without a commit)."""
    with contextlib.suppress(Exception):
        import git

        return bool(git.Repo(root, search_parent_directories=True).head.commit.hexsha)
    return False

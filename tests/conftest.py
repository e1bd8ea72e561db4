"""Fixtures that every room's tests use."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["DSSGAN_MODELS"] = str(Path(__file__).with_name("no-models"))  # none of the user's

import numpy as np
import pytest

from tests.dask_programs import DaskPrograms

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real audio and fixtures beside the checkout; skips without it, never in CI."""
    if not SHARED.is_dir():
        assert os.environ.get("CI") != "true", "the folder ../shared must be there in CI"
        pytest.skip("needs the folder ../shared beside the checkout")
    return SHARED


@pytest.fixture
def dask(tmp_path) -> Iterator[DaskPrograms]:
    """Starts a Dask scheduler and workers, and ends them with the test."""
    programs = DaskPrograms(tmp_path)
    yield programs
    programs.end()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)

"""Signals and reference programs for the evaluation tests."""

import importlib
import sys
import types
import warnings

import hypothesis
import pytest
import threadpoolctl

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("evaluation", deadline=None)
hypothesis.settings.load_profile("evaluation")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Matrices here are small: threads that wait for each other would only disturb other tests."""
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def museval():
    """The museval package; its musdb import needs an ffmpeg program, which scoring does not."""
    try:
        return importlib.import_module("museval")
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] in ("museval", "musdb")]:
            del sys.modules[name]
        sys.modules["musdb"] = types.ModuleType("musdb")
        return importlib.import_module("museval")


@pytest.fixture(scope="session")
def mir_eval():
    """mir_eval.separation without its notes on deprecation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield importlib.import_module("mir_eval.separation")


@pytest.fixture
def signals(rng):
    """(references, estimates): three stereo sources, each estimate with leakage and noise."""
    references = rng.standard_normal((3, 6000, 2))
    estimates = references + 0.2 * references[::-1] + 0.3 * rng.standard_normal(references.shape)
    return references, estimates

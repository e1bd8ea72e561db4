"""What every test of the library starts from."""

import keras
import pytest


@pytest.fixture(scope="module", autouse=True)
def repeatable_models():
    """Models that a whole module shares begin with the same weights in every run."""
    keras.utils.set_random_seed(1)


@pytest.fixture(autouse=True)
def repeatable_weights(repeatable_models):
    """Whatever a test builds begins with the same weights in every run and in any order."""
    keras.utils.set_random_seed(1)

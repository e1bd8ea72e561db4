"""What every test of the library starts from."""

import os

import keras
import pytest

from common.cli import run
from dssgan import models, separate
from dssgan.separator import Separator
from tests.dssgan.separator_stand_ins import Filter, Splitter

KIT = ("kick", "snare", "toms", "hats", "cymbals")
FOUR = ("drums", "bass", "other", "vocals")


@pytest.fixture(scope="module", autouse=True)
def repeatable_models():
    """Models that a whole module shares begin with the same weights in every run."""
    keras.utils.set_random_seed(1)


@pytest.fixture(autouse=True)
def repeatable_weights(repeatable_models):
    """Whatever a test builds begins with the same weights in every run and in any order."""
    keras.utils.set_random_seed(1)


@pytest.fixture
def registered(monkeypatch):
    """The stand-ins under names that exports know."""
    monkeypatch.setitem(models.SEPARATORS, "splitter", Splitter)
    monkeypatch.setitem(models.SEPARATORS, "filter", Filter)


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Exported separators: two sources, four, an incomplete set, one that amplifies."""
    top = tmp_path_factory.mktemp("exports")
    patch = pytest.MonkeyPatch()
    patch.setitem(models.SEPARATORS, "splitter", Splitter)
    patch.setitem(models.SEPARATORS, "filter", Filter)
    free = {"unit_variance": True, "scale_free": True}
    built = {
        "two": Filter(gains=(30, -0.02), **free),
        "four": Splitter(gains=(0.4, 0.3, 0.2, 0.1), sources=FOUR),
        "some": Splitter(gains=(0.4, 0.3), sources=("drums", "vocals")),
        "loud": Splitter(gains=(3, -2)),
        "kit": Splitter(gains=(0.3, 0.25, 0.2, 0.15, 0.05), sources=KIT, sample_rate=6000),
    }
    for name, model in built.items():
        Separator(model).save(top / name)
    patch.undo()
    return top


@pytest.fixture
def call(exports, capsys, registered):
    """Run the command as a shell would; returns exit code, output and errors."""

    def call(*arguments, model="two"):
        arguments = [os.fspath(argument) for argument in arguments]
        if model is not None:
            arguments += ["--model", os.fspath(exports / model)]
        with pytest.raises(SystemExit) as left:
            run(separate.main, [*arguments, "--segment", "0.5"])
        output = capsys.readouterr()
        return left.value.code, output.out, output.err

    return call


@pytest.fixture(scope="module")
def jax_cache(tmp_path_factory):
    """Where JAX keeps what it has compiled, so that a module compiles each function once.

    Compiling with less effort is no way: gradients of Meta-TasNet are NaN then, on a CPU. Other
    tests in this process may have asked for deterministic operations, of which XLA lacks some.
    """
    import jax
    from tensorflow.python.framework import config

    asked = config.is_op_determinism_enabled()
    config.disable_op_determinism()
    folder = tmp_path_factory.mktemp("compiled")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    yield folder
    jax.config.update("jax_compilation_cache_dir", None)
    if asked:
        config.enable_op_determinism()

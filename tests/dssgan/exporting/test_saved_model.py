"""SavedModels: the same numbers, by TensorFlow alone."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dssgan import export as command
from dssgan.exporting import parity, saved_model
from dssgan.models import SEPARATORS, build, export
from dssgan.portable import portable
from dssgan.separator import Separator
from tests.dssgan.models.test_conformance import BANDSPLIT, QUICK

ALONE = """
import sys
import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
found = loaded.signatures["serving_default"](mixture=tf.constant(np.load(sys.argv[2])))
names = [name.decode() for name in loaded.sources.numpy()]
np.save(sys.argv[3], np.stack([found[name].numpy() for name in names], axis=1))
print(loaded.sample_rate.numpy(), [name for name in sys.modules if name.startswith("dssgan")])
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SEPARATORS))
def test_every_system(name, tmp_path):
    model = build(name, **QUICK[name])
    separator = Separator(model, segment=0.5)
    place = saved_model.write(model, tmp_path, separator.segment, 2)
    difference = parity.difference_db(separator, lambda audio: saved_model.run(place, audio), 2)
    assert difference < max(-100.0, rounding(separator) + 6.0)


def rounding(separator):
    """How far TensorFlow is from itself, dB, when it takes sums in another order (without XLA).

    With its first weights Meta-TasNet makes much of the last digit: -84 dB at this size.
    """

    def plain(audio):
        model = separator.model
        with portable():
            return model.infer(tf.constant(audio), model.inference_state()).numpy()

    return parity.difference_db(separator, plain, 2)


def test_the_command_and_a_program_without_the_library(tmp_path, capsys, rng):
    model = build("bandsplit", **BANDSPLIT, sources=["drums", "accompaniment"])
    export.save(model, tmp_path / "keras")
    words = [str(tmp_path / "keras"), str(tmp_path / "out"), "--to", "savedmodel", "--segment", "1"]
    assert command.main([*words, "--channels", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path / 'out' / 'saved_model'}: drums, accompaniment, ")
    separator = Separator.load(tmp_path / "keras", segment=1.0)
    chunk = 0.1 * rng.standard_normal((1, separator.segment, 1)).astype(np.float32)
    np.save(tmp_path / "chunk.npy", chunk)
    files = [tmp_path / "out" / "saved_model", tmp_path / "chunk.npy", tmp_path / "found.npy"]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, files)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["8000", "[]"]
    expected = separator.inference(1)(chunk)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-6)

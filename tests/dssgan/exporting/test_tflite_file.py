"""TensorFlow Lite files: the same numbers, by LiteRT alone."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from dssgan import export as command
from dssgan.exporting import parity, tflite_file
from dssgan.models import SEPARATORS, build, export
from dssgan.models.layers import lstm
from dssgan.separator import Separator
from tests.dssgan.exporting.test_saved_model import rounding
from tests.dssgan.models.test_conformance import BANDSPLIT, QUICK
from tests.dssgan.separator_stand_ins import Splitter, Transforming

ALONE = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter

separate = Interpreter(sys.argv[1]).get_signature_runner()
chunk = np.load(sys.argv[2])
separate(mixture=1.0 - chunk)
found = separate(mixture=chunk)
np.savez(sys.argv[3], **found)
print([name for name in sys.modules if name.split(".")[0] in ("tensorflow", "dssgan", "keras")])
"""
CASES = [
    *((name, QUICK[name]) for name in sorted(SEPARATORS)),
    ("bandsplit", {**BANDSPLIT, "variant": "amanteur", "frames": 64}),
    ("wavenet", {**QUICK["wavenet"], "exact_original": True, "target_field": 2001}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sizes"), CASES)
def test_every_system(name, sizes, tmp_path):
    model = build(name, **sizes)
    separator = Separator(model, segment=0.5)
    place = tflite_file.write(model, tmp_path, separator.segment, 2)
    difference = parity.difference_db(separator, lambda audio: tflite_file.run(place, audio), 2)
    assert difference < max(-100.0, rounding(separator) + 6.0)


def test_the_command_and_a_program_without_tensorflow(tmp_path, capsys, rng):
    model = build("bandsplit", **BANDSPLIT, sources=["drums", "accompaniment"])
    export.save(model, tmp_path / "keras")
    out = tmp_path / "out"
    words = [str(tmp_path / "keras"), str(out), "--to", "tflite", "--segment", "0.5"]
    assert command.main([*words, "--channels", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{out / 'separator.tflite'}: drums, accompaniment, ")
    assert float(said.split()[-2]) < -100
    separator = Separator.load(tmp_path / "keras", segment=0.5)
    facts = json.loads((out / "separator.tflite.json").read_text())
    sizes = {"sample_rate": 8000, "samples": separator.segment, "channels": 1}
    assert facts == {"sources": ["drums", "accompaniment"], **sizes}
    chunk = 0.1 * rng.standard_normal((1, separator.segment, 1)).astype(np.float32)
    np.save(tmp_path / "chunk.npy", chunk)
    files = [out / "separator.tflite", tmp_path / "chunk.npy", tmp_path / "found.npz"]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, files)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["[]"]
    expected = separator.inference(1)(chunk)
    with np.load(tmp_path / "found.npz") as found:
        assert sorted(found) == ["accompaniment", "drums"]
        estimates = np.stack([found[source] for source in separator.sources], axis=1)
    np.testing.assert_allclose(estimates, expected, atol=1e-6)


class Counting(Splitter):
    """A tenth of what an LSTM lets out that adds the signs of its input up."""

    def call(self, mixture, training=False):
        kernel = tf.constant([[0.0, 0.0, 100.0, 0.0]])
        bias = tf.constant([100.0, 100.0, 0.0, 100.0])
        recurrent = tf.fill((1, 4), 1e-9)
        found = lstm.direction(tf.transpose(mixture, (1, 0, 2)), kernel, recurrent, bias)
        return super().call(0.1 * tf.transpose(found, (1, 0, 2)))


@pytest.fixture
def counting(tmp_path):
    """A file that counts, as LiteRT runs it: chunk after chunk of 32 samples."""
    place = tflite_file.write(Counting(), tmp_path, 32, 1)
    return Interpreter(str(place)).get_signature_runner()


def test_cells_of_lstms_may_grow(counting):
    """Fifteen up and twelve down leave three; bounded by ten, minus two were left."""
    chunk = np.r_[np.ones(15), -np.ones(12), np.zeros(5)].astype(np.float32)[None, :, None]
    found = counting(mixture=chunk)["drums"]
    assert found[0, -1, 0] == pytest.approx(0.075 * np.tanh(3.0), rel=1e-5)
    np.testing.assert_allclose(found, Counting()(chunk)[:, 0], atol=1e-6)


def test_a_chunk_knows_nothing_of_the_one_before(counting):
    silent, loud = np.zeros((1, 32, 1), np.float32), np.ones((1, 32, 1), np.float32)
    counting(mixture=loud)
    assert not np.any(counting(mixture=silent)["drums"])


def test_what_stands_in_the_way_is_named(tmp_path):
    message = "transforming: TensorFlow Lite has no counterpart of the operations .*IRFFT"
    with pytest.raises(ValueError, match=message) as caught:
        tflite_file.write(Transforming(), tmp_path, 800, 1)
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())

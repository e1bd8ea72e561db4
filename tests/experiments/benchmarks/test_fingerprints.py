"""The benchmark of fingerprints: copies are known again, other songs are not."""

import numpy as np

from datasets import audio
from experiments.benchmarks.fingerprints import main


def test_copies_and_others(tmp_path, rng, capsys):
    for name in "ab":
        audio.write(tmp_path / f"{name}.wav", rng.uniform(-0.5, 0.5, (200_000, 2)), 44100)
    assert main([str(tmp_path), "--seconds", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 songs, 0.2 min") and len(lines) == 8
    assert lines[-1].endswith("0 copies missed, 0 pairs taken for one song")

    both = np.concatenate([audio.read(tmp_path / "a.wav")[0]] * 2)
    audio.write(tmp_path / "c.wav", both, 44100)
    assert main([str(tmp_path), "--seconds", "3"]) == 1
    assert capsys.readouterr().out.strip().endswith("1 pairs taken for one song")

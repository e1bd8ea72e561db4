"""The example of the HTTP interface, against a server."""

import subprocess
import sys

import numpy as np

from common.files import ROOT
from datasets import audio

EXAMPLE = ROOT / "examples" / "separate_over_http.py"


def test_songs_become_stems_and_what_fails_is_named(server, song, tmp_path):
    (tmp_path / "notes.wav").write_text("no music")
    words = [song, tmp_path / "notes.wav", "--out", tmp_path / "stems", "--format", "flac"]
    done = subprocess.run(
        [sys.executable, EXAMPLE, *words, "--server", server.url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1 and "notes.wav" in done.stderr
    assert "First Song" in done.stdout and "dBFS" in done.stdout
    stems = [
        audio.read(tmp_path / "stems" / "First Song" / f"{name}.flac")[0]
        for name in ("drums", "accompaniment")
    ]
    np.testing.assert_allclose(sum(stems), audio.read(song)[0], atol=2**-14)

"""The worker of the page with separators that take no time, for tests.

The "model" says what it does: "halves" separates, "coarse" does at 8 kHz, "slow" takes its time,
"killed" ends its process, "pieces" separates drums into five alike.
"""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from dssgan import loading
from dssgan.app import worker
from dssgan.separation.chunked import ChunkedSeparator

PIECES = ("kick", "snare", "toms", "hats", "cymbals")
MODEL = SimpleNamespace(
    sources=("drums", "accompaniment"),
    minimum=1,
    maximum=None,
    multiple=1,
    grid=1,
    context=0,
    scale_free=False,
    unit_variance=False,
    normalises=False,
)


class Halves(ChunkedSeparator):
    """Drums and accompaniment are a third and the rest of the mixture."""

    def __init__(self, kind):
        settings = {"segment": 1.0, "overlap": 0.0, "shifts": 1, "batch_size": 1}
        rate = 8000 if kind == "coarse" else 44100
        model = SimpleNamespace(**vars(MODEL), sample_rate=rate)
        model.sources = PIECES if kind == "pieces" else MODEL.sources
        super().__init__(model, **settings, consistent=None, temporary_folder=None)
        self.kind = kind

    def inference(self, channels):
        def infer(audio):
            if self.kind == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "slow":
                time.sleep(0.2)
            if self.kind == "pieces":
                return np.stack([audio / 5] * 5, axis=1).astype(np.float32)
            return np.stack([audio / 3, audio - audio / 3], axis=1).astype(np.float32)

        return infer


if __name__ == "__main__":
    loading.load = lambda model, **options: Halves(Path(model).name)
    worker.main()

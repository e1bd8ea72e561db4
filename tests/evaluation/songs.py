"""Songs and separators for tests of the runner."""

import numpy as np

from evaluation.protocols import Protocol

FAST = Protocol("fast", version="v4", window_s=0.5, hop_s=0.5, filter_length=8)
RATE = 1000


class Song:
    """A song of noise."""

    def __init__(self, name, split="test", seed=1, stems=("drums", "bass"), sample_rate=RATE):
        rng = np.random.default_rng(seed)
        self.name, self.split, self.stems, self.sample_rate = name, split, stems, sample_rate
        self.audio = {stem: rng.standard_normal((1500, 2)).astype(np.float32) for stem in stems}

    def read(self, stem="mixture"):
        if stem == "mixture":
            return sum(self.audio.values())
        return self.audio.get(stem, np.zeros((1500, 2), np.float32))


class Separator:
    """Half the mixture to each source; counts its calls and fails where told to."""

    def __init__(self, sources=("drums", "bass"), fails=()):
        self.sources, self.fails, self.calls = sources, list(fails), 0

    def __call__(self, mixture, sample_rate):
        self.calls += 1
        error = self.fails.pop(0) if self.fails else None
        if error is not None:
            raise error
        ramp = np.linspace(0.2, 0.8, len(mixture), dtype=np.float32)[:, None]
        return {name: mixture * (ramp + place) for place, name in enumerate(self.sources)}

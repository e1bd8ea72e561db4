"""What the critics of a run take the estimates for, before and after."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from dssgan.config.schema import Config
from dssgan.refinement.build import build_refinement
from dssgan.training.build import build_model, excerpt_samples
from experiments.adapting.figures import Figure, figure
from experiments.adapting.passes import Song

PHASE = "adversarial"


def critics_view(config: Config, run: Path, songs: Sequence[Song]) -> list[Figure]:
    """Mean logits of every critic of a single source; higher is taken more for a real recording.

    Critics that score spectra which a separator gives in training alone are left out, and songs
    of another rate than the separator's.

    Args:
      run: whose last checkpoint of the adversarial phase has the critics; without one there are no
        figures.
    """
    last = run / "checkpoints" / PHASE / "last.npz"
    if not last.is_file():
        return []
    model = build_model(config)
    samples = excerpt_samples(config, model)
    step, state = build_refinement(config, PHASE, tf.distribute.get_strategy(), model, samples)
    state.restore(last)
    margin, found = step.terms.critics.margin, []
    for entry in step.terms.critics.sources:
        if entry.magnitudes:
            continue
        values = {
            song.name: tuple(
                _logits(entry.critic, each.plain[entry.source], samples, margin)
                for each in (song.before, song.after)
            )
            for song in songs
            if song.sample_rate == model.sample_rate
        }
        source = model.sources[entry.source]
        found.append(figure("critics", source, True, values))
    return [each for each in found if each is not None]


def _logits(critic, audio: np.ndarray, samples: int, margin: int) -> float:
    """The mean over excerpts that follow one another; NaN of a song that is shorter than one."""
    channels = critic.hyperparameters["channels"]
    if audio.shape[1] != channels:
        audio = np.repeat(audio.mean(1, keepdims=True), channels, 1)
    starts = range(0, len(audio) - samples + 1, samples)
    parts = [audio[start + margin : start + samples - margin] for start in starts]
    if not parts:
        return float("nan")
    return float(np.mean([tf.reduce_mean(critic(part[None])[0]) for part in parts]))

"""Audio files: probing, reading, resampling, writing. The names below are the room's use of them."""

from datasets.audio.reading import *  # noqa: F403

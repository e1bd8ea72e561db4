"""Audio files: probing, reading, resampling and writing, as `from datasets import audio` has it."""

from datasets.audio.reading import EXTENSIONS, Info, blocks, is_audio, probe, read, resample
from datasets.audio.writing import FORMATS, Writer, write

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "Info",
    "Writer",
    "blocks",
    "is_audio",
    "probe",
    "read",
    "resample",
    "write",
]

"""Datasets of voice and accompaniment in miniature: noise in the folders of the real ones."""

import zlib

import yaml

from datasets import audio
from tests.datasets.conftest import noise

RATE, SAMPLES = 8192, 42_000  # just longer than an excerpt of the spectrogram U-Net


def write(path, samples=SAMPLES):
    """A stereo file that sounds like no other; returns what is in it."""
    sound = noise(samples, 2, zlib.crc32("/".join(path.parts[-3:]).encode()))
    audio.write(path, sound, RATE)
    return sound


def dsd100(root):
    """One song to train, two to validate and test."""
    for part, song in (("Dev", "Dev One"), ("Test", "Test One"), ("Test", "Test Two")):
        folder = root / "Sources" / part / song
        stems = [write(folder / f"{stem}.wav") for stem in ("drums", "bass", "other", "vocals")]
        audio.write(root / "Mixtures" / part / song / "mixture.wav", sum(stems), RATE)


def medleydb(root):
    """Three songs of a singer and a bass, with their metadata."""
    for name in ("Medley_One", "Medley_Three", "Medley_Two"):
        facts = {"has_bleed": "no", "mix_filename": f"{name}_MIX.wav", "stems": {}}
        for place, instrument in enumerate(("male singer", "electric bass"), 1):
            file = f"{name}_STEM_{place:02d}.wav"
            write(root / name / f"{name}_STEMS" / file)
            stem = {"component": "", "filename": file, "instrument": instrument}
            facts["stems"][f"S{place:02d}"] = stem
        write(root / name / f"{name}_MIX.wav")  # mastered: not the sum of the stems
        (root / name / f"{name}_METADATA.yaml").write_text(yaml.safe_dump(facts))


def ccmixter(root):
    """Three songs of an accompaniment and a voice."""
    for name in ("Mixter One", "Mixter Three", "Mixter Two"):
        parts = [write(root / name / f"source-{place:02d}.wav") for place in (1, 2)]
        audio.write(root / name / "mix.wav", sum(parts), RATE)

"""The 31 published methods of SiSEC 2018 (Stöter, Liutkus and Ito, LVA/ICA 2018) on MUSDB18."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.files import ROOT
from dssgan.training import npz

#: Where the frames lie beside the checkout, if they do; they are no part of the project.
PLACE = ROOT.parent / "shared" / "fixtures" / "evaluation" / "sisec2018" / "sisec2018_frames.npz"
LARGEST = 2**27  # bytes of each of the three arrays
COLUMNS = ("SDR", "SIR", "ISR", "SAR")
#: What knows the references; anything else was to be submitted without them.
ORACLES = ("IBM1", "IBM2", "IRM1", "IRM2", "MWF")
MIXTURE = "MIX"
SOURCES = ("vocals", "drums", "bass", "other", "accompaniment")
#: Settings that the published scores were made with (museval 0.2, BSS Eval v4).
SETTINGS = {"version": "v4", "window_s": 1.0, "hop_s": 1.0, "filter_length": 512}


@dataclass(frozen=True)
class Published:
    """Medians over frames of the published methods.

    Attributes:
      scores: {source: {method: {metric: {song: dB}}}}.
      songs: of MUSDB18's test.
    """

    scores: dict[str, dict[str, dict[str, dict[str, float]]]]
    songs: frozenset[str]


def read(path: Path) -> Published:
    """Read the frames and take each song's median.

    Raises:
      ValueError: not a file of such frames.
      OSError: it cannot be read.
    """
    try:
        with npz.opened(path) as file:
            names = ("keys", "lengths", "values")
            keys, lengths, values = (npz.array(file, n, path, largest=LARGEST) for n in names)
        fits = values.ndim == 2 and values.shape[1] == len(COLUMNS)
        if not fits or keys.dtype.kind != "U" or lengths.sum() != len(values):
            raise ValueError(f"values of shape {values.shape}, keys of type {keys.dtype}")
        blocks = np.split(values, np.cumsum(lengths)[:-1])
        scores: dict[str, Any] = {}
        songs = set()
        for key, block in zip(keys.tolist(), blocks, strict=True):
            method, song, source = key.split("|")
            songs.add(song)
            table = scores.setdefault(source, {}).setdefault(method, {})
            for metric, column in zip(COLUMNS, block.T.astype(float)):
                there = column[np.isfinite(column)]
                if there.size:
                    table.setdefault(metric, {})[song] = float(np.median(there))
    except OSError:
        raise
    except Exception as error:
        text = str(error).removeprefix(f"{path}: ")
        raise ValueError(
            f"{path}: not the frames of SiSEC 2018 (expected keys, lengths and values: {text})"
        ) from error
    return Published(scores, frozenset(songs))


def fits(settings: Mapping[str, Any]) -> bool:
    """Whether scores of these settings may stand beside the published ones."""
    return all(settings.get(key) == value for key, value in SETTINGS.items()) and not any(
        settings.get(key) for key in ("sample_rate", "mono", "alone", "permuted")
    )


def source_fits(source: str, sources: Sequence[str]) -> bool:
    """Whether a target is the published one: there the accompaniment is all but the vocals."""
    if source == "accompaniment":
        return "vocals" in sources
    return source in SOURCES


def songs_remark(songs: Sequence[str], published: Published) -> str:
    """What to know about the songs of the runs; "" where they are those of MUSDB18's test."""
    among = len(set(songs) & published.songs)
    if among == len(published.songs) == len(set(songs)):
        return ""
    if among == len(set(songs)):
        return (
            f"The runs were scored on {among} of the {len(published.songs)} test songs of MUSDB18."
        )
    return (
        "The published methods were scored on the test songs of MUSDB18, the runs on other songs: "
        "levels may differ because the songs do."
    )

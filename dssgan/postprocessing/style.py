"""The style of a song in figures, and how like a separator's training songs it is.

A separator's configuration has the mean and the deviation of each figure over its training songs
("style"; `python -m experiments.style` writes it). None of them depends on the level of a song.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.json_files import read_json
from dssgan.exports import ADVICE, CONFIG

HEARD_S = 90.0  # of a song, from its beginning
FRAME_S = 0.046  # 2048 samples at 44.1 kHz
EDGES = (20, 60, 120, 250, 500, 1000, 2000, 4000, 8000, 16000)  # of bands, in Hz
BEATS = (0.3, 1.0)  # seconds between them
#: In dB: the least level of a band, of a frame and of the sides; frames to leave out as silence.
BAND, FRAME, SIDES, SILENT = -60.0, -40.0, -40.0, -60.0
PRIOR = 4  # songs that the usual deviation counts as
#: The deviation of each kind of figure over songs of one collection: the median of four soundtracks
#: of games (warzone2100, hedgewars, supertux2, marsshooter; 113 pieces).
USUAL = {"level": 3.6, "change": 3.2, "onsets": 0.31, "pulse": 0.18, "sides": 4.4, "crest": 2.3}


@dataclass(frozen=True)
class Style:
    """What the training songs of a separator are like.

    Attributes:
      songs: how many were heard. figures: {figure: (mean, deviation)}, as of `figures`.
    """

    songs: int
    figures: Mapping[str, tuple[float, float]]

    def distance(self, found: Mapping[str, float]) -> float:
        """How unlike a song is: twice the negative logarithm of its density, mean over figures.

        The density is a product of normal ones; a deviation that few songs tell of is drawn to the
        usual one. Figures that only one side has count for nothing.

        Args:
          found: of the song, as of `figures`.
        """
        costs = []
        for name in sorted(found.keys() & self.figures.keys()):
            mean, deviation = self.figures[name]
            usual = USUAL.get(name.partition(" ")[0], deviation)
            variance = self.songs * deviation**2 + PRIOR * usual**2
            variance *= (1 + 1 / self.songs) / (self.songs + PRIOR)
            costs.append((found[name] - mean) ** 2 / variance + np.log(variance))
        return float(np.mean(costs)) if costs else np.inf

    def as_json(self) -> dict:
        """As `style_of` reads it."""
        rounded = {name: [round(one, 3) for one in pair] for name, pair in self.figures.items()}
        return {"songs": self.songs, "figures": rounded}


def style_of(folder: str | os.PathLike) -> Style:
    """The style of an exported separator's training songs.

    Raises:
      ValueError: its configuration does not tell. OSError: it cannot be read.
    """
    path = Path(folder) / CONFIG
    told = read_json(path, {"style?": dict}, ADVICE).get("style")
    advice = f"python -m experiments.style {folder} SONGS"
    if told is None:
        raise ValueError(f"{path}: tells nothing of the style of its training songs: {advice}")
    songs, found = told.get("songs"), told.get("figures")
    good = type(songs) is int and songs > 0 and isinstance(found, dict) and len(found) > 0
    if not good or not all(map(_is_pair, found.values())):
        raise ValueError(
            f"{path}: style: expected songs above 0 and figures {{name: [mean, deviation]}}: "
            f"{advice}"
        )
    return Style(songs, {name: (float(one), float(two)) for name, (one, two) in found.items()})


def _is_pair(value: object) -> bool:
    """Whether it is [mean, deviation]."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
    return numbers and bool(np.isfinite(value).all()) and value[1] >= 0


def over_songs(songs: Sequence[Mapping[str, float]]) -> Style:
    """The style of several songs.

    Args:
      songs: figures of each; those of silent ones are empty and left out.

    Raises:
      ValueError: none of them has figures.
    """
    heard = [song for song in songs if song]
    if not heard:
        raise ValueError("no song to tell a style of: expected some that are not silent")
    names = [name for name in heard[0] if all(name in song for song in heard)]
    values = {name: np.array([song[name] for song in heard]) for name in names}
    return Style(len(heard), {k: (float(v.mean()), float(v.std())) for k, v in values.items()})


def figures(audio: np.ndarray, sample_rate: int) -> dict[str, float]:
    """The figures of a song.

    Args:
      audio: float32 (samples, channels); `HEARD_S` of it are enough. sample_rate: in Hz.

    Returns:
      "level LOW": of the band from LOW Hz to the next edge, in dB of the whole. "change LOW": its
      standard deviation over frames, in dB. "onsets LOW": how fast it rises, in dB per frame, mean
      over three bands together. "pulse": the highest autocorrelation of all rises between
      two beats' distances. "sides": left less right, in dB of their sum. "crest": of the peak, in
      dB. Nothing for silence, or for less than a second.
    """
    frame = max(64, 2 ** round(np.log2(FRAME_S * sample_rate)))
    mono = audio.mean(1, dtype=np.float32)
    power = float(np.square(mono, dtype=np.float64).mean()) if len(mono) >= sample_rate else 0.0
    if not power > 0 or not np.isfinite(power):
        return {}
    bands = _band_powers(mono, frame, sample_rate)
    total = bands.sum(1)
    heard = total > 10 ** (SILENT / 10) * total.max()
    means = bands[heard].mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = np.maximum(10 * np.log10(means / means.sum()), BAND)
        each = np.nan_to_num(10 * np.log10(bands / means), nan=FRAME, neginf=FRAME)
    each = np.maximum(each, FRAME)
    rises = np.maximum(np.diff(each, axis=0), 0.0)
    found = {}
    for number, low in enumerate(EDGES[:-1]):
        if EDGES[number + 1] <= sample_rate / 2:
            found[f"level {low}"] = float(levels[number])
            found[f"change {low}"] = float(each[heard, number].std())
    for start in range(0, len(EDGES) - 1, 3):
        found[f"onsets {EDGES[start]}"] = float(rises[:, start : start + 3].mean() / heard.mean())
    found["pulse"] = _pulse(rises.mean(1), sample_rate / (frame // 2))
    found["crest"] = float(10 * np.log10(np.square(mono).max() / power))
    found["sides"] = _sides(audio, power)
    return found


def _band_powers(mono: np.ndarray, frame: int, rate: int) -> np.ndarray:
    """(frames, bands) by frames that overlap by half."""
    framed = np.lib.stride_tricks.sliding_window_view(mono, frame)[:: frame // 2]
    window = np.hanning(frame).astype(np.float32)
    limits = np.searchsorted(np.fft.rfftfreq(frame, 1 / rate), EDGES)
    found = np.zeros((len(framed), len(EDGES) - 1))
    for start in range(0, len(framed), 512):  # 8 MB at a time
        powers = np.abs(np.fft.rfft(framed[start : start + 512] * window, axis=1)) ** 2
        sums = np.concatenate([np.zeros((len(powers), 1)), powers.cumsum(1)], 1)
        found[start : start + 512] = np.diff(sums[:, limits], axis=1)
    return np.maximum(found, 0.0)


def _pulse(rises: np.ndarray, rate: float) -> float:
    """The highest autocorrelation within `BEATS`, of what has `rate` values per second."""
    first, last = (round(seconds * rate) for seconds in BEATS)
    centred = rises - rises.mean()
    power = float(centred @ centred)
    if power <= 0 or len(centred) <= last:
        return 0.0
    lags = range(first, last + 1)
    return max(float(centred[lag:] @ centred[:-lag]) / power for lag in lags)


def _sides(audio: np.ndarray, power: float) -> float:
    """Left less right of the first two channels, in dB of the sum's power."""
    if audio.shape[1] < 2:
        return SIDES
    difference = np.square((audio[:, 0] - audio[:, 1]) / 2, dtype=np.float64).mean()
    return float(max(10 * np.log10(difference / power), SIDES)) if difference > 0 else SIDES

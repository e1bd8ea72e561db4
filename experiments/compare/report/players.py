"""Spectrograms and players of a report, song by song."""

import html
import math
from collections.abc import Sequence

from experiments.compare.report import clips
from experiments.compare.report.excerpts import SECONDS, Excerpt, RunEstimate
from experiments.compare.report.plots import colour


def listening(excerpts: Sequence[Excerpt], metric: str = "") -> str:
    """The section of the page; "" where there is nothing to play."""
    if not excerpts:
        return ""
    legend = (
        f"Each run's worst, median and best song in {excerpts[0].source} {metric}: ten seconds "
        "around the loudest place of the reference, separated again by themselves, all sounds of a "
        "song at one level. Error: estimate minus reference. "
        "Another take of the same song goes on at the same place; a click in a picture seeks. "
        f"Pictures: {clips.LOWEST_HZ:g} Hz to half the sample rate, logarithmic, "
        f"{clips.RANGE:g} dB below the mixture's loudest."
    )
    sounds = sum(2 + 2 * len(excerpt.estimates) for excerpt in excerpts)
    kbps = clips.kbps_of(sounds, SECONDS)
    songs = "".join(_excerpt(excerpt, kbps) for excerpt in excerpts)
    return f'<p class="faint">{html.escape(legend)}</p>{songs}'


def _excerpt(excerpt: Excerpt, kbps: float) -> str:
    """One song: mixture and reference, then what each run makes of it."""
    sounds = [excerpt.mixture, excerpt.reference]
    for one in excerpt.estimates:
        sounds += [one.estimate, one.estimate - excerpt.reference]
    factor = clips.loudness_factor(*sounds)
    rate = excerpt.sample_rate
    shown = [clips.spectrogram(take * factor, rate) for take in sounds]
    top = float(shown[0].max())
    cards = []
    labels = ["mixture", f"reference: {excerpt.source}"] + ["estimate", "error"] * len(
        excerpt.estimates
    )
    for take, levels, label in zip(sounds, shown, labels):
        sound = clips.uri(clips.opus(take * factor, rate, kbps), "audio/ogg")
        picture = clips.uri(clips.picture(levels, top), "image/webp")
        cards.append(_take(sound, picture, len(take) / rate, rate, label))
    pairs = [f'<div class="pair"><p>the song</p>{cards[0]}{cards[1]}</div>']
    for place, one in enumerate(excerpt.estimates, 1):
        pairs.append(_pair(one, cards[2 * place] + cards[2 * place + 1]))
    minutes, seconds = divmod(int(excerpt.start), 60)
    song = html.escape(excerpt.song)
    return (
        f'<article class="song" data-song="{song}"><h3>{song} '
        f'<span class="faint">from {minutes}:{seconds:02d}</span></h3>'
        f'<div class="sounds">{"".join(pairs)}</div></article>'
    )


def _pair(one: RunEstimate, cards: str) -> str:
    ranks = f", its {' and '.join(one.ranks)} song" if one.ranks else ""
    score = f"{one.score:.2f} dB".replace("-", "−") if math.isfinite(one.score) else "no score"
    return (
        f'<div class="pair run-{one.run.colour}" style="--run:{colour(one.run)}">'
        f"<p><b>{html.escape(one.run.name)}</b> {score}{ranks}</p>{cards}</div>"
    )


def _take(sound: str, picture: str, seconds: float, rate: int, label: str) -> str:
    """A spectrogram with its player."""
    ticks = "".join(
        f'<span style="top:{100 * place:.0f}%">{text}</span>'
        for text, place in clips.frequency_ticks(rate)
    )
    name = html.escape(label)
    return (
        f'<div class="take" data-seconds="{seconds:.3f}"><div class="label">{name}</div>'
        f'<div class="view"><img alt="spectrogram of the {name}" src="{picture}">{ticks}'
        '<div class="head"></div></div><div class="play">'
        f'<button type="button" aria-label="play {name}">▶</button>'
        f'<input type="range" min="0" max="1" step="0.001" value="0" aria-label="place in {name}">'
        f'</div><audio preload="none" src="{sound}"></audio></div>'
    )

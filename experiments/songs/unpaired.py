"""Unpaired lists of a configuration: mixtures and solo recordings."""

from collections import Counter
from collections.abc import Mapping, Sequence

from datasets.activity.lists import listed
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.effects import Effects
from datasets.excerpts.levels import usual_levels
from datasets.excerpts.recordings import check_recordings
from datasets.excerpts.shape import ExcerptShape
from datasets.excerpts.unpaired import UnpairedExcerpts
from datasets.track import Track
from dssgan.config.schema import Config
from experiments.songs.caches import prepared
from experiments.songs.entries import Log, remarks, unpaired_entries


def unpaired_lists(
    config: Config, sample_rate: int, samples: int, paired: Sequence[Track], log: Log
) -> dict[str, list[Track]]:
    """The recordings of "mixtures" and of each source.

    Where the configuration names no mixtures, or no solo recordings of a source, the paired songs
    give them: drawn apart from one another they are unpaired as well.
    """
    found: dict[str, list[Track]] = {}
    for where, entry in unpaired_entries(config):
        kind = "mixtures" if where.startswith("unpaired.mixtures") else entry.source
        tracks = prepared(config, where, entry, sample_rate, mixture=kind == "mixtures")[0]
        if not tracks:
            raise ValueError(
                f"{where}: no songs for training in {entry.root or entry.name}; name some with "
                f"{where}.train=[…], or take the entry out"
            )
        named = None if kind == "mixtures" else config.sources
        silent = check_recordings(where, tracks, kind, named)
        log(described(where, tracks, silent, config, samples))
        for line in remarks(where, tracks, ()):
            log(line)
        found.setdefault(kind, []).extend(tracks)
    for kind in ("mixtures", *config.sources):
        if kind not in found:
            what = "mixtures" if kind == "mixtures" else f"solos of {kind}"
            log(f"unpaired: no {what} named; they come from the {len(paired)} paired songs")
            found[kind] = list(paired)
    return found


def described(
    where: str, tracks: Sequence[Track], silent: Sequence[str], config: Config, samples: int
) -> str:
    """A line on a list of recordings: how much it is, and what becomes of those that differ."""
    minutes = sum(track.duration for track in tracks) / 60.0
    parts = [f"{where}: {len(tracks)} recordings, {minutes:.1f} min"]
    if len(tracks) < config.data.batch:
        parts.append(f"fewer than a batch of {config.data.batch}: batches repeat them")
    short = sum(track.samples < samples for track in tracks)
    if short:
        ways = {"loop": "looped (unpaired.short=pad sets them in silence)"}
        ways["pad"] = "set in silence (unpaired.short=loop repeats them)"
        parts.append(f"{short} shorter than an excerpt: {ways[config.unpaired.short]}")
    rates = Counter(track.original_rate for track in tracks)
    if len(rates) > 1:
        counts = ", ".join(f"{count} of {rate} Hz" for rate, count in sorted(rates.items()))
        parts.append(f"{counts}, resampled to {tracks[0].sample_rate}")
    mono = sum(track.channels == 1 for track in tracks)
    if 0 < mono < len(tracks):
        ways = {1: "left or right is taken of these", 2: "mono comes on both sides"}
        stereo = len(tracks) - mono
        parts.append(f"{mono} mono, {stereo} stereo: {ways[config.data.channels]}")
    if silent:
        parts.append(f"{len(silent)} silent, such as {silent[0]}")
    return "; ".join(parts)


def excerpt_shape(config: Config, samples: int) -> ExcerptShape:
    """The shape of batches of a configuration, paired and unpaired."""
    return ExcerptShape(
        samples=samples,
        batch_size=config.data.batch,
        channels=config.data.channels,
        sources=tuple(config.sources),
        short=config.unpaired.short,
    )


def unpaired_excerpts(
    config: Config,
    samples: int,
    paired: Sequence[Track],
    lists: Mapping[str, Sequence[Track]],
    stream: int,
    effects: Effects,
) -> UnpairedExcerpts:
    """Excerpts of the recordings that `unpaired_lists` found; effects as of `UnpairedExcerpts`."""
    unpaired, normalise = config.unpaired, config.data.augmentation.normalise
    return UnpairedExcerpts(
        lists["mixtures"],
        {source: lists[source] for source in config.sources},
        excerpt_shape(config, samples),
        Augmentation(
            gain=tuple(unpaired.gain),
            swap=config.data.augmentation.swap,
            polarity=unpaired.polarity,
            remix=0.0,
            normalise=normalise,
            active_share=unpaired.active_share,
            effects=effects,
        ),
        seed=config.seed,
        stream=stream,
        levels=usual_levels(paired, config.sources) if normalise == "track" else None,
        intervals=listed if unpaired.active_only else None,
    )

"""Scores of one song: references and estimates by name → frames in museval's format."""

from collections.abc import Mapping, Sequence

import numpy as np

from evaluation.metrics.measures import measure
from evaluation.protocols import ACCOMPANIMENT, Protocol
from evaluation.scoring.preparation import Prepared, SongAudio, prepare

EMPTY_BAND = (
    "the references leave part of the band empty (a lossy codec?): BSS Eval would hang on rounding "
    "there; see same_rounding in evaluation/metrics/bss_eval.py"
)


def score_song(song: SongAudio, protocol: Protocol) -> dict:
    """Score a song.

    Unless the protocol says otherwise: estimates of another length are cut or padded with silence
    at the end (as museval does), mono estimates of stereo songs are doubled (as the DSD100 scripts
    do), and references that are silent throughout are left out, because BSS Eval does not define
    their scores; each is named in the warnings.

    Returns:
      {"targets": [{"name", "frames": [{"time", "duration", "metrics"}]}], "warnings": [str],
      "sample_rate", "samples"}: times in s, metrics in dB with five decimals; NaN where a frame has
      no score, or an infinite one (as in museval's files). Rate and length are those of the scored
      audio.

    Raises:
      ValueError: audio that cannot be scored, on one line.
    """
    result = score_songs([song], protocol)[0]
    if isinstance(result, Exception):
        raise result
    return result


def score_songs(
    several: Sequence[SongAudio | Exception], protocol: Protocol
) -> list[dict | Exception]:
    """Score what several separators made of one song.

    What depends on the references alone is computed once. What could not be read stays the
    exception that it is.

    Returns:
      For each, in their order, what `score_song` returns or raises.
    """
    results: list[dict | Exception | None] = [None] * len(several)
    groups: list[list[tuple[int, Prepared]]] = []
    for index, song in enumerate(several):
        if isinstance(song, Exception):
            results[index] = song
            continue
        try:
            prepared = prepare(song, protocol)
        except ValueError as error:
            results[index] = error
            continue
        for group in groups:
            if prepared.beside(group[0][1]):
                group.append((index, prepared))
                break
        else:
            groups.append([(index, prepared)])
    for group in groups:
        try:
            found = _scored([prepared for _, prepared in group], protocol)
        except ValueError as error:
            if len(group) > 1:  # one of them may make the others fail
                groups += [[one] for one in group]
                continue
            found = [error]
        for (index, _), result in zip(group, found):
            results[index] = result
    return results


def _scored(group: Sequence[Prepared], protocol: Protocol) -> list[dict]:
    """Score estimates beside the same references, in the passes of the protocol."""
    first = group[0]
    tables: list[dict[str, list[dict]]] = [{} for _ in group]
    for chosen in protocol.passes(tuple(first.references), first.overlapping):
        together = [name for name in chosen.together if name in first.references]
        kept = [name for name in chosen.kept if name in first.references]
        if not kept:
            continue
        all_found = measure(
            np.stack([first.references[name] for name in together]),
            [np.stack([one.estimates[name] for name in together]) for one in group],
            first.mixture,
            protocol,
            first.sample_rate,
        )
        duration = protocol.window_s or first.samples / first.sample_rate
        for one, table, found in zip(group, tables, all_found):
            if found.singular:
                one.warnings.append(EMPTY_BAND)
            for row, name in enumerate(together):
                other = together[found.permutation[row, 0]]
                if other != name:
                    one.warnings.append(
                        f"{name} is scored with the estimate of {other}, which fits better"
                    )
                if name in kept:
                    values = {metric: rows[row] for metric, rows in found.values.items()}
                    table[name] = _frames(values, protocol.hop_s or 0.0, duration)
    return [
        {
            "targets": [
                {"name": name, "frames": table[name]} for name in one.names if name in table
            ],
            "warnings": list(dict.fromkeys(one.warnings)),
            "sample_rate": one.sample_rate,
            "samples": one.samples,
        }
        for one, table in zip(group, tables)
    ]


def _frames(values: Mapping[str, np.ndarray], hop_s: float, duration: float) -> list[dict]:
    """{metric: (frames,)} → museval's list of frames."""
    rounded = {
        name: np.where(np.isfinite(row), np.round(row, 5), np.nan) for name, row in values.items()
    }
    return [
        {
            "time": index * hop_s,
            "duration": duration,
            "metrics": {name: float(row[index]) for name, row in rounded.items()},
        }
        for index in range(len(next(iter(rounded.values()))))
    ]


def map_estimates(
    estimates: Mapping[str, np.ndarray], sources: Sequence[str], mixture: np.ndarray
) -> dict[str, np.ndarray]:
    """Estimates of the sources asked for, from those a separator gives.

    A missing accompaniment is the sum of the estimates that `sources` does not name, or the
    mixture without the others when there are none.

    Raises:
      ValueError: a source is neither among the estimates nor the accompaniment.
    """
    mapped = {}
    for source in sources:
        if source in estimates:
            mapped[source] = estimates[source]
        elif source == ACCOMPANIMENT:
            rest = [audio for name, audio in estimates.items() if name not in sources]
            named = [estimates[name] for name in sources if name in estimates]
            mapped[source] = sum(rest) if rest else mixture - sum(named)
        else:
            raise ValueError(f"no estimate of {source}: the separator gives {', '.join(estimates)}")
    return mapped

"""The columns of `experiments.compare baselines`: untrained methods and separators."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from common import cli, startup
from dssgan import exports
from dssgan.steps import BEFORE
from experiments.systems.baselines import BASELINES, Baseline


@dataclass(frozen=True)
class Method:
    """A column of the table.

    Attributes:
      key: its name. baseline: what separates. identity: what its scores depend on.
      over: key of the method that it should be better than, or "".
    """

    key: str
    baseline: Baseline
    identity: str
    over: str = ""


def baseline_method(key: str) -> Method:
    """A method of `BASELINES`."""
    if key not in BASELINES:
        raise cli.UsageError(f"--methods: no method {key!r}, only {', '.join(BASELINES)}")
    baseline = BASELINES[key]
    return Method(key, baseline, f"{key} {baseline.description}")


def separator_method(text: str) -> Method:
    """A trained separator, loaded when the first song needs it: LABEL=DIR, or DIR."""
    label, path = labelled(text)

    @cache
    def load():
        with startup.stderr_hidden():
            from dssgan import loading

            return loading.load(path)

    def separate(
        mixture: np.ndarray, references: Mapping[str, np.ndarray], sample_rate: int
    ) -> dict[str, np.ndarray]:
        del references
        return load().separate(mixture, sample_rate)

    baseline = Baseline(label, "an exported separator of this project", separate)
    return Method(key_of(label), baseline, exports.identity(path))


def processed_method(text: str, step: str) -> Method:
    """A trained separator with a step before or after it.

    Args:
      text: as of `separator_method`. step: of `dssgan.steps`.
    """
    label, path = labelled(text)
    before, after = (step, ()) if step in BEFORE else (None, (step,))

    def build():
        from dssgan import loading
        from dssgan.postprocessing.processed import ProcessedSeparator

        return ProcessedSeparator(loading.load(path), before, after)

    names, identity = (label, f"{label}, {step}"), exports.identity(path)
    return streamed_method(names, f"{label} with {step}", identity, build)


def blended_method(texts: Sequence[str], domain: str) -> Method:
    """Trained separators blended, as of `dssgan.postprocessing.blended`."""
    labels, paths = zip(*map(labelled, texts))

    def build():
        from dssgan import loading
        from dssgan.postprocessing.blended import BlendedSeparator

        return BlendedSeparator([loading.load(path) for path in paths], domain)

    about = f"the mean of their stems in {domain}"
    identity = " ".join(map(exports.identity, paths))
    return streamed_method((labels[0], f"{' + '.join(labels)}, {domain}"), about, identity, build)


def routed_method(texts: Sequence[str]) -> Method:
    """One of trained separators for each song, as of `dssgan.postprocessing.routed`."""
    from dssgan.postprocessing.style import style_of

    labels, paths = zip(*map(labelled, texts))
    try:
        styles = [style_of(path) for path in paths]
    except ValueError as error:
        raise cli.UsageError(f"--by-style: {cli.one_line(error)}") from error

    def build():
        from dssgan import loading
        from dssgan.postprocessing.routed import RoutedSeparator

        loaded = (loading.load(path) for path in paths)
        return RoutedSeparator(dict(zip(labels, loaded, strict=True)), styles)

    about = "for each song the one whose training songs are most like it"
    identity = " ".join((*map(exports.identity, paths), *map(str, styles)))
    return streamed_method((labels[0], f"{' or '.join(labels)}"), about, identity, build)


def streamed_method(names: tuple[str, str], about: str, identity: str, build: Callable) -> Method:
    """A method of a separator that has `stream` alone, built when the first song needs it.

    Args:
      names: labels of the method that it should be better than, and its own.
    """
    over, label = names

    @cache
    def load():
        with startup.stderr_hidden():
            return build()

    def separate(
        mixture: np.ndarray, references: Mapping[str, np.ndarray], sample_rate: int
    ) -> dict[str, np.ndarray]:
        del references
        pieces = list(load().stream([mixture], sample_rate))
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    baseline = Baseline(label, about, separate)
    return Method(key_of(label), baseline, f"{identity} {about}", key_of(over))


def live_method(text: str, latency: float, speed: float) -> Method:
    """A trained separator as `python -m dssgan.live` runs it.

    Args:
      text: as of `separator_method`. latency: in seconds, which changes nothing for a causal one.
      speed: as of `dssgan.live.plan.plan`.
    """
    from dssgan.live.plan import LONGEST_BLOCK, TRIED, plan

    label, path = labelled(text)
    causal = exports.is_causal(path)
    chosen = None if causal else plan(latency, speed)

    @cache
    def load():
        from dssgan import loading
        from dssgan.live.running import RunningSeparator
        from dssgan.live.window import LiveSeparator

        if causal:
            separator = loading.load(path, "tensorflow", TRIED)
            count = int(LONGEST_BLOCK * separator.sample_rate) // separator.model.multiple
            return RunningSeparator(separator, max(1, count) * separator.model.multiple)
        separator = loading.load(path, segment=chosen.window)
        lengths = (round(part * separator.sample_rate) for part in (chosen.block, chosen.ahead))
        return LiveSeparator(separator, *lengths)

    def separate(
        mixture: np.ndarray, references: Mapping[str, np.ndarray], sample_rate: int
    ) -> dict[str, np.ndarray]:
        del references
        live = load()
        pieces = list(live.stream(np.array_split(mixture, 64), sample_rate, live.sources))
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in live.sources}

    description = f"the same live: {chosen}, at {speed:g} times real time"
    if causal:
        description = "the same live, its state carried along the song"
    label = f"{label}, {latency:g} s"
    baseline = Baseline(label, description, separate)
    return Method(key_of(label), baseline, f"{exports.identity(path)} {description}")


def labelled(text: str) -> tuple[str, Path]:
    """(label, folder) of LABEL=DIR, or of DIR alone, where a name of a separator is fine too.

    Raises:
      UsageError: there is no such separator.
    """
    label, equals, folder = text.rpartition("=")
    try:
        path = exports.find_export(cli.path(folder))
    except (ValueError, OSError) as error:
        raise cli.UsageError(f"--separator {cli.one_line(error)}") from error
    if not equals:
        absolute = path.resolve()
        label = exports.name_of(absolute)
    return label, path


def key_of(label: str) -> str:
    """A label as the name of a folder."""
    return "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in label)

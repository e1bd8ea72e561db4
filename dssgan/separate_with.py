"""What `python -m dssgan.separate` separates with: one separator or several, steps, the kit's."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir

from common.cli import UsageError, one_line
from common.object_store import is_address
from dssgan import exports, loading
from dssgan.kit.naming import DRUMS


def load(folders: list[Path], options: argparse.Namespace):
    """Load what the options ask for: one separator or several, steps around them, the kit's."""
    if not is_address(options.out):
        options.out.mkdir(parents=True, exist_ok=True)
    try:
        styles = read_styles(folders) if options.by_style else ()
    except ValueError as error:
        raise UsageError(one_line(error)) from error
    loaded = [load_one(folder, options) for folder in folders]
    try:
        first = with_steps(together(loaded, folders, styles, options.blend), options)
    except ValueError as error:
        raise UsageError(one_line(error)) from error
    if options.kit_model is None:
        return first
    from dssgan.kit.chained import ChainedSeparator

    return ChainedSeparator(first, load_one(options.kit_model, options), DRUMS, bool(options.kit))


def read_styles(folders: list[Path]) -> list:
    """The styles of separators' training songs; errors as of `style_of`."""
    from dssgan.postprocessing.style import style_of

    return [style_of(folder) for folder in folders]


def together(loaded: list, folders: list[Path], styles: Sequence, blend: str):
    """One separator; of several, one of them for each song where there are styles, or a blend.

    Raises:
      ValueError: they have other sources.
    """
    if styles:
        from dssgan.postprocessing.routed import RoutedSeparator

        names = [exports.name_of(folder) for folder in folders]
        if len(set(names)) < len(names):
            names = list(map(str, folders))
        return RoutedSeparator(dict(zip(names, loaded, strict=True)), styles)
    if len(loaded) == 1:
        return loaded[0]
    from dssgan.postprocessing.blended import BlendedSeparator

    return BlendedSeparator(loaded, blend)


def with_steps(first, options: argparse.Namespace):
    """A separator with steps before and after it."""
    if options.pre or options.post:
        from dssgan.postprocessing.processed import ProcessedSeparator

        first = ProcessedSeparator(first, options.pre, options.post)
    return first


def load_one(folder: Path, options: argparse.Namespace):
    """Load a separator with the options."""
    return loading.load(
        folder,
        options.engine,
        segment=options.segment,
        precision=options.precision,
        overlap=options.overlap,
        shifts=options.shifts,
        batch_size=options.batch,
        consistent=False if options.no_consistent else None,
        temporary_folder=gettempdir() if is_address(options.out) else options.out,
    )

"""Several exported separators → one: `python -m dssgan.combine OUT FOLDER FOLDER …`.

Each gives the sources it was trained for: all but its accompaniment. `drums=FOLDER` takes the drums
of a separator alone.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from common import cli
from dssgan.models import export
from dssgan.models.base import SeparatorModel
from dssgan.models.combined import REST, Combined

Member = tuple[SeparatorModel, Sequence[str] | None]


def combine(members: Sequence[Member]) -> Combined:
    """One separator out of several.

    Args:
      members: (separator, sources to take from it; None: the targets of a separator that has some,
        else all but "accompaniment").

    Raises:
      ValueError: a source that a separator does not have, or that two give; separators that do not
        fit together, such as of two sample rates.
    """
    members = [(model, tuple(take or trained_for(model))) for model, take in members]
    names = {kind: name for name, kind in export.models.SEPARATORS.items()}
    combined = Combined(
        models=[
            {
                "name": names[type(model)],
                "hyperparameters": model.hyperparameters,
                "take": list(take),
            }
            for model, take in members
        ]
    )
    for ours, (theirs, _) in zip(combined.members, members, strict=True):
        ours.set_weights(theirs.get_weights())
    return combined


def trained_for(model: SeparatorModel) -> list[str]:
    """The sources that a separator does not only get by subtraction."""
    targets = getattr(model, "targets", None) or model.sources
    return [source for source in targets if source != REST] or list(model.sources)


def main(argv: list[str]) -> int:
    """Combine exported separators; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dssgan.combine", description=__doc__)
    parser.add_argument(
        "out", type=cli.path, help="folder for config.json and separator.weights.h5"
    )
    parser.add_argument("members", nargs="+", metavar="[SOURCE=]FOLDER", help="of a separator")
    options = parser.parse_args(argv)
    members, folders = [], []
    for text in options.members:
        source, equals, folder = text.partition("=")
        if not equals or os.path.isdir(text):
            source, folder = "", text
        folder = cli.path(folder)
        if not os.path.isdir(folder):
            raise cli.UsageError(f"{folder}: no such folder; give those of exported separators")
        members.append((export.load(folder), [source] if source else None))
        folders.append(folder.name)
    model = combine(members)
    export.save(model, options.out, {"combined_from": folders})
    print(f"{options.out}: {', '.join(model.sources)}, {model.count_params():,} parameters")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

"""Several exported separators → one: `python -m dssgan.combine OUT FOLDER FOLDER …`.

Each gives the sources it was trained for: all but its accompaniment. `drums=FOLDER` takes the drums
of a separator alone.
"""

import argparse
import sys

from common import cli, startup
from dssgan.exports import find_export, name_of


def main(argv: list[str]) -> int:
    """Combine exported separators; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dssgan.combine", description=__doc__)
    parser.add_argument(
        "out", type=cli.path, help="folder for config.json and separator.weights.h5"
    )
    parser.add_argument(
        "members", nargs="+", metavar="[SOURCE=]FOLDER", help="or name of a separator"
    )
    options = parser.parse_args(argv)
    folders, taken = [], []
    for text in options.members:
        source, equals, folder = text.partition("=")
        if not equals or cli.path(text).is_dir():
            source, folder = "", text
        try:
            folders.append(find_export(cli.path(folder)))
        except (ValueError, OSError) as error:
            raise cli.UsageError(cli.one_line(error)) from error
        taken.append([source] if source else None)
    with startup.stderr_hidden():
        from dssgan.models import export
        from dssgan.models.combined import combine

    members = [(export.load(folder), take) for folder, take in zip(folders, taken)]
    model = combine(members)
    names = [name_of(folder) for folder in folders]
    export.save(model, options.out, {"combined_from": names})
    print(f"{options.out}: {', '.join(model.sources)}, {model.count_params():,} parameters")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])

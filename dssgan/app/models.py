"""The separators to choose from on the page, with what their files tell."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import cli
from common.json_files import read_json
from dssgan import exports, loading

CONFIG = {"separator": str, "sources": list, "sample_rate": int, "provenance?": dict}


@dataclass(frozen=True)
class Model:
    """A separator.

    Attributes:
      name: shown, and in requests. folder: where it lies. sources: in order.
      about: one line of facts. engine: what computes it here.
    """

    name: str
    folder: Path
    sources: tuple[str, ...]
    about: str
    engine: str

    def shown(self) -> dict[str, Any]:
        """What `GET /api/models` returns of it."""
        facts = {"name": self.name, "sources": list(self.sources), "about": self.about}
        return facts | {"engine": self.engine}


def found(asked: list[Path]) -> dict[str, Model]:
    """Separators by name: those that are asked for, this machine's, and the ones that are shipped.

    One of this machine's that is damaged is left out, which standard error tells.

    Raises:
      ValueError: one that is asked for is none. OSError: it cannot be read.
    """
    folders = {}
    for place in asked:
        folder = exports.find_export(place)
        name = exports.name_of(folder)
        folders[name if name not in folders else str(folder)] = folder
    models = {name: _opened(name, folder) for name, folder in folders.items()}
    for name, folder in exports.stored().items():
        try:
            if name not in models:
                models[name] = _opened(name, exports.find_export(folder))
        except (ValueError, OSError) as error:
            cli.say(f"{name} is left out: {cli.one_line(error)}", sys.stderr)
    for name, folder in exports.pretrained().items():
        if name not in models:
            models[name] = _opened(name, folder)
    return models


def _opened(name: str, folder: Path) -> Model:
    read_json(folder / exports.CONFIG, CONFIG, exports.ADVICE)
    sources = exports.sources_of(folder)
    return Model(name, folder, sources, exports.describe(folder), loading.choose(folder))

"""The separators to choose from on the page, with what their files tell."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import cli
from common.json_files import read_json
from dssgan import exports, loading
from dssgan.kit.naming import DRUMS, KIT, chained

CONFIG = {"separator": str, "sources": list, "sample_rate": int, "provenance?": dict}


@dataclass(frozen=True)
class Model:
    """A separator.

    Attributes:
      name: shown, and in requests. folder: where it lies. sources: in order.
      about: one line of facts. engine: what computes it here.
      second: separates its drums into their pieces.
    """

    name: str
    folder: Path
    sources: tuple[str, ...]
    about: str
    engine: str
    second: Path | None = None

    @property
    def places(self) -> list[str]:
        """Its folder, and that of the second one behind it."""
        both = (self.folder, self.second)
        return [str(one.absolute()) for one in both if one is not None]

    def shown(self) -> dict[str, Any]:
        """What `GET /api/models` returns of it."""
        facts = {"name": self.name, "sources": list(self.sources), "about": self.about}
        return facts | {"engine": self.engine}


def found(asked: list[Path]) -> dict[str, Model]:
    """Separators by name: those that are asked for, this machine's, and the ones that are shipped.

    Each that has drums is there once more, as "NAME + kit", with the separator of pieces behind it.

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
    return dict(each for name in models for each in _with_pieces(models[name], models.get(KIT)))


def _with_pieces(model: Model, kit: Model | None) -> Iterator[tuple[str, Model]]:
    """A separator by its name, and, where it has drums, with the kit's behind it."""
    yield model.name, model
    if kit and DRUMS in model.sources and not set(kit.sources) & set(model.sources):
        name, sources = f"{model.name} + {KIT}", chained(model.sources, kit.sources, DRUMS)
        about = f"the drums of {model.name} in pieces, and their notes as MIDI; {kit.about}"
        yield name, Model(name, model.folder, sources, about, model.engine, kit.folder)


def _opened(name: str, folder: Path) -> Model:
    read_json(folder / exports.CONFIG, CONFIG, exports.ADVICE)
    sources = exports.sources_of(folder)
    return Model(name, folder, sources, exports.describe(folder), loading.choose(folder))

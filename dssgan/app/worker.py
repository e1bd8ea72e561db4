"""A process that separates songs one after another; the server starts it and talks to it by lines.

One line of JSON on standard input is a song to separate; lines on standard output say what becomes
of it. A crash, or a song that the server cancels, ends this process alone, and the server starts
another. It ends by itself when the server does.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from common import startup
from common.cli import one_line
from common.json_files import parse_json
from common.parallel import end_with
from dssgan import loading
from dssgan.app.song import separate
from dssgan.kit.chained import ChainedSeparator
from dssgan.kit.naming import DRUMS


def main() -> None:
    """Serve until standard input ends."""
    end_with(os.getppid())
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what libraries print is no line of this protocol
    loaded: dict[str, Any] = {}
    for line in sys.stdin:
        task = parse_json(line, "a task")

        def say(**event: Any) -> None:
            lines.write(json.dumps(event | {"id": task["id"]}) + "\n")  # noqa: B023

        try:
            model = tuple(task["model"])
            if model not in loaded:
                loaded.clear()
                with startup.stderr_hidden():
                    loaded[model] = [
                        loading.load(place, temporary_folder=task["folder"]) for place in model
                    ]
            for part in loaded[model]:
                part.temporary_folder = task["folder"]
            result = separate(
                in_a_row(*loaded[model]),
                Path(task["song"]),
                task["name"],
                Path(task["folder"]),
                task["sources"],
                task["bits"],
                say,
            )
            say(event="done", result=result)
        except Exception as error:  # one song's fault is no other's
            text = one_line(error).replace(task["song"], task["name"])
            if not isinstance(error, ValueError | OSError | ImportError):
                text = f"{type(error).__name__}: {text}"
            say(event="failed", error=text)


def in_a_row(first: Any, second: Any = None) -> Any:
    """A separator, with another one behind it that separates its drums."""
    return first if second is None else ChainedSeparator(first, second, DRUMS)


if __name__ == "__main__":
    main()

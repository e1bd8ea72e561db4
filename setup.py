"""Builds the wheel: every room below `dssgan`, as `common` and `datasets` are names of others too.

In the checkout the rooms lie side by side and import each other by name; in the wheel
`from common.cli import run` reads `from dssgan.common.cli import run`, and what a message calls
`python -m datasets` is `python -m dssgan.datasets`.
"""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOMS = ("common", "datasets", "evaluation", "experiments")
ROOM = f"(?:{'|'.join(ROOMS)})"
#: What names a room, and what it reads below `dssgan`.
RULES = (
    (rf"^(\s*)from ({ROOM})\b", r"\1from dssgan.\2"),
    (rf"^(\s*)import ({ROOM})\b(?!\.)", r"\1from dssgan import \2"),
    (rf"""(["'])({ROOM}(?:\.\w+)+)\1""", r"\1dssgan.\2\1"),
    (rf"""("-m", ")({ROOM})\b""", r"\1dssgan.\2"),
    (rf"(python -m )({ROOM})\b", r"\1dssgan.\2"),
    (rf"""(prog=["'])({ROOM})\b""", r"\1dssgan.\2"),
)
LEFT_OUT = ("experiments/benchmarks",)  # they measure a checkout


def remapped(text: str) -> str:
    """The text of a module with every room below `dssgan`."""
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


class BuildRooms(build_py):
    """Copies the rooms below `dssgan`, modules remapped and other files as they are."""

    def run(self) -> None:
        """Write build/lib/dssgan."""
        for source, target in self.files():
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".py":
                target.write_text(remapped(source.read_text("utf-8")), "utf-8")
            else:
                target.write_bytes(source.read_bytes())

    def files(self) -> list[tuple[Path, Path]]:
        """(file of the checkout, its place in the wheel)."""
        root, top = Path(__file__).parent, Path(self.build_lib) / "dssgan"
        found = []
        for room in ("dssgan", *ROOMS):
            for path in sorted((root / room).rglob("*")):
                place = path.relative_to(root)
                skipped = place.as_posix().startswith(LEFT_OUT) or "__pycache__" in place.parts
                if path.is_file() and not skipped and path.suffix != ".pyc":
                    parts = place.parts[1:] if room == "dssgan" else place.parts
                    found.append((path, top.joinpath(*parts)))
        for name in ("requirements.txt", "requirements-run.txt"):
            found.append((root / name, top / name))
        return found

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What was written."""
        del include_bytecode
        return [str(target) for _, target in self.files()]


def requirements(name: str) -> list[str]:
    """The requirements of a file, comments and other files aside."""
    lines = (Path(__file__).parent / name).read_text("utf-8").splitlines()
    lines = [line.partition("#")[0].strip() for line in lines]
    return [line for line in lines if line and not line.startswith("-")]


if __name__ == "__main__":
    setup(
        packages=["dssgan"],
        cmdclass={"build_py": BuildRooms},
        install_requires=requirements("requirements-run.txt"),
        extras_require={
            "train": requirements("requirements.txt"),
            "sweep": requirements("requirements-sweep.txt"),
            "export": requirements("requirements-export.txt"),
        },
    )

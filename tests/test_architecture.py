"""Who may import whom, and nothing but whole files under final names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"common", "datasets", "evaluation", "dssgan", "experiments"}
HEAVY = {"tensorflow", "keras", "sacred"}
SHELLS = {"__main__.py", "train.py", "separate.py", "convert.py", "doctor.py"}
FORBIDDEN = {
    "common": (ROOMS - {"common"}) | HEAVY,
    "datasets": (ROOMS - {"datasets", "common"}) | HEAVY,
    "evaluation": (ROOMS - {"evaluation", "common"}) | HEAVY,
    "dssgan": {"datasets", "evaluation", "experiments", "sacred"},
}


def imported(path: Path) -> set[str]:
    """Top-level names that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names


def modules():
    return [path for room in FORBIDDEN for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_keep_to_the_walls(path):
    if path.name in SHELLS:
        return
    room = path.relative_to(ROOT).parts[0]
    wrong = imported(path) & FORBIDDEN[room]
    assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


def test_models_critics_and_losses_do_not_know_each_other():
    for path in (ROOT / "dssgan").rglob("*.py"):
        text = path.read_text("utf-8")
        place = path.relative_to(ROOT / "dssgan").parts[0]
        others = {"models", "critics", "losses.py"} - {place}
        if place not in {"models", "critics", "losses.py"}:
            continue
        for other in others:
            assert f"dssgan.{other.removesuffix('.py')}" not in text, path


def test_separator_imports_no_training_code():
    text = (ROOT / "dssgan" / "separator.py").read_text("utf-8")
    for training in ("losses", "steps", "loop", "phases", "state", "optimisers", "pipeline"):
        assert f"dssgan.{training}" not in text
        assert f"import {training}" not in text


@pytest.mark.parametrize("room", ["datasets", "evaluation", "common"])
def test_rooms_without_tensorflow(room):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'sacred'): sys.modules[name] = None\n"
        "import importlib, pkgutil\n"
        f"package = importlib.import_module({room!r})\n"
        f"for module in pkgutil.iter_modules(package.__path__, {room + '.'!r}):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_documents_name_no_machine():
    names = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    for path in [ROOT / name for name in names if (ROOT / name).exists()]:
        text = path.read_text("utf-8")
        assert "/root/" not in text
        assert "/work/" not in text

"""Who may import whom: the table of CONTRIBUTING.md, held against every import of every module."""

import ast
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import run_without
from tests.machine_paths import machine_paths

ROOT = Path(__file__).resolve().parents[1]

#: What each room may import of the others; "run as" files below are commands and may import all.
ROOMS = {
    "experiments": {"dssgan", "datasets", "evaluation", "common"},
    "dssgan": {"common"},
    "datasets": {"common"},
    "evaluation": {"common"},
    "common": set(),
}
COMMANDS = {
    "datasets/__main__.py",
    "evaluation/__main__.py",
    "dssgan/separate.py",
    "dssgan/separate_song.py",
    "dssgan/drum_midi.py",
    "dssgan/train.py",
    "dssgan/__main__.py",
    "dssgan/convert.py",
    "dssgan/combine.py",
    "dssgan/export.py",
    "dssgan/resynth.py",
    "dssgan/doctor",
    "dssgan/app",
    "dssgan/live",
}
#: Within a room: an import points from a line to one further down, or stays within its folder.
#: A name is a folder or a file of the room.
LAYERS = {
    "common": [
        ("environment",),
        ("cluster_jobs", "object_store"),
        ("dask_cluster", "parallel", "startup"),
        ("cli", "json_files"),
        ("files", "redact", "suggest", "digests", "safe_pickle", "audio_files", "interrupts"),
    ],
    "datasets": [
        ("__main__",),
        ("excerpts",),
        ("activity", "legacy", "intake"),
        ("cache", "loaders", "midi"),
        ("song_files", "kits"),
        ("audio", "band", "splits"),
        ("__init__",),  # the registry, which loads by name and hands on what is below
        ("sources", "render_cache"),
        ("track",),
    ],
    "evaluation": [
        ("__main__",),
        ("scoring",),
        ("reports",),
        ("metrics",),
        ("protocols",),
    ],
    "dssgan": [
        ("__main__",),
        ("catalogue",),
        ("train", "separate", "resynth", "convert", "combine", "export", "doctor", "app", "live"),
        ("separate_cluster",),
        ("separate_stored",),
        ("separate_song", "separate_with"),
        ("drum_midi",),
        ("kit", "postprocessing"),
        ("phases",),
        ("refinement",),
        ("training",),
        ("monitoring",),
        ("exporting", "loading"),
        ("separator", "published"),
        ("models", "critics"),
        ("runtime",),
        ("losses", "optimisers", "separation", "distributed", "config"),
        ("signal",),
        ("exports", "portable", "products", "steps"),
        ("__init__",),
    ],
    "experiments": [
        (
            "demo",
            "curves",
            "leaderboard",
            "overlap",
            "export_step",
            "ablation",
            "adapt_report",
            "drum_notes",
            "style",
        ),
        ("demo_song", "adapting"),
        ("compare", "benchmarks"),
        ("sweep", "systems"),
        ("run",),
        ("songs", "tracking"),
        ("heat_map",),
    ],
}
#: Packages that only these folders and files may import.
FENCED = {
    "sacred": {"experiments/run/train.py", "experiments/tracking"},
    "tensorflow": {"dssgan", "experiments"},
    "keras": {"dssgan", "experiments"},
    "tensorflow_io": {"dssgan/training/tfio_reader.py"},
    "jax": {"dssgan/runtime/with_jax.py"},
}
#: Parts of dssgan that must do without TensorFlow, alone or by what they import.
LIGHT = (
    "dssgan.config",
    "dssgan.exports",
    "dssgan.training.data",
    *(
        f"dssgan.{folder}.{path.stem}"
        for folder in ("separation", "runtime", "app", "live", "catalogue", "kit", "postprocessing")
        for path in sorted((ROOT / "dssgan" / folder).glob("[!_]*.py"))
    ),
)
THIRD_PARTY = {"common": {"tqdm", "dask", "distributed", "dask_jobqueue", "yaml", "fsspec"}}


def modules(root):
    """(path below the root, parsed text) of every module of the rooms."""
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            yield path.relative_to(root).as_posix(), ast.parse(path.read_text("utf-8"))


def imports(path, tree):
    """Dotted names that a module imports, inside functions too; submodules by their own name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(parts):
    """The name in `LAYERS` of a module below its room: a folder, a file, or the room itself."""
    return parts[0].removesuffix(".py") if parts else "__init__"


def layer(room, name):
    """How far down the table of a room a name stands; a plain `__init__` is below everything."""
    for height, names in enumerate(LAYERS[room]):
        if name in names:
            return height
    return len(LAYERS[room]) if name == "__init__" else None


def target(name, root):
    """(room, folder or file) that an imported name belongs to; None for what is not ours."""
    room, *rest = name.split(".")
    if room not in ROOMS:
        return None
    found = []
    folder = root / room
    for part in rest:
        if (folder / part).is_dir() or (folder / f"{part}.py").exists():
            found.append(part)
            folder /= part
        else:
            break
    return room, place(found)


def is_command(path):
    return any(path == command or path.startswith(f"{command}/") for command in COMMANDS)


def faults(root=ROOT):
    """One line per import that the tables do not allow, and per folder that they do not know."""
    found = []
    for path, tree in modules(root):
        room, *rest = path.split("/")
        own = place(rest)
        if layer(room, own) is None:
            found.append(f"{path}: {own} is not in the table of {room}")
            continue
        for name in imports(path, tree):
            top = name.partition(".")[0]
            allowed = FENCED.get(top)
            if allowed and not any(path == one or path.startswith(f"{one}/") for one in allowed):
                found.append(f"{path}: imports {name}")
            known = (*sys.stdlib_module_names, *ROOMS, *THIRD_PARTY.get(room, ()))
            if room in THIRD_PARTY and top not in known:
                found.append(f"{path}: imports {name}")
            aim = target(name, root)
            if aim is None:
                continue
            there, part = aim
            if there != room:
                if there not in ROOMS[room] and not is_command(path):
                    found.append(f"{path}: imports {name}, another room")
                if there == "experiments" and path != "dssgan/train.py":
                    found.append(f"{path}: imports {name}, which is above")
                continue
            if part == own:
                continue
            if layer(room, part) is None:
                found.append(f"{path}: imports {name}, which is not in the table of {room}")
            elif layer(room, part) <= layer(room, own):
                found.append(f"{path}: imports {name}, which is not below {own}")
    return found


def test_every_import_is_one_that_the_tables_allow():
    assert not faults(), "\n".join(faults())


@pytest.mark.parametrize(
    ("path", "line", "message"),
    [
        ("datasets/track.py", "import tensorflow", "datasets/track.py: imports tensorflow"),
        ("datasets/track.py", "from datasets.cache import tracks", "which is not below track"),
        ("evaluation/metrics/ratios.py", "import datasets", "another room"),
        ("dssgan/models/base.py", "from dssgan.losses import si_sdr", None),
        ("dssgan/losses/si_sdr.py", "from dssgan.models import base", "not below losses"),
        ("dssgan/models/base.py", "from dssgan.critics import base", "not below models"),
        ("dssgan/separator.py", "from dssgan.training import loop", "not below separator"),
        ("dssgan/phases/phase.py", "from experiments.run import folder", "which is above"),
        ("experiments/sweep/points.py", "import sacred", "points.py: imports sacred"),
        ("common/files.py", "import numpy", "common/files.py: imports numpy"),
        ("dssgan/novel/part.py", "import os", "novel is not in the table of dssgan"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path, path, line, message):
    """The test above can fail: an import is added to a copy of the rooms."""
    for room in ROOMS:
        shutil.copytree(
            ROOT / room,
            tmp_path / room,
            ignore=lambda _, names: [n for n in names if "." in n and not n.endswith(".py")],
        )
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    with open(file, "a", encoding="utf-8") as text:
        text.write(f"\n\ndef late():\n    {line}\n")
    found = set(faults(tmp_path)) - set(faults())
    assert found if message else not found
    assert not message or any(message in fault for fault in found)


def test_matrix_products_are_made_in_one_place():
    """`dssgan.products` says why."""
    own = {"dssgan/products.py", "experiments/benchmarks/timing.py", "dssgan/doctor/machine.py"}
    calls = ("tf.matmul", "tf.linalg.matmul", "keras.ops.matmul")
    found = {path for path, tree in modules(ROOT) if any(c in ast.unparse(tree) for c in calls)}
    assert found == own


def test_no_two_folders_import_each_other():
    arrows = set()
    for path, tree in modules(ROOT):
        room, *rest = path.split("/")
        own = "/".join([room, *rest[:-1]])
        for name in imports(path, tree):
            aim = ROOT
            for part in name.split("."):
                if not (aim / part).is_dir():
                    break
                aim /= part
            other = aim.relative_to(ROOT).as_posix()
            # A folder's own registry may know its parts, and they what it registers.
            if other != "." and not own.startswith(other) and not other.startswith(own):
                arrows.add((own, other))
    arrows.discard(("dssgan", "experiments/run"))  # the command `dssgan.train`
    both = sorted(f"{a} <-> {b}" for a, b in arrows if a < b and (b, a) in arrows)
    assert not both, both


def test_no_files_import_each_other_in_a_circle():
    below = {path: set() for path, _ in modules(ROOT)}
    for path, tree in modules(ROOT):
        for name in imports(path, tree):
            parts = name.split(".")
            for end in range(len(parts), 0, -1):
                file, package = (
                    "/".join(parts[:end]) + ".py",
                    "/".join([*parts[:end], "__init__.py"]),
                )
                if file in below or package in below:
                    below[path].add(file if file in below else package)
                    break

    def reached(path):
        seen, left = set(), [path]
        while left:
            new = below[left.pop()] - seen
            seen |= new
            left += new
        return seen

    assert not [path for path in below if path in reached(path)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "dssgan.train",
        *(
            path.removesuffix(".py").removesuffix("/__main__").replace("/", ".")
            for path, tree in modules(ROOT)
            if path.endswith("__main__.py") or "argparse" in set(imports(path, tree))
            if not path.startswith("experiments/benchmarks/") and "def main(" in ast.unparse(tree)
        ),
    ],
)
def test_every_command_answers(command):
    """`python -m COMMAND --help` in a process of its own: a move must not leave it without one."""
    done = subprocess.run(
        [sys.executable, "-m", command, "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "usage" in done.stdout.lower(), command
    if command != "dssgan.train":  # its options are Sacred's text
        assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("room", ["datasets", "evaluation", "common"])
def test_rooms_without_tensorflow(room):
    """Every module of these rooms can be imported where TensorFlow, Keras and Sacred are not."""
    names = [
        module.name
        for module in pkgutil.walk_packages([str(ROOT / room)], f"{room}.")
        if not module.name.endswith("__main__")
    ]
    assert any(name.count(".") == 2 for name in names) or room == "common"
    import_without(("tensorflow", "keras", "sacred"), [room, *names])


@pytest.mark.parametrize("name", LIGHT)
def test_parts_of_the_library_without_tensorflow(name):
    import_without(("tensorflow", "keras", "sacred"), [name])


def import_without(missing, names):
    run_without(
        missing, f"import importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    )


def sized(root=ROOT):
    """(path, name, arguments, lines without the docstring) of every function."""
    for path, tree in modules(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = node.args
                names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
                body = (
                    node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
                )
                lines = node.end_lineno - body[0].lineno + 1
                yield path, node.name, len([n for n in names if n not in ("self", "cls")]), lines


def test_no_function_has_more_than_eight_arguments_or_fifty_lines():
    """Models and critics are excepted: their arguments are their hyperparameters."""
    for path, name, arguments, lines in sized():
        if path.startswith(("dssgan/models/", "dssgan/critics/")):
            continue
        assert arguments <= 8, f"{path}: {name} has {arguments} arguments"
        assert lines <= 50, f"{path}: {name} has {lines} lines"


#: Folders with fewer than four or more than twelve modules, each for the reason that it gives.
ODD_FOLDERS = {
    "common": "what three rooms share that must not import each other: nothing belongs together",
    "dssgan": "the doors, and what every folder of the room needs",
    "datasets/audio": "reading and writing, whole and in parts, and what each container needs",
    "experiments/benchmarks": "one measurement per file",
    "dssgan/training": "what every phase needs, and what of a separator is trained",
    "evaluation": "protocols, command and three folders",
    "dssgan/models/unet": "two networks, one inside the other",
}


def test_folders_have_four_to_twelve_modules():
    for folder in sorted({(ROOT / path).parent for path, _ in modules(ROOT)}):
        below = folder.relative_to(ROOT).as_posix()
        count = len(list(folder.glob("*.py")))  # with __init__, which may hold the registry
        assert 4 <= count <= 13 or below in ODD_FOLDERS, f"{below}: {count} modules"


def test_files_are_short():
    for path, _ in modules(ROOT):
        assert len((ROOT / path).read_text("utf-8").splitlines()) <= 300, path


#: Who parses JSON besides `common.json_files.parse_json`, and why that is no file of others.
JSON_READERS = {
    "common/json_files.py": "the typed reader",
    "datasets/__main__.py": "words of the command line",
    "dssgan/distributed/rendezvous.py": "what json.dumps has just written",
    "dssgan/runtime/with_jax.py": "a program that runs where the rest of the library is not",
    "dssgan/training/state.py": "what json.dumps wrote on another worker",
    "evaluation/scoring/tasks.py": "what json.dumps has just written",
    "experiments/benchmarks/engines.py": "what a process of its own printed",
    "experiments/benchmarks/robustness/bad_inputs.py": "files of its own, to be damaged",
    "experiments/benchmarks/robustness/kills.py": "whether a file is JSON at all",
    "experiments/benchmarks/field.py": "what a process of its own printed",
    "experiments/benchmarks/field_torch.py": "what runs where the library is not",
    "experiments/benchmarks/page.py": "what the server of its own answered",
    "experiments/benchmarks/separator.py": "what a process of its own printed",
    "experiments/benchmarks/wavenet.py": "what a process of its own printed",
    "experiments/benchmarks/trainable.py": "what a process of its own printed",
    "experiments/compare/database.py": "what json.dumps has just written",
    "experiments/leaderboard.py": "what json.dumps has just written",
    "experiments/systems/budget.py": "what a process of its own printed",
}


def test_json_is_read_by_one_typed_reader():
    readers = {
        path
        for path, tree in modules(ROOT)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.ImportFrom)
        if (
            getattr(node, "attr", None) in ("load", "loads", "JSONDecoder")
            and ast.unparse(node.value) == "json"
        )
        or getattr(node, "module", None) == "json"
    }
    assert readers == set(JSON_READERS), readers ^ set(JSON_READERS)


def test_documents_name_no_machine():
    names = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    for path in [ROOT / name for name in names if (ROOT / name).exists()]:
        text = path.read_text("utf-8")
        assert not machine_paths(text), path

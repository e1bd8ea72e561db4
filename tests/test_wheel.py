"""The wheel in an environment of its own: nothing lies outside `dssgan`, and all of it works."""

import subprocess
import sys
import sysconfig
import zipfile

import numpy as np
import pytest

from common.cli import UsageError
from datasets import audio
from dssgan import __main__ as dssgan
from setup import remapped
from tests.guide import ROOT

IMPORT_ALL = """
import importlib, pkgutil, sys, dssgan
names = [module.name for module in pkgutil.walk_packages(dssgan.__path__, "dssgan.")]
for name in names:
    if not name.endswith(("__main__", "tfio_reader")):
        importlib.import_module(name)
print(len(names), [name for name in ("common", "datasets", "evaluation", "experiments")
                   if name in sys.modules])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The file, built from a copy of the checkout, which stays as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if not name.startswith("tests/") and (ROOT / name).is_file():
            copy = folder / "checkout" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", *words, str(folder / "checkout")]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """Runs the Python of an environment with the wheel, in a folder without a checkout."""
    folder = tmp_path_factory.mktemp("environment")
    environment, place = folder / "venv", folder / "elsewhere"
    place.mkdir()
    command = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(command, check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # What the wheel needs, from the environment of the tests.
    (packages / "needed.pth").write_text(sysconfig.get_paths()["purelib"])
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(packages)

    def run(*words, code=0):
        done = subprocess.run(
            [environment / "bin" / "python", *map(str, words)],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr if code else done.stdout

    return run


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("from common.cli import run", "from dssgan.common.cli import run"),
        ("from common import cli", "from dssgan.common import cli"),
        ("    import datasets  # here", "    from dssgan import datasets  # here"),
        ('Loader("datasets.loaders.musdb")', 'Loader("dssgan.datasets.loaders.musdb")'),
        ("python -m datasets list", "python -m dssgan.datasets list"),
        ('prog="python -m evaluation"', 'prog="python -m dssgan.evaluation"'),
        ("from dssgan.separator import X", "from dssgan.separator import X"),
        ("import dssgan.exports", "import dssgan.exports"),
        ("songs come from datasets of all kinds", "songs come from datasets of all kinds"),
        ("from datasetsx import y", "from datasetsx import y"),
    ],
)
def test_what_names_a_room_is_remapped(here, there):
    assert remapped(here) == there


@pytest.mark.slow
def test_the_wheel_is_one_package(wheel):
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        entry = packed.read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
        needed = packed.read(next(n for n in names if n.endswith("METADATA"))).decode()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"dssgan"}
    assert "dssgan = dssgan.__main__:start" in entry
    assert "Requires-Dist: onnxruntime" in needed
    train = [line for line in needed.splitlines() if line.startswith("Requires-Dist: tensorflow")]
    assert train and all("extra == " in line and "train" in line for line in train)
    for name in ("app/static/index.html", "experiments/recipes/drums.yaml"):
        assert f"dssgan/{name}" in names
    assert wheel.stat().st_size < 36e6  # two separators, each for both engines


@pytest.mark.slow
def test_every_module_is_found_and_none_by_a_name_of_others(python):
    count, others = python("-c", IMPORT_ALL).splitlines()[-1].split(" ", 1)
    assert int(count) > 250 and others == "[]"


@pytest.mark.slow
def test_commands_of_the_wheel(python, tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal((44100, 1)).astype(np.float32)
    audio.write(tmp_path / "song.wav", noise, 44100)
    python("-m", "dssgan", "separate", tmp_path / "song.wav", "-o", tmp_path / "stems")
    assert (tmp_path / "stems" / "song" / "drums.wav").stat().st_size > 80_000
    assert "recipes/demo.yaml" in python("-m", "dssgan", "train", "print_config", "with", "demo")
    assert "python -m dssgan.datasets" in python("-m", "dssgan", "data", "--help")
    assert "usage" in python("-m", "dssgan", "evaluate", "--help")
    assert "--latency" in python("-m", "dssgan", "completion", "options", "live")
    told = python("-m", "dssgan", "seperate", code=2)
    assert told.startswith("error: no command 'seperate'") and "separate" in told


def test_every_command_has_a_module_with_a_main():
    for command in dssgan.COMMANDS:
        assert callable(dssgan.module(command).main), command
        assert f"    {command} " in dssgan.__doc__


def test_help_and_misuse(capsys):
    assert dssgan.main([]) == 2 and dssgan.main(["--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    for words in (["trian"], ["completion"], ["completion", "tcsh"]):
        with pytest.raises(UsageError):
            dssgan.main(words)


def test_a_package_that_is_missing_is_named(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

    monkeypatch.setattr(dssgan.importlib, "import_module", missing)
    with pytest.raises(UsageError, match=r"dssgan train needs tensorflow: pip install 'dssgan\[tr"):
        dssgan.main(["train"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(shell, capsys):
    assert dssgan.main(["completion", shell]) == 0
    told = capsys.readouterr().out
    assert all(command in told for command in dssgan.COMMANDS) and "{{" not in told


def test_completion_in_bash():
    """The script that bash reads, with a stand-in for the command."""
    script = dssgan.SHELLS["bash"].format(commands="separate train")
    lines = [
        script,
        "dssgan() { echo --out --format; }",
        'COMP_WORDS=(dssgan se); COMP_CWORD=1; _dssgan; echo "${COMPREPLY[@]}"',
        'COMP_WORDS=(dssgan separate --f); COMP_CWORD=2; _dssgan; echo "${COMPREPLY[@]}"',
    ]
    done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.stdout.split() == ["separate", "--format"], done.stderr


def test_options_of_a_command_are_those_of_its_help():
    assert {"--latency", "--auto", "--help"} <= set(dssgan.options_of("live"))
    assert dssgan.options_of("nothing") == []

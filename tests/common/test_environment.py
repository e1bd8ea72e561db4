"""The bootstrap of the virtual environment, with every kind of Python a fresh machine may have.

No test needs a network: the package index is a folder with a small wheel that acts as pip.
"""

import functools
import http.server
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from common import environment

ACTS_AS_PIP = """
import pathlib, shutil, sys
if "--version" in sys.argv:
    print("pip 7.0 (stand-in)")
else:
    assert sys.argv[1] == "install" and sys.argv[-1].endswith(".whl"), sys.argv
    with __import__("zipfile").ZipFile(sys.argv[-1]) as wheel:
        wheel.extractall(next(p for p in sys.path if p.endswith("site-packages")))
    shutil.copy(sys.executable, pathlib.Path(sys.executable).parent / "pip")
"""


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nno-index = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))


@pytest.fixture
def no_ensurepip(monkeypatch):
    monkeypatch.setattr(environment, "importable", lambda module: False)


@pytest.fixture
def no_pip(monkeypatch):
    monkeypatch.setattr(environment, "install_with_pip", lambda python: "this Python has no pip")


def write_wheel(folder: Path, version: str = "7.0") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pip-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("pip/__init__.py", f"version = {version!r}\n")
        wheel.writestr("pip/__main__.py", ACTS_AS_PIP)
    return path


def works(folder: Path) -> bool:
    answer = subprocess.run([folder / "bin" / "python", "-m", "pip", "--version"], check=False)
    return answer.returncode == 0 and (folder / "bin" / "pip").exists()


def installed_version(folder: Path) -> str:
    code = "import pip; print(pip.version)"
    return subprocess.check_output([folder / "bin" / "python", "-c", code], text=True).strip()


def test_venv_with_ensurepip_is_used_where_it_works(tmp_path, monkeypatch):
    commands = []

    def attempt(command):
        commands.append([os.fspath(part) for part in command])
        return None

    monkeypatch.setattr(environment, "attempt", attempt)
    monkeypatch.setattr(environment, "importable", lambda module: True)
    monkeypatch.setattr(environment, "has_pip", lambda python: bool(commands))
    assert environment.main([str(tmp_path / "env")]) == 0
    assert commands == [[sys.executable, "-m", "venv", "--clear", str(tmp_path / "env")]]


def test_an_existing_pip_installs_pip(tmp_path, monkeypatch, no_ensurepip):
    real = environment.attempt
    seen = []

    def attempt(command):
        command = [os.fspath(part) for part in command]
        if "--python" in command:
            seen.append(command)
            wheel = write_wheel(tmp_path / "index")
            python = command[command.index("--python") + 1]
            return real([python, wheel / "pip", "install", wheel])
        return None if command[:3] == [sys.executable, "-m", "pip"] else real(command)

    monkeypatch.setattr(environment, "attempt", attempt)
    assert environment.main([str(tmp_path / "env")]) == 0
    assert seen[0][:3] == [sys.executable, "-m", "pip"] and "install" in seen[0]
    assert works(tmp_path / "env")


def test_without_any_pip_the_newest_wheel_of_find_links_is_taken(
    tmp_path, monkeypatch, no_ensurepip, no_pip
):
    for version in ("7.0", "21.3.1", "9.1"):
        write_wheel(tmp_path / "wheels", version)
    (tmp_path / "wheels" / "pip-99.0b1-py3-none-any.whl").write_bytes(b"not released")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    environment_folder = tmp_path / "env"
    assert environment.main([str(environment_folder)]) == 0
    assert works(environment_folder) and installed_version(environment_folder) == "21.3.1"
    before = (environment_folder / "pyvenv.cfg").stat().st_mtime_ns
    assert environment.main([str(environment_folder)]) == 0  # one that works is left alone
    assert (environment_folder / "pyvenv.cfg").stat().st_mtime_ns == before


@pytest.fixture
def index(tmp_path):
    """A simple index over HTTP: one wheel with the right checksum, a newer one that is yanked."""
    import hashlib

    folder = tmp_path / "served" / "simple" / "pip"
    wheel = write_wheel(folder)
    checksum = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "index.html").write_text(
        f'<a href="{wheel.name}#sha256={checksum}">{wheel.name}</a>'
        '<a href="pip-8.0-py3-none-any.whl" data-yanked="">yanked</a>'
        '<a href="pip-9.0.tar.gz">source</a>'
    )
    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}/simple", folder
    server.shutdown()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    logins = ()

    def do_GET(self):
        type(self).logins += (self.headers.get("Authorization"),)
        super().do_GET()

    def log_message(self, *_):
        pass


def test_the_configured_index_is_asked(tmp_path, monkeypatch, no_ensurepip, no_pip, index):
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    settings = tmp_path / "config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[global]\nindex-url = http://ann:p%40ss@{index[0]}\n")
    Quiet.logins = ()
    assert environment.main([str(tmp_path / "env")]) == 0
    assert works(tmp_path / "env") and installed_version(tmp_path / "env") == "7.0"
    assert set(Quiet.logins) == {"Basic YW5uOnBAc3M="}  # ann:p@ss


def test_an_index_given_as_a_file_address_is_read(
    tmp_path, monkeypatch, no_ensurepip, no_pip, index
):
    address = index[1].parent.as_uri()
    monkeypatch.setenv("PIP_NO_INDEX", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", address)
    assert environment.main([str(tmp_path / "env")]) == 0
    assert works(tmp_path / "env")


def test_a_damaged_wheel_and_a_dead_index_are_named_without_the_password(
    tmp_path, monkeypatch, no_ensurepip, no_pip, index, capsys
):
    write_wheel(index[1], "7.0").write_bytes(b"garbage")
    monkeypatch.setenv("PIP_NO_INDEX", "")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://ann:secret@{index[0]}")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://ann:secret@127.0.0.1:1/simple")
    assert environment.main([str(tmp_path / "env")]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and message.startswith("error: no pip for")
    assert "arrived damaged" in message and "127.0.0.1:1/simple/pip/ cannot be read" in message
    assert "PIP_INDEX_URL" in message and "python3-venv" in message
    assert "secret" not in message


def test_a_broken_environment_is_made_anew(tmp_path, monkeypatch, no_ensurepip, no_pip):
    write_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    folder = tmp_path / "env"
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text("home = /gone\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to("/gone/python3")
    assert environment.main([str(folder)]) == 0
    assert works(folder)


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "take.wav").write_bytes(b"music")
    assert environment.main([str(tmp_path / "songs")]) == 1
    assert "is no virtual environment: choose another folder" in capsys.readouterr().err
    assert (tmp_path / "songs" / "take.wav").read_bytes() == b"music"


def test_an_old_python_is_refused_with_what_to_do():
    with pytest.raises(environment.Failure, match=r"Python 3.9, the project needs 3.11 or newer"):
        environment.check_version((3, 9, 2), "/usr/bin/python3")
    environment.check_version((3, 11, 0), "python3")


@pytest.mark.parametrize("argv", [[], ["a", "b"], ["--help"]])
def test_misuse_says_how_to_call_it(argv, capsys):
    assert environment.main(argv) == 2
    assert "usage: " in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, no_ensurepip, capsys):
    (tmp_path / "file").write_text("")
    assert environment.main([str(tmp_path / "file" / "env")]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "venv" in message and "failed" in message


def test_only_the_standard_library_is_imported():
    lines = Path(environment.__file__).read_text().splitlines()
    names = {line.split()[1].split(".")[0] for line in lines if line.startswith("import ")}
    assert names <= sys.stdlib_module_names and len(names) > 5
    assert not any(line.startswith("from ") for line in lines)

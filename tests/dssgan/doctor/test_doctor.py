"""The doctor: what it says on this machine, and on machines where something is wrong."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dssgan.doctor import __main__ as doctor
from dssgan.doctor import audio_readers, machine, python_packages, storage
from dssgan.doctor.fact import Fact


def states(facts, about=None):
    return [fact.state for fact in facts if about in (None, fact.about)]


def fake_nvidia_smi(folder, monkeypatch, output="GPU 0: NVIDIA H200 (UUID: GPU-12)\n"):
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{output}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_this_machine_is_ready(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "PATIENCE_S", 0.3)
    code = doctor.main(["--runs", str(tmp_path / "runs"), "--mongo", "127.0.0.1:9"])
    lines = capsys.readouterr().out.splitlines()
    assert code == 0 and lines[-1] == "ready"
    assert max(map(len, lines)) <= 80
    for word in ("python", "tensorflow", "keras", "sacred", "device", "reader", "mongodb", "disk"):
        assert [line for line in lines if line[6:].startswith(word)], word
    for line in lines[:-1]:
        assert line[:6] in ("ok    ", "warn  ", "fail  ", "      ")
    assert not (tmp_path / "runs").exists()


def test_something_that_blocks_is_exit_code_1(capsys, tmp_path, monkeypatch):
    for module, name in (
        (machine, "device"),
        (python_packages, "packages"),
        (audio_readers, "readers"),
    ):
        monkeypatch.setattr(module, name, lambda: iter([Fact("warn", "x", "y", "z")]))
    monkeypatch.setattr(doctor, "mongo", lambda url: iter([Fact("warn", "mongodb", "away")]))
    assert doctor.main(["--runs", str(tmp_path)]) == 0
    monkeypatch.setattr(machine, "device", lambda: iter([Fact("fail", "device", "gone", "do")]))
    assert doctor.main(["--runs", str(tmp_path)]) == 1
    assert "see fail above" in capsys.readouterr().out


def test_facts_fit_80_columns_whatever_they_say():
    name = os.fsdecode(b"/music/caf\xe9/" + b"very " * 30)
    text = doctor.render(Fact("warn", "runs", name, "do " * 60))
    assert max(map(len, text.splitlines())) <= 80 and len(text.splitlines()) > 3
    assert text.encode("utf-8") and "\\udce9" in text and "\n      > do do" in text


def test_requirements_are_read_as_pip_reads_them(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("# why\nnumpy>=2.1,<3\nmir_eval>=0.8,<0.9  # note\npyyaml\nx==1.0\n\n")
    assert python_packages.requirements(file) == [
        ("numpy", [">=2.1", "<3"]),
        ("mir_eval", [">=0.8", "<0.9"]),
        ("pyyaml", []),
        ("x", ["==1.0"]),
    ]


@pytest.mark.parametrize(
    ("version", "ranges", "fits"),
    [
        ("2.21.0", [">=2.21", "<2.22"], True),
        ("2.22.0", [">=2.21", "<2.22"], False),
        ("2.3", [">=2.21"], False),
        ("81.0.0", ["<82"], True),
        ("82.0.1", ["<82"], False),
        ("0.37.1", ["==0.37.1"], True),
        ("1.26.4", [">=1.26.4", "<2"], True),
        ("7", [], True),
    ],
)
def test_versions_are_compared_by_number(version, ranges, fits):
    assert python_packages.within(version, ranges) == fits


def test_missing_and_untested_packages_are_named_with_the_pip_line(monkeypatch):
    versions = {"tensorflow": "2.30.0", "sacred": None}
    real = python_packages.installed
    monkeypatch.setattr(python_packages, "installed", lambda name: versions.get(name, real(name)))
    monkeypatch.setitem(versions, "tensorflow-io", None)
    facts = {fact.about: fact for fact in python_packages.packages()}
    assert facts["tensorflow"].state == "warn" and "tested with >=2.21" in facts["tensorflow"].found
    assert facts["sacred"].state == "fail" and "not installed" in facts["sacred"].found
    assert facts["sacred"].advice == "pip install -r requirements.txt"
    assert facts["numpy"].state == "ok"


def test_with_tensorflow_io_the_other_ranges_count(monkeypatch):
    monkeypatch.setattr(python_packages, "installed", lambda name: "0.0.1")
    names = {fact.about: fact for fact in python_packages.packages()}
    assert "requirements-tfio.txt" in names["tensorflow"].advice and "tensorflow-io" in names


def test_a_gpu_that_tensorflow_does_not_see_is_said(tmp_path, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    fake_nvidia_smi(tmp_path, monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (fact,) = machine.device()
    assert fact.state == "warn" and "hides NVIDIA H200" in fact.found and "unset" in fact.advice
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    (fact,) = machine.device()
    assert fact.state == "warn" and "NVIDIA H200" in fact.found
    assert "silently falls back to the CPU" in fact.found
    assert "pip install 'tensorflow[and-cuda]>=2.21,<2.22'" in fact.advice


def test_without_a_gpu_the_cpu_is_the_device(tmp_path, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    fake_nvidia_smi(tmp_path, monkeypatch, "No devices were found\n")
    (fact,) = machine.device()
    assert fact == Fact("ok", "device", "CPU:0 (no NVIDIA GPU here)")


def test_a_tensorflow_that_does_not_load_blocks(monkeypatch):
    def broken(name):
        raise ImportError("libcudart.so.99: cannot open\nshared object file")

    monkeypatch.setattr(python_packages.importlib, "import_module", broken)
    (fact,) = machine.device()
    assert fact.state == "fail" and "libcudart.so.99" in fact.found and "\n" not in fact.found
    assert states(audio_readers.readers(), "reader") == ["fail", "fail"]


@pytest.mark.parametrize(
    ("flags", "state", "words"),
    [
        ("fpu avx2 avx512_bf16 avx512f", "ok", "bfloat16 in hardware (avx512_bf16)"),
        ("fpu avx2 avx512f", "ok", "keep precision float32"),
        ("fpu sse2", "warn", "no AVX2"),
    ],
)
def test_the_processor_is_read_from_its_flags(tmp_path, flags, state, words):
    (tmp_path / "cpuinfo").write_text(f"model name\t: X\nflags\t\t: {flags}\n" * 2)
    (fact,) = machine.processor(tmp_path / "cpuinfo")
    assert fact.state == state and words in fact.found and " cores" in fact.found


def test_a_full_disk_is_found(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    for free, state in ((10**8, "fail"), (10**9, "warn"), (10**11, "ok")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert states(storage.disk(tmp_path / "not" / "there")) == [state, state]


def test_runs_that_cannot_be_written_block():
    (fact,) = storage.writable(Path("/proc/runs"))
    assert fact.state == "fail" and "/proc" in fact.found and "tracking.folder" in fact.advice


def test_another_datasets_package_in_the_way_blocks(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    code = "from dssgan.doctor import python_packages; print(list(python_packages.checkout())[0])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(python_packages.ROOT)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "state='fail'" in done.stdout and "run the command from the checkout" in done.stdout


def test_a_database_that_hangs_is_left_and_no_secret_is_shown(monkeypatch):
    monkeypatch.setattr(storage, "PATIENCE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and never answers
        port = server.getsockname()[1]
        (fact,) = storage.mongo(f"mongodb://ann:secret@127.0.0.1:{port}/runs")
    assert fact.state == "warn" and f"127.0.0.1:{port} does not answer" in fact.found
    assert "secret" not in str(fact) and "ann" not in str(fact)
    for address in ("mongodb://ann:se@cret@localhost:1", "mongodb://ann:se/cret@localhost:1"):
        (fact,) = storage.mongo(address)
        assert fact.state == "warn" and "cret" not in str(fact) and "ann" not in str(fact)


def test_a_database_that_answers_is_named_by_version(monkeypatch):
    class Client:
        def __init__(self, address, **options):
            assert address == "mongodb://db.example:27018" and threading.current_thread().daemon
            self.admin = self

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def command(self, name):
            assert name == "ping"

        def server_info(self):
            return {"version": "7.0.1"}

    monkeypatch.setattr("pymongo.MongoClient", Client)
    (fact,) = storage.mongo("db.example:27018:sacred")
    assert fact == Fact("ok", "mongodb", "db.example:27018 answers, version 7.0.1")

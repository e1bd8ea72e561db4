"""Training runs started by other experiments."""

import subprocess

import pytest

from experiments.run import process


def answering(code, words):
    def run(command, stdout, **options):
        assert command[1:4] == ["-m", "dssgan.train", "with"]
        stdout.write(f"{words} {command[4]}\n".encode())
        stdout.flush()
        return subprocess.CompletedProcess(command, code)

    return run


def test_the_log_grows_and_a_failure_is_told(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "runs" / "one"
    monkeypatch.setattr(process.subprocess, "run", answering(0, "trained with"))
    process.train("a.yaml", folder)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(process.subprocess, "run", answering(1, "error: cannot train with"))
    process.train("b.yaml", folder)
    assert (folder / "log.txt").read_text().splitlines() == [
        "trained with a.yaml",
        "error: cannot train with b.yaml",
    ]
    assert capsys.readouterr().out == f"{folder}: failed: error: cannot train with b.yaml\n"


@pytest.mark.parametrize("code", [130, 143])
def test_a_run_that_was_stopped_stops_what_started_it(tmp_path, monkeypatch, code):
    monkeypatch.setattr(process.subprocess, "run", answering(code, "interrupted"))
    with pytest.raises(KeyboardInterrupt):
        process.train("a.yaml", tmp_path)

"""Configurations that would take a machine's memory or time are refused at once."""

import os
import time

import pytest

from common.cli import one_line
from common.redact import redacted
from datasets.song_files import metadata
from experiments.run.configuration import configure
from experiments.run.yaml_files import read_yaml

BOMBS = {
    "deep": "a: " + "[" * 1_000_000,
    "items": "a: [" + "1," * 1_000_000 + "]",
    "sixty": "a: 1" + ":59" * 600_000,
    "digits": "a: " + "9" * 2_000_000,
    "merged": "a0: &a0 {k: v}\n"
    + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 60)),
}


@pytest.mark.parametrize("read", [read_yaml, metadata.read])
@pytest.mark.parametrize("bomb", BOMBS)
def test_yaml_that_grows(tmp_path, read, bomb):
    path = tmp_path / "a.yaml"
    path.write_text(BOMBS[bomb])
    started = time.process_time()
    with pytest.raises(ValueError) as caught:
        read(path)
    assert time.process_time() - started < 20.0  # a machine at leisure takes less than 2
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_yaml, metadata.read])
def test_pipes_and_devices(tmp_path, read):
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").symlink_to("/dev/zero")
    for name in ("a.yaml", "b.yaml"):
        with pytest.raises(ValueError, match="a pipe or a device"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    "word",
    [
        "model.width=1e9",
        "model.width=1000000000",
        "model={width: 1000000000, name: multistage}",
        "adversarial.critics=[{name: dcgan, filters: 1000000000}]",
        "data.batch=1000000000",
        "data.seconds=1e12",
        "seed=" + "9" * 9_000,
        "seed=" + "9" * 90_000,
        "model.width=" + "[" * 9_000,
        "evaluation.workers=1000000000",
    ],
)
def test_values_on_the_command_line(word):
    with pytest.raises(ValueError) as caught:
        configure(["demo", word])
    assert "\n" not in one_line(caught.value) and len(one_line(caught.value)) <= 4001


def test_long_messages_are_cut_and_searched_for_passwords_at_once():
    started = time.process_time()
    for text in ("9" * 300_000, "?password" * 30_000, "http" * 100_000, "a:/" * 100_000):
        assert len(one_line(ValueError(text))) <= 4001
        redacted(text[:20_000])
    assert time.process_time() - started < 5.0
    assert (
        redacted("mongodb://me:pw@host/db?x_password=3") == "mongodb://***@host/db?x_password=***"
    )

"""Configuration files: keys that stand twice, empty sections, what grows or never ends."""

import os
import time

import pytest

from common.cli import UsageError
from experiments.run.configuration import configure
from experiments.run.yaml_files import read_yaml


def refused(path):
    started = time.process_time()
    with pytest.raises(UsageError) as caught:
        read_yaml(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    assert time.process_time() - started < 5.0
    return text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nname: a\nseed: 2\n", "the key 'seed' stands in line 1 and again in line 3"),
        (
            "data:\n  seconds: 2.0\n  batch: 8\n  seconds: 3.0\n",
            "the key 'seconds' stands in line 2 and again in line 4",
        ),
        ("data: {seconds: 1.0, seconds: 2.0}\n", "stands in line 1 and again in line 1"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path, text, message):
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    assert message in refused(path)


def test_a_shared_file_with_doubled_data_is_refused(shared):
    text = refused(shared / "cases" / "config" / "dupdata.yaml")
    assert "the key 'data' stands in line 1 and again in line 5" in text


def test_keys_of_one_name_in_two_sections_and_merged_sections_are_no_doubles(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: {x: 1}\n")
    assert read_yaml(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1}}


def test_an_empty_section_clears_what_was_inherited(monkeypatch):
    inherited, _, _ = configure(["demo"])
    assert inherited.data.options
    cleared, _, _ = configure(["demo", "data.options={}"])
    assert cleared.data.options == {}
    assert cleared.data.batch == inherited.data.batch


def test_aliases_that_multiply_are_refused_before_they_do(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))
    assert "its aliases stand for more than 100000 values" in refused(path)
    path.write_text("a: &a [*a]\n")
    assert "aliases" in refused(path)
    path.write_text("[" * 5000 + "]" * 5000)
    assert "without end" in refused(path)


def test_pipes_devices_and_huge_files_are_refused_at_once(tmp_path):
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    assert "a pipe or a device" in refused(pipe)
    zero = tmp_path / "zero.yaml"
    zero.symlink_to("/dev/zero")
    assert "a pipe or a device" in refused(zero)
    huge = tmp_path / "huge.yaml"
    with open(huge, "wb") as file:
        file.truncate(2**33)
    assert "larger than 4194304 bytes" in refused(huge)

"""Exported separators of others: names that are paths, sizes that eat the machine, damage."""

import json
import os
import resource
import time

import pytest

from dssgan.models import export
from dssgan.models.export import check_sizes

GOOD = {
    "format": 1,
    "separator": "multistage",
    "hyperparameters": {"sources": ["drums", "bass"], "stages": 1, "width": 16},
    "sources": ["drums", "bass"],
    "sample_rate": 8000,
}


def foreign(folder, **changes):
    folder.mkdir(exist_ok=True)
    (folder / "separator.weights.h5").write_bytes(b"weights")
    (folder / "config.json").write_text(json.dumps(GOOD | changes))
    return folder


def refused(folder):
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError) as caught:
        export.load(folder)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'config.json'}: ") and "\n" not in text
    assert time.process_time() - started < 5.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB
    return text


@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "/etc/evil",
        "a/b",
        "a\\b",
        "",
        ".hidden",
        "..",
        3,
        None,
        "a\x1b[31m",
        "a\nb",
        "x" * 101,
    ],
)
def test_names_that_are_no_names_are_refused(tmp_path, name):
    text = refused(foreign(tmp_path / "export", sources=[name, "bass"]))
    assert "cannot be a name" in text
    assert text.isprintable()


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"width": 10**9}, "hyperparameters.width=1000000000: expected 8192 at most"),
        ({"layers": 10**9}, "hyperparameters.layers=1000000000: expected 8192 at most"),
        ({"base_rate": 10**12}, "hyperparameters.base_rate=1000000000000: expected 1000000"),
        ({"dilations": [1] * 10_000}, "hyperparameters.dilations: 10000 values; expected 8192"),
        ({"split": [[400, 10**9]]}, "hyperparameters.split.0.1=1000000000: expected 1000000"),
        ({"models": [{"hyperparameters": {"width": 10**9}}]}, "models.0.hyperparameters.width="),
    ],
)
def test_sizes_that_no_separator_has_are_refused_before_anything_is_built(
    tmp_path, hyperparameters, message
):
    given = GOOD["hyperparameters"] | hyperparameters
    assert message in refused(foreign(tmp_path / "export", hyperparameters=given))


def test_sizes_of_the_published_separators_are_fine():
    check_sizes({"split": [[16000, 2000]], "sample_rate": 44100, "seed": 1}, "here")


def test_a_configuration_that_never_ends_is_refused_at_once(tmp_path):
    folder = foreign(tmp_path / "export")
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/dev/zero")
    assert "a pipe or a device" in refused(folder)
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    assert "a pipe or a device" in refused(folder)
    (folder / "config.json").unlink()
    (folder / "config.json").write_text("[" * 100_000)
    assert "not valid JSON" in refused(folder)


@pytest.mark.parametrize(
    "case",
    [
        "sources_0",
        "sources_1",
        "sources_4",
        "sources_7",
        "hyper_width",
        "hyper_layers",
        "deep_config",
    ],
)
def test_shared_cases_are_one_line(tmp_path, shared, case):
    folder = tmp_path / case
    folder.mkdir()
    content = (shared / "cases" / "exports" / case / "config.json").read_bytes()
    (folder / "config.json").write_bytes(content)
    (folder / "separator.weights.h5").write_bytes(b"weights")
    refused(folder)

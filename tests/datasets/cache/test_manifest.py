"""Manifests and unfinished records: no path out of them is trusted, every damage is one line."""

import copy
import json

import pytest

from datasets import audio
from datasets.__main__ import main
from datasets.cache.manifest import MANIFEST, read_manifest, serialise
from datasets.cache.tracks import load

RATE = 8000


@pytest.fixture
def cache(tmp_path, rng):
    """A cache of two short songs and the folder of their files."""
    for name in ("one", "two"):
        for stem in ("drums", "vocals"):
            signal = rng.uniform(-0.5, 0.5, (400, 1)).astype("float32")
            audio.write(tmp_path / "songs" / "train" / name / f"{stem}.wav", signal, RATE)
    assert main(prepare(tmp_path)) == 0
    return tmp_path / "cache"


def prepare(place, *more):
    words = ["prepare", "folders", str(place / "songs"), "--out", str(place / "cache")]
    return [*words, "--rates", str(RATE), "--workers", "1", *more]


def written(cache, manifest):
    """Write a manifest with a checksum that is right."""
    (cache / MANIFEST).write_text(serialise(manifest))


@pytest.mark.parametrize("path", ["../victim.txt", "{}/victim.txt", "8000/../../victim.txt", "", 3])
def test_paths_that_lead_out_of_the_cache_are_refused_and_nothing_is_removed(cache, path):
    victim = cache.parent / "victim.txt"
    victim.write_text("mine")
    path = path.format(cache.parent) if isinstance(path, str) else path
    manifest = read_manifest(cache)
    manifest["songs"][0]["files"]["8000"]["path"] = path
    written(cache, manifest)
    for attempt in (lambda: load(cache), lambda: main(prepare(cache.parent, "--prune"))):
        with pytest.raises(ValueError) as caught:
            attempt()
        assert str(caught.value).startswith(str(cache / MANIFEST))
        assert "\n" not in str(caught.value)
    assert victim.read_text() == "mine"


def test_a_linked_folder_does_not_lead_out_of_the_cache(cache):
    elsewhere = cache.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "victim.npy").write_text("mine")
    (cache / "linked").symlink_to(elsewhere)
    manifest = read_manifest(cache)
    manifest["songs"][0]["files"]["8000"]["path"] = "linked/victim.npy"
    written(cache, manifest)
    with pytest.raises(ValueError, match=r"'linked/victim\.npy', which is not below"):
        main(prepare(cache.parent, "--prune"))
    assert (elsewhere / "victim.npy").read_text() == "mine"


def test_unfinished_records_are_not_trusted_either(cache):
    victim = cache.parent / "victim.txt"
    victim.write_text("mine")
    song = read_manifest(cache)["songs"][0]
    (cache / "unfinished").mkdir()
    record = cache / "unfinished" / "gone.json"
    for change in ({"name": "gone"}, {"name": 3}, {"files": []}, {"files": {"x": {}}}):
        content = copy.deepcopy(song) | change
        if change == {"name": "gone"}:
            content["files"]["8000"]["path"] = "../victim.txt"
        record.write_text(json.dumps(content))
        with pytest.raises(ValueError) as caught:
            main(prepare(cache.parent, "--prune"))
        assert str(caught.value).startswith(str(record)), change
        assert "\n" not in str(caught.value)
    for content in ("", "[1]", "{", "[" * 100_000):
        record.write_text(content)
        with pytest.raises(ValueError, match=r"gone\.json: .* delete it and prepare again"):
            main(prepare(cache.parent, "--prune"))
    assert victim.read_text() == "mine"


def places(value, path=()):
    """Every place in nested JSON."""
    yield path
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, key))


def test_no_damage_of_a_manifest_is_more_than_one_line(cache):
    """Every value in turn is replaced by one of another type; the checksum is right."""
    whole = read_manifest(cache)
    count = 0
    for path in places(whole):
        for value in (None, [], {}, "text", -1, True, [None], {"a": None}):
            manifest = copy.deepcopy(whole)
            part = manifest
            for key in path[:-1]:
                part = part[key]
            if path:
                part[path[-1]] = value
            else:
                manifest = value
            try:
                text = serialise(manifest) if isinstance(manifest, dict) else json.dumps(manifest)
            except (TypeError, AttributeError):
                continue
            (cache / MANIFEST).write_text(text)
            count += 1
            try:
                load(cache)
            except ValueError as error:
                assert "\n" not in str(error), path
    assert count > 500

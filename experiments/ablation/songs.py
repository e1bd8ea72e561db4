"""The songs of the ablation: rendered MIDI in four roles, no song in two of them."""

from pathlib import Path
from typing import Any

import numpy as np

import datasets
from common import cli
from common.json_files import read_json, write_json
from datasets.cache.prepare import CacheContents, LoadedSongs
from datasets.cache.prepare import prepare as prepare_cache
from datasets.midi.notes import DRUMS, notes
from datasets.midi.track import MidiTrack


def roles(material: dict[str, Any]) -> dict[str, list[str]]:
    """Names of the songs and performances of each role; they follow from the seed."""
    songs = datasets.load(
        "midi", material["songs"], soundfont=material["paired"]["soundfont"], valid=0.0, test=0.0
    )
    names = sorted(
        song.name
        for song in songs
        if song.duration >= material["seconds"] / 2
        and not song.name.startswith(tuple(material["leave_out"]))
        and drummed(song, material["seconds"]) >= material["drummed"]
    )
    rng = np.random.default_rng(material["seed"])
    names = [names[place] for place in rng.permutation(len(names))]
    elsewhere, paired = material["elsewhere"], material["paired"]["count"]
    valid = paired + elsewhere["valid"]
    test = valid + elsewhere["test"]
    solos = datasets.load(
        "groove",
        material["groove"],
        soundfont=elsewhere["soundfont"],
        shortest=material["solos"]["shortest"],
    )
    drumming = sorted(track.name for track in solos if track.split == "train")
    order = rng.permutation(len(drumming))[: material["solos"]["count"]]
    return {
        "paired": names[:paired],
        "valid": names[paired:valid],
        "test": names[valid:test],
        "mixtures": names[test:],
        "solos": [drumming[place] for place in order],
    }


def drummed(song: MidiTrack, seconds: float) -> float:
    """Share of the seconds, of the first ones of a song, in which a note of the drums begins."""
    played = notes(song.song(Path(song.path).read_bytes()))
    whole = int(min(seconds, song.duration))
    struck = {int(note.start) for note in played if note.channel == DRUMS}
    return len(struck & set(range(whole))) / whole


def prepare(material: dict[str, Any]) -> dict[str, list[str]]:
    """Render what is not there yet into one cache per role; returns what `roles` does."""
    folder = cli.path(material["cache"])
    done = folder / "material.json"
    if done.exists():
        record = read_json(done, {"material": dict, "roles": {str: [str]}}, "delete it")
        if record["material"] == material:
            return record["roles"]
    found = roles(material)
    common = {"seconds": material["seconds"], "balance": material["balance"]}
    other = common | {"soundfont": material["elsewhere"]["soundfont"]}
    wanted = {
        "paired": common
        | {"soundfont": material["paired"]["soundfont"], "songs": found["paired"]}
        | {"valid": 0.0, "test": 0.0},
        "held_out": other
        | {"songs": found["valid"] + found["test"], "valid": found["valid"], "test": found["test"]},
        "mixtures": other | {"songs": found["mixtures"], "valid": 0.0, "test": 0.0},
        "solos": {
            "soundfont": material["elsewhere"]["soundfont"],
            "songs": found["solos"],
        },
    }
    for role, options in wanted.items():
        print(f"{folder / role}: rendering {len(options['songs'])} songs", flush=True)
        name = "groove" if role == "solos" else "midi"
        root = material["groove"] if role == "solos" else material["songs"]
        prepare_cache(
            LoadedSongs(name, *datasets.load_readable(name, root, **options)),
            folder / role,
            CacheContents(rates=[material["rate"]]),
            workers=2,
            prune=True,
            watch=lambda results, total, role=role: cli.progress(
                results, total=total, desc=role, unit="song"
            ),
        )
    write_json(done, {"material": material, "roles": found})
    return found


def data(material: dict[str, Any]) -> dict[str, Any]:
    """The data sections of a configuration."""
    folder = cli.path(material["cache"])

    def cache(role: str, **more: Any) -> dict[str, Any]:
        return {"name": "cache", "root": str(folder / role), **more}

    return {
        "data": cache("paired", also=[cache("held_out")]),
        "unpaired": {
            "mixtures": [cache("mixtures")],
            "solos": [cache("solos", source="drums")],
        },
    }

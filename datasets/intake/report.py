"""What an intake leaves beside the songs: its manifest, the credits, and what was refused.

OUT/SONG/{mixture,drums,bass,other,vocals}.wav
OUT/intake.json    every song: licence, credit, what its stems are made of, what was measured
OUT/CREDITS.md     whom to name
OUT/REPORT.md      what was refused, and why; what is to be known of the others
OUT/report.json    the same for programs
"""

import re
from collections.abc import Sequence
from pathlib import Path

from common.cli import printable
from common.files import check_name, write_text
from common.json_files import read_json, write_json
from datasets.intake.sources import Refused
from datasets.intake.terms import SHARE_ALIKE

MANIFEST, CREDITS, REPORT, REPORT_JSON = "intake.json", "CREDITS.md", "REPORT.md", "report.json"
VERSION = 1
SONG = {
    "name": str, "artist": str, "licence": str, "credit": str, "source": str, "contributed": str,
    "place": str, "state": str, "options": str, "stems": {str: [str]}, "sample_rate": int,
    "channels": int, "samples": int, "missing": [str], "notes": [str], "measured": dict,
    "fingerprint": str, "files": {str: {"bytes": int, "sha256": str}},
}  # fmt: skip
_ADVICE = "delete it and take the songs in again"


def read_manifest(out: Path) -> list[dict]:
    """The songs that were taken, by name; none where there is no manifest.

    Raises:
      ValueError: damaged, or of another version. OSError: it cannot be read.
    """
    path = out / MANIFEST
    if not path.exists():
        return []
    found = read_json(path, {"version": int, "songs": [SONG]}, _ADVICE)
    if found["version"] != VERSION:
        raise ValueError(f"{path}: version {found['version']}; expected {VERSION}: {_ADVICE}")
    names = [check_name(song["name"], str(path)) for song in found["songs"]]
    for song in found["songs"]:
        for file in song["files"]:
            check_name(file, str(path))
        if not 0 < song["sample_rate"] < 1e7 or not 0 < song["channels"] <= 2:
            raise ValueError(f"{path}: {song['name']}: no rate or channels of a song: {_ADVICE}")
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: has a song twice: {_ADVICE}")
    return found["songs"]


def write_manifest(out: Path, songs: Sequence[dict]) -> None:
    """Write the songs that were taken, by name."""
    ordered = sorted(songs, key=lambda song: song["name"])
    write_json(out / MANIFEST, {"version": VERSION, "songs": ordered})


def write_reports(out: Path, songs: Sequence[dict], refused: Sequence[Refused]) -> None:
    """Write the credits of all songs, and the report of a run, in Markdown and JSON."""
    songs = sorted(songs, key=lambda song: song["name"])
    write_text(out / CREDITS, _credits(songs))
    write_text(out / REPORT, _report(songs, refused))
    entries = [
        {"name": one.name, "contributed": one.label, "reasons": list(one.reasons)}
        for one in refused
    ]
    notes = {song["name"]: song["notes"] for song in songs if song["notes"]}
    write_json(
        out / REPORT_JSON,
        {"accepted": [song["name"] for song in songs], "refused": entries, "notes": notes},
    )


def _credits(songs: Sequence[dict]) -> str:
    lines = ["# Credits", ""]
    for song in songs:
        parts = [f"**{markdown(song['name'])}**"]
        parts += [f"by {markdown(song['artist'])}"] if song["artist"] else []
        parts.append(f"— {markdown(song['credit'])}; licence {markdown(song['licence'])}")
        source = f" ({markdown(song['source'])})" if song["source"] else ""
        lines.append(f"* {' '.join(parts)}{source}. Stems were added up; nothing else was changed.")
    alike = sorted({s["licence"] for s in songs if SHARE_ALIKE.match(s["licence"])})
    if alike:
        names = ", ".join(alike)
        lines += ["", f"What is made of songs under {names} is passed on under the same licence."]
    return "\n".join(lines) + "\n"


def _report(songs: Sequence[dict], refused: Sequence[Refused]) -> str:
    hours = sum(song["samples"] / song["sample_rate"] for song in songs) / 3600
    lines = [
        "# Intake",
        "",
        f"{len(songs)} songs are here, {hours:.2f} h; {len(refused)} were refused last time.",
    ]
    if refused:
        lines += ["", "## Refused", ""]
        for one in refused:
            name, label = markdown(one.name), markdown(one.label)
            lines.append(f"* **{name}** ({label})" if label != name else f"* **{name}**")
            lines += [f"  * {markdown(reason)}" for reason in one.reasons]
    lines += ["", "## Songs", "", "| song | s | Hz | stems | licence |", "|---|---:|---:|---|---|"]
    for song in songs:
        seconds = song["samples"] / song["sample_rate"]
        stems = ", ".join(
            f"{stem} ({len(files)})"
            for stem, files in song["stems"].items()
            if f"{stem}.wav" in song["files"] and stem != "mixture"
        )
        lines.append(
            f"| {markdown(song['name'])} | {seconds:.1f} | {song['sample_rate']} | {stems} | "
            f"{markdown(song['licence'])} |"
        )
    noted = [song for song in songs if song["notes"] or song["missing"]]
    if noted:
        lines += ["", "## To be known", ""]
        for song in noted:
            lines.append(f"* **{markdown(song['name'])}**")
            if song["missing"]:
                lines.append(f"  * has no {', '.join(song['missing'])}")
            lines += [f"  * {markdown(note)}" for note in song["notes"]]
    return "\n".join(lines) + "\n"


def markdown(text: str) -> str:
    """A text of others as Markdown shows it: on one line, nothing in it a tag, link or mark-up."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", text)

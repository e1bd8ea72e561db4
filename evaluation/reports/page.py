"""Reports of scores: Markdown, box plots and one page of HTML."""

import base64
import html
import os
from collections.abc import Mapping
from pathlib import Path

from common.files import write_bytes
from evaluation.reports.box_plots import picture
from evaluation.reports.tables import per_song, plain, totals


def write_report(summary: Mapping, folder: str | os.PathLike, title: str = "Scores") -> list[Path]:
    """Write report.md, scores-TARGET.png and report.html (self-contained) to `folder`.

    All are made before the first is written.

    Returns:
      The files.
    """
    folder, files = Path(folder), _files(summary, title)
    for name, data in files.items():
        write_bytes(folder / name, data)
    return [folder / name for name in files]


def _files(summary: Mapping, title: str) -> dict[str, bytes]:
    """{name: content} of the files of a report."""
    pictures = {}
    for number, target in enumerate(summary["median"]):
        name = f"scores-{plain(target)}.png"
        if any(name == other for other, _ in pictures.values()):
            name = f"scores-{plain(target)}-{number}.png"
        pictures[target] = name, picture(summary, target)
    settings = _settings_line(summary.get("settings"))
    failed = summary.get("failed") or {}
    text = [f"# {title}", settings, totals(summary, markdown=True)]
    page = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(settings)}</p>"]
    page.append(f"<pre>{html.escape(totals(summary))}</pre>")
    for target, (file, drawn) in pictures.items():
        text += [f"## {target}", f"![{target}]({file})", per_song(summary, target, True)]
        data = base64.b64encode(drawn).decode()
        name, rows = html.escape(target), html.escape(per_song(summary, target))
        page.append(f'<h2>{name}</h2><img alt="{name}" src="data:image/png;base64,{data}">')
        page.append(f"<pre>{rows}</pre>")
    if failed:
        lines = [f"* {song}: {message}" for song, message in failed.items()]
        text += ["## Not scored", "\n".join(lines)]
        page.append(f"<h2>Not scored</h2><pre>{html.escape(chr(10).join(lines))}</pre>")
    style = (
        "body{font:16px sans-serif;max-width:52em;margin:2em auto;padding:0 1em}"
        "pre,img{max-width:100%;overflow:auto}"
    )
    whole = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><body>{''.join(page)}</body></html>\n"
    )
    texts = {"report.md": "\n\n".join(filter(None, text)) + "\n", "report.html": whole}
    return {
        **{name: text.encode("utf-8", "surrogateescape") for name, text in texts.items()},
        **dict(pictures.values()),
    }


def _settings_line(settings: Mapping | None) -> str:
    if not settings:
        return ""
    facts, version = [], settings.get("version")
    if version and version != "energies":
        taps = settings.get("filter_length")
        facts.append(f"BSS Eval {version}" + (f", filters of {taps} taps" if taps else ""))
    window, hop = settings.get("window_s"), settings.get("hop_s")
    if window is not None and hop is not None:
        facts.append(f"frames of {window:g} s every {hop:g} s")
    elif "window_s" in settings:
        facts.append("whole songs")
    if settings.get("sample_rate"):
        facts.append(f"at {settings['sample_rate']} Hz")
    name = settings.get("name", "unknown")
    return f"protocol {name}: {', '.join(facts)}" if facts else f"protocol {name}"

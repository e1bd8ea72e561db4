"""Reports of scores: Markdown, box plots and one page of HTML."""

import base64
import html
import os
from collections.abc import Mapping
from pathlib import Path

from common.files import write_text
from evaluation.reports.box_plots import box_plot
from evaluation.reports.tables import per_song, plain, totals


def write_report(summary: Mapping, folder: str | os.PathLike, title: str = "Scores") -> list[Path]:
    """Write report.md, scores-TARGET.png and report.html (self-contained) to `folder`.

    Returns:
      The files.
    """
    folder = Path(folder)
    targets = list(summary["median"])
    pictures = {target: folder / f"scores-{plain(target)}.png" for target in targets}
    for target, path in pictures.items():
        box_plot(summary, target, path)
    settings = _settings_line(summary.get("settings"))
    failed = summary.get("failed") or {}
    text = [f"# {title}", settings, totals(summary, markdown=True)]
    page = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(settings)}</p>"]
    page.append(f"<pre>{html.escape(totals(summary))}</pre>")
    for target, path in pictures.items():
        text += [f"## {target}", f"![{target}]({path.name})", per_song(summary, target, True)]
        data = base64.b64encode(path.read_bytes()).decode()
        name, rows = html.escape(target), html.escape(per_song(summary, target))
        page.append(f'<h2>{name}</h2><img alt="{name}" src="data:image/png;base64,{data}">')
        page.append(f"<pre>{rows}</pre>")
    if failed:
        lines = [f"* {song}: {message}" for song, message in failed.items()]
        text += ["## Not scored", "\n".join(lines)]
        page.append(f"<h2>Not scored</h2><pre>{html.escape(chr(10).join(lines))}</pre>")
    write_text(folder / "report.md", "\n\n".join(filter(None, text)) + "\n")
    style = (
        "body{font:16px sans-serif;max-width:52em;margin:2em auto;padding:0 1em}"
        "pre,img{max-width:100%;overflow:auto}"
    )
    write_text(
        folder / "report.html",
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><body>{''.join(page)}</body></html>\n",
    )
    return [folder / "report.md", folder / "report.html", *pictures.values()]


def _settings_line(settings: Mapping | None) -> str:
    if not settings:
        return ""
    facts = []
    if settings["version"] != "energies":
        taps = settings["filter_length"]
        facts.append(f"BSS Eval {settings['version']}, filters of {taps} taps")
    if settings["window_s"] is None:
        facts.append("whole songs")
    else:
        facts.append(f"frames of {settings['window_s']:g} s every {settings['hop_s']:g} s")
    if settings.get("sample_rate"):
        facts.append(f"at {settings['sample_rate']} Hz")
    return f"protocol {settings['name']}: {', '.join(facts)}"

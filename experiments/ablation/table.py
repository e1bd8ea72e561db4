"""From the ablation's scores to its table and its figures."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from common.files import write_text
from evaluation.reports.bootstrap import gain
from evaluation.reports.tables import number, table
from experiments.ablation.scores import results
from experiments.heat_map import axes
from experiments.heat_map import heat_map as draw

METRICS = ("SDR", "SIR", "SAR")


def values(arm: dict[str, Any], source: str, metric: str) -> dict[str, np.ndarray]:
    """seed → scores of the songs, in order of their names; NaN where there is none."""
    names = sorted({song for songs in arm["seeds"].values() for song in songs})
    return {
        seed: np.array(
            [_score(songs.get(name, {}).get(source, {}).get(metric)) for name in names], float
        )
        for seed, songs in arm["seeds"].items()
    }


def _score(value: Any) -> float:
    return math.nan if value is None else float(value)


def mean_and_spread(by_seed: dict[str, np.ndarray]) -> tuple[float, float]:
    """Mean over songs and seeds; standard deviation of the seeds' means (NaN for one seed)."""
    finite = (scores[np.isfinite(scores)] for scores in by_seed.values())
    means = [float(np.mean(scores)) for scores in finite if scores.size]
    if not means:
        return math.nan, math.nan
    return float(np.mean(means)), float(np.std(means, ddof=1)) if len(means) > 1 else math.nan


def report(plan: dict[str, Any], scores: dict[str, Any]) -> str:
    """The table as text; as Markdown and as a figure in experiments/results.

    Gains are those over the plan's first arm, of the source that is `judged`; where sources stand
    `beside` it, the columns are the SDR of each.
    """
    arms, base = scores["arms"], next(iter(plan["arms"]))
    first = arms.get(base)
    source, beside = plan.get("judged", "drums"), plan.get("beside", [])
    columns, named = [(one, "SDR") for one in (source, *beside)], [source, *beside]
    if not beside:
        columns = [*((source, metric) for metric in METRICS), ("accompaniment", "SDR")]
        named = [f"{source} SDR", *METRICS[1:], "acc. SDR"]
    head = ["arm", "seeds", *named, "gain [95 %]"]
    rows, gains = [], {}
    for name, arm in arms.items():
        cells = [arm["title"], str(len(arm["seeds"]))]
        for column, metric in columns:
            mean, spread = mean_and_spread(values(arm, column, metric))
            wide = "" if math.isnan(spread) else f" ±{spread:.2f}"
            cells.append(number(mean) + (wide if metric == "SDR" else ""))
        if first is None or name == base:
            cells.append("")
        else:
            gains[name] = gain(values(arm, source, "SDR"), values(first, source, "SDR"))
            mean, low, high = gains[name]
            cells.append(f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−"))
        rows.append(cells)
    songs = max(len(songs) for arm in arms.values() for songs in arm["seeds"].values())
    unit = "SDR in dB" if beside else "dB"
    head_line = f"{songs} test songs; {unit}, mean over songs, ± deviation over seeds"
    markdown = table(head, rows, markdown=True, width=None)
    write_text(results(plan["results"], ".md"), f"{head_line}\n\n{markdown}\n")
    if gains:
        titled = {arms[name]["title"]: interval for name, interval in gains.items()}
        figure(titled, results(plan["results"], ".png"), source)
    return f"{head_line}\n\n{table(head, rows)}"


def figure(gains: dict[str, tuple[float, float, float]], file: Path, source: str) -> None:
    """Draw the gains with their intervals into a PNG."""
    drawn, save = axes(7.2, 0.6 + 0.42 * len(gains))
    for place, (mean, low, high) in enumerate(gains.values()):
        drawn.plot([low, high], [place, place], color="black", linewidth=1.2)
        drawn.plot([mean], [place], "o", color="tab:blue" if low > 0 else "tab:gray")
    drawn.set_yticks(range(len(gains)), list(gains))
    drawn.invert_yaxis()
    drawn.axvline(0.0, color="black", linewidth=0.6)
    drawn.set_xlabel(f"gain in {source} SDR, dB")
    drawn.grid(axis="x", alpha=0.3)
    save(file)


def heat_map(plan: dict[str, Any], scores: dict[str, Any]) -> None:
    """Draw drums SDR over alpha and beta, and write the numbers down."""
    alphas, betas = plan["sweep"]["alpha"], plan["sweep"]["beta"]
    means = np.full((len(alphas), len(betas)), math.nan)
    for point in scores["sweep"].values():
        place = alphas.index(point["weights"]["alpha"]), betas.index(point["weights"]["beta"])
        means[place], _ = mean_and_spread(values(point, "drums", "SDR"))
    rows = [[f"{a:g}", *(number(v) for v in line)] for a, line in zip(alphas, means)]
    text = table(["alpha \\ beta", *(f"{beta:g}" for beta in betas)], rows, markdown=True)
    file = results("alpha_beta", ".md")
    write_text(file, text + "\n")
    print(text)
    labels = [[f"{value:g}" for value in keys] for keys in (alphas, betas)]
    rows, columns = ("alpha (adversarial)", labels[0]), ("beta (additivity)", labels[1])
    draw(file.with_suffix(".png"), means, rows, columns, "drums SDR, dB")

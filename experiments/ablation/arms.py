"""The plan of an ablation: its arms, the points of its sweep, and what of them is to be run."""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common import cli
from common.digests import content_digest
from common.files import ROOT
from dssgan.config.mappings import merge
from experiments.ablation.scores import scored
from experiments.ablation.songs import data
from experiments.run.yaml_files import find_recipe, read_yaml

PLANS = ROOT / "experiments" / "plans"


class Arm:
    """One line of the table: a configuration for each seed.

    Attributes:
      name: of its runs, ARM-SEED.
      title: in the table.
      keys: changed in the base. instead: whole sections that take the place of the base's.
    """

    def __init__(
        self,
        plan: dict[str, Any],
        name: str,
        title: str,
        keys: dict[str, Any],
        instead: dict[str, Any] | None = None,
    ):
        self.plan, self.name, self.title, self.keys = plan, name, title, keys
        self.instead = instead or {}

    def folder(self, seed: int) -> Path:
        """The run folder."""
        return Path(self.plan["folder"]) / f"{self.name}-{seed}"

    def summary(self, seed: int) -> Path:
        """The scores, once the run is finished."""
        return self.folder(seed) / "scores" / "summary.json"

    @property
    def start(self) -> str | None:
        """The arm whose separator this one starts from; None where it starts from scratch."""
        last = [phase for phase in self.keys.get("phases", ()) if phase != "test"][-1:]
        init = self.keys.get(last[0], {}).get("init", "") if last else ""
        found = re.fullmatch(r"\{(\w+)\}", init)
        return found[1] if found else None

    def separator(self, seed: int) -> Path:
        """The exported separator, once training is finished."""
        return self.folder(seed) / "separator"

    def mark(self, seed: int) -> Path:
        """The fingerprint that a run was begun with."""
        return self.folder(seed) / "fingerprint.txt"

    def fingerprint(self, seed: int) -> str:
        """Of everything that the scores follow from: configuration, songs, where it starts."""
        values = self.configuration(seed)
        facts = {key: values[key] for key in values.keys() - {"tracking", "checkpoint"}}
        start = all_arms(self.plan)[self.start].fingerprint(seed) if self.start else None
        facts = json.dumps([facts, self.plan.get("material"), start], sort_keys=True)
        return content_digest(facts)[:16]

    def file(self, seed: int) -> Path:
        """The configuration, as it is written down for the run."""
        return Path(self.plan["folder"]) / "configurations" / f"{self.name}-{seed}.yaml"

    def configuration(self, seed: int) -> dict[str, Any]:
        """The whole configuration of `python -m dssgan.train`."""
        values = merge(self.plan["base"] | self.instead, self.keys)
        values = merge(values, {"tracking": {"folder": self.plan["folder"]}})
        if "material" in self.plan:
            values = merge(data(self.plan["material"]), values)
        values = {"name": f"{self.name}-{seed}", "seed": seed} | values
        if self.start:
            phase = next(phase for phase in self.keys["phases"] if phase != "test")
            values[phase]["init"] = str(all_arms(self.plan)[self.start].separator(seed))
        return values


Task = tuple[Arm, int]  # an arm and a seed


def read_plan(name: str) -> dict[str, Any]:
    """Read a plan by its name or path; its `base` is put over the recipe that it names."""
    file = PLANS / f"{name}.yaml" if Path(name).name == name and "." not in name else cli.path(name)
    plan = {"results": file.stem} | read_yaml(file)
    plan["folder"] = str(cli.path(plan["folder"]))
    if "recipe" in plan:
        whole = merge(read_yaml(find_recipe(plan["recipe"])), plan.get("base", {}))
        plan["base"] = {key: whole[key] for key in whole if key not in ("name", "seed")}
    return plan


def all_arms(plan: dict[str, Any]) -> dict[str, Arm]:
    """The arms by name, in order."""
    return {
        name: Arm(plan, name, entry["title"], entry.get("keys", {}), entry.get("instead"))
        for name, entry in plan["arms"].items()
    }


def grid(plan: dict[str, Any]) -> Iterator[tuple[Arm, int]]:
    """The points of the sweep."""
    sweep = plan["sweep"]
    entry = merge(plan["arms"][sweep["arm"]], {"keys": sweep.get("keys", {})})
    for alpha, beta, seed in itertools.product(sweep["alpha"], sweep["beta"], sweep["seeds"]):
        keys = merge(entry["keys"], {"alpha": alpha, "beta": beta})
        yield Arm(plan, f"sweep-{alpha:g}-{beta:g}", f"alpha={alpha:g} beta={beta:g}", keys), seed


def swept(points: Sequence[Task]) -> tuple[list[Arm], list[int]]:
    """The arms and the seeds of a sweep's points."""
    arms = {arm.name: arm for arm, _ in points}
    return list(arms.values()), sorted({seed for _, seed in points})


def unscored(tasks: Sequence[Task], arms: dict[str, Arm], group: str = "arms") -> list[Task]:
    """What is to be run so that all tasks have scores; arms come after those they start from."""
    found: dict[tuple[str, int], Task] = {}

    def add(arm: Arm, seed: int) -> None:
        if arm.start and not arms[arm.start].separator(seed).exists():
            add(arms[arm.start], seed)
        found.setdefault((arm.name, seed), (arm, seed))

    for arm, seed in tasks:
        if not scored(arm, seed, group):
            add(arm, seed)
    return list(found.values())

"""Every command of docs/training.md runs, at small scale; others are at least understood."""

import argparse
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dssgan.training.options import check_choices
from experiments.run import train
from experiments.run.configuration import configure
from tests.dssgan.commands import command_of, free_ports, opened
from tests.experiments.mongo_server import MongoServer
from tests.experiments.sweeping import TRAIN
from tests.guide import ROOT, blocks, commands, finite, indented, sandbox, tail
from tests.machine_paths import machine_paths

GUIDE = (ROOT / "docs" / "training.md").read_text("utf-8")
GPU = (ROOT / "docs" / "gpu.md").read_text("utf-8")
MODELS = (ROOT / "docs" / "models.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
LIMIT = 200  # seconds for one command; the longest takes a tenth of it

#: What makes a training short; later words beat earlier ones.
SMALL = [
    "model.name=any",
    "loss.name=any",
    "optimiser.average=0",
    "data.seconds=1.0",
    "data.batch=2",
    "data.workers=1",
    "supervised.epochs=1",
    "supervised.steps=2",
    "supervised.calibration=2",
    "self_training.epochs=1",
    "self_training.steps=2",
    "adversarial.epochs=1",
    "adversarial.steps=1",
    "adversarial.critic_warmup=1",
    "separation.segment=1.0",
    "checkpoint.minutes=0",
    "tracking.every=1",
    "tracking.examples=0",
    "compute.wait=60",
]
BAND = ["data.options={songs: 2, seconds: 2.0, sample_rate: 8000}"]
#: program → words that are added behind it.
SIZES = {
    "dssgan.train": SMALL,
    "experiments.sweep": ["supervised.epochs=1", "checkpoint.minutes=0.01"],
    "dssgan.doctor": ["--mongo", "127.0.0.1:9"],
}
#: A word of a command → what stands in its place.
WORDS = {"4": "1"}  # --workers 4
#: Commands that no test can run whole, each with the reason and what is checked in its place.
LISTED = {
    "make demo": ("installs packages; the program that it starts has a test", "shipped"),
    "make demo-train": ("installs packages; the program that it starts runs", "demo"),
    "source .venv/bin/activate": ("changes the shell that it is typed into", None),
    'pip install "tensorflow[and-cuda]>=2.21,<2.22"': ("gigabytes, for a GPU", "requirement"),
    "apt-get install fluidsynth fluid-soundfont-gm timgm6mb-soundfont": ("needs root", "packages"),
    "tensorboard --logdir runs/mydrums/tensorboard": ("serves until it is stopped", "installed"),
    "nx-27017 --db runs.db --host 127.0.0.1 -p 27017": (
        "serves until it is stopped; the test starts it on another port",
        "installed",
    ),
    "npx omniboard -m HOST:27017:sacred": ("needs Node and a stock MongoDB", None),
}


class Stage:
    """Runs the commands of the guide, one after the other, in a folder of their own."""

    def __init__(self, folder, run):
        self.folder, self.run = folder, run
        self.server = MongoServer(folder / "mongo")
        self.waiting, self.count, self.tried = [], 0, set()
        self.ports = free_ports(2)

    def perform(self, command):
        """Run a command, or what is checked in its place; an unknown one fails."""
        if command.text in LISTED:
            check = LISTED[command.text][1]
            if check:
                getattr(self, f"check_{check}")(command.words)
            return
        if command.words[0] == "sbatch":
            self.sbatch(command.words[1:])
            return
        assert command.words[:2] == ["python", "-m"], f"unknown command: {command.text}"
        self.tried.add(command.words[2])
        job = self.job(command.words[2], command.words[3:], command.environment)
        if "TF_CONFIG" in command.environment:  # a worker waits for the others
            self.waiting.append(job)
            if len(self.waiting) < 2:
                return
        jobs, self.waiting = self.waiting or [job], []
        self.check(jobs, self.run(*jobs, seconds=LIMIT), command.text)
        if command.words[2] == "experiments.sweep" and "--list" not in command.words:
            sweep = self.folder / "runs" / "demo_sweep"
            assert (sweep / "table.md").exists()
            shutil.rmtree(sweep)  # the records of stand-ins are none to be delivered

    def check(self, jobs, codes, text):
        said = "\n".join(tail(job["log"]) for job in jobs)
        assert codes == [0] * len(jobs), f"{text}\n→ {codes}\n{said}"

    def job(self, module, words, environment):
        """What the nursery is told; `module` must be one of this project's commands."""
        room = module.partition(".")[0]
        assert (ROOT / room).is_dir(), f"unknown program {module}"
        words = [WORDS.get(word, word) for word in words] + SIZES.get(module, [])
        if module == "dssgan.train" and "print_config" in words:
            words = [word for word in words if word not in SMALL]
        elif module == "dssgan.train" and words == SMALL:
            words = ["with", *SMALL, *BAND]
        if "mongodb://HOST:27017/sacred" in words:
            self.server.start()
            words[words.index("mongodb://HOST:27017/sacred")] = self.server.url
        options = {}
        if module == "experiments.sweep":
            options = {"train": TRAIN, "poll": 0.01}
        environment = {name: self.local(value) for name, value in environment.items()}
        self.count += 1
        return {
            "module": module,
            "argv": words,
            "folder": str(self.folder),
            "log": str(self.folder / f"{self.count}.log"),
            "environment": environment,
            "options": options,
            **({"devices": 2} if "compute.strategy=mirrored" in words else {}),
        }

    def local(self, text):
        """The machines of the guide are this one."""
        for place, port in enumerate(self.ports, 1):
            text = re.sub(rf"\bnode{place}:\d+", f"127.0.0.1:{port}", text)
        return text

    def sbatch(self, words):
        """Run a batch script with a stand-in for srun that notes the command of a task."""
        script, *arguments = words
        subprocess.run(["bash", "-n", script], cwd=self.folder, check=True)
        text = (self.folder / script).read_text()
        told = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", text, re.MULTILINE))
        assert {"nodes", "ntasks-per-node", "time", "signal"} <= set(told)
        tools = self.folder / "tools"
        tools.mkdir()
        stand_in = 'while [[ "$1" == --* ]]; do shift; done\nprintf "%s\\n" "$@" > command\n'
        (tools / "srun").write_text("#!/bin/bash\n" + stand_in)
        (tools / "srun").chmod(0o755)
        path = {"PATH": f"{tools}:/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(self.folder)}
        subprocess.run(["bash", script, *arguments], cwd=self.folder, env=path, check=True)
        task = (self.folder / "command").read_text().splitlines()
        assert task[:3] == ["python", "-m", "dssgan.train"]
        nodes = int(told["nodes"])
        step = {
            "SLURM_JOB_ID": str(self.ports[0]),
            "SLURM_STEP_NODELIST": "127.0.0.1",
            "SLURM_STEP_TASKS_PER_NODE": str(nodes * int(told["ntasks-per-node"])),
        }
        tasks = [{**step, "SLURM_PROCID": str(n), "SLURM_NODEID": "0"} for n in range(nodes)]
        words = [*task[3:], "name=cluster"]  # another run than the one before
        jobs = [self.job(task[2], words, environment) for environment in tasks]
        self.check(jobs, self.run(*jobs, seconds=LIMIT), " ".join(task))

    def check_shipped(self, words):
        dry = [*words[:1], "-n", "--no-print-directory", *words[1:]]
        done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1].endswith("python -m experiments.demo_song")

    def check_demo(self, words):
        # Within a make, another one would tell its folder too.
        dry = [*words[:1], "-n", "--no-print-directory", *words[1:]]
        done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1].endswith("python -m experiments.demo")
        job = self.job("experiments.demo", [*SMALL, *BAND], {})
        self.check([job], self.run(job, seconds=LIMIT), "python -m experiments.demo")
        assert (self.folder / "demo" / "demo-1" / "scores" / "report.html").exists()

    def check_requirement(self, words):
        needed = (ROOT / "requirements.txt").read_text().splitlines()
        assert words[-1].replace("[and-cuda]", "") in needed

    def check_packages(self, words):
        install = (ROOT / ".ci" / "run").read_text()
        assert set(words[2:]) <= set(re.search(r"packages=\((.*)\)", install)[1].split())

    def check_installed(self, words):
        assert (Path(sys.executable).parent / words[0]).exists()


@pytest.fixture
def stage(tmp_path, shared):
    folder = tmp_path / "checkout"
    sandbox(folder)
    published = shared / "fixtures" / "originals" / "wavenet_tiny_multi-instrument.hdf5"
    shutil.copy(published, folder / "checkpoint.00045-0.hdf5")
    with opened() as run:
        stage = Stage(folder, run)
        yield stage
        stage.server.kill()


@pytest.mark.slow
def test_every_command_of_the_guide_runs(stage):
    found = [command for block in blocks(GUIDE, "sh") for command in commands(block)]
    assert set(LISTED) <= {command.text for command in found}, "a listed command is gone"
    voice = stage.job("dssgan.train", ["with", "sources=[vocals, accompaniment]"], {})
    voice["argv"] += ["name=voice", "phases=[supervised]", *BAND]
    stage.check([voice], stage.run(voice, seconds=LIMIT), "runs/voice")
    for command in found:
        stage.perform(command)
    assert not stage.waiting, "a worker without its others"
    assert {"dssgan.train", "dssgan.separate", "evaluation", "experiments.compare"} <= stage.tried
    runs = stage.folder / "runs"
    for name in ("mydrums", "taught", "refined", "mirrored", "together", "cluster"):
        record = json.loads((runs / name / "run.json").read_bytes())
        assert record["status"] == "COMPLETED", name
        assert (runs / name / "separator" / "separator.weights.h5").exists(), name
        assert (runs / name / "scores" / "report.html").exists(), name
    assert (stage.folder / "curves.png").stat().st_size > 1000
    assert finite(stage.folder / "stems")
    assert list((stage.folder / "stems").rglob("*.stem.mp4"))


def test_an_unknown_command_fails(tmp_path):
    stage = Stage(tmp_path, None)
    for line in ("rm -rf runs", "python -m nothing.here", "pip install other"):
        (command,) = commands(line)
        with pytest.raises(AssertionError, match="unknown"):
            stage.perform(command)


def test_the_guide_quotes_what_the_program_says():
    """Every quoted message is one: its words stand in the sources, between what is filled in."""
    sources = " ".join(path.read_text("utf-8") for path in (ROOT / "dssgan").rglob("*.py"))
    sources = re.sub(r'"\s*f?"', "", sources)  # texts that go on in the next line
    for block in blocks(GUIDE, "text"):
        for line in block.splitlines():
            line = re.sub(r"^step \d+: ", "", line).replace("worker 0", "worker {team.index}")
            for name in ("spectral/accompaniment", "spectral/drums"):
                line = line.replace(name, "{name}")
            line = line.replace("real from generated", "{what}").replace("is nan", "is {loss:g}")
            line = line.replace("gradient nan", "gradient {norm:g}")
            head, _, more = line.partition(", or check")
            assert head in sources, line
            assert f", or check{more}" in sources or not more, line


def test_pictures_of_the_guide_are_there_and_small():
    names = re.findall(r"!\[[^\]]+\]\((\S+)\)", GUIDE)
    assert len(names) >= 3
    for name in names:
        assert 1000 < (ROOT / "docs" / name).stat().st_size < 60_000, name


def test_links_of_the_guide_lead_somewhere():
    titles = re.findall(r"^#+ (.*)$", GUIDE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", GUIDE):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (ROOT / "docs" / target).exists(), target
    for path in re.findall(r"`((?:tests|experiments|docs)/[\w./]+\.\w+)`", GUIDE):
        assert (ROOT / path).exists(), path
    for recipe in re.findall(r"`(\w+)(?:\.yaml)?`", section("Choose a recipe")):
        if recipe.endswith(("small", "yaml")):
            assert (ROOT / "experiments" / "recipes" / f"{recipe}.yaml").exists(), recipe


def test_the_guide_names_no_machine():
    for path in (ROOT / "docs").glob("*.*"):
        text = path.read_text("utf-8")
        assert not machine_paths(text), path


def section(title):
    return GUIDE.split(f"{title}\n", 2)[-1].partition("\n## ")[0]


class Parsed(Exception):
    """A command line was understood."""


@pytest.mark.parametrize(
    "command",
    [
        command
        for block in (*indented(README), *indented(GPU), *indented(MODELS))
        for command in commands(block)
        if command.words[:2] == ["python", "-m"]
    ],
    ids=lambda command: command.text[:60],
)
def test_commands_of_the_readme_are_understood(command, monkeypatch, tmp_path):
    module, *words = command.words[2:]
    if module == "dssgan.train":
        (tmp_path / "experiments").symlink_to(ROOT / "experiments")
        monkeypatch.chdir(tmp_path)
        name, updates, _ = train.parse(train.make_experiment(), words)
        config, *_ = configure(updates)
        check_choices(config)
        assert name in ("train", "print_config")
        return
    for name in ("parse_args", "parse_intermixed_args"):  # nothing may run after them
        monkeypatch.setattr(argparse.ArgumentParser, name, only(name))
    monkeypatch.chdir(tmp_path)
    if module == "experiments.tracking":
        module = "experiments.tracking.__main__"
    importlib.import_module(module)
    with pytest.raises((Parsed, SystemExit)) as end:
        command_of(module).main(words)
    assert getattr(end.value, "code", 0) == 0  # --list-models answers while it is parsed


def only(name):
    """A method of a parser that ends the command once it has understood its words."""
    plain = getattr(argparse.ArgumentParser, name)

    def parse(self, *given, **options):
        plain(self, *given, **options)
        raise Parsed

    return parse

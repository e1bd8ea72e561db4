"""The training command: a whole run, its record, going on, misuse."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from common import cli
from dssgan.losses import LOSSES
from dssgan.models import SEPARATORS
from dssgan.separator import Separator
from dssgan.training.checkpoints import read_progress
from experiments.run import train
from experiments.tracking.delivery import Delivery
from tests.dssgan.stand_ins import TinySeparator, error
from tests.experiments.mongo_server import MongoServer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A folder that keeps the band's songs from one test to the next."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def words(tmp_path, songs, monkeypatch):
    """Words that make a run of a few seconds."""
    monkeypatch.setitem(SEPARATORS, "tiny", TinySeparator)
    monkeypatch.setitem(LOSSES, "error", error)
    mine = {
        "sources": ["drums", "accompaniment"],
        "phases": ["supervised"],
        "data": {
            "cache": str(songs),
            "options": {"songs": 2, "seconds": 2.0, "sample_rate": 8000},
            "seconds": 0.25,
            "batch": 4,
        },
        "model": {"name": "tiny"},
        "loss": {"name": "error"},
        "supervised": {"epochs": 2, "steps": 5, "calibration": 4},
        "tracking": {"folder": str(tmp_path / "runs"), "every": 2, "seconds": 1.0},
        "separation": {"segment": 1.0},
        "compute": {"deterministic": False},  # it could not be switched off again in this process
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    return ["with", str(tmp_path / "mine.yaml")]


def last(folder):
    with np.load(folder / "checkpoints" / "supervised" / "last.npz") as archive:
        return {name: archive[name].tobytes() for name in archive.files if name != "header"}


def test_a_run_leaves_a_separator_a_record_and_curves(tmp_path, words, capsys):
    assert train.main([*words, "data.augmentation.gain_db=[-3, 3]"]) == 0
    folder = tmp_path / "runs" / "mine-1"
    separator = Separator.load(folder / "separator")
    assert separator.sources == ("drums", "accompaniment")
    stems = separator.separate(np.zeros((800, 2), np.float32) + 0.1, 8000)
    assert stems["drums"].shape == (800, 2)
    told = json.loads((folder / "separator" / "config.json").read_text())["provenance"]
    assert told["progress"]["step"] in (5, 10)
    assert told["configuration"]["data"]["augmentation"]["gain_db"] == [-3.0, 3.0]

    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "COMPLETED"
    progress = read_progress(folder / "checkpoints" / "supervised" / "best.npz")
    assert record["result"] == {"validation/si_sdr": progress.best}
    assert "separator/separator.weights.h5" in record["artifacts"]
    assert any(
        name == "dssgan/training/supervised_step.py" for name, _ in record["experiment"]["sources"]
    )
    assert any(name.startswith("tensorflow") for name in record["experiment"]["dependencies"])
    config = json.loads((folder / "config.json").read_text())
    assert config["model"] == {"name": "tiny"}
    assert config["seed"] == 42
    info = json.loads((folder / "info.json").read_text())
    assert info["tensorboard"] == str(folder / "tensorboard")
    assert info["devices"] and info["devices"][0].startswith(("CPU", "GPU"))
    curves = json.loads((folder / "metrics.json").read_text())
    assert curves["validation/si_sdr"]["steps"] == [5, 10]
    assert curves["train/loss"]["steps"] == [5, 10]
    lines = (folder / "cout.txt").read_text().splitlines()
    epochs = [line for line in lines if line.startswith("epoch")]
    assert len(epochs) == 2
    assert all(len(line) <= 80 for line in epochs)
    assert "epoch 2/2" in capsys.readouterr().out
    assert list((folder / "tensorboard" / "supervised").glob("events.*"))


@pytest.fixture
def database(tmp_path):
    server = MongoServer(tmp_path / "server").start()
    yield server
    server.kill()


def test_a_run_is_told_to_a_database_as_well(tmp_path, words, database, capsys):
    where = f"127.0.0.1:{database.port}:sacred"
    assert train.main([*words, "name=mine", "supervised.epochs=1", "-m", where]) == 0
    (run,) = database.database().runs.find({})
    names = {curve["name"] for curve in database.database().metrics.find({})}
    folder = tmp_path / "runs" / "mine"
    assert run["uid"] == json.loads((folder / "run.json").read_text())["uid"]
    assert (run["status"], run["config"]["model"]) == ("COMPLETED", {"name": "tiny"})
    assert {"train/loss", "validation/si_sdr"} <= names
    assert "separator/separator.weights.h5" in {file["name"] for file in run["artifacts"]}
    assert {"dssgan/training/supervised_step.py", "datasets/track.py"} <= {
        s[0] for s in run["experiment"]["sources"]
    }
    assert "epoch 1/1" in run["captured_out"]
    assert "warning" not in capsys.readouterr().err


def test_the_same_seed_repeats_a_run_and_a_named_run_goes_on(tmp_path, words, capsys):
    for name in ("one", "two"):
        assert train.main([*words, f"name={name}"]) == 0
    one, two = tmp_path / "runs" / "one", tmp_path / "runs" / "two"
    assert last(one) == last(two)
    assert train.main([*words, "name=other", "seed=1", "supervised.epochs=1"]) == 0
    assert last(one) != last(tmp_path / "runs" / "other")

    with pytest.raises(cli.UsageError, match=r"begun with supervised\.epochs=2, not 3"):
        train.main([*words, "name=one", "supervised.epochs=3"])
    capsys.readouterr()
    assert train.main(["with", f"resume={one}", "supervised.epochs=3"]) == 0
    said = capsys.readouterr().out
    assert "going on at step 10" in said
    assert "epoch 3/3" in said
    assert train.main([*words, "name=three", "supervised.epochs=3"]) == 0
    assert last(one) == last(tmp_path / "runs" / "three")
    assert (one / "run-1.json").exists()
    assert (one / "cout.txt").read_text().count("epoch") >= 3


def test_the_test_scores_are_the_result_and_go_on_where_they_stopped(tmp_path, words, capsys):
    words = [*words, "name=mine", "phases=[supervised, test]", "supervised.epochs=1"]
    assert train.main(words) == 0
    folder = tmp_path / "runs" / "mine"
    summary = json.loads((folder / "scores" / "summary.json").read_text())
    result = json.loads((folder / "run.json").read_text())["result"]
    assert result["SDR/drums"] == summary["median"]["drums"]["SDR"]
    assert set(summary["songs"]) == {"band-900000"}
    assert {"SAR/accompaniment", "validation/si_sdr"} <= set(result)
    (song,) = (folder / "scores" / "test").glob("*.json")
    before = song.stat().st_mtime_ns
    assert "drums" in capsys.readouterr().out
    assert train.main(words) == 0  # all is done: nothing is trained or scored again
    assert song.stat().st_mtime_ns == before
    record = json.loads((folder / "run.json").read_text())
    assert record["result"] == result
    assert "scores/summary.json" in record["artifacts"]
    info = json.loads((folder / "info.json").read_text())
    assert info["scores"] == summary["songs"]
    with pytest.raises(ValueError, match="no songs to test with"):
        train.main(["with", f"resume={folder}", "data.test=[]"])


def test_songs_from_several_datasets_by_name(tmp_path, words, capsys):
    also = "{name: band, options: {songs: 2, seconds: 2.0, sample_rate: 8000, seed: 9}, valid: []}"
    chosen = ["data.train=[band-000001]", f"data.also=[{also}]", "validation.metric=none"]
    assert train.main([*words, *chosen, "supervised.epochs=1"]) == 0
    with pytest.raises(ValueError, match=r"data\.train: no song 'band-1'"):
        train.main([*words, "data.train=[band-1]"])
    with pytest.raises(ValueError, match="in both train and valid"):
        train.main([*words, "data.train=[band-000000]", "data.valid=[band-000000]"])
    with pytest.raises(ValueError, match="no songs to validate with"):
        train.main([*words, "data.valid=[]"])
    capsys.readouterr()


def test_a_strategy_of_one_device_trains_the_same(tmp_path, words):
    for name, word in (("plain", "compute.xla=off"), ("mirrored", "compute.strategy=mirrored")):
        assert train.main([*words, f"name={name}", "supervised.epochs=1", word]) == 0
    assert last(tmp_path / "runs" / "plain") == last(tmp_path / "runs" / "mirrored")


def test_a_run_that_fails_is_recorded_and_one_folder_has_one_process(tmp_path, words):
    with pytest.raises(ValueError, match=r"is not a multiple of optimiser\.accumulate=3"):
        train.main([*words, "name=mine", "optimiser.accumulate=3"])
    assert not (tmp_path / "runs" / "mine").exists()
    with pytest.raises(ValueError, match="no songs to validate with"):
        train.main([*words, "name=mine", "data.valid=[]"])
    record = json.loads((tmp_path / "runs" / "mine" / "run.json").read_text())
    assert record["status"] == "FAILED"
    another = pytest.raises(cli.UsageError, match="another process")
    with train.only_one(tmp_path), another, train.only_one(tmp_path):
        pass


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["with", "data.name=musdb18"], "data.root is missing: the folder of musdb18"),
        (["with", "data.name=musdb18", "data.root=/nowhere"], "there is no such folder"),
        (["with", "data.name=musdb"], "did you mean musdb18?"),
        (["with", "data.options.sogs=3"], "did you mean songs?"),
        (["with", "model.widht=3"], "did you mean model.width?"),
        (["with", "model.width=abc"], "model.width='abc': expected a whole number"),
        (["with", "model.name=wavenett"], "model.name='wavenett': expected one of"),
        (["with", "loss.name=multi"], "loss.name='multi': expected one of"),
        (["with", "optimiser.name=rnger"], "did you mean ranger?"),
        (["with", "validation.metric=sisdr"], "did you mean si_sdr?"),
        (["with", "lr=3", "--unknown"], "cannot read"),
        (["seed=3"], "write 'with' before"),
        (["trian"], "did you mean train?"),
    ],
)
def test_misuse_is_one_line_and_exit_code_two(argv, message, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(train.main, argv)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_help_and_print_config(capsys):
    assert train.main(["--help"]) == 0
    assert "python -m dssgan.train" in capsys.readouterr().out
    assert train.main(["print_config", "with", "seed=5"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["seed"], printed["data"]["name"]) == (5, "band")


PROGRAM = """
import sys
from common import cli
from dssgan import train
from dssgan.losses import LOSSES
from dssgan.models import SEPARATORS
from tests.dssgan.stand_ins import TinySeparator, error

SEPARATORS["tiny"], LOSSES["error"] = TinySeparator, error
cli.run(train.main, sys.argv[1:])
"""


def command(*words):
    """The training command, in a process of its own, with the small separator registered."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)


def curves(folder):
    """{name: [(step, value), …]} of a run."""
    found = json.loads((folder / "metrics.json").read_text())
    return {name: list(zip(found[name]["steps"], found[name]["values"])) for name in found}


def delivered(database, folder):
    """The same as a database has it."""
    number = database.runs.find_one({"folder": folder.name})["_id"]
    found = database.metrics.find({"run_id": number})
    return {curve["name"]: list(zip(curve["steps"], curve["values"])) for curve in found}


@pytest.mark.slow
def test_terminated_and_killed_the_command_repeats_bits_and_record(tmp_path, words, database):
    """With real excerpts and the real shell: SIGTERM, then SIGKILL, then to the end."""
    words = [*words, "model.dropout=0.2", "optimiser.average=0.9", "compute.deterministic=true"]
    words += ["supervised={epochs: 20, steps: 10, calibration: 4}", "checkpoint.steps=7"]
    words += [f"tracking.mongo=127.0.0.1:{database.port}:sacred"]
    tmp_path /= "runs"
    checkpoint = tmp_path / "cut" / "checkpoints" / "supervised" / "last.npz"
    whole, cut = command(*words, "name=whole"), command(*words, "name=cut")
    wait_for(checkpoint.exists, cut)
    cut.send_signal(signal.SIGTERM)
    _, said = cut.communicate()
    assert cut.returncode == 143, said
    assert "go on with: python -m dssgan.train with resume=" in said
    assert "Traceback" not in said
    stopped = read_progress(checkpoint).step
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["status"] == "INTERRUPTED"
    again = command("with", f"resume={tmp_path / 'cut'}")
    wait_for(lambda: read_progress(checkpoint).step > stopped, again)
    again.kill()
    again.communicate()
    assert again.returncode == -signal.SIGKILL
    for name, process in (("cut", command(*words, "name=cut")), ("whole", whole)):
        _, said = process.communicate()
        assert process.returncode == 0, said
        if "has not got all of it; deliver: " in said:  # a busy machine answers late
            Delivery(tmp_path / name, print)(database.database())
    assert last(tmp_path / "cut") == last(tmp_path / "whole")
    undisturbed = curves(tmp_path / "whole")
    assert [step for step, _ in undisturbed["train/loss"]] == list(range(10, 210, 10))
    assert curves(tmp_path / "cut") == undisturbed
    for name in ("whole", "cut"):
        assert delivered(database.database(), tmp_path / name) == undisturbed

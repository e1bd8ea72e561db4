"""A small run in a process of its own: FOLDER URL [SECONDS between steps]; without TensorFlow."""

import sys
import time
from pathlib import Path

import numpy as np
from sacred import SETTINGS, Experiment

from experiments.tracking.mongo_observer import mongo_observer
from experiments.tracking.run_folder import RunFolder

STEPS = 40


def small_run(folder: Path, url: str, seconds: float = 0.0, log=print) -> None:
    """Record curves, output and one artifact in a folder and, where there is a URL, a database."""
    SETTINGS.CAPTURE_MODE = "sys"
    root = Path(__file__).parents[2]
    experiment = Experiment("small", base_dir=str(root), save_git_info=False, interactive=True)
    experiment.add_source_file(str(root / "common" / "files.py"))
    experiment.add_config(seed=3, rate=1e-3, where=str(folder))

    @experiment.main
    def main(_run):
        _run.info["gains"] = {"a.b": np.float32(2), "$c": float("nan")}
        for step in range(STEPS):
            _run.log_scalar("loss", np.float64(1 / (1 + step)), step)
            _run.log_scalar("bad", float("inf"), step)
            print("step", step)
            time.sleep(seconds)
        (folder / "separator").mkdir()
        (folder / "separator" / "weights.bin").write_bytes(bytes(range(256)) * 2000)
        _run.add_artifact(folder / "separator" / "weights.bin")
        return {"SDR/drums": np.float64(3.5)}

    experiment.observers = [RunFolder(folder, log)]
    if url:
        experiment.observers.append(mongo_observer(url, folder, log, pause=0.1))
    experiment.run(options={"--beat-interval": 0.1, "--loglevel": "ERROR"})


if __name__ == "__main__":
    small_run(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))

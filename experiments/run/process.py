"""Training in a process of its own, with a log in the run's folder."""

import subprocess
import sys
from pathlib import Path

LOG = "log.txt"


def train(configuration: Path, folder: Path) -> None:
    """Run `python -m dssgan.train with CONFIGURATION`; says so when it fails.

    Args:
      configuration: its YAML file.
      folder: of the run; takes log.txt, which grows with every start.

    Raises:
      KeyboardInterrupt: the run was asked to stop, and has saved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dssgan.train", "with", str(configuration)]
    with open(folder / LOG, "ab") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code in (130, 143):
        raise KeyboardInterrupt
    if code:
        last = (folder / LOG).read_text("utf-8", "replace").strip().rpartition("\n")[2]
        print(f"{folder}: failed: {last}", flush=True)

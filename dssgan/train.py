"""Train a separator: python -m dssgan.train [with FILE.yaml key=value …]

  python -m dssgan.train                                              a small one on the band
  python -m dssgan.train with data.name=musdb18 data.root=MUSDB18     the published recipe
  python -m dssgan.train with drums_small seed=2     one key changed
  python -m dssgan.train print_config with demo      every key and its value
  python -m dssgan.train with resume=runs/demo-1                      go on where a run stopped
  python -m dssgan.train with FILE.yaml compute.strategy=workers      be one of several machines

Ctrl-C and SIGTERM save the run and end it with exit code 130 or 143.
"""

from common import cli
from experiments.run.train import main

if __name__ == "__main__":
    cli.run(main)

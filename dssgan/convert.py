"""Published weights → separators of this library: `python -m dssgan.convert SYSTEM FILE OUT`."""

import argparse
import sys
from pathlib import Path

import numpy as np

from common import shell
from dssgan.models import MultiStage
from dssgan.published import torch_file
from dssgan.published.bandsplit import bandsplit_file, from_bandsplit_rnn
from dssgan.published.meta_tasnet import from_meta_tasnet
from dssgan.published.wavenet import from_wavenet

__all__ = ["from_bandsplit_rnn", "from_meta_tasnet", "from_wavenet"]

# The original's constructor arguments → ours.
META_TASNET_NAMES = {
    "N": "width",
    "L": "filter_length",
    "W": "stride",
    "filters": "banks",
    "num_mels": "mels",
    "B": "bottleneck",
    "H": "hidden",
    "layers": "layers",
    "stack": "stacks",
    "E_1": "embedding_size",
    "E_2": "code_size",
}


def meta_tasnet_file(path: Path) -> MultiStage:
    """Read the original's checkpoint: a dict with `args` and `state_dict`, or a bare state dict."""
    content = torch_file.load(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a dict of tensors, found {type(content).__name__}")
    arguments = content.get("args", {})
    arguments = getattr(arguments, "__dict__", arguments)
    known = {
        ours: arguments[theirs]
        for theirs, ours in META_TASNET_NAMES.items()
        if isinstance(arguments, dict) and isinstance(arguments.get(theirs), int)
    }
    state = content.get("state_dict", content)
    state = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    return from_meta_tasnet(state, **known)


SYSTEMS = {"bandsplit": bandsplit_file, "meta-tasnet": meta_tasnet_file, "wavenet": from_wavenet}


def main(argv: list[str]) -> int:
    from dssgan.separator import Separator

    parser = argparse.ArgumentParser(prog="python -m dssgan.convert", description=__doc__)
    parser.add_argument("system", choices=sorted(SYSTEMS))
    parser.add_argument("file", type=Path, help="checkpoint of the original program")
    parser.add_argument("out", type=Path, help="folder for config.json and separator.weights.h5")
    parser.add_argument("--target", help="bandsplit: the source, where the file does not tell it")
    options = parser.parse_args(argv)
    if not options.file.is_file():
        raise shell.Misuse(f"{options.file}: no such file; give the checkpoint to convert")
    given = {} if options.target is None else {"target": options.target}
    if given and options.system != "bandsplit":
        raise shell.Misuse(f"--target is for bandsplit; leave it out for {options.system}")
    model = SYSTEMS[options.system](options.file, **given)
    provenance = {"converted_from": options.system, "file": options.file.name}
    Separator(model).save(options.out, provenance=provenance)
    count = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    print(f"{options.out}: {options.system}, {count:,} parameters, {model.sample_rate} Hz")
    return 0


if __name__ == "__main__":
    shell.run(main, sys.argv[1:])

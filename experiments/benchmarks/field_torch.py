"""The public programs' side of `field.py`: runs in an interpreter of its own that has PyTorch.

Reads one line per run and answers with the seconds that an excerpt took; weights are random.
"""

import importlib
import json
import resource
import sys
import time
import types


def network(system: str, sizes: dict):
    """The public program's network of a system."""
    for name in ("beartype", "librosa", "torchaudio"):  # of which little is needed
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = stand_in(name)
    module, kind = {
        "bs_roformer": ("models.bs_roformer.bs_roformer", "BSRoformer"),
        "htdemucs": ("demucs.htdemucs", "HTDemucs"),
        "mdx23c": ("models.mdx23c_tfc_tdf_v3", "TFC_TDF_net"),
        "mel_band_roformer": ("models.bs_roformer.mel_band_roformer", "MelBandRoformer"),
        "scnet": ("models.scnet.scnet", "SCNet"),
        "openunmix": ("openunmix.model", "Separator"),
    }[system]
    make = getattr(importlib.import_module(module), kind)
    if system == "mdx23c":
        return make(spaces(sizes))
    if system == "openunmix":
        parts = importlib.import_module(module)
        each = {name: parts.OpenUnmix(**sizes["network"]) for name in sizes["targets"]}
        return make(each, niter=sizes["niter"])
    return make(**{key: tuple(v) if isinstance(v, list) else v for key, v in sizes.items()})


def stand_in(name: str):
    """What the programs need of a package, without it."""
    made = types.ModuleType(name)
    if name == "beartype":
        made.beartype = lambda function: function
        made.typing = types.ModuleType("beartype.typing")
        made.typing.__dict__.update(importlib.import_module("typing").__dict__)
        sys.modules["beartype.typing"] = made.typing
    elif name == "librosa":
        made.filters = types.SimpleNamespace(mel=mel)
    return made


def mel(sr: int, n_fft: int, n_mels: int):
    """Triangular filters on Slaney's mel scale, of which the programs use where they are not 0."""
    import numpy as np

    def hertz(m):
        return np.where(m >= 15, 1000 * np.exp((m - 15) * np.log(6.4) / 27), m * 200 / 3)

    most = 15 + np.log(sr / 2000) * 27 / np.log(6.4)
    edges, bins = hertz(np.linspace(0, most, n_mels + 2)), np.linspace(0, sr / 2, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def spaces(value):
    """Dictionaries as objects with attributes."""
    if not isinstance(value, dict):
        return value
    return types.SimpleNamespace(**{key: spaces(part) for key, part in value.items()})


def main() -> None:
    """Answer runs until the input ends."""
    import torch

    system, samples, threads, paths, sizes = json.loads(sys.argv[1])
    sys.path[:0] = paths
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = network(system, sizes).eval()
    mixture = 0.1 * torch.randn(1, 2, samples)
    weights = sum(each.numel() for each in net.parameters())
    print(json.dumps({"weights": weights}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        with torch.inference_mode():
            net(mixture)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main()

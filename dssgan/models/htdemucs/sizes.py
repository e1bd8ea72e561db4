"""Which hyperparameters of HTDemucs are possible, and which options of the program are not."""

import math

from dssgan.models.layers.precision import PRECISIONS

MOST_SEGMENT = 2**23  # samples of a training segment
WHOLE = [
    "sample_rate",
    "channels",
    "growth",
    "nfft",
    "depth",
    "kernel_size",
    "stride",
    "dconv_depth",
    "dconv_comp",
    "t_layers",
    "t_heads",
]
POSITIVE = ("segment", "emb_scale", "t_hidden_scale")
NOT_NEGATIVE = [
    "freq_emb",
    "dconv_init",
    "bottom_channels",
    "t_weight_pos_embed",
    "rescale",
    "audio_channels",
]
#: Options of the public program that have one value here, its own default.
FIXED = {
    "cac": True,
    "rewrite": True,
    "context": 1,
    "context_enc": 0,
    "wiener_iters": 0,
    "end_iters": 0,
    "num_subbands": 1,
    "t_emb": "sin",
    "t_max_period": 10000.0,
    "t_sin_random_shift": 0,
    "t_norm_in": True,
    "t_norm_in_group": False,
    "t_group_norm": False,
    "t_norm_first": True,
    "t_norm_out": True,
    "t_layer_scale": True,
    "t_gelu": True,
    "t_sparse_self_attn": False,
    "t_sparse_cross_attn": False,
    "t_auto_sparsity": False,
}
#: Options that change no estimate once those above have their values, or only training.
WITHOUT_EFFECT = [
    "wiener_residual",
    "multi_freqs_depth",
    "norm_groups",
    "time_stride",
    "t_dropout",
    "t_max_positions",
    "t_weight_decay",
    "t_lr",
    "t_cape_mean_normalize",
    "t_cape_augment",
    "t_cape_glob_loc_scale",
    "t_mask_type",
    "t_mask_random_seed",
    "t_sparse_attn_window",
    "t_global_window",
    "t_sparsity",
]


def check_sizes(given: dict) -> None:
    """Check the hyperparameters of `HTDemucs`: ValueError with one line that names the key."""
    for key in WHOLE:
        if type(given[key]) is not int or given[key] < 1:
            raise ValueError(f"htdemucs: {key} is {given[key]!r}, expected an integer ≥ 1")
    for key in (*POSITIVE, *NOT_NEGATIVE):
        value, least = given[key], "above" if key in POSITIVE else "not below"
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or value < 0 or (value == 0 and key in POSITIVE):
            raise ValueError(f"htdemucs: {key} is {value!r}, expected a number {least} 0")
    for key, known in (
        ("audio_channels", (1, 2)),
        ("dconv_mode", (0, 1, 2, 3)),
        ("precision", tuple(PRECISIONS)),
    ):
        if given[key] not in known or isinstance(given[key], bool):
            raise ValueError(
                f"htdemucs: {key} is {given[key]!r}, expected one of {', '.join(map(str, known))}"
            )
    for key in ("emb_smooth", "t_cross_first", "use_train_segment"):
        if not isinstance(given[key], bool):
            raise ValueError(f"htdemucs: {key} is {given[key]!r}, expected true or false")
    if not given["sources"] or len(set(given["sources"])) != len(given["sources"]):
        raise ValueError(f"htdemucs: sources {given['sources']}: expected one or more, each once")
    if not 2 <= given["segment"] * given["sample_rate"] <= MOST_SEGMENT:
        raise ValueError(
            f"htdemucs: segment is {given['segment']} s at {given['sample_rate']} Hz, expected 2 "
            f"to {MOST_SEGMENT} samples"
        )
    _check_shapes(given)


def _check_shapes(given: dict) -> None:
    """Sizes that must fit each other."""
    kernel, stride, depth, nfft = (given[k] for k in ("kernel_size", "stride", "depth", "nfft"))
    if kernel != 2 * stride or stride % 2:
        raise ValueError(
            f"htdemucs: kernel_size {kernel} and stride {stride}: expected an even stride and a "
            "kernel of two of them"
        )
    if depth > 12 or nfft % (2 * stride**depth) or nfft // 2 // stride ** (depth - 1) <= kernel:
        raise ValueError(
            f"htdemucs: nfft {nfft} at depth {depth}: expected a multiple of 2 · {stride}^depth, "
            f"and more than {kernel} bins before the last layer (merged branches are not supported)"
        )
    if given["channels"] // given["dconv_comp"] < 1:
        raise ValueError(
            f"htdemucs: dconv_comp is {given['dconv_comp']}, expected {given['channels']} at most, "
            "the channels"
        )
    bottom = given["bottom_channels"]
    width = bottom or given["channels"] * given["growth"] ** (depth - 1)
    if type(bottom) is not int or width % 4 or width % given["t_heads"]:
        raise ValueError(
            f"htdemucs: bottom_channels is {bottom}: the transformer has {width} channels, "
            f"expected a multiple of 4 and of t_heads, {given['t_heads']}"
        )


def check_options(given: dict, *, depth: int, channels: int) -> None:
    """Check options of the public program that are no hyperparameters of `HTDemucs`.

    Args:
      given: by their names. depth, channels: the hyperparameters.

    Raises:
      ValueError: one that this library does not support, or does not know.
    """
    for key, value in given.items():
        if key in WITHOUT_EFFECT:
            continue
        if key == "multi_freqs":
            fixed, good = "none", not value
        elif key == "channels_time":
            fixed, good = "none", value in (None, channels)
        elif key == "norm_starts":
            fixed, good = f"{depth} (the depth) or more", type(value) is int and value >= depth
        elif key in FIXED:
            fixed, good = repr(FIXED[key]), value == FIXED[key]
        else:
            raise ValueError(f"htdemucs: unknown option {key!r}; expected those of its program")
        if not good:
            raise ValueError(
                f"htdemucs: {key} is {value!r}, which is not supported; expected {fixed}"
            )

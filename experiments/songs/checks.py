"""What is checked of a run's songs before it starts: their folders, and who plays which role."""

from pathlib import Path

import datasets
from common.suggest import nearest
from datasets.splits import check_disjoint, split_by_shares
from datasets.track import Track
from dssgan.config.schema import Config
from evaluation.protocols import find
from experiments.songs.entries import entries, readable, select, unpaired_entries
from experiments.songs.training_data import METRICS, augmentation


def check_data(config: Config) -> None:
    """Check datasets, folders and the metric, before anything is read.

    Raises:
      ValueError: an unknown name, or a folder that is not there; starts with the dotted key.
    """
    for where, entry in [*entries(config), *unpaired_entries(config)]:
        if entry.name not in datasets.DATASETS:
            known = ", ".join(datasets.DATASETS)
            near = nearest(entry.name, datasets.DATASETS)
            raise ValueError(f"{where}.name={entry.name!r}: expected one of {known}{near}")
        accepted = datasets.loader(entry.name).options()
        for option in entry.options:
            if option not in accepted:
                near = nearest(option, accepted)
                raise ValueError(
                    f"unknown key {where}.options.{option}{near} (known: {', '.join(accepted)})"
                )
        try:
            split_by_shares((), entry.shares)
        except ValueError as error:
            raise ValueError(f"{where}.shares: {error}") from error
        if entry.name == "band":
            continue
        if entry.root is None:
            raise ValueError(f"{where}.root is missing: the folder of {entry.name}, {where}.root=…")
        if not Path(entry.root).expanduser().exists():
            raise ValueError(f"{where}.root={entry.root!r}: there is no such folder")
    augmentation(config)
    room = config.data.augmentation.room
    if room.share and room.folder is not None and not Path(room.folder).is_dir():
        raise ValueError(
            f"data.augmentation.room.folder={room.folder!r}: there is no such folder; name one "
            "with WAV files of impulse responses"
        )
    try:
        find(config.evaluation.protocol)
    except ValueError as error:
        raise ValueError(f"evaluation.protocol: {error}") from error
    name = config.validation.metric
    if name != "none" and name not in METRICS:
        known = ", ".join((*METRICS, "none"))
        raise ValueError(
            f"validation.metric={name!r}: expected one of {known}{nearest(name, METRICS)}"
        )


def check_roles(config: Config) -> None:
    """Refuse songs that are both learnt from and held out; the message says which.

    Nothing is decoded: of every audio file three pieces are read and compared.

    Raises:
      ValueError: such a song; a file that cannot be read. OSError: a folder cannot.
    """
    roles: dict[str, list[Track]] = {"paired": [], "valid": [], "test": []}
    for where, entry in entries(config):
        found = readable(where, entry)
        for role, split in (("paired", "train"), ("valid", "valid"), ("test", "test")):
            roles[role] += select(found, entry, split, where)
    estimated = config.validation.references == "estimates"
    if not roles["valid"] and not roles["test"] and not estimated:
        return
    for where, entry in unpaired_entries(config):
        found = readable(where, entry)
        roles[where] = select(found, entry, "train", where)
        if estimated and where.startswith("unpaired.mixtures"):
            roles["valid"] += select(found, entry, "valid", where)
    try:
        check_disjoint(roles)
    except ValueError as error:
        raise ValueError(f"data: {error}") from error

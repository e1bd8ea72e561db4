"""Splits of songs: by shares, and no song in two roles that must be apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.digests import facts_digest
from datasets.track import SPLITS, Track

HELD_OUT = ("valid", "test")
PAIRED = "paired"
_BLOCK = 65536  # bytes
_LEAST = 1000  # bytes per second; silence packs to less


def split_by_shares(
    tracks: Sequence[Track], shares: Mapping[str, Sequence[float]]
) -> dict[str, str]:
    """Split songs into train, valid and test by shares, in their order.

    Args:
      tracks: the songs of a dataset.
      shares: which songs ("train", "valid", "test": those of a split of the dataset's own; "all")
        → their shares in train, valid and test. A share is rounded down; what is left over goes to
        the last split that has a share. So {"all": [1, 1, 1]} makes 16, 16 and 18 of 50 songs, and
        {"test": [0, 1, 1]} keeps the training songs and validates on the first half of the others.

    Returns:
      Name of a song → split, for all songs.

    Raises:
      ValueError: other keys, or shares of another form.
    """
    found = {track.name: track.split for track in tracks}
    for key, parts in shares.items():
        if key not in (*SPLITS, "all") or (key == "all" and len(shares) > 1):
            raise ValueError(f"{key!r}: expected all, or some of {', '.join(SPLITS)}")
        numbers = parts if isinstance(parts, list | tuple) else ()
        if (
            len(numbers) != len(SPLITS)
            or not all(type(part) in (int, float) and 0 <= part < 1e9 for part in numbers)
            or not any(numbers)
        ):
            raise ValueError(
                f"{key}={parts!r}: expected shares of train, valid and test, such as [1, 1, 1]"
            )
        names = [track.name for track in tracks if key in ("all", track.split)]
        total = sum(numbers)
        counts = [int(len(names) * part / total) for part in numbers]
        last = max(place for place, part in enumerate(numbers) if part)
        counts[last] += len(names) - sum(counts)
        splits = (split for split, count in zip(SPLITS, counts) for _ in range(count))
        found |= dict(zip(names, splits, strict=True))
    return found


def check_disjoint(roles: Mapping[str, Sequence[Track]], *, strict: bool = False) -> None:
    """Refuse a song that is both trained on and held out.

    Args:
      roles: name of a role → its songs. "valid" and "test" are held out: they may share no song
        with any other role, nor with one another. All other names are roles in training, which
        may share songs.
      strict: "paired" shares no song with any other role either.

    Raises:
      ValueError: a song in two roles; it names the song and both roles.
      OSError: as of `identities`.
    """
    apart = {*HELD_OUT, *((PAIRED,) if strict else ())}
    known: dict[str, dict[str, Track]] = {}
    for role, tracks in roles.items():
        known[role] = {fact: track for track in tracks for fact in identities(track)}
    for place, (role, facts) in enumerate(known.items()):
        for other, others in list(known.items())[:place]:
            if not apart & {role, other}:
                continue
            shared = facts.keys() & others.keys()
            if shared:
                fact = min(shared, key=lambda one: (others[one].name, one))
                first, second = others[fact].name, facts[fact].name
                alias = "" if first == second else f" (there called {second!r})"
                raise ValueError(
                    f"song {first!r} is both in {other} and in {role}{alias}; "
                    "take it out of one of them"
                )


def identities(track: Track) -> frozenset[str]:
    """Return facts that identify a song: two tracks that share one are the same song.

    They are its fingerprint; its `composition` where it has one (the same notes played by other
    instruments are the same song); what its audio files hold, under whatever name they lie; and
    for a song of a cache or a variant, those of its original.

    Raises:
      OSError: a file cannot be read.
    """
    found = {track.fingerprint(), *getattr(track, "identities", ())}
    if getattr(track, "composition", None):
        found.add(f"composition {track.composition}")
    if isinstance(getattr(track, "original", None), Track):
        found |= identities(track.original)
    for stem_file in getattr(track, "stem_files", {}).values():
        for file in getattr(stem_file, "files", (stem_file,)):
            found |= _content(file)
    return frozenset(found)


def _content(file: Any) -> set[str]:
    """Digest a file's size, beginning, middle and end; empty for a file of silence.

    Stems that are silent throughout may be the same file in songs that have nothing in common.
    """
    size = Path(file.path).stat().st_size
    blocks = []
    with open(file.path, "rb") as data:
        for start in (0, size // 2, max(0, size - _BLOCK)):
            data.seek(start)
            blocks.append(data.read(_BLOCK))
    if size < _LEAST * file.samples / file.sample_rate or not any(map(any, blocks[1:])):
        return set()
    return {facts_digest("file", size, *blocks)}

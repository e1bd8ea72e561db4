"""What comes with a contributed song beside its audio: its name, licence and credit.

    name: My Song                    the folder's name where it is left out
    artist: Some One
    licence: CC-BY-4.0               an SPDX identifier; --licence where it is left out
    credit: Some One, example.org    who is named, and how; --credit where it is left out
    source: https://example.org      where it comes from; may be left out
    stems:                           what files are, before all rules; may be left out
      "*take 2*": ignore

It lies in the song's folder as song.yaml or song.json.

The rule on licences: one is accepted that lets anyone copy and change the recording, and pass on
the recording and what is made of it, for any purpose. To name the author, or to pass changes on
under the same licence, is no hindrance. What forbids commercial use (NC) or changes (ND) is
refused, and so is what the list (of SPDX identifiers, spdx.org/licenses) does not know, unless its
name is allowed on the command line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from common.audio_files import is_hidden
from common.files import check_name
from common.suggest import nearest
from datasets.intake.naming import check_mapping
from datasets.track import SPLITS

FILES = ("song.yaml", "song.yml", "song.json")
KEYS = ("name", "artist", "licence", "license", "credit", "source", "stems")
LONGEST = 1000  # characters of a text
_CREATIVE_COMMONS = tuple(
    f"CC-BY{share}-{version}"
    for share in ("", "-SA")
    for version in ("1.0", "2.0", "2.5", "3.0", "4.0")
)
#: Accepted identifiers; Creative Commons' licences of single countries (CC-BY-3.0-US) are as well.
ACCEPTED = (
    "CC0-1.0", "CC-PDDC", "CC-PDM-1.0", "PDDL-1.0", "Unlicense", "0BSD", "MIT", "MIT-0", "ISC",
    "Zlib", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "Artistic-1.0", "Artistic-2.0", "WTFPL",
    *_CREATIVE_COMMONS, "LAL-1.2", "LAL-1.3", "CDLA-Permissive-2.0", "ODC-By-1.0", "EUPL-1.2",
    "GPL-2.0", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0", "GPL-3.0-only", "GPL-3.0-or-later",
    "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later",
    "AGPL-3.0-only", "AGPL-3.0-or-later",
)  # fmt: skip
#: Those that ask for a credit on every copy, or for the same licence, as a note beside them.
SHARE_ALIKE = re.compile(r"CC-BY-SA-|LAL-|EUPL-|[AL]?GPL-")
_COUNTRY = re.compile(r"(CC-BY(?:-SA)?-[123]\.[05])-[A-Z]{2,3}")
_HINDRANCES = (
    (re.compile(r"(^|-)NC(-|$)"), "forbids commercial use"),
    (re.compile(r"(^|-)ND(-|$)"), "forbids changes"),
)


@dataclass(frozen=True)
class Terms:
    """What is known of a song before it is heard.

    Attributes:
      name: of the song, and of its folder.
      licence: as SPDX spells it.
      credit: who is to be named.
      artist, source: "" where nothing is said.
      stems: pattern → meaning, the contributor's own mapping.
    """

    name: str
    licence: str = ""
    credit: str = ""
    artist: str = ""
    source: str = ""
    stems: tuple[tuple[str, str], ...] = ()


def terms_of(found: Mapping, name: str, defaults: Terms, allowed: tuple[str, ...]) -> Terms:
    """Check what a song's own file says; what it leaves out is as in `defaults`.

    Args:
      found: what is in song.yaml; empty where there is none.
      name: of the song's folder or archive.
      defaults: licence and credit of the command line, and its mapping.
      allowed: licences that are accepted besides.

    Raises:
      ValueError: one line, without the song's name.
    """
    texts = {key: _text(found, key) for key in KEYS if key != "stems"}
    if texts["licence"] and texts["license"] and texts["licence"] != texts["license"]:
        raise ValueError("it has two licences, under 'licence' and 'license'; leave one out")
    unknown = [str(key) for key in found if key not in KEYS]
    hint = next((near for key in unknown if (near := nearest(key, KEYS, cutoff=0.75))), "")
    licence = texts["licence"] or texts["license"] or defaults.licence
    if not licence:
        raise ValueError(
            f"it has no licence{_of(unknown, hint)}; write 'licence: CC-BY-4.0' or another SPDX "
            "identifier into its song.yaml, or give --licence for all songs that have none"
        )
    licence = checked_licence(licence, allowed)
    credit = texts["credit"] or defaults.credit
    if not credit:
        raise ValueError(
            f"it has no credit{_of(unknown, hint)}; write 'credit: NAME' into its song.yaml, or "
            "give --credit for all songs that have none"
        )
    own = check_mapping(found.get("stems") or {}, "its stems") if "stems" in found else {}
    return replace(
        defaults,
        name=folder_name(texts["name"] or name),
        licence=licence,
        credit=credit,
        artist=texts["artist"],
        source=texts["source"],
        stems=(*own.items(), *defaults.stems),
    )


def checked_licence(name: str, allowed: tuple[str, ...] = ()) -> str:
    """Return a licence's identifier as SPDX spells it.

    Args:
      name: as it was given; small and large letters are the same.
      allowed: further identifiers that are accepted, of licences that the one who calls has read.

    Raises:
      ValueError: it is not accepted; the message says why, without the song's name.
    """
    plain = " ".join(str(name).split())
    known = {one.casefold(): one for one in (*ACCEPTED, *allowed)}
    if plain.casefold() in known:
        return known[plain.casefold()]
    if _COUNTRY.fullmatch(plain.upper()):
        return plain.upper()
    likely = re.sub(r"[\s_]+", "-", plain).upper()
    for pattern, why in _HINDRANCES:
        if pattern.search(likely):
            raise ValueError(
                f"its licence {plain[:100]} {why}; expected one such as CC-BY-4.0, with which "
                f"anyone may use and change the song for any purpose, or --allow {plain[:100]}"
            )
    spelled = {one.upper(): one for one in ACCEPTED}
    hint = f"; did you mean {spelled[likely]}?" if likely in spelled else ""
    hint = hint or nearest(likely, spelled, show=spelled.__getitem__, cutoff=0.5)
    raise ValueError(
        f"its licence {plain[:100]!r} is not known{hint}; expected an SPDX identifier such as "
        f"CC0-1.0 or CC-BY-4.0, or --allow {plain[:100]!r} for one that you have read"
    )


def folder_name(name: str) -> str:
    """Check a song's name, which its folder will have.

    Raises:
      ValueError: no name that every system allows, or one with another meaning.
    """
    name = check_name(" ".join(name.split()), "its name")
    if (
        name.casefold() in SPLITS
        or is_hidden(name)
        or name.endswith(".")
        or set(':*?"<>|') & set(name)
    ):
        raise ValueError(
            f"it cannot be called {name!r}, which folders of songs or systems keep for themselves; "
            "write another 'name:' into its song.yaml"
        )
    return name


def _text(found: Mapping, key: str) -> str:
    """A text of one line; "" where there is none."""
    value = found.get(key)
    if value is None:
        return ""
    if not isinstance(value, str | int | float) or len(str(value)) > LONGEST:
        raise ValueError(f"its {key} is no text of {LONGEST} characters at most")
    text = " ".join(str(value).split())
    if not text.isprintable():
        raise ValueError(f"its {key} has characters that cannot be printed: {text[:100]!r}")
    return text


def _of(unknown: list[str], hint: str) -> str:
    """What its file says instead, where that may be a slip."""
    return f" (it has {unknown[0][:40]!r}{hint.replace('?', '')})" if hint else ""

"""Pieces of a drum kit: of which stem each is, its General MIDI keys, names that mean it.

Keys are those of General MIDI level 1, channel 10.
"""

import re
from collections.abc import Mapping

from common.suggest import nearest

#: Stem → its pieces.
STEM_PIECES = {
    "kick": ("kick",),
    "snare": ("snare", "side_stick"),
    "toms": ("tom_high", "tom_mid", "tom_low"),
    "hats": ("hat_closed", "hat_pedal", "hat_half", "hat_open"),
    "cymbals": ("crash", "ride", "ride_bell", "splash", "china"),
    "percussion": (
        *("clap", "tambourine", "cowbell", "shaker", "conga", "block", "triangle", "percussion"),
    ),
}
STEMS = tuple(STEM_PIECES)
PIECES = {piece: stem for stem, pieces in STEM_PIECES.items() for piece in pieces}
KEYS = {
    **{35: "kick", 36: "kick", 37: "side_stick", 38: "snare", 39: "clap", 40: "snare"},
    **{41: "tom_low", 42: "hat_closed", 43: "tom_low", 44: "hat_pedal", 45: "tom_mid"},
    **{46: "hat_open", 47: "tom_mid", 48: "tom_high", 49: "crash", 50: "tom_high", 51: "ride"},
    **{52: "china", 53: "ride_bell", 54: "tambourine", 55: "splash", 56: "cowbell"},
    **{57: "crash", 58: "percussion", 59: "ride", 60: "conga", 61: "conga", 62: "conga"},
    **{63: "conga", 64: "conga", 65: "conga", 66: "conga", 67: "cowbell", 68: "cowbell"},
    **{69: "shaker", 70: "shaker", 71: "percussion", 72: "percussion", 73: "percussion"},
    **{74: "percussion", 75: "block", 76: "block", 77: "block", 78: "percussion"},
    **{79: "percussion", 80: "triangle", 81: "triangle", 82: "shaker"},
}
#: What is played where a kit lacks a piece, in this order; other pieces are not played then.
INSTEAD = {
    "side_stick": ("snare",),
    "hat_closed": ("hat_pedal", "hat_half"),
    "hat_pedal": ("hat_closed",),
    "hat_half": ("hat_open", "hat_closed"),
    "hat_open": ("hat_half", "crash"),
    "tom_high": ("tom_mid", "tom_low"),
    "tom_mid": ("tom_high", "tom_low"),
    "tom_low": ("tom_mid", "tom_high"),
    "crash": ("china", "splash", "ride"),
    "china": ("crash", "splash", "ride"),
    "splash": ("crash", "china", "ride"),
    "ride": ("ride_bell", "crash"),
    "ride_bell": ("ride", "crash"),
}
OPEN_HATS = ("hat_open", "hat_half")
# The first pattern that is found in a name, whose words are set apart by single spaces.
_HAT = r"hats?\b|hi ?hat|charles|\bhh"
_RULES = tuple(
    (piece, re.compile(pattern))
    for piece, pattern in (
        ("side_stick", r"\b(side|cross|x) ?stick|\bstick|\brim(?! ?shot)"),
        ("conga", r"conga|bongo|djembe|timbal|cajon|sangban|dununba|kenkeni"),
        ("clap", r"clap|\bcp\b"),
        ("kick", r"kick|bass ?drum|\bbd\b|\bkik\b|k ?drum|bombo"),
        ("snare", r"snare|\bsn\b|\bsd\b|redob|caja|rim ?shot"),
        ("hat_half", rf"(half|semi).*({_HAT})|({_HAT}).*(half|semi)"),
        ("hat_pedal", rf"(pedal|foot).*({_HAT}|\bhh)|({_HAT}).*(pedal|foot|\bpd\b)|\bph\b|\bphh"),
        ("hat_open", rf"open.*({_HAT})|({_HAT}).*(open|\bop\b|\bo\b|abierto)|\boh\b|\bohh|\bhho"),
        ("hat_closed", rf"{_HAT}|\bch\b|\bchh"),
        ("ride_bell", r"ride.*(bell|cup)|(bell|cup).*ride|\bbell\b"),
        ("ride", r"\bride|\brd\b"),
        ("splash", r"splash"),
        ("china", r"china"),
        ("cowbell", r"cow ?bell|\bcb\b|agogo"),
        ("crash", r"crash|cymbal|\bcr\b|platillo"),
        ("tom_high", r"\btom.*(hi\b|high|\bh\b|\b1\b|small)|(hi|high|small) ?tom|\bht\b"),
        ("tom_mid", r"\btom.*(mid|\bm\b|\b2\b)|(mid|middle|medium) ?tom|\bmt\b"),
        ("tom_low", r"\btom|floor|\blt\b|(low|lo) ?tom"),
        ("tambourine", r"tamb|pandero|\btb\b"),
        ("shaker", r"shaker|maraca|caba[sz]a|\bsh\b"),
        ("block", r"clave|wood|block"),
        ("triangle", r"triang"),
        ("percussion", r"\bperc|guiro|whistle|vibraslap|finger ?snap|\bcuica|chime"),
    )
)


def piece_of(*names: str) -> str | None:
    """Return the piece that the first telling one of some names means, or None.

    Args:
      names: such as "Snare Rock", "hihat-open", "KdrumL/3".
    """
    for name in names:
        text = re.sub(r"(?<=\S)\s*\([^()]*\)", "", name)  # such as (Tama 16")
        text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
        text = re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
        text = re.sub(r"(?<=[A-Za-z])(?=\d)", " ", text)
        text = " ".join(re.sub(r"[\W_]+", " ", text).lower().split())
        for piece, pattern in _RULES:
            if pattern.search(text):
                return piece
    return None


def chosen(mapping: Mapping[str, str], where: str, *names: str) -> str | None:
    """Return the piece of an instrument: that of the mapping, or what its names mean.

    Args:
      mapping: name or key (as text) → piece, or "none" for an instrument that is left out.
      where: the kit, the beginning of messages.

    Raises:
      ValueError: the mapping names no piece.
    """
    for name in names:
        if name in mapping:
            piece = mapping[name]
            if piece != "none" and piece not in PIECES:
                known = ", ".join(PIECES)
                raise ValueError(
                    f"{where}: mapping: {name!r}: {piece!r} is no piece"
                    f"{nearest(str(piece), PIECES, show=repr)}; expected none or one of {known}"
                )
            return None if piece == "none" else piece
    return piece_of(*names)

"""What a contributed file is, by its name: a stem, the mixture, or nothing that is used.

A name is cut into words: "01_KickIn (Stem).wav" is kick, in. Words that all files of a song share,
such as its title, say nothing. Phrases are looked for first, then single words; where a name has
words of several stems, those of "other" give way ("synth bass" is bass), and two more definite ones
("drum bass") are a question for the one who contributes. A folder's name stands in for a file's
that says nothing ("Drums/01.wav"). A mapping overrides all of it.
"""

import fnmatch
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from common.audio_files import some
from common.suggest import nearest
from datasets.track import SOURCES

MIXTURE, IGNORE = "mixture", "ignore"
MEANINGS = (*SOURCES, MIXTURE, IGNORE)
#: Phrases and words → what they mean; phrases of several words win.
WORDS = {
    "drums": (
        "bass drum", "drum bus", "drum mix", "drum loop", "drum machine", "drum kit", "hi hat",
        "high hat", "floor tom", "rack tom", "kick bass drum", "big drum", "side stick",
        "drum room", "room mic", "room mics", "tone drum",
        "drum", "drums", "drm", "drms", "drumkit", "drumloop", "drumset", "kit", "kick", "kicks",
        "kik", "kck", "kd", "bd", "bassdrum", "snare", "snares", "snr", "sn", "sd", "rim", "rims",
        "rimshot", "sidestick", "hh", "hat", "hats", "hihat", "hihats", "hihh", "ohat", "chat",
        "oh", "ohs", "overhead", "overheads", "ovh", "room", "rooms", "tom", "toms", "floortom",
        "cymbal", "cymbals", "cym", "crash", "ride", "china", "splash", "clap", "claps",
        "handclap", "handclaps", "snap", "snaps", "perc", "percs", "percussion", "percussions",
        "prc", "shaker", "shakers", "shaka", "shk", "tamb", "tambo", "tambourine", "tamborine",
        "cowbell", "conga", "congas", "bongo", "bongos", "djembe", "cajon", "timbale", "timbales",
        "timpani",
        "maraca", "maracas", "cabasa", "guiro", "claves", "clave", "woodblock", "tabla", "beat",
        "beats", "breakbeat", "breakbeats", "groove", "triangle", "agogo", "linn",
        "schlagzeug", "batterie", "bateria", "batteria", "trommeln",
    ),
    "bass": (
        "bass guitar", "bass gtr", "bass synth", "synth bass", "bass di", "bass amp", "sub bass",
        "upright bass", "double bass", "bass line",
        "bass", "basses", "bs", "bassline", "bassgtr", "bassguitar", "synthbass", "subbass", "sub",
        "contrabass", "upright", "basse", "bajo", "basso", "kontrabass",
    ),
    "vocals": (
        "lead vox", "lead vocal", "lead vocals", "backing vocal", "backing vocals", "backing vox",
        "back vox", "bg vox", "a cappella", "ad lib", "ad libs", "gang vox", "lead v",
        "vocal", "vocals", "voc", "vocs", "vocl", "vox", "voice", "voices", "lv", "ldvox",
        "leadvox", "leadvocal", "bv", "bvs", "bgv", "bgvs", "bvox", "backings", "choir", "chorale",
        "singer", "sing", "singing", "song vocal", "acapella", "acappella", "rap", "rapper",
        "adlib", "adlibs", "harmonies", "female", "male", "spoken", "speech", "vocoder", "talkbox",
        "soprano", "gesang", "stimme", "voix", "voz", "voces", "voce",
    ),
    "other": (
        "steel drum", "steel drums", "steel pan", "tuned percussion", "lead gtr", "lead guitar",
        "lead synth", "bass clarinet", "bass trombone", "bass flute", "bass sax",
        "other", "others", "gtr", "gtrs", "gt", "git", "guit", "guitar", "guitars", "eg", "ag",
        "egtr", "agtr", "acgtr", "elgtr", "acoustic", "strat", "tele", "banjo", "mandolin",
        "ukulele", "uke", "lute", "sitar", "oud", "harp", "pedalsteel", "slide", "dobro",
        "key", "keys", "kbd", "keyboard", "keyboards", "piano", "pianos", "pno", "grand", "rhodes",
        "wurli", "wurlitzer", "epiano", "ep", "clav", "clavinet", "harpsichord", "organ", "hammond",
        "leslie", "accordion", "harmonica", "melodica", "celesta", "glockenspiel", "glock",
        "marimba", "vibraphone", "vibes", "xylophone", "kalimba", "mellotron",
        "synth", "synths", "syn", "synthesizer", "pad", "pads", "lead", "leads", "arp", "arps",
        "arpeggio", "pluck", "plucks", "stab", "stabs", "seq", "sequence", "saw", "brass",
        "chord", "chords", "melody", "drone", "texture", "textures", "atmo", "ambient", "noise",
        "riser", "sweep", "impact", "fx", "sfx", "efx", "effects", "sample", "samples", "scratches",
        "string", "strings", "str", "strs", "violin", "violins", "vln", "viola", "violas", "vla",
        "cello", "cellos", "celli", "vc", "orchestra", "orch", "ensemble", "pizz",
        "horn", "horns", "trumpet", "trumpets", "tpt", "trombone", "trombones", "tbn", "tuba",
        "sax", "saxes", "saxophone", "alto", "tenor", "bari", "flute", "flutes", "clarinet",
        "oboe", "bassoon", "woodwinds", "recorder", "whistle", "bagpipes", "fiddle",
        "gitarre", "gitarren", "guitare", "guitarra", "chitarra", "klavier", "geige", "teclado",
        "clavier", "orgel", "bells", "bell",
    ),
    MIXTURE: (
        "full mix", "final mix", "stereo mix", "main mix", "master mix", "full song", "mix down",
        "mixture", "mix", "mixdown", "mixed", "master", "mastered", "mst", "fullmix", "stereomix",
        "2mix", "linear_mixture",
    ),
    IGNORE: (
        "click track", "backing track", "minus one", "no drums", "no vocals", "no vox", "no bass",
        "guide vocal", "scratch vocal", "count in", "drum less",
        "click", "metronome", "metro", "clicktrack", "countin", "talkback", "slate", "smpte",
        "guide", "timecode", "instrumental", "karaoke", "accompaniment", "playback", "backtrack",
        "drumless", "preview", "demo",
    ),
}  # fmt: skip
#: What an unknown word may begin with: "bassslap", "kickin".
BEGINNINGS = (
    "kick", "snare", "hihat", "drum", "perc", "bass", "guitar", "vocal", "piano", "synth", "string",
)  # fmt: skip
#: Words of folders that hold parts of a song and say nothing themselves.
PARTS = frozenset((
    "stem", "stems", "multitrack", "multitracks", "track", "tracks", "audio", "wav", "wavs", "wave",
    "flac", "raw", "files", "export", "exports", "bounce", "bounces", "dry", "wet", "rendered",
    "render", "session", "mixes", "mixture",
))  # fmt: skip
_PHRASES = {tuple(phrase.split()): meaning for meaning, words in WORDS.items() for phrase in words}
_LONGEST = max(map(len, _PHRASES))


def words_of(name: str) -> list[str]:
    """Cut a name into words: small letters without accents, no digits, CamelCase apart."""
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    apart = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])|(?<=[a-z]{2})(?=[A-Z])", " ", plain)
    apart = re.sub(r"(?<=[A-Z])(?=[A-Z][a-z]{2})", " ", apart)  # HHClosed, but not BVs
    return re.findall(r"[a-z]+", apart.casefold())


def meanings(words: Sequence[str]) -> set[str]:
    """The meanings of words; those that others make more definite are left out."""
    found, place = set(), 0
    while place < len(words):
        for length in range(min(_LONGEST, len(words) - place), 0, -1):
            meaning = _PHRASES.get(tuple(words[place : place + length]))
            if meaning:
                found.add(meaning)
                place += length - 1
                break
        else:
            begins = next((one for one in BEGINNINGS if words[place].startswith(one)), None)
            found |= {_PHRASES[begins,]} if begins else set()
        place += 1
    if IGNORE in found:
        return {IGNORE}
    definite = found - {"other", MIXTURE}
    if definite:
        return definite
    return {"other"} if "other" in found else found


def is_part(folder: str) -> bool:
    """Whether a folder of this name holds a part of a song: one stem, or all of them."""
    words = words_of(folder)
    return bool(words) and (set(words) <= PARTS or _clear(words))


def _clear(words: Sequence[str]) -> bool:
    """Whether all words that say something are names of one stem, and the others of parts."""
    known = {word for phrase in _PHRASES for word in phrase}
    return len(meanings(words)) == 1 and set(words) <= known | PARTS


def check_mapping(given: object, where: str) -> dict[str, str]:
    """Check a mapping {pattern: drums, bass, other, vocals, mixture or ignore}.

    Args:
      where: its file, the beginning of messages.

    Raises:
      ValueError: another form, or a meaning that is not known.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{where}: expected lines such as '*kick*: drums'")
    for pattern, meaning in given.items():
        if not isinstance(pattern, str) or meaning not in MEANINGS:
            raise ValueError(
                f"{where}: {str(pattern)[:100]!r}: {str(meaning)[:100]!r} is none of "
                f"{', '.join(MEANINGS)}{nearest(meaning, MEANINGS)}"
            )
    return dict(given)


def meaning_of(
    path: str, song: str, shared: frozenset[str], mapping: Mapping[str, str]
) -> str | None:
    """What a file is.

    Args:
      path: below the song's folder, with / between its parts.
      song: the song's name.
      shared: words that all its files' names have.
      mapping: pattern → meaning, matched against SONG/path, path and the file's name, without
        regard to case; the first that fits.

    Returns:
      One of MEANINGS; None where the name says nothing, or several things at once.
    """
    file = PurePosixPath(path)
    names = [text.casefold() for text in (f"{song}/{path}", path, file.name)]
    for pattern, meaning in mapping.items():
        if any(fnmatch.fnmatchcase(name, pattern.casefold()) for name in names):
            return meaning
    for name in (file.stem, *reversed(file.parts[:-1])):
        words = words_of(name)
        found = meanings([word for word in words if word not in shared]) or meanings(words)
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def shared_words(paths: Sequence[str]) -> frozenset[str]:
    """The words that the names of all files have, two files at least."""
    words = [set(words_of(PurePosixPath(path).stem)) for path in paths]
    return frozenset(set.intersection(*words)) if len(words) > 1 else frozenset()


def assign(
    paths: Sequence[str], song: str, mapping: Mapping[str, str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Sort the files of a song by what they are.

    Returns:
      meaning → paths, in the order of MEANINGS and by name; and what is wrong, one line each.
    """
    shared = shared_words(paths)
    found: dict[str, list[str]] = {meaning: [] for meaning in MEANINGS}
    unknown = []
    for path in sorted(paths):
        meaning = meaning_of(path, song, shared, mapping)
        (unknown if meaning is None else found[meaning]).append(path)
    problems = []
    if unknown:
        problems.append(
            f"what {len(unknown)} of its files hold is unknown ({some(unknown)}); name them in a "
            f"mapping, such as '{unknown[0]}: other'"
        )
    if not any(found[stem] for stem in SOURCES) and not unknown:
        problems.append("none of its files is a stem; expected drums, bass, other or vocals")
    if len(found[MIXTURE]) > 1:
        problems.append(
            f"{len(found[MIXTURE])} files are its mixture ({some(found[MIXTURE])}); name all but "
            "one in a mapping, such as '*master*: ignore'"
        )
    return {meaning: paths for meaning, paths in found.items() if paths}, problems

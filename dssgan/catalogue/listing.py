"""`list` and `info`: what is known of separators, in lines of at most 80 columns."""

import textwrap
from collections.abc import Iterable, Iterator

from common import cli
from common.cli import UsageError
from dssgan import exports
from dssgan.catalogue import download, entries, store
from dssgan.catalogue.entries import Entry
from dssgan.catalogue.fetching import megabytes

WIDTH = 80


def list_all(with_public: bool) -> int:
    """Print the separators of this machine, those that ship, and if asked the public ones."""
    folder = exports.store_folder()
    own = store.all_entries()
    say(f"on this machine, in {folder}:")
    for line in lines(own.values()):
        say(line)
    if not own:
        say("  none; python -m dssgan.catalogue add FOLDER, FILE, URL or a public name")
    if left := download.unfinished(folder):
        say(f"  and {megabytes(left)} of unfinished downloads; the same add goes on")
    say("shipped with the library:")
    for line in lines(entries.shipped().values()):
        say(line)
    if with_public:
        say("public, to be added by name:")
        for line in lines(entries.public().values()):
            say(line)
    else:
        say("public ones: python -m dssgan.catalogue list --public")
    return 0


def say(line: str) -> None:
    """Print a line, escaped, and wrapped where it is longer than a terminal's."""
    text = cli.printable(line)
    further = " " * (len(text) - len(text.lstrip()) + 4)
    options = {"break_long_words": False, "break_on_hyphens": False}
    print(textwrap.fill(text, WIDTH, subsequent_indent=further, **options))


def lines(found: Iterable[Entry]) -> Iterator[str]:
    """Two lines for each separator: name, system, size and score; sources and licence."""
    for entry in found:
        if entry.fault:
            yield f"  {entry.name}  damaged: {entry.fault}"
            continue
        size = "" if entry.size is None else megabytes(entry.size)
        line = f"  {entry.name:<24} {entry.system:<17} {size:>8}  {score(entry)}".rstrip()
        yield line if len(line) <= WIDTH else f"  {entry.name}  {entry.system}  {size}"
        facts = [", ".join(entry.sources), f"licence {entry.licence}"]
        facts += ["never tried here"] if entry.facts.get("tried") is False else []
        yield f"      {'; '.join(facts)}"


def score(entry: Entry) -> str:
    """The score of the drums, or else of the first source: "drums 6.7 dB"."""
    values = entry.scores.get("values") or {}
    if not values:
        return "no score"
    source = "drums" if "drums" in values else next(iter(values))
    published = " published" if entry.scores["published"] else ""
    return f"{source} {values[source]:.1f} dB{published}"


def info(name: str) -> int:
    """Print everything that is known of a separator, a fact a line; 1 where it is damaged.

    Raises:
      UsageError: there is no separator of this name.
    """
    own, shipped, public = store.all_entries(), entries.shipped(), entries.public()
    known = public | shipped | own
    if name not in known:
        raise UsageError(entries.unknown(name, known, "here, shipped or public"))
    entry = known[name]
    place = "this machine" if name in own else "shipped" if name in shipped else "public"
    for key, value in facts(entry, place):
        cli.say(f"{key}: {value}")
    if entry.fault:
        return 1
    if entry.folder is not None:
        try:
            store.verify(entry.folder)
        except (ValueError, OSError) as error:
            cli.say(f"damaged: {cli.one_line(error)}")
            return 1
        cli.say("checksums: as its configuration says")
    return 0


def facts(entry: Entry, place: str) -> Iterator[tuple[str, object]]:
    """(what, value) of all that is known, in the order to print."""
    yield "name", entry.name
    yield "where", place if entry.folder is None else f"{place}, {entry.folder}"
    if entry.fault:
        yield "damaged", entry.fault
        return
    yield "system", entry.system
    yield "sources", ", ".join(entry.sources)
    yield "size", "unknown" if entry.size is None else f"{megabytes(entry.size)}"
    yield "licence", entry.licence
    for source, value in (entry.scores.get("values") or {}).items():
        published = "published, not measured here; " if entry.scores["published"] else ""
        measure = entry.scores["measure"]
        yield f"{source} {measure}", f"{value:.2f} dB ({published}{entry.scores['songs']})"
    if entry.scores.get("page"):
        yield "scores from", entry.scores["page"]
    for key, value in entry.facts.items():
        if key == "tried":
            yield "tried", "yes" if value else "never tried here"
        elif key.startswith("config") and not entry.facts["config"]:
            yield from [(key, "none: the checkpoint has its own")] if key == "config" else []
        elif key == "sha256" and value and len(value) < 64:
            yield key, f"begins with {value}"
        elif value is not None or entry.folder is None:
            yield key, "unknown" if value is None else value

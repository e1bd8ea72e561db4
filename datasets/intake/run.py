"""An intake: songs are heard in parallel, taken or refused in their order, one by one.

    OUT/SONG/, OUT/intake.json …    see `report`
    OUT/.intake/SONG.npy            fingerprints of the songs
    OUT/.intake/references/         those of test songs
    OUT/.intake/unfinished/         songs that are being heard; gone when the run ends

A song is taken by one rename, after the manifest has named it; one that the manifest names and that
is not there is heard again. So a run that was killed goes on and ends with the same bytes.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from common.cli import one_line
from common.digests import facts_digest
from common.files import locked, sync_folder
from common.parallel import each
from datasets.intake import known, naming
from datasets.intake.fingerprint import Known
from datasets.intake.limits import Limits
from datasets.intake.report import read_manifest, write_manifest, write_reports
from datasets.intake.song import Job, Taken, take
from datasets.intake.sources import Contribution, Refused, contributions
from datasets.intake.terms import Terms, terms_of

HIDDEN, UNFINISHED = ".intake", "unfinished"


@dataclass(frozen=True)
class Options:
    """What songs need and are held against.

    Attributes:
      terms: licence and credit of songs that name none, and a mapping of file names.
      allowed: licences that are accepted besides.
      limits: see there.
      test_songs: PATH or DATASET:PATH of songs that must not be among the contributed ones.
    """

    terms: Terms = field(default_factory=lambda: Terms(""))
    allowed: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    test_songs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of the songs of a run.

    Attributes:
      songs: everything that is in the folder now, as the manifest has it.
      taken: names of those that were heard and taken in this run.
      refused: the others.
    """

    songs: list[dict]
    taken: list[str]
    refused: list[Refused]


def intake(
    paths: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    options: Options | None = None,
    *,
    workers: int = 1,
    watch: Callable[..., Iterable] = lambda results, total: results,
) -> Outcome:
    """Take contributed songs into a folder, which `datasets.load("folders", out)` reads.

    Args:
      paths: folders and zip files of multitracks.
      out: the folder; songs that are there stay, and are not heard again while they are the same.
      options: None takes the defaults.
      workers: processes.
      watch: wraps the finished songs, for instance in a progress bar.

    Raises:
      ValueError: a source or a test song that cannot be read, or another run at work on `out`.
      OSError: a path that is not there; the disk is full or `out` cannot be written.
    """
    options = options or Options()
    songs, refused = contributions(paths)
    out = Path(out).expanduser()
    _check_apart(paths, out)
    tests = [track for given in options.test_songs for track in known.songs_of(given)]
    out.mkdir(parents=True, exist_ok=True)
    with locked(out, ValueError(f"{out}: another intake is at work on it; wait for it")):
        shutil.rmtree(out / HIDDEN / UNFINISHED, ignore_errors=True)
        try:
            run = _Run(out, options, workers)
            run.compare_with(tests, watch)
            run.refused += refused
            run.hear(songs, watch)
            return run.end()
        finally:
            shutil.rmtree(out / HIDDEN / UNFINISHED, ignore_errors=True)


class _Run:
    """The state of one intake: what is in the folder, and what was refused."""

    def __init__(self, out: Path, options: Options, workers: int):
        self.out, self.options, self.workers = out, options, workers
        self.refused: list[Refused] = []
        self.taken: list[str] = []
        self.songs = {song["name"]: song for song in read_manifest(out)}
        self.heard: dict[str, Known] = {}
        for name in list(self.songs):
            if (out / name).is_dir():
                files = {file: fact["bytes"] for file, fact in self.songs[name]["files"].items()}
                self.heard[name] = known.taken(out / name, files, self._print(name))
            else:
                self._remove(name)  # killed before its rename, or deleted
        self.tests: list[tuple[str, Known]] = []
        self.others: list[tuple[str, Known]] = []

    def compare_with(self, tests: Sequence, watch: Callable[..., Iterable]) -> None:
        """Fingerprint the test songs, and what others have put into the folder."""
        kept = self.out / HIDDEN / "references"
        self.tests = known.fingerprints(tests, kept, self.workers, watch)
        others = known.others_in(self.out, self.songs)
        self.others = known.fingerprints(others, kept, self.workers, watch)

    def hear(self, songs: Sequence[Contribution], watch: Callable[..., Iterable]) -> None:
        """Hear the songs in parallel, and decide on each in its order."""
        names: dict[str, str] = {}
        planned = [self._planned(song, names) for song in songs]
        verdicts: dict[int, Taken | Refused | Job] = {}
        work: dict[str, int] = {}
        for place, job in enumerate(planned):
            if isinstance(job, Refused) or self._kept(job):
                verdicts[place] = job
            else:
                work[str(self.out / HIDDEN / UNFINISHED / f"{place:06d}")] = place
        results = each(take, [(planned[place], path) for path, place in work.items()], self.workers)
        decided = self._decide_from(0, songs, verdicts)
        for (job, path), found in watch(results, total=len(work)):
            verdicts[work[path]] = _recorded(found, job)
            decided = self._decide_from(decided, songs, verdicts)

    def _decide_from(
        self,
        place: int,
        songs: Sequence[Contribution],
        verdicts: dict[int, Taken | Refused | Job],
    ) -> int:
        """Decide on songs in their order, up to the first that is not heard yet; its place."""
        while place in verdicts:
            self._decide(songs[place], verdicts.pop(place))
            place += 1
        return place

    def _planned(self, song: Contribution, names: dict[str, str]) -> Job | Refused:
        """What is known of a song before it is heard."""
        reasons, terms = [], None
        try:
            said = song.said()
            terms = terms_of(said, song.name, self.options.terms, self.options.allowed)
        except (OSError, ValueError) as error:
            return Refused(song.name, song.label, (one_line(error),))
        first = names.setdefault(terms.name.casefold(), song.label)
        if first != song.label:
            reasons.append(f"{first} is called {terms.name!r} too; {_RENAME}")
        elif reason := self._name_taken(terms.name, song):
            reasons.append(reason)
        files, problems = naming.assign(song.files, terms.name, dict(terms.stems))
        reasons += problems
        if reasons:
            return Refused(terms.name, song.label, tuple(reasons))
        return Job(song, terms, files, self.options.limits)

    def _name_taken(self, name: str, song: Contribution) -> str:
        """Why a song cannot have its name; "" where it can."""
        for other in self.songs.values():
            mine = other["place"] == _place(song) or other["state"] == song.state
            if other["name"].casefold() == name.casefold() and not mine:
                return f"a song from {other['contributed']} is called so already; {_RENAME}"
        if name not in self.songs and (self.out / name).exists():
            return f"{self.out / name} is there already, and not from an intake; {_RENAME}"
        return ""

    def _kept(self, job: Job) -> bool:
        """Whether a song is here already, made of the same files with the same options."""
        entry = self.songs.get(job.terms.name)
        return (
            entry is not None
            and entry["state"] == job.song.state
            and entry["options"] == _options_digest(job)
        )

    def _decide(self, song: Contribution, verdict: Taken | Refused | Job) -> None:
        """Take a song or refuse it; a job is one that is here already."""
        if isinstance(verdict, Job):
            name = verdict.terms.name
            self.songs[name]["place"] = _place(song)
            if reason := self._same_as(self.heard[name], self.tests, "the test song"):
                self._remove(name)
                self.refused.append(Refused(name, song.label, (reason,)))
            return
        earlier = [one["name"] for one in self.songs.values() if one["place"] == _place(song)]
        for name in earlier:
            self._remove(name)
        if isinstance(verdict, Refused):
            self.refused.append(verdict)
            return
        heard = Known(verdict.fingerprint)
        name = verdict.record["name"]
        reason = (
            self._same_as(heard, self.tests, "the test song")
            or self._same_as(heard, self.heard.items(), "the song")
            or self._same_as(heard, self.others, "the song")
        )
        if reason:
            shutil.rmtree(Path(verdict.folder).parent)
            self.refused.append(Refused(name, song.label, (reason,)))
            return
        self._accept(verdict, heard)

    def _same_as(self, heard: Known, others: Iterable[tuple[str, Known]], what: str) -> str:
        return known.same_as(heard, others, self.options.limits.same, what)

    def _accept(self, verdict: Taken, heard: Known) -> None:
        record, folder = verdict.record, Path(verdict.folder)
        name = record["name"]
        if name in self.songs:
            self._remove(name)
        known.write(self._print(name), verdict.fingerprint)
        self.songs[name], self.heard[name] = record, heard
        write_manifest(self.out, list(self.songs.values()))
        os.rename(folder, self.out / name)
        sync_folder(self.out)
        folder.parent.rmdir()
        self.taken.append(name)

    def _remove(self, name: str) -> None:
        """Remove a song that is not whole, not the same any more, or refused now."""
        del self.songs[name]
        self.heard.pop(name, None)
        write_manifest(self.out, list(self.songs.values()))
        shutil.rmtree(self.out / name, ignore_errors=True)
        self._print(name).unlink(missing_ok=True)

    def _print(self, name: str) -> Path:
        return self.out / HIDDEN / f"{name}.npy"

    def end(self) -> Outcome:
        """Write what is left beside the songs."""
        songs = sorted(self.songs.values(), key=lambda song: song["name"])
        write_manifest(self.out, songs)
        write_reports(self.out, songs, self.refused)
        return Outcome(songs, self.taken, self.refused)


_RENAME = "write another 'name:' into its song.yaml"


def _check_apart(paths: Sequence[str | os.PathLike], out: Path) -> None:
    """Raise ValueError where what is written would be read as a contribution, or the reverse."""
    target = out.resolve()
    for path in map(Path, paths):
        source = path.resolve()
        if source.is_relative_to(target) or target.is_relative_to(source):
            raise ValueError(f"{out}: one of it and {path} lies in the other; choose another --out")


def _place(song: Contribution) -> str:
    """Where a song comes from, as a digest: paths of machines are no part of a manifest."""
    return facts_digest(str(song.store.path.resolve()), song.prefix)


def _recorded(found: Taken | Refused, job: Job) -> Taken | Refused:
    """A verdict with what tells the song again next time."""
    if isinstance(found, Refused):
        return found
    more = {"place": _place(job.song), "options": _options_digest(job)}
    return replace(found, record=found.record | more)


def _options_digest(job: Job) -> str:
    """All that decides what becomes of the same files."""
    return facts_digest(job.terms, sorted(job.files.items()), job.limits)

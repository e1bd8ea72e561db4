"""The songs of a run: roles that must be apart, selection, unpaired lists, what is refused."""

import builtins
import dataclasses

import numpy as np
import pytest

import datasets
from datasets import audio
from datasets.song_files.file_track import FileTrack
from dssgan.config.data import Dataset
from dssgan.config.schema import from_dict
from dssgan.training.start import named_starts
from experiments.songs import checks, training_data
from experiments.songs import entries as entries_module
from experiments.songs.entries import select

RATE = 8000


def load(config, log=print):
    """The songs of a configuration for a model of `RATE` that takes excerpts of any length."""
    samples = round(config.data.seconds * RATE)
    return training_data.load_training_data(config, RATE, samples, log)


def noise(seconds=1.0, channels=1, seed=0, rate=RATE, level=0.1):
    rng = np.random.default_rng(seed)
    shape = (round(seconds * rate), channels)
    return (level * rng.standard_normal(shape)).astype(np.float32)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Three songs of two stems, one of them to test with; four mixtures; solo drums."""
    root = tmp_path_factory.mktemp("songs")
    for place, (split, name) in enumerate([("train", "one"), ("train", "two"), ("test", "three")]):
        for number, stem in enumerate(("drums", "vocals")):
            data = noise(seed=10 * place + number)
            audio.write(root / "paired" / split / name / f"{stem}.wav", data, RATE)
    for place in range(4):
        data = noise(0.1 + place / 2, 1 + place % 2, 50 + place, 8000 + 3025 * (place % 2))
        audio.write(root / "free" / f"free{place}.wav", data, 8000 + 3025 * (place % 2))
    for place in range(2):
        audio.write(root / "solo" / f"hit{place}.wav", noise(0.3, seed=70 + place), RATE)
    audio.write(root / "mute" / "mute.wav", np.zeros((RATE, 1), np.float32), RATE)
    (root / "empty").mkdir()
    audio.write(root / "mixed" / "faint.wav", noise(level=1e-7), RATE, bits="32f")
    audio.write(root / "mixed" / "sound.wav", noise(channels=2), RATE)
    audio.write(root / "damaged" / "good.flac", noise(), RATE)
    (root / "damaged" / "odd.flac").write_bytes(b"not audio")
    cut = root / "later" / "cut.flac"
    audio.write(cut, noise(9.0), RATE)
    cut.write_bytes(cut.read_bytes()[:20_000])
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def made(songs, cache, **changes):
    """A configuration of an adversarial run on these songs."""
    values = {
        "sources": ["drums", "vocals"],
        "phases": ["supervised", "adversarial", "test"],
        "alpha": 0.1,
        "data": {
            "name": "folders",
            "root": str(songs / "paired"),
            "cache": str(cache),
            "seconds": 0.5,
            "batch": 3,
            "workers": 1,
        },
        "validation": {"metric": "none"},
        "unpaired": changes.pop("unpaired", {}),
    }
    values["data"] |= changes.pop("data", {})
    return from_dict(values | changes)


def recordings(songs, folder, **options):
    return {"name": "recordings", "root": str(songs / folder), **options}


def test_mixtures_and_solos_come_from_their_lists_and_repeat_themselves(songs, cache):
    unpaired = {
        "mixtures": [recordings(songs, "free")],
        "solos": [recordings(songs, "solo", options={"stem": "drums"}, source="drums")],
    }
    config = made(songs, cache, unpaired=unpaired)
    together = load(config).refinement("adversarial")
    batch = together.batch(3)
    assert batch["stems"].shape == (3, 2, 4000, 1)
    assert batch["mixtures"].shape == (3, 4000, 1)
    assert {name: solo.shape for name, solo in batch["solos"].items()} == {
        "drums": (3, 4000, 1),
        "vocals": (3, 4000, 1),
    }
    names = [name.partition("@")[0] for name in batch["names"]]
    # Stems of a remixed excerpt may come from several songs, which its name tells as well.
    assert set(names[-9:-6]) <= {f"free{place}" for place in range(4)}
    assert set(names[-6:-3]) <= {"hit0", "hit1"}
    assert set(names[-3:]) <= {"one", "two"}  # a source without solos is heard in paired songs
    again = load(config).refinement("adversarial").batch(3)
    for name in ("stems", "mixtures"):
        assert batch[name].tobytes() == again[name].tobytes()
    other = load(config).refinement("self_training").batch(3)
    assert batch["mixtures"].tobytes() != other["mixtures"].tobytes()
    assert batch["stems"].tobytes() != other["stems"].tobytes()


def test_without_unpaired_mixtures_the_paired_songs_give_them(songs, cache):
    for unpaired in ({}, {"mixtures": []}):
        config = made(songs, cache, unpaired=unpaired)
        batch = load(config).refinement("adversarial").batch(0)
        names = {name.partition("@")[0] for name in batch["names"][-9:]}
        assert names <= {"one", "two"}


@pytest.mark.parametrize(
    ("unpaired", "message"),
    [
        ({"mixtures": ["empty"]}, "empty: no recordings"),
        ({"mixtures": ["mute"]}, "unpaired.mixtures[0]: all are silent (mute)"),
        ({"mixtures": ["free", "mute"]}, "unpaired.mixtures[1]: all are silent (mute)"),
        ({"solos": ["mute"]}, "unpaired.solos[0]: all are silent (mute)"),
    ],
)
def test_lists_of_nothing_are_refused_in_one_line(songs, cache, unpaired, message):
    lists = {
        kind: [
            recordings(songs, folder)
            | ({"source": "drums", "options": {"stem": "drums"}} if kind == "solos" else {})
            for folder in folders
        ]
        for kind, folders in unpaired.items()
    }
    config = made(songs, cache, unpaired=lists)
    with pytest.raises(ValueError) as caught:
        load(config)  # before any training
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_lists_hold_is_told_once(songs, cache):
    unpaired = {"mixtures": [recordings(songs, "free")]}
    config = made(songs, cache, unpaired=unpaired, data={"seconds": 100.0, "batch": 9})
    said = []
    found = load(config, said.append)
    found.refinement("adversarial")
    assert said[0].startswith("unpaired.mixtures[0]: 4 recordings, ")
    assert "fewer than a batch of 9: batches repeat them" in said[0]
    assert "4 shorter than an excerpt: looped (unpaired.short=pad sets" in said[0]
    assert "; 2 of 8000 Hz, 2 of 11025 Hz, resampled to 8000" in said[0]
    assert said[0].endswith("; 2 mono, 2 stereo: left or right is taken of these")
    assert said[1:] == [
        f"unpaired: no solos of {source} named; they come from the 2 paired songs"
        for source in ("drums", "vocals")
    ]
    config = made(songs, cache, unpaired=unpaired, data={"seconds": 0.05})
    load(config, said.append)
    assert said[3].startswith("unpaired.mixtures[0]: 4 recordings, ")
    assert "shorter" not in said[3]


def test_a_silent_recording_among_others_is_named(songs, cache):
    """Silent is what lies below −120 dBFS, in a cache as in a file."""
    config = made(songs, cache, unpaired={"mixtures": [recordings(songs, "mixed")]})
    said = []
    load(config, said.append)
    assert said[0].endswith("; 1 silent, such as faint")
    config = made(
        songs, cache, unpaired={"mixtures": [recordings(songs, "mixed", train=["faint"])]}
    )
    with pytest.raises(ValueError, match=r"mixtures\[0\]: all are silent \(faint\)"):
        load(config)


@pytest.mark.parametrize(
    ("folder", "message"),
    [("damaged", "1 files cannot be read, the first: .*odd"), ("later", "1 songs .*cut")],
)
def test_a_file_that_cannot_be_read_is_told_with_its_list(songs, cache, folder, message, recwarn):
    for kind, options in (("mixtures", {}), ("solos", {"stem": "drums"})):
        entry = recordings(songs, folder, options=options)
        if kind == "solos":
            entry["source"] = "drums"
        config = made(songs, cache, unpaired={kind: [entry]})
        with pytest.raises(ValueError, match=rf"^unpaired\.{kind}\[0\]: {message}") as caught:
            load(config)
        assert str(caught.value).endswith("; repair them, or take them out of the folder")
        assert "\n" not in str(caught.value)
        assert "--skip" not in str(caught.value)
    assert not recwarn.list


def test_active_stretches_alone_are_heard_where_the_configuration_says_so(songs, cache, tmp_path):
    rate = 44100
    data = noise(20.0, rate=rate)
    data[: 12 * rate] = 0.0
    audio.write(tmp_path / "late" / "drums.wav", data, rate)
    options = {"stem": "drums"}
    entry = {"name": "recordings", "root": str(tmp_path / "late"), "source": "drums"}
    quiet = {}
    for active_only in (False, True):
        unpaired = {"solos": [entry | {"options": options}], "active_only": active_only}
        config = made(songs, cache, unpaired=unpaired)
        source = load(config, lambda line: None)
        together = source.refinement("adversarial")
        solos = [together.batch(index)["solos"]["drums"] for index in range(20)]
        quiet[active_only] = np.mean([not solo.any() for batch in solos for solo in batch])
    assert quiet[False] > 0.3
    assert quiet[True] == 0.0


def test_short_recordings_are_looped_or_padded_as_the_configuration_says(songs, cache):
    entry = recordings(songs, "solo", options={"stem": "drums"}, source="drums")
    heard = {}
    for short in ("loop", "pad"):
        unpaired = {"solos": [entry], "short": short}
        config = made(songs, cache, unpaired=unpaired, data={"seconds": 100.0})
        source = load(config, lambda line: None)
        drums = source.refinement("adversarial").batch(0)["solos"]["drums"]
        heard[short] = np.mean(np.abs(drums) > 1e-6)
    assert heard["pad"] < 0.1 < 0.5 < heard["loop"]


def test_an_entry_without_training_songs_is_named(songs, cache):
    entry = recordings(songs, "free", train=[])
    config = made(songs, cache, unpaired={"mixtures": [recordings(songs, "solo"), entry]})
    with pytest.raises(ValueError, match=r"mixtures\[1\]: no songs for training in .*free"):
        load(config).refinement("adversarial")


def test_a_cache_of_another_rate_is_refused(songs, cache, tmp_path):
    from tests.datasets.caches import prepare

    prepare("recordings", songs / "solo", tmp_path / "kept", rates=[16000], mixture=True)
    entry = {"name": "cache", "root": str(tmp_path / "kept")}
    config = made(songs, cache, unpaired={"mixtures": [entry]})
    with pytest.raises(ValueError, match=r"holds 16000 Hz, not 8000; prepare it again"):
        load(config).refinement("adversarial")


def test_songs_are_selected_by_name_and_by_number(songs):
    tracks = datasets.load("recordings", songs / "free")

    def chosen(split="train", **options):
        entry = Dataset(**options)
        return [track.name for track in select(tracks, entry, split, "data")]

    assert chosen(skip=1, first=2) == ["free1", "free2"]
    assert chosen(skip=3) == ["free3"]
    assert chosen(skip=9) == []
    assert chosen(valid=("free0",), first=1) == ["free1"]
    assert chosen("valid", valid=("free2", "free0"), skip=1, first=1) == ["free2", "free0"]
    with pytest.raises(ValueError, match="no song 'fre1'; did you mean free"):
        chosen(train=("fre1",))
    with pytest.raises(ValueError, match="'free1' is in both train and test"):
        chosen(train=("free1",), test=("free1",))


def test_first_and_skip_divide_paired_from_unpaired(songs, cache):
    entry = {"name": "folders", "root": str(songs / "paired"), "skip": 1}
    config = made(songs, cache, data={"first": 1}, unpaired={"mixtures": [entry]})
    batch = load(config).refinement("adversarial").batch(0)
    names = [name.partition("@")[0] for name in batch["names"]]
    assert set(names[-9:-6]) == {"two"}
    assert set(names[-6:]) == {"one"}


def test_a_song_that_is_learnt_from_and_held_out_is_named(songs, cache):
    entry = {"name": "folders", "root": str(songs / "paired"), "train": ["three"]}
    config = made(songs, cache, unpaired={"mixtures": [entry]})
    with pytest.raises(ValueError) as caught:
        checks.check_roles(config)
    text = str(caught.value)
    assert text.startswith("data: song 'three' is both in test and in unpaired.mixtures[0]")
    assert "\n" not in text
    # The same file under another name is the same song; a solo recording counts as well.
    copy = songs / "copy"
    copy.mkdir(exist_ok=True)
    source = songs / "paired" / "test" / "three" / "drums.wav"
    (copy / "other.wav").write_bytes(source.read_bytes())
    entry = recordings(songs, "copy", options={"stem": "drums"}, source="drums")
    with pytest.raises(ValueError, match=r"both in test and in unpaired\.solos\[0\] .*'other'"):
        checks.check_roles(made(songs, cache, unpaired={"solos": [entry]}))


def test_what_no_phase_uses_may_overlap_and_nothing_need_be_held_out(songs, cache):
    entry = {"name": "folders", "root": str(songs / "paired"), "train": ["three"]}
    unpaired = {"mixtures": [entry]}
    config = made(songs, cache, unpaired=unpaired, phases=["supervised", "test"], alpha=0)
    checks.check_roles(config)
    config = made(songs, cache, unpaired=unpaired, data={"test": []})
    checks.check_roles(config)
    checks.check_roles(made(songs, cache, data={"first": 1}))


def test_roles_are_checked_without_decoding(songs, cache, monkeypatch):
    def refuse(*given, **options):
        raise AssertionError("audio is decoded")

    monkeypatch.setattr(FileTrack, "_read", refuse)
    entries = [recordings(songs, "free"), recordings(songs, "solo")]
    checks.check_roles(made(songs, cache, unpaired={"mixtures": entries}))


def test_roles_of_real_recordings_cost_a_few_reads(shared, cache, monkeypatch):
    """What is read of each file does not grow with the file."""
    folders = [shared / "audio" / name for name in ("mdb9_mono", "songs_cc", "drums_cc0")]
    entries = [{"name": "recordings", "root": str(folder)} for folder in folders]
    config = from_dict(
        {
            "phases": ["supervised", "self_training", "test"],
            "data": {"options": {"songs": 2, "seconds": 2.0}, "cache": str(cache)},
            "unpaired": {"mixtures": entries},
        }
    )
    taken = [0]

    def counting(*given, **options):
        file = real(*given, **options)
        if "b" in getattr(file, "mode", "") and "r" in file.mode:
            inner = file.read

            class Counted:
                def __enter__(self):
                    return self

                def __exit__(self, *given):
                    file.close()

                def __getattr__(self, name):
                    return getattr(file, name)

                def read(self, *given):
                    data = inner(*given)
                    taken[0] += len(data)
                    return data

            return Counted()
        return file

    real = builtins.open
    monkeypatch.setattr(builtins, "open", counting)
    checks.check_roles(config)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert 0 < taken[0] <= 4 * 65536 * len(files)


def test_an_initial_separator_that_is_not_there_is_told_before_anything_starts(songs, cache):
    for phase in ("adversarial", "self_training"):
        config = made(songs, cache, phases=[phase], alpha=0, **{phase: {"init": "scrach"}})
        with pytest.raises(ValueError, match=rf"{phase}\.init='scrach': .*did you mean scratch"):
            named_starts(config)
        config = made(songs, cache, phases=[phase], alpha=0, **{phase: {"init": str(songs)}})
        named_starts(config)
    unused = made(songs, cache, phases=["supervised"], alpha=0, adversarial={"init": "scrach"})
    named_starts(unused)


def test_folders_of_unpaired_lists_must_be_there(songs, cache):
    for entry, message in (
        ({"name": "recordings"}, r"unpaired\.mixtures\[0\]\.root is missing"),
        ({"name": "recordings", "root": "/nowhere"}, r"mixtures\[0\]\.root=.*no such folder"),
        ({"name": "recording", "root": "."}, "did you mean recordings?"),
        (recordings(songs, "free", options={"stm": "drums"}), "did you mean"),
    ):
        with pytest.raises(ValueError, match=message):
            checks.check_data(made(songs, cache, unpaired={"mixtures": [entry]}))
    config = made(songs, cache, unpaired={"mixtures": [{"name": "recordings"}]})
    idle = dataclasses.replace(config, phases=("supervised",))
    checks.check_data(idle)  # no phase looks at them


def test_partitions_of_the_paper_experiment(songs, cache, tmp_path):
    """Stoller, Ewert and Dixon: the middle third validates, the last tests, the first is free."""
    for place in range(7):
        for stem in (0, 1):
            data = noise(seed=900 + 2 * place + stem)
            audio.write(tmp_path / f"s{place}" / f"{('drums', 'vocals')[stem]}.wav", data, RATE)
    thirds = {"name": "folders", "root": str(tmp_path), "shares": {"all": [1, 1, 1]}}
    config = made(
        songs,
        cache,
        data={"shares": {"test": [0, 0, 1]}, "also": [{**thirds, "train": []}]},
        unpaired={"mixtures": [thirds], "solos": [{**thirds, "source": "drums"}]},
    )
    checks.check_data(config)
    checks.check_roles(config)
    (_, own), (where, further) = entries_module.entries(config)
    tracks = datasets.load("folders", tmp_path)
    chosen = {
        split: [track.name for track in select(tracks, further, split, where)]
        for split in ("train", "valid", "test")
    }
    assert chosen == {"train": [], "valid": ["s2", "s3"], "test": ["s4", "s5", "s6"]}
    for where, entry in entries_module.unpaired_entries(config):
        assert [t.name for t in select(tracks, entry, "train", where)] == ["s0", "s1"]
    prepared = load(config)
    assert [song.name for song in prepared.songs] == ["s2", "s3"]
    assert own.shares == {"test": [0, 0, 1]}


def test_shares_that_cannot_be_are_told_before_anything_is_read(songs, cache):
    config = made(songs, cache, data={"shares": {"tests": [0, 1, 1]}})
    with pytest.raises(ValueError, match=r"data\.shares: 'tests': expected all, or some of"):
        checks.check_data(config)


def test_missing_stems_and_files_that_are_not_used_are_told(tmp_path, cache):
    """In training too, not in the manifest alone; a line each, however many songs."""
    for place, name in enumerate(("a", "b", "c", "d", "e")):
        for stem in ("vocals",) if name != "e" else ("drums", "vocals"):
            audio.write(tmp_path / name / f"{stem}.wav", noise(seed=200 + place), RATE)
        (tmp_path / name / "drums.xyz").write_bytes(b"x")
    said = []
    changes = {"phases": ["supervised"], "alpha": 0.0, "data": {"root": str(tmp_path)}}
    load(made(tmp_path, cache, **changes), said.append)
    assert (
        said[0] == "data: 4 of 5 songs have no drums, which counts as silence: a, b, c and 1 more"
    )
    assert said[1].startswith("data: 5 remarks on its songs (in manifest.json of their cache), ")
    assert said[1].endswith("a: 1 files are not used, no audio by name: drums.xyz")
    assert len(said) == 2

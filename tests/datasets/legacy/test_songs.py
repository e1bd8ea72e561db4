"""The original's dataset.pkl: read as Python 2 wrote it, written so that it reads it, never run."""

import gzip
import io
import os
import pickle
import pickletools
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import audio, load
from datasets.legacy import pickle_reader, songs
from datasets.legacy.lists import LARGEST, Sample, checked, read, write
from datasets.sources import read_sources
from tests.datasets.caches import prepare

# What cPickle of Python 2 writes: copy_reg._reconstructor for a class derived from object, objects
# that are referred to once without a number, attributes in the order of a hash.
PYTHON_2 = """\
(dp1
S'train_sup'
p2
(lp3
(ccopy_reg
_reconstructor
p4
(cSample
Sample
p5
c__builtin__
object
p6
NtRp7
(dp8
S'duration'
p9
F12.5
sS'path'
p10
S'/home/ubuntu/DSSGAN/data/train/a/mix.wav'
p11
sS'channels'
p12
I2
sS'sample_rate'
p13
I44100
sbF12.5
g4
(g5
g6
NtRp14
(dp15
g9
F12.5
sg10
S"/home/ubuntu/DSSGAN/data/train/a/it's drums.wav"
p16
sg12
I1
sg13
I44100
sbtp17
asS'valid'
p18
(lp19
sS'test'
p20
(lp21
sS'train_unsup'
p22
(lp23
(lp24
g4
(g5
g6
NtRp25
(dp26
g9
F3.25
sg10
S'/home/ubuntu/Mot\\xc3\\xb6r \\xff.wav'
p27
sg12
L2L
sg13
I48000
sbaF4
aa(lp28
a(lp29
(iSample
Sample
p30
(dp31
g9
F1
sg10
Vunsup_drums/\\u00f6.wav
p32
sg12
I1
sg13
I44100
sbaas."""


def listed():
    """What `PYTHON_2` holds."""
    base = "/home/ubuntu/DSSGAN/data/train/a"
    return {
        "train_sup": [
            (
                Sample(f"{base}/mix.wav", 44100, 2, 12.5),
                12.5,
                Sample(f"{base}/it's drums.wav", 44100, 1, 12.5),
            )
        ],
        "valid": [],
        "test": [],
        "train_unsup": [
            [Sample(os.fsdecode(b"/home/ubuntu/Mot\xc3\xb6r \xff.wav"), 48000, 2, 3.25), 4.0],
            [],
            [Sample("unsup_drums/ö.wav", 44100, 1, 1.0)],
        ],
    }


def test_what_python_2_wrote_is_read(tmp_path):
    path = tmp_path / "dataset.pkl"
    path.write_bytes(PYTHON_2.encode("ascii"))
    text = PYTHON_2.replace(r"\xc3\xb6", "").replace(r"\xff", "").encode("ascii")
    pickletools.dis(text, out=io.StringIO())  # the text above is a pickle
    assert {code.proto for code, _, _ in pickletools.genops(text)} == {0}
    assert read(path) == listed()


def test_what_is_written_is_read_by_python_itself(tmp_path):
    write(tmp_path / "dataset.pkl", listed())
    assert read(tmp_path / "dataset.pkl") == listed()
    (tmp_path / "Sample.py").write_text("class Sample(object):\n    pass\n")
    code = """
        import pickle
        data = open("dataset.pkl", "rb").read()
        loaded = pickle.loads(data, encoding="latin-1")
        def plain(entry):
            return sorted(vars(entry).items()) if type(entry).__name__ == "Sample" else entry
        lists = {key: [[plain(e) for e in row] for row in rows] for key, rows in loaded.items()}
        print(ascii(lists), {type(row).__name__ for row in loaded["train_sup"]})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip

    def plain(entry):
        if not isinstance(entry, Sample):
            return entry
        bytes_of_python_2 = os.fsencode(entry.path).decode("latin-1")
        return sorted((vars(entry) | {"path": bytes_of_python_2}).items())

    lists = {key: [[plain(e) for e in row] for row in rows] for key, rows in listed().items()}
    assert done.stdout.strip() == f"{lists!a} {{'tuple'}}"
    text = (tmp_path / "dataset.pkl").read_bytes().replace(rb"\xc3\xb6", b"").replace(rb"\xff", b"")
    assert {code.proto for code, _, _ in pickletools.genops(text)} == {0}
    assert text.isascii() and text.count(b"_reconstructor") == 1


entries = st.one_of(
    st.floats(0, 1e6),
    st.builds(
        Sample,
        st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1),
        st.integers(1, 192000),
        st.integers(1, 8),
        st.floats(0, 1e5),
    ),
)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(entries, entries, entries), max_size=5),
    loose=st.tuples(*[st.lists(entries, max_size=4)] * 3),
)
def test_any_lists_come_back(tmp_path_factory, rows, loose):
    path = tmp_path_factory.mktemp("lists") / "dataset.pkl"
    lists = {"train_sup": rows, "valid": rows[:1], "test": [], "train_unsup": list(loose)}
    write(path, lists)
    assert read(path) == lists


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_python_3_made_of_it_is_read(tmp_path, protocol):
    (tmp_path / "Sample.py").write_text("class Sample(object):\n    pass\n")
    code = f"""
        import pickle, Sample
        def sample(**attributes):
            made = Sample.Sample()
            vars(made).update(attributes)
            return made
        one = sample(path="a.wav", sample_rate=8192, channels=1, duration=2.0)
        lists = dict(train_sup=[(one, 1.0)], valid=[], test=[], train_unsup=[[one], []])
        pickle.dump(lists, open("dataset.pkl", "wb"), protocol={protocol})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, check=True)
    found = read(tmp_path / "dataset.pkl")
    one = Sample("a.wav", 8192, 1, 2.0)
    assert found["train_sup"] == [(one, 1.0)] and found["train_unsup"] == [[one], []]


class Call:
    """Runs `function(*arguments)` when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


ATTACKS = {
    "reduce": (b"cposix\nsystem\n(S'touch run'\ntR.", "posix.system"),
    "os": (b"cos\nsystem\n(S'touch run'\ntR.", "os.system"),
    "inst": (b"(S'touch run'\nios\nsystem\n.", "os.system"),
    "obj": (b"(cos\nsystem\nS'touch run'\no.", "os.system"),
    "obj of a sample": (b"(cSample\nSample\no.", "instruction OBJ"),
    "stack_global": (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09touch run\x85R.", "os.system"),
    "nested name": (b"\x80\x04\x8c\x06Sample\x8c\x0fSample.__init__\x93.", "Sample.__init__"),
    "newobj": (b"\x80\x02c__builtin__\nbytearray\nK\x08\x85\x81.", "__builtin__.bytearray"),
    "eval": (b"c__builtin__\neval\n(S'1'\ntR.", "__builtin__.eval"),
    "getattr": (b"c__builtin__\ngetattr\n.", "__builtin__.getattr"),
    "extension 1": (b"\x80\x02\x82\x01.", "instruction EXT1"),
    "extension 4": (b"\x80\x02\x84\x01\x00\x00\x00.", "instruction EXT4"),
    "persistent": (b"Pthing\n.", "instruction PERSID"),
    "binary persistent": (b"S'a'\nQ.", "instruction BINPERSID"),
    "huge array": (b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.", "instruction BYTEARRAY8"),
    "huge memo": (b"N" + b"r\xff\xff\xff\x7f.", "holds a NoneType"),
    "huge frame": (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.", "holds a NoneType"),
    "huge number": (b"I" + b"9" * 5000 + b"\n.", "damaged"),
    "unknown": (b"\xfe.", "instruction 0xfe"),
    "calls a sample with arguments": (b"cSample\nSample\n(S'a'\ntR.", "calls something else"),
    "inst with arguments": (b"(S'a'\niSample\nSample\n.", "calls something else"),
    "reconstructs something else": (
        b"ccopy_reg\n_reconstructor\n(cSample\nSample\nc__builtin__\nobject\nS'x'\ntR.",
        "calls something else",
    ),
    "calls object": (b"c__builtin__\nobject\n(tR.", "calls something else"),
    "attributes of the class": (b"cSample\nSample\n(dS'path'\nS'x'\nsb.", "sets attributes"),
    "setstate": (b"(iSample\nSample\n(dS'__setstate__'\nS'x'\nsb.", "'__setstate__'"),
    "class": (b"(iSample\nSample\n(dS'__class__'\nS'x'\nsb.", "'__class__'"),
    "slots": (b"(iSample\nSample\n(N(dS'path'\nS'x'\nstb.", "sets attributes"),
    "attributes twice": (
        b"(iSample\nSample\n(dS'path'\nS'a'\nsS'duration'\nF1\nsS'channels'\nI1\ns"
        b"S'sample_rate'\nI1\nsp1\nbg1\nb.",
        "sets attributes",
    ),
    "no attributes": (b"(iSample\nSample\n(db.", "leaves out the attribute 'channels'"),
    "key that is no text": (b"(dI1\nI2\ns.", "dictionary of text"),
    "key that is slow to hash": (b"(d(N" + b"tp0\n(g0\ng0\n" * 60 + b"tNs.", "dictionary of text"),
    "append to a tuple": (b"(tNa.", "something else than a list"),
    "truncated": (b"(dp1\nS'train_sup'\np2\n(l", "damaged"),
    "empty": (b"", "damaged"),
    "text": (b"hello", "damaged"),
    "underflow": (b"ttt.", "damaged"),
    "unknown memo": (b"g7\n.", "damaged"),
    "more after its end": (b"N.cos\nsystem\n(S'touch run'\ntR.", "goes on after the end"),
    "compressed": (gzip.compress(PYTHON_2.encode()), "gunzip"),
    "too large": (b"N" * (LARGEST + 1), "larger than"),
    "a list": (b"(l.", "expected a dictionary"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_would_run_or_break_something_is_refused(tmp_path, monkeypatch, attack):
    data, message = ATTACKS[attack]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dataset.pkl").write_bytes(data)
    with pytest.raises(ValueError) as caught:
        read("dataset.pkl")
    text = str(caught.value)
    assert text.startswith("dataset.pkl: ") and message in text
    assert "\n" not in text and len(text) < 300
    assert os.listdir() == ["dataset.pkl"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PYTHON_2) - 1), st.integers(0, 255)), max_size=4))
def test_damage_is_told_or_harmless(changes):
    data = bytearray(PYTHON_2.encode("ascii"))
    for place, value in changes:
        data[place] = value
    try:
        lists = checked(pickle_reader.load(bytes(data)))
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) < 300
    else:
        assert all(isinstance(row, list | tuple) for rows in lists.values() for row in rows)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("deep", [False, True])
def test_calls_that_python_would_make_are_refused(tmp_path, monkeypatch, protocol, deep):
    monkeypatch.chdir(tmp_path)
    call = Call(os.mkdir, "run")
    lists = {"train_sup": [(call, 1.0)], "valid": [], "test": [], "train_unsup": [[], []]}
    data = pickle.dumps(lists if deep else call, protocol)
    (tmp_path / "dataset.pkl").write_bytes(data)
    with pytest.raises(ValueError, match=r"tries to load '(posix|os).mkdir'"):
        read("dataset.pkl")
    assert os.listdir() == ["dataset.pkl"]
    pickle.loads(data)  # an ordinary reader does what the file says
    assert sorted(os.listdir()) == ["dataset.pkl", "run"]


def test_lists_in_lists_end(tmp_path):
    """Each level names the one below twice: whatever walks through all of it never returns."""
    bomb = b"(lp0\n" + b"".join(b"(lp%d\ng%d\nag%d\na" % (n + 1, n, n) for n in range(60))
    for data in (bomb + b".", b"(dS'train_sup'\n(l" + bomb + b"as" + b"."):
        (tmp_path / "dataset.pkl").write_bytes(data)
        with pytest.raises(ValueError):
            read(tmp_path / "dataset.pkl")
    rows = b"(dS'valid'\n(lsS'test'\n(lsS'train_unsup'\n(lsS'train_sup'\n(l("
    (tmp_path / "dataset.pkl").write_bytes(rows + bomb + b"F1\ntas.")
    with pytest.raises(ValueError, match="an entry is a list"):
        read(tmp_path / "dataset.pkl")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_valid": []}, "unknown key 'train_valid'"),
        ({"train_sup": [[1.0, 2.0, 3.0]]}, "train_sup: expected a list of tuples"),
        ({"train_sup": [(1.0, 2.0)]}, "3 entries where others have 2"),
        ({"test": [(1.0, 2.0, -3.0)]}, "test: an entry is -3.0"),
        ({"test": [(1.0, 2.0, float("nan"))]}, "test: an entry is nan"),
        ({"test": [(1.0, 2.0, True)]}, "test: an entry is True"),
        ({"test": [(1.0, 2.0, 10**400)]}, "test: an entry is a int"),
        ({"train_unsup": [[], [], "abc"]}, "expected a list of lists"),
        ({"train_unsup": []}, "train_unsup: 0 entries"),
    ],
)
def test_lists_of_another_form_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "dataset.pkl", listed() | change)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="lacks the key 'valid'"):
        checked({"train_sup": []})


@pytest.mark.parametrize(
    "attributes",
    [("", 1, 1, 1.0), ("a\0", 1, 1, 1.0), (b"a", 1, 1, 1.0), ("a", 0, 1, 1.0), ("a", 1, True, 1.0),
     ("a", 44100.0, 1, 1.0), ("a", 1, 1, -1.0), ("a", 1, 1, "1")],
)  # fmt: skip
def test_samples_of_another_form_are_refused(attributes):
    with pytest.raises(ValueError):
        Sample(*attributes)


@pytest.fixture
def original(tmp_path, make_song, make_audio):
    """A folder as the original laid it out, and a list of it made on another machine."""
    there = "/home/ubuntu/DSSGAN"
    data = tmp_path / "data"
    for split, song in (("train", "a"), ("train", "b"), ("valid", "c"), ("test", "c")):
        make_song(data / split / song, ("mix", "acc", "drums"), samples=4000, channels=1)
    for role, count in (("mix", 3), ("acc", 2), ("drums", 1)):
        for number in range(count):
            sound = make_audio(3000 + number, 1, seed=number)
            audio.write(data / "train_unsup" / f"unsup_{role}" / f"{number}.wav", sound, 48000)

    def sample(path, rate=44100, channels=1):
        return Sample(f"{there}/data/{path}", rate, channels, 0.1)

    def row(folder):
        return tuple(sample(f"{folder}/{name}.wav") for name in ("mix", "acc", "drums"))

    lists = {
        "train_sup": [row("train/a"), (*row("train/b")[:2], 0.1)],
        "valid": [row("valid/c")],
        "test": [row("test/c")],
        "train_unsup": [
            [sample(f"train_unsup/unsup_mix/{n}.wav", 48000) for n in range(3)],
            [sample(f"train_unsup/unsup_acc/{n}.wav", 48000, 2) for n in range(2)],
            [sample("train_unsup/unsup_drums/0.wav", 48000), 0.5],
        ],
    }
    write(tmp_path / "dataset.pkl", lists)
    return tmp_path / "dataset.pkl"


PREFIX = {"prefix": "/home/ubuntu/DSSGAN"}


def test_paired_songs(original):
    tracks = load("legacy", original, **PREFIX)
    assert [(t.name, t.split) for t in tracks] == [
        ("a", "train"), ("b", "train"), ("c", "valid"), ("c (2)", "test"),
    ]  # fmt: skip
    assert tracks[0].stems == ("accompaniment", "drums") and tracks[0].own_mixture
    folder = original.parent / "data" / "train" / "a"
    sources = read_sources(tracks[0], ("drums", "accompaniment"))
    for stem, file in zip(sources, ("drums", "acc")):
        assert np.array_equal(stem, audio.read(folder / f"{file}.wav")[0])
    assert np.array_equal(tracks[0].read(), audio.read(folder / "mix.wav")[0])
    assert tracks[1].missing == ("drums",) and not tracks[1].read("drums").any()
    assert [t.name for t in load("legacy", original, "valid", **PREFIX)] == ["c"]
    assert load("legacy", original, songs=["b"], test=["b"], **PREFIX)[0].split == "test"


def unpaired(original):
    """The unpaired lists by their roles."""
    roles = ("mixtures", *songs.ORDER)
    return {role: load("legacy", original, part=role, **PREFIX) for role in roles}


def test_unpaired_lists(original):
    lists = unpaired(original)
    assert {role: len(tracks) for role, tracks in lists.items()} == {
        "mixtures": 3, "accompaniment": 2, "drums": 2,
    }  # fmt: skip
    assert [track.name for track in lists["mixtures"]] == ["0", "1", "2"]
    assert all(track.own_mixture and not track.stems for track in lists["mixtures"])
    assert lists["accompaniment"][0].stems == ("accompaniment",)
    assert "channels 1, the list says 2" in lists["accompaniment"][0].warnings[0]
    first, silent = lists["drums"]
    assert np.array_equal(first.read("drums"), lists["mixtures"][0].read())
    assert silent.duration == 0.5 and not silent.read("drums").any()


def test_an_unpaired_list_is_prepared(original, tmp_path):
    out = tmp_path / "cache"
    prepare("legacy", original, out, rates=[24000], part="drums", **PREFIX)
    found = {track.name: track for track in load("cache", out)}
    assert found["0"].samples == 1500 and found["0"].read("drums").any()
    assert found["silence"].samples == 12000 and not found["silence"].read("drums").any()


def test_lists_made_of_tracks_lead_back_to_them(original, tmp_path):
    tracks = load("legacy", original, **PREFIX)
    loose = unpaired(original)
    write(tmp_path / "again.pkl", songs.listed(tracks, loose))
    again = load("legacy", tmp_path / "again.pkl")
    assert [(t.name, t.split, t.missing) for t in again] == [
        (t.name, t.split, t.missing) for t in tracks
    ]
    assert np.array_equal(again[3].read("drums"), tracks[3].read("drums"))
    assert [len(part) for part in read(tmp_path / "again.pkl")["train_unsup"]] == [3, 2, 2]
    with pytest.raises(ValueError, match="its mixture is not an audio file of its own"):
        songs.listed(load("band", songs=1, split="train", seconds=1.0))


def test_missing_files_are_told_in_one_line(original, tmp_path):
    with pytest.raises(ValueError, match="11 of 11 files are missing, the first: /home") as caught:
        load("legacy", original)
    assert "prefix=/home/ubuntu/DSSGAN/data folder=…" in str(caught.value)
    assert "\n" not in str(caught.value)
    for name in ("mix", "drums"):
        (tmp_path / "data" / "train" / "a" / f"{name}.wav").unlink()
    with pytest.raises(ValueError, match=r"2 of 11 files are missing, the first: .*a/mix\.wav"):
        load("legacy", original, **PREFIX)
    broken = []
    tracks = load("legacy", original, broken=broken, **PREFIX)
    assert len(tracks) == 3 and len(broken) == 1 and "a/mix.wav" in broken[0]
    moved = {"prefix": "/home/ubuntu/DSSGAN/data", "folder": tmp_path / "data"}
    assert len(load("legacy", original, songs=["b"], broken=[], **moved)) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part": "vocals"}, "part='vocals': expected paired, mixtures, accompaniment, drums"),
        ({"sources": ["drums"]}, "has 3 entries side by side, not a mixture and 1 sources"),
        ({"prefix": "/elsewhere"}, "does not lie in prefix='/elsewhere'"),
        ({"prefix": "/home/ubuntu/DSSGAN", "songs": ["z"]}, "there is no song 'z'"),
    ],
)
def test_options_that_do_not_fit(original, options, message):
    with pytest.raises(ValueError, match=message):
        load("legacy", original, **options)


def test_silent_songs(tmp_path):
    rows = [(2.0, 2.0, 2.0), (0.0, 0.0, 0.0)]
    lists = {"train_sup": rows, "valid": [], "test": [], "train_unsup": [[], [], []]}
    write(tmp_path / "dataset.pkl", lists)
    (track,) = load("legacy", tmp_path / "dataset.pkl")
    assert track.duration == 2.0 and track.missing == ("accompaniment", "drums")
    assert not track.read().any()

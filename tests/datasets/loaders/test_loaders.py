"""Every layout in miniature, and the real ones."""

import importlib.util
import os
import pickle
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import yaml

import datasets
from datasets import audio, load
from datasets.audio import stem_mp4
from datasets.loaders import musdb
from datasets.sources import read_sources

STEMS = ("drums", "bass", "other", "vocals")


def splits(tracks):
    return {track.name: track.split for track in tracks}


def test_musdb18_validates_on_the_official_songs(tmp_path, make_audio):
    names = [*musdb.VALIDATION, *(f"Song {n:02d}" for n in range(86))]
    assert len(names) == 100
    data = make_audio(1024)
    first = tmp_path / "train" / f"{names[0]}.stem.mp4"
    stem_mp4.write(first, data, dict.fromkeys(STEMS, data), 44100)
    (tmp_path / "test").mkdir()
    for folder, songs in (("train", names[1:]), ("test", [f"Test {n:02d}" for n in range(50)])):
        for name in songs:
            os.link(first, tmp_path / folder / f"{name}.stem.mp4")
    (tmp_path / "train" / "._hidden.stem.mp4").write_bytes(b"left by an archiver")
    tracks = load("musdb18", tmp_path)
    counted = [sum(track.split == split for track in tracks) for split in datasets.SPLITS]
    assert counted == [86, 14, 50]
    assert {track.name for track in tracks if track.split == "valid"} == set(musdb.VALIDATION)
    assert tracks == sorted(tracks, key=lambda t: (datasets.SPLITS.index(t.split), t.name))
    assert [t.name for t in load("musdb18", tmp_path, "valid")] == sorted(musdb.VALIDATION)


def test_validation_songs_are_those_of_the_musdb_package():
    folder = importlib.util.find_spec("musdb").submodule_search_locations[0]
    official = yaml.safe_load((Path(folder) / "configs" / "mus.yaml").read_text())
    assert sorted(official["validation_tracks"]) == sorted(musdb.VALIDATION)
    order = ("mixture", *STEMS)
    assert official["stem_ids"] == {stem: place for place, stem in enumerate(order)}


def test_musdb18_reads_tracks_in_order(tmp_path, make_audio):
    stems = {stem: make_audio(50_000, 2, n) for n, stem in enumerate(STEMS)}
    path = tmp_path / "test" / "A - B.stem.mp4"
    stem_mp4.write(path, sum(stems.values()), stems, 44100)
    (track,) = load("musdb18", tmp_path)
    whole, _ = stem_mp4.read_all(path)
    assert (track.name, track.split, track.stems) == ("A - B", "test", STEMS)
    assert np.array_equal(track.read("mixture", 100, 900), whole[0, 100:900])
    assert np.array_equal(read_sources(track, STEMS, 40_000), whole[1:, 40_000:])
    assert np.array_equal(track.read("accompaniment"), whole[1] + whole[2] + whole[3])
    assert np.array_equal(np.concatenate(list(track.blocks("other", 999))), whole[3])


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".m4a"])
def test_folders_of_any_format(tmp_path, make_song, suffix):
    made = make_song(tmp_path / "song", suffix=suffix, samples=9000)
    (track,) = load("folders", tmp_path)
    assert (track.samples, track.channels, track.sample_rate) == (9000, 2, 44100)
    assert track.stems == STEMS and track.warnings == () and not track.own_mixture
    stems = np.stack([audio.read(tmp_path / "song" / f"{s}{suffix}")[0] for s in STEMS])
    assert np.array_equal(read_sources(track, STEMS, 10, 5000), stems[:, 10:5000])
    assert np.allclose(track.read(), stems.sum(0), atol=1e-6)
    error = np.abs(track.read("drums") - made["drums"]).max()
    assert error <= (2**-16 if suffix in (".wav", ".flac") else 0.5)


def test_folders_with_splits(tmp_path, make_song):
    for split, song in (("train", "a"), ("train", "b"), ("test", "c"), ("valid", "d")):
        make_song(tmp_path / split / song, mixture=True)
    (tmp_path / "train" / "artwork").mkdir()
    (tmp_path / "train" / ".hidden").mkdir()
    tracks = load("folders", tmp_path)
    assert [(t.name, t.split) for t in tracks] == [
        ("a", "train"), ("b", "train"), ("d", "valid"), ("c", "test"),
    ]  # fmt: skip
    assert splits(load("folders", tmp_path, valid=["b"]))["b"] == "valid"
    assert splits(load("musdb18hq", tmp_path)) == {"a": "train", "b": "train", "c": "test"}
    assert [t.name for t in load("folders", tmp_path, "test")] == ["c"]
    assert tracks[0].own_mixture
    recorded, _ = audio.read(tmp_path / "train" / "a" / "mixture.wav")
    assert np.array_equal(tracks[0].read(), recorded)


def test_musdb18hq_validates_on_the_official_songs(tmp_path, make_song):
    name = musdb.VALIDATION[3]
    for folder in (f"train/{name}", "train/Other", f"test/{musdb.VALIDATION[0]}"):
        make_song(tmp_path / folder, mixture=True, samples=100)
    found = splits(load("musdb18hq", tmp_path))
    assert found == {"Other": "train", name: "valid", musdb.VALIDATION[0]: "test"}
    assert load("musdb18hq", tmp_path, "test")[0].sums == musdb.ACCOMPANIMENT


def test_choice_of_songs(tmp_path, make_song):
    for song in ("a", "b", "c"):
        make_song(tmp_path / song, samples=50)
    tracks = load("folders", tmp_path, songs=["c", "a"], test=["a"])
    assert splits(tracks) == {"c": "train", "a": "test"}
    for options, message in (
        ({"songs": ["aa"]}, "there is no song 'aa'; did you mean 'a'?"),
        ({"valid": ["a"], "test": ["a"]}, "cannot be both in valid and in test"),
        ({"vaild": ["a"]}, "unknown option 'vaild'; did you mean 'valid'?"),
    ):
        with pytest.raises(ValueError, match=message.replace("?", r"\?")):
            load("folders", tmp_path, **options)


def test_one_song_and_two_stems(tmp_path, make_song):
    folder = tmp_path / "song"
    made = make_song(folder, ("drums", "accompaniment"), channels=1)
    (track,) = load("folders", folder)
    assert (track.name, track.channels) == ("song", 1)
    assert track.stems == ("drums", "accompaniment") and track.missing == ()
    pair = read_sources(track, ("drums", "accompaniment"))
    assert np.abs(pair - list(made.values())).max() <= 2**-16
    with pytest.raises(ValueError, match="no stem 'vocals'"):
        track.read("vocals")


def test_accompaniment_beside_its_parts_is_ignored(tmp_path, make_song):
    make_song(tmp_path / "song", (*STEMS, "accompaniment"))
    (track,) = load("folders", tmp_path)
    assert track.stems == STEMS
    assert track.warnings == ("accompaniment is ignored: it is made of the other stems",)


def test_a_mixture_alone_has_unknown_stems(tmp_path, make_song):
    make_song(tmp_path / "song", (), mixture=False)
    audio.write(tmp_path / "song" / "Mixture.FLAC", np.ones((50, 2)) / 4, 44100, format="flac")
    (track,) = load("folders", tmp_path)
    assert track.stems == track.missing == () and track.read().shape == (50, 2)
    with pytest.raises(ValueError, match="no stem 'drums', only mixture"):
        track.read("drums")


def test_odd_songs_are_read_and_said(tmp_path, make_song, make_audio):
    song = tmp_path / "song"
    make_song(song, ("drums", "other"), samples=3000)
    audio.write(song / "vocals.wav", make_audio(2000, 1), 44100)
    audio.write(song / "drums.mp3", make_audio(100), 44100)
    audio.write(song / "guitar.wav", make_audio(100), 44100)
    (track,) = load("folders", tmp_path)
    assert track.warnings == (
        "drums.mp3 is ignored: drums.wav is read",
        "guitar.wav is ignored: not one of drums, bass, other, vocals",
        "bass is missing: silence",
        "vocals ends at 0.045 s of 0.068 s: filled with silence",
        "vocals is mono in a song of 2 channels: copied to all",
    )
    mono, _ = audio.read(song / "vocals.wav")
    voice = track.read("vocals")
    assert np.array_equal(voice[:2000], np.repeat(mono, 2, 1)) and not voice[2000:].any()
    assert np.array_equal(track.read("vocals", 1990, 2010), voice[1990:2010])
    assert track.read("vocals", 2500, 2600).shape == (100, 2)
    assert np.array_equal(np.concatenate(list(track.blocks("vocals", 700))), voice)
    five = load("folders", tmp_path, sources=[*STEMS, "guitar"])[0]
    assert five.stems == ("drums", "other", "vocals", "guitar")


@pytest.mark.parametrize("suffix", [".aiff", ".opus", ".w64", ".caf", ".oga", ".mka", ".mp2"])
def test_stems_of_every_known_format_are_read(tmp_path, make_song, make_audio, suffix):
    """A stem whose extension was not known counted as silence."""
    song = tmp_path / "song"
    make_song(song, ("bass", "other", "vocals"), samples=24_000, rate=48_000)
    path, data = song / f"Drums{suffix}", make_audio(24_000)
    kinds = {".opus": ("OGG", "OPUS"), ".oga": ("OGG", "VORBIS"), ".aiff": ("AIFF", "PCM_16")}
    kinds |= {".w64": ("W64", "PCM_16"), ".caf": ("CAF", "PCM_16")}
    if suffix in kinds:
        soundfile.write(path, data, 48_000, format=kinds[suffix][0], subtype=kinds[suffix][1])
    else:
        codec, format = {".mka": ("flac", "matroska"), ".mp2": ("mp2", "mp2")}[suffix]
        with av.open(str(path), "w", format=format) as file:
            stream = file.add_stream(codec, rate=48_000, layout="stereo")
            whole = np.ascontiguousarray(np.rint(data * 32768).astype(np.int16).reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
            file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    (track,) = load("folders", tmp_path)
    assert track.missing == () and "drums" in track.stems
    drums = track.read("drums", 6000, 18_000)
    assert np.sum(drums**2) > 0.5 * np.sum(data[6000:18_000] ** 2)


def test_files_that_are_not_used_are_counted(tmp_path, make_song):
    song = tmp_path / "song"
    make_song(song, ("bass", "other", "vocals"))
    for name in ("drums.xyz", "notes.txt", "cover.jpg", "a.mid", ".DS_Store"):
        (song / name).write_bytes(b"x")
    (track,) = load("folders", tmp_path)
    assert track.warnings == (
        "4 files are not used, no audio by name: a.mid, cover.jpg, drums.xyz and 1 more",
        "drums is missing: silence",
    )
    (tmp_path / "other song").mkdir()
    (tmp_path / "other song" / "Drums.xyz").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"other song: none of its .* no audio by name: Drums.xyz"):
        load("folders", tmp_path)


def test_dsd100(tmp_path, make_song):
    song = "051 - AM Contra - Heart Peripheral"
    for part, name in (("Dev", song), ("Dev", "055 - B - C"), ("Test", "001 - D - E")):
        make_song(tmp_path / "Sources" / part / name, STEMS)
        make_song(tmp_path / "Mixtures" / part / name, (), mixture=False)
        audio.write(tmp_path / "Mixtures" / part / name / "mixture.wav", np.ones((9, 2)), 44100)
    tracks = load("dsd100", tmp_path, valid=["055 - B - C"])
    assert splits(tracks) == {song: "train", "055 - B - C": "valid", "001 - D - E": "test"}
    track = tracks[0]
    assert track.own_mixture and track.stems == STEMS
    rest = [track.read(stem) for stem in ("drums", "bass", "other")]
    assert np.array_equal(track.read("accompaniment"), rest[0] + rest[1] + rest[2])
    with pytest.raises(ValueError, match="is a test song"):
        load("dsd100", tmp_path, valid=["001 - D - E"])


def test_stems_by_their_own_names(tmp_path, make_audio):
    data = {name: make_audio(5000, 2, n) for n, name in enumerate(("Vox", "Drums", "Synths"))}
    stem_mp4.write(tmp_path / "x.stem.mp4", sum(data.values()), data, 44100)
    (track,) = load("stems", tmp_path)
    assert track.name == "x" and set(track.stems) == {"vocals", "drums", "synths"}
    whole, _ = stem_mp4.read_all(tmp_path / "x.stem.mp4")
    assert np.array_equal(track.read("vocals"), whole[1])
    (same,) = load("stems", tmp_path / "x.stem.mp4", names=["drums", "bass", "other"])
    assert same.stems == ("drums", "bass", "other") and same.missing == ("vocals",)
    assert np.array_equal(same.read("bass"), whole[2])
    with pytest.raises(ValueError, match="holds 3 stems beside the mixture, named drums, bass;"):
        load("stems", tmp_path, names=["drums", "bass"])


def test_real_stem_files(shared):
    tracks = load("stems", shared / "audio" / "stem_mp4")
    assert [t.name for t in tracks] == ["Music Delta - 80s Rock", "The Easton Ellises - Falcon 69"]
    for track in tracks:
        assert track.stems == STEMS and track.own_mixture and track.warnings == ()
        mixture, total = track.read(), read_sources(track, STEMS).sum(0)
        ratio = 10 * np.log10(np.square(mixture).sum() / np.square(mixture - total).sum())
        assert 10 < ratio < 40  # mastered: close to the sum of the stems, not equal


def test_real_folders(shared):
    songs = load("folders", shared / "audio" / "everythingisfree", test=["Francium"])
    assert [(t.name, t.split) for t in songs] == [
        ("Caesium", "train"), ("Lithium", "train"), ("Potassium", "train"), ("Sodium", "train"),
        ("Francium", "test"),
    ]  # fmt: skip
    assert sum(t.duration for t in songs) / 60 == pytest.approx(23.5, abs=0.1)
    assert {t.name for t in songs if t.missing == ("bass",)} == {"Potassium", "Caesium"}
    track = songs[-1]
    parts = read_sources(track, STEMS, 5_000_000, 5_010_000)
    assert np.allclose(track.read("mixture", 5_000_000, 5_010_000), parts.sum(0), atol=1e-6)
    assert np.square(parts[0]).sum() > 1

    mono = load("folders", shared / "audio" / "mdb9_mono")
    assert len(mono) == 8 and all(t.channels == 1 for t in mono)
    assert mono[0].read("drums", 1000, 2000).shape == (1000, 1)


def test_tracks_can_be_pickled(tmp_path, make_song):
    make_song(tmp_path / "song")
    (track,) = load("folders", tmp_path)
    again = pickle.loads(pickle.dumps(track))
    assert np.array_equal(again.read(), track.read())


def test_registry_says_what_it_knows():
    with pytest.raises(ValueError, match="unknown dataset 'musdb'; did you mean 'musdb18'"):
        load("musdb", ".")
    with pytest.raises(ValueError, match="unknown split 'vaild'; did you mean 'valid'"):
        load("folders", ".", "vaild")
    assert set(datasets.DATASETS) >= {
        "musdb18", "musdb18hq", "dsd100", "folders", "stems", "cache", "band",
        "recordings", "legacy", "kits",
    }  # fmt: skip


class TestBadSongs:
    """One line that names the file; with `broken`, the other songs are there."""

    def check(self, root, message, good=("good",)):
        with pytest.raises((ValueError, OSError), match=message) as raised:
            load("folders", root)
        assert "\n" not in str(raised.value)
        broken = []
        tracks = load("folders", root, broken=broken)
        assert [track.name for track in tracks] == list(good)
        assert len(broken) == 1 and "\n" not in broken[0]

    @pytest.fixture
    def root(self, tmp_path, make_song):
        make_song(tmp_path / "good")
        make_song(tmp_path / "bad")
        return tmp_path

    def test_empty_file(self, root):
        (root / "bad" / "bass.wav").write_bytes(b"")
        self.check(root, r"bad/bass\.wav: is empty")

    def test_nonsense(self, root):
        (root / "bad" / "bass.wav").write_bytes(b"nonsense" * 100)
        self.check(root, r"bad/bass\.wav: not audio that can be decoded")

    def test_rates_that_differ(self, root, make_audio):
        audio.write(root / "bad" / "bass.wav", make_audio(3000), 48000)
        self.check(root, "bad: its files differ .*bass 48000.* Hz")

    def test_channels_that_differ(self, root, make_audio):
        audio.write(root / "bad" / "bass.wav", make_audio(3000, 6), 44100)
        self.check(root, "bad: its files differ .*bass 6.* channels")

    def test_no_samples(self, root):
        for file in (root / "bad").iterdir():
            audio.write(file, np.zeros((0, 2)), 44100)
        self.check(root, "bad: its files hold no samples")

    def test_names_that_are_no_stems(self, root):
        for file in (root / "bad").iterdir():
            file.rename(file.with_name(f"take-{file.name}"))
        self.check(root, "bad: none of its audio files is a stem; expected names such as mixture")

    def test_a_name_that_is_not_utf8(self, root, make_song):
        (root / "bad").rename(os.fsdecode(os.fsencode(root) + b"/na\xefve"))
        tracks = load("folders", root)
        assert len(tracks) == 2 and tracks[1].read("drums").shape == (3000, 2)

    def test_one_name_in_two_splits(self, tmp_path, make_song):
        make_song(tmp_path / "train" / "song")
        make_song(tmp_path / "test" / "song")
        with pytest.raises(ValueError, match=r"two songs are called 'song' \(in train and test\)"):
            load("folders", tmp_path)

    def test_no_such_layout(self, tmp_path, make_song):
        (tmp_path / "x").mkdir()
        expected = {
            "folders": "no songs; expected SONG",
            "stems": "no songs; expected files named SONG.stem.mp4",
            "musdb18": "no songs; expected train/SONG.stem.mp4",
            "musdb18hq": "no songs; expected train/SONG/mixture.wav",
            "dsd100": "no songs; expected Mixtures",
            "cache": "holds no finished cache",
        }
        for name, message in expected.items():
            with pytest.raises(ValueError, match=message) as raised:
                load(name, tmp_path)
            assert str(tmp_path) in str(raised.value)
            with pytest.raises(FileNotFoundError):
                load(name, tmp_path / "absent")


def test_the_other_edition_of_musdb18_is_named(tmp_path, make_song, make_audio):
    make_song(tmp_path / "hq" / "train" / "a", ("mixture", "drums", "bass", "other", "vocals"))
    with pytest.raises(ValueError, match=r"\(its songs are for the dataset 'musdb18hq'\)$"):
        load("musdb18", tmp_path / "hq")
    (tmp_path / "sd" / "test").mkdir(parents=True)
    (tmp_path / "sd" / "test" / "a.stem.mp4").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"\(its songs are for the dataset 'musdb18'\)$"):
        load("musdb18hq", tmp_path / "sd")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"\(for songs of your own use the dataset 'stems'\)$"):
        load("musdb18", tmp_path / "none")

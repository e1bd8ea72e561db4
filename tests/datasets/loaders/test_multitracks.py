"""Datasets of many instruments, and of voice and accompaniment: their layouts in miniature."""

import json
import pickle
import re
import shutil
import zlib

import numpy as np
import pytest
import yaml

from datasets import audio, load
from datasets.loaders import bach10, medleydb
from datasets.song_files.metadata import Grouping
from datasets.sources import read_sources
from datasets.splits import check_disjoint, identities
from tests.datasets.caches import prepare

CLOSE = 2**-15  # 16-bit files


def splits(tracks):
    return {track.name: track.split for track in tracks}


def write(path, make_audio, samples=3000, channels=1, rate=44100):
    """A file of noise that only this path has; returns what is in it."""
    seed = zlib.crc32("/".join(path.parts[-3:]).encode())
    audio.write(path, make_audio(samples, channels, seed), rate)
    return audio.read(path)[0]


def check_reading(track):
    """Excerpts, blocks and a pickled copy hold the same samples."""
    for stem in ("mixture", *track.stems):
        whole = track.read(stem)
        assert whole.shape == (track.samples, track.channels) and whole.dtype == np.float32
        assert np.array_equal(np.concatenate(list(track.blocks(stem, 700))), whole)
        assert np.array_equal(track.read(stem, 501, 2222), whole[501:2222])
        assert np.array_equal(pickle.loads(pickle.dumps(track)).read(stem, 9, 99), whole[9:99])


def refused(name, root, message, **options):
    """One line that names what is wrong."""
    with pytest.raises((ValueError, OSError), match=message) as raised:
        load(name, root, **options)
    assert "\n" not in str(raised.value)


class TestIKala:
    @pytest.fixture
    def root(self, tmp_path, make_audio):
        for name in ("10161_chorus", "10161_verse", "21025_verse"):
            write(tmp_path / "Wavfile" / f"{name}.wav", make_audio, channels=2)
        (tmp_path / "PitchLabel").mkdir()
        return tmp_path

    def test_left_is_the_accompaniment_and_right_the_voice(self, root):
        tracks = load("ikala", root, test=["21025_verse"])
        assert splits(tracks) == {
            "10161_chorus": "train", "10161_verse": "train", "21025_verse": "test",
        }  # fmt: skip
        track = tracks[0]
        assert (track.channels, track.stems, track.missing) == (1, ("vocals", "accompaniment"), ())
        file, _ = audio.read(root / "Wavfile" / "10161_chorus.wav")
        assert np.array_equal(track.read("accompaniment"), file[:, :1])
        assert np.array_equal(track.read("vocals"), file[:, 1:])
        assert np.array_equal(track.read(), file[:, 1:] + file[:, :1])
        pair = read_sources(track, ("accompaniment", "vocals"))
        assert np.array_equal(pair.sum(axis=0), track.read())
        assert track.warnings == () and not track.own_mixture
        check_reading(track)

    def test_the_folder_of_files_itself(self, root):
        assert len(load("ikala", root / "Wavfile", songs=["10161_verse"])) == 1

    def test_bad_input(self, root, tmp_path, make_audio):
        refused("ikala", tmp_path / "none", "none")
        refused("ikala", root / "PitchLabel", r"no clips; expected Wavfile/10161_chorus\.wav")
        write(root / "Wavfile" / "0_mono.wav", make_audio)
        refused("ikala", root, r"0_mono\.wav: has 1 channels, expected 2 or more")
        broken = []
        assert len(load("ikala", root, broken=broken)) == 3 and len(broken) == 1


class TestCCMixter:
    @pytest.fixture
    def root(self, tmp_path, make_audio):
        for name in ("Alpha", "Beta"):
            for file in ("mix", "source-01", "source-02"):
                write(tmp_path / name / f"{file}.wav", make_audio, channels=2)
        return tmp_path

    def test_two_sources_and_their_own_mixture(self, root):
        first, second = load("ccmixter", root, valid=["Alpha"])
        assert (first.name, first.split, second.split) == ("Beta", "train", "valid")
        folder = root / "Beta"
        for stem, file in (
            ("mixture", "mix"), ("accompaniment", "source-01"), ("vocals", "source-02"),
        ):  # fmt: skip
            assert np.array_equal(first.read(stem), audio.read(folder / f"{file}.wav")[0])
        assert first.own_mixture
        check_reading(first)

    def test_without_a_mixture_it_is_the_sum(self, root):
        (root / "Beta" / "mix.wav").unlink()
        track = load("ccmixter", root, songs=["Beta"])[0]
        assert np.array_equal(track.read(), read_sources(track, track.stems).sum(0))

    def test_bad_input(self, root, make_audio):
        refused("ccmixter", root / "Alpha", "no songs; expected SONG/{mix,source-01,source-02}.wav")
        write(root / "Beta" / "source-01.wav", make_audio, samples=2000, channels=2)
        track = load("ccmixter", root)[1]
        assert track.warnings == ("accompaniment ends at 0.045 s of 0.068 s: filled with silence",)
        (root / "Beta" / "source-02.wav").unlink()
        refused("ccmixter", root, r"Beta: no source-02\.wav \(the vocals\); fetch the song again")


class TestBach10:
    def recordings(self, folder, make_audio, piece="01-AchGottundHerr", mixture=True):
        stems = ("bassoon", "clarinet", "saxphone", "violin")
        made = {s: write(folder / piece / f"{piece}-{s}.wav", make_audio) for s in stems}
        if mixture:
            write(folder / piece / f"{piece}.wav", make_audio)
        (folder / piece / f"{piece}-GTF0s.mat").write_bytes(b"no audio")
        return made

    def renderings(self, folder, make_audio, piece="01-AchGottundHerr"):
        for case in bach10.CASES:
            for stem in bach10.STEMS:
                write(
                    folder / "Source separation" / piece / f"{piece}_{case}_{stem}.wav", make_audio
                )
        return folder

    @pytest.mark.parametrize("folder", [".", "Sources"])
    def test_recordings(self, tmp_path, make_audio, folder):
        made = self.recordings(tmp_path / folder, make_audio)
        self.recordings(tmp_path / folder, make_audio, "02-AchLiebenChristen", mixture=False)
        first, second = load("bach10", tmp_path, test=["02-AchLiebenChristen"])
        assert (first.name, first.stems, second.split) == (
            "01-AchGottundHerr",
            bach10.STEMS,
            "test",
        )
        for stem, data in made.items():
            assert np.array_equal(first.read(stem.replace("saxphone", "saxophone")), data)
        assert first.own_mixture and not second.own_mixture
        assert np.array_equal(second.read(), read_sources(second, bach10.STEMS).sum(axis=0))
        check_reading(first)

    def test_renderings_are_the_same_composition(self, tmp_path, make_audio):
        self.renderings(tmp_path, make_audio)
        tracks = load("bach10", tmp_path)
        assert [t.name for t in tracks] == [
            f"01-AchGottundHerr_{case}" for case in sorted(bach10.CASES)
        ]
        assert {t.composition for t in tracks} == {"Bach10 01-AchGottundHerr"}
        some = load("bach10", tmp_path / "Source separation", cases=["gt", "slow"])
        assert [t.name for t in some] == ["01-AchGottundHerr_gt", "01-AchGottundHerr_slow"]
        file = tmp_path / "Source separation/01-AchGottundHerr/01-AchGottundHerr_gt_violin.wav"
        assert np.array_equal(some[0].read("violin"), audio.read(file)[0])
        with pytest.raises(ValueError, match="is both in paired and in test"):
            check_disjoint({"paired": some[:1], "test": some[1:]})

    def test_bad_input(self, tmp_path, make_audio):
        self.renderings(tmp_path, make_audio)
        refused("bach10", tmp_path, "unknown case 'live', expected some of gt", cases=["live"])
        (
            tmp_path / "Source separation/01-AchGottundHerr/01-AchGottundHerr_fast_violin.wav"
        ).unlink()
        refused("bach10", tmp_path, "no violin of 01-AchGottundHerr_fast, only bassoon, clarinet")
        broken = []
        assert len(load("bach10", tmp_path, broken=broken)) == 3 and len(broken) == 1
        (tmp_path / "empty").mkdir()
        refused("bach10", tmp_path / "empty", "no pieces; expected PIECE/PIECE-{bassoon,clarinet")


class TestMedleyDB:
    STEMS = (
        ("electric bass", "bass"), ("drum set", ""), ("distorted electric guitar", ""),
        ("male singer", "melody"), ("tambourine", ""), ("vocalists", ""), ("synthesizer", "bass"),
    )  # fmt: skip

    def song(self, folder, make_audio, name="Band_Song", bleed="no", stems=STEMS):
        facts = {
            "artist": "Band",
            "has_bleed": bleed,
            "mix_filename": f"{name}_MIX.wav",
            "stems": {},
        }
        made = []
        for place, (instrument, component) in enumerate(stems, 1):
            file = f"{name}_STEM_{place:02d}.wav"
            made.append(write(folder / name / f"{name}_STEMS" / file, make_audio, channels=2))
            raw = {"R01": {"filename": f"{name}_RAW_{place:02d}_01.wav", "instrument": instrument}}
            facts["stems"][f"S{place:02d}"] = {
                "component": component, "filename": file, "instrument": instrument, "raw": raw,
            }  # fmt: skip
        write(folder / name / f"{name}_RAW" / f"{name}_RAW_01_01.wav", make_audio)
        write(folder / name / f"{name}_MIX.wav", make_audio, channels=2)
        (folder / name / f"{name}_METADATA.yaml").write_text(yaml.safe_dump(facts))
        return made

    @pytest.mark.parametrize("version", ["Audio", "V2", "."])
    def test_instruments_are_grouped_and_vocals_count_once(self, tmp_path, make_audio, version):
        made = self.song(tmp_path / version, make_audio)
        (track,) = load("medleydb", tmp_path)
        assert (track.name, track.channels) == ("Band_Song", 2)
        assert track.stems == ("drums", "bass", "other", "vocals") and track.warnings == ()
        assert np.array_equal(track.read("vocals"), made[3] + made[5])
        assert np.array_equal(track.read("drums"), made[1] + made[4])
        assert np.array_equal(track.read("bass"), made[0] + made[6])
        assert np.array_equal(track.read("other"), made[2])
        rest = sum(track.read(stem) for stem in ("drums", "bass", "other"))
        assert np.array_equal(track.read("accompaniment"), rest)
        mix, _ = audio.read(tmp_path / version / "Band_Song" / "Band_Song_MIX.wav")
        assert np.array_equal(track.read(), mix)
        check_reading(track)

    def test_the_mixture_may_be_the_sum_of_the_stems(self, tmp_path, make_audio):
        made = self.song(tmp_path, make_audio)
        (track,) = load("medleydb", tmp_path, own_mixture=False)
        assert np.abs(track.read() - sum(made)).max() < 1e-6

    def test_a_mapping_of_ones_own(self, tmp_path, make_audio):
        made = self.song(tmp_path, make_audio)
        mapping = {"guitar": ["Distorted Electric  Guitar"], "vocals": ["male singer"]}
        (track,) = load("medleydb", tmp_path, mapping=mapping)
        assert track.stems == ("other", "vocals", "guitar")
        assert np.array_equal(track.read("guitar"), made[2])
        assert np.array_equal(track.read("vocals"), made[3])
        assert np.array_equal(track.read("accompaniment"), track.read("other") + made[2])

    def test_metadata_that_lie_apart_and_bleed(self, tmp_path, make_audio):
        self.song(tmp_path / "V1", make_audio, "A_One")
        self.song(tmp_path / "V2", make_audio, "B_Two", bleed="yes")
        (tmp_path / "facts").mkdir()
        file = tmp_path / "V2" / "B_Two" / "B_Two_METADATA.yaml"
        shutil.move(file, tmp_path / "facts" / file.name)
        told = r"B_Two: no B_Two_METADATA\.yaml in it; name the folder of the metadata"
        refused("medleydb", tmp_path, told)
        assert len(load("medleydb", tmp_path, metadata=tmp_path / "facts")) == 2
        (track,) = load("medleydb", tmp_path, metadata=tmp_path / "facts", bleed=False)
        assert track.name == "A_One"

    def test_an_instrumental_has_silent_vocals(self, tmp_path, make_audio):
        self.song(tmp_path, make_audio, stems=self.STEMS[:3])
        (track,) = load("medleydb", tmp_path)
        assert track.missing == ("vocals",) and not track.read("vocals").any()

    def test_bad_input(self, tmp_path, make_audio):
        refused("medleydb", tmp_path, "no songs; expected SONG/SONG_STEMS/SONG_STEM_01.wav in it")
        self.song(tmp_path, make_audio)
        self.song(tmp_path, make_audio, "Other_Song")
        both = {"drums": ["drum set"], "other": ["drum set"]}
        refused("medleydb", tmp_path, "'drum set' cannot be both in drums and other", mapping=both)
        refused("medleydb", tmp_path, "each with a list of labels", mapping={"drums": "drum set"})
        folder = tmp_path / "Band_Song"
        write(folder / "Band_Song_STEMS/Band_Song_STEM_06.wav", make_audio, samples=2000)
        assert load("medleydb", tmp_path)[0].warnings == (
            "vocals (Band_Song_STEM_06.wav) ends at 0.045 s of 0.068 s: filled with silence",
            "vocals (Band_Song_STEM_06.wav) is mono beside 2 channels: copied to all",
        )
        write(folder / "Band_Song_STEMS/Band_Song_STEM_06.wav", make_audio, rate=48000)
        refused("medleydb", tmp_path, "its files differ .*STEM_06.wav 48000 Hz.; convert them")
        (folder / "Band_Song_STEMS/Band_Song_STEM_06.wav").unlink()
        refused(
            "medleydb", tmp_path, r"STEM_06\.wav: no such stem, Band_Song_METADATA.yaml names it"
        )
        path = folder / "Band_Song_METADATA.yaml"
        for text, message in (
            ("stems: [", r"not YAML that can be read \(line \d\); fetch it again"),
            ("- a", "expected keys and values, found list"),
            ("artist: x", "no stems, or not a section"),
            ("stems: {S01: {component: x}}", "stem S01: no filename, or not a text"),
            ("stems: {}", "names no stems"),
            ("stems: {S01: {filename: 3}, 2: {}}", "stem 2: no filename, or not a text"),
            ("!!python/object/apply:os.getcwd []", "not YAML that can be read"),
        ):
            path.write_text(text)
            refused("medleydb", tmp_path, message)
        broken = []
        (track,) = load("medleydb", tmp_path, broken=broken)
        assert track.name == "Other_Song" and len(broken) == 1 and str(path) in broken[0]

    def test_the_mapping_names_an_instrument_once(self):
        labels = [label for stem in medleydb.MAPPING.values() for label in stem]
        assert len(labels) == len(set(labels))
        assert Grouping(medleydb.MAPPING)("Female Singer") == "vocals"


class TestMoisesDB:
    STEMS = (("vocals", 2), ("drums", 3), ("percussion", 1), ("bass", 1), ("other_keys", 1))

    def song(self, folder, make_audio, name="Song", identity="0a1b2c3d-ffff"):
        facts = {"song": name, "artist": "Artist", "genre": "rock", "stems": []}
        made = {}
        for stem, count in self.STEMS:
            takes = [f"{identity[:4]}-{stem}-{number}" for number in range(count)]
            files = [folder / identity / stem / f"{take}.wav" for take in takes]
            made[stem] = [write(file, make_audio, channels=2) for file in files]
            tracks = [
                {"id": take, "trackType": "x", "extension": "wav", "has_bleed": False}
                for take in takes
            ]
            facts["stems"].append({"id": f"{identity}-{stem}", "stemName": stem, "tracks": tracks})
        (folder / identity / "data.json").write_text(json.dumps(facts))
        return made

    @pytest.mark.parametrize("folder", [".", "moisesdb/moisesdb_v0.1"])
    def test_four_stems_of_many(self, tmp_path, make_audio, folder):
        made = self.song(tmp_path / folder, make_audio)
        (track,) = load("moisesdb", tmp_path / folder.split("/")[0])
        assert track.name == "Artist - Song" and not track.own_mixture
        assert track.stems == ("drums", "bass", "other", "vocals")
        assert np.array_equal(track.read("vocals"), made["vocals"][0] + made["vocals"][1])
        kit = made["drums"]
        assert np.array_equal(track.read("drums"), kit[0] + kit[1] + kit[2])
        assert np.array_equal(track.read("other"), made["percussion"][0] + made["other_keys"][0])
        stems = ("drums", "bass", "other", "vocals")
        assert np.abs(track.read() - read_sources(track, stems).sum(0)).max() < 1e-6
        check_reading(track)
        assert len(load("moisesdb", tmp_path / folder / "0a1b2c3d-ffff")) == 1

    def test_a_mapping_of_ones_own(self, tmp_path, make_audio):
        made = self.song(tmp_path, make_audio)
        mapping = {"drums": ["drums", "percussion"], "keys": ["other_keys"]}
        (track,) = load("moisesdb", tmp_path, mapping=mapping)
        assert track.stems == ("drums", "other", "keys")
        assert np.array_equal(track.read("keys"), made["other_keys"][0])
        assert np.array_equal(track.read("drums"), sum(made["drums"] + made["percussion"]))

    def test_songs_of_one_name(self, tmp_path, make_audio):
        self.song(tmp_path, make_audio)
        self.song(tmp_path, make_audio, identity="99887766-ffff")
        assert splits(load("moisesdb", tmp_path, test=["Artist - Song (99887766)"])) == {
            "Artist - Song (0a1b2c3d)": "train", "Artist - Song (99887766)": "test",
        }  # fmt: skip

    def test_bad_input(self, tmp_path, make_audio):
        refused("moisesdb", tmp_path, "no songs; expected moisesdb_v0.1/ID/data.json")
        self.song(tmp_path, make_audio)
        self.song(tmp_path, make_audio, "Second", "99887766-ffff")
        folder = tmp_path / "0a1b2c3d-ffff"
        (folder / "bass" / "0a1b-bass-0.wav").unlink()
        refused("moisesdb", tmp_path, r"bass-0\.wav: no such file, data.json names it")
        for text, message in (
            ('{"stems": ', r"data\.json: not JSON that can be read \(line 1\)"),
            ("[]", "expected keys and values, found list"),
            ("{}", "no stems, or not a list"),
            ('{"stems": []}', "names no stems"),
            ('{"stems": [{"stemName": "bass"}]}', "bass: no tracks, or not a list"),
            ('{"stems": [{"stemName": "bass", "tracks": [{"id": "x"}]}]}', "bass: no extension"),
        ):
            (folder / "data.json").write_text(text)
            refused("moisesdb", tmp_path, message)
            broken = []
            assert len(load("moisesdb", tmp_path, broken=broken)) == 1 and len(broken) == 1


class TestSlakh:
    STEMS = (
        ("S00", "Bass", False), ("S01", "Drums", True), ("S02", "Piano", False),
        ("S03", "Strings (continued)", False), ("S04", "Guitar", False),
    )  # fmt: skip

    def song(self, folder, make_audio, name, suffix=".flac", identity=None):
        facts = {"UUID": identity or f"uuid-{name}", "normalized": True, "stems": {}}
        made = {}
        for key, label, drum in self.STEMS:
            rendered = key != "S03"
            facts["stems"][key] = {
                "audio_rendered": rendered, "inst_class": label, "is_drum": drum,
                "program_num": 3, "plugin_name": "x.nkm", "midi_saved": True,
            }  # fmt: skip
            if rendered:
                made[key] = write(folder / name / "stems" / f"{key}{suffix}", make_audio)
        write(folder / name / f"mix{suffix}", make_audio)
        (folder / name / "metadata.yaml").write_text(yaml.safe_dump(facts))
        return made

    @pytest.fixture
    def root(self, tmp_path, make_audio):
        for number, split in enumerate(("train", "validation", "test", "omitted"), 1):
            self.song(tmp_path / split, make_audio, f"Track{number:05d}")
        return tmp_path

    def test_classes_are_grouped(self, root):
        made = {key: audio.read(root / f"train/Track00001/stems/{key}.flac")[0] for key in
                ("S00", "S01", "S02", "S04")}  # fmt: skip
        tracks = load("slakh", root)
        assert splits(tracks) == {
            "Track00001": "train",
            "Track00002": "valid",
            "Track00003": "test",
        }
        track = tracks[0]
        assert track.stems == ("drums", "bass", "other") and track.missing == ("vocals",)
        assert np.array_equal(track.read("drums"), made["S01"])
        assert np.array_equal(track.read("other"), made["S02"] + made["S04"])
        mix, _ = audio.read(root / "train/Track00001/mix.flac")
        assert np.array_equal(track.read(), mix) and not track.read("vocals").any()
        check_reading(track)

    def test_omitted_songs_and_a_mapping_of_ones_own(self, root):
        mapping = {"drums": ["Drums"], "guitar": ["guitar"]}
        tracks = load("slakh", root, omitted=True, mapping=mapping)
        assert splits(tracks)["Track00004"] == "train" and len(tracks) == 4
        assert tracks[0].stems == ("drums", "other", "guitar")

    def test_babyslakh_has_no_splits(self, tmp_path, make_audio):
        self.song(tmp_path, make_audio, "Track00001", ".wav")
        self.song(tmp_path, make_audio, "Track00002", ".wav")
        tracks = load("slakh", tmp_path, valid=["Track00002"])
        assert splits(tracks) == {"Track00001": "train", "Track00002": "valid"}

    def test_songs_of_one_midi_file_are_one_composition(self, tmp_path, make_audio):
        for split, name in (("train", "Track00001"), ("test", "Track00002")):
            self.song(tmp_path / split, make_audio, name, identity="same")
        first, second = load("slakh", tmp_path)
        assert identities(first) & identities(second) == {"composition Lakh same"}
        with pytest.raises(ValueError, match="'Track00001' is both in paired and in test"):
            check_disjoint({"paired": [first], "test": [second]})

    def test_bad_input(self, root, tmp_path):
        (tmp_path / "empty").mkdir()
        refused(
            "slakh", tmp_path / "empty", "no songs; expected {train,validation,test}/Track00001"
        )
        song = root / "test" / "Track00003"
        (song / "stems" / "S02.flac").unlink()
        refused("slakh", root, r"S02\.flac: no such stem, metadata\.yaml names it; fetch the song")
        (song / "metadata.yaml").write_bytes(b"stems: \xff\xfe")
        refused("slakh", root, r"test/Track00003/metadata\.yaml: not YAML that can be read")
        (song / "metadata.yaml").write_text("stems: {S00: {audio_rendered: true}}")
        refused("slakh", root, "stem S00: no inst_class, or not a text")
        (song / "metadata.yaml").unlink()
        assert len(load("slakh", root)) == 2


def test_sums_of_files_are_prepared_like_others(tmp_path, make_audio):
    made = TestMoisesDB().song(tmp_path / "songs", make_audio)
    prepare("moisesdb", tmp_path / "songs", tmp_path / "cache", rates=[44100])
    (original,), (track,) = load("moisesdb", tmp_path / "songs"), load("cache", tmp_path / "cache")
    for stem in (*original.stems, "accompaniment", "mixture"):
        assert np.abs(track.read(stem) - original.read(stem)).max() < 1e-6
    file = tmp_path / "songs" / "0a1b2c3d-ffff" / "drums" / "0a1b-drums-1.wav"
    before = original.fingerprint()
    audio.write(file, np.flip(made["drums"][1]), 44100)
    assert load("moisesdb", tmp_path / "songs")[0].fingerprint() != before


def test_every_file_of_a_sum_tells_the_song(tmp_path, make_audio):
    """A drum take that is a solo recording elsewhere is found again."""
    folder = TestMoisesDB().song
    folder(tmp_path / "songs", make_audio)
    file = tmp_path / "songs" / "0a1b2c3d-ffff" / "drums" / "0a1b-drums-2.wav"
    audio.write(file, make_audio(60_000, 2, 5), 44100)
    (tmp_path / "solo" / "take").mkdir(parents=True)
    shutil.copy(file, tmp_path / "solo" / "take" / "drums.wav")
    songs, solos = load("moisesdb", tmp_path / "songs"), load("folders", tmp_path / "solo")
    with pytest.raises(ValueError, match=re.escape("'Artist - Song' is both in test and in solos")):
        check_disjoint({"test": songs, "solos": solos})

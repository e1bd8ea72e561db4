"""Kits are read as their files say; damaged and hostile files are refused in one line."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from datasets import audio
from datasets.kits import opening
from datasets.kits.kit import HATS
from datasets.kits.opening import open_kit
from datasets.kits.pieces import PIECES, piece_of
from datasets.kits.sfz import key_of


@pytest.fixture
def folder(tmp_path):
    """A folder with samples a.wav to d.wav."""
    for number, name in enumerate("abcd"):
        audio.write(tmp_path / f"{name}.wav", np.full((64, 1), 0.1 * (number + 1)), 8000)
    return tmp_path


def sfz(folder, text, **options):
    (folder / "kit.sfz").write_text(text)
    return open_kit(folder / "kit.sfz", **options)


def hydrogen(folder, instruments, head=""):
    (folder / "drumkit.xml").write_text(
        f'<?xml version="1.0"?>{head}<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit">'
        f"<instrumentList>{instruments}</instrumentList></drumkit_info>"
    )
    return open_kit(folder)


def test_names_mean_pieces():
    expected = {
        "Snare Rock": "snare", "hihat-open": "hat_open", "KdrumL": "kick",
        "Closed HH": "hat_closed",
        'Tom Low (Tama 16")': "tom_low", "Hi-Hat Semiopen": "hat_half", "Side Stick": "side_stick",
        "Pedal HH": "hat_pedal", "RideLBell": "ride_bell", "Crash 2": "crash", "Tom1": "tom_high",
        "floor tom": "tom_low", "Cowbell": "cowbell", "Zap": None, "bd": "kick", "oh": "hat_open",
    }  # fmt: skip
    assert {name: piece_of(name) for name in expected} == expected


def test_keys_have_numbers_and_names():
    assert [key_of(text) for text in ("36", "c4", "C-1", "g9", "a#3", "bb3", "-1")] == [
        *(36, 60, 0, 127, 58, 58, -1)
    ]


def test_sfz_regions_inherit(folder):
    kit = sfz(
        folder,
        """<control> default_path=./
        <global> volume=-6 group=3
        <master> pan=50
        <group> key=c#2 lovel=10 off_by=4
        <region> sample=a.wav hivel=63 // comment
        <region> sample=b.wav lovel=64 volume=0 tune=-50 transpose=2 offset=7 amp_veltrack=20
        <group> key=38 /* more
        lines */ <region> sample=c.wav seq_length=2 seq_position=2 lorand=0.25 hirand=0.5
        <master> <region> key=40 sample=d.wav
        """,
    )
    stick, snare, rim = kit.instruments
    assert (stick.key, stick.piece, snare.piece, rim.piece) == (37, "side_stick", "snare", "snare")
    low, high = stick.zones
    assert (low.low, low.high, high.low, high.high) == (10, 63, 64, 127)
    assert (low.group, low.off_by, high.offset) == (3, 4, 7)
    assert np.allclose(low.gains, (0.5 * 10**-0.3, 10**-0.3))
    assert np.allclose(high.gains, (0.5, 1.0))
    assert high.semitones == 1.5 and low.semitones == 0
    assert np.isclose(high.amplitude(64), 0.8 + 0.2 * (64 / 127) ** 2)
    zone = snare.zones[0]
    assert (zone.count, zone.position, zone.chance, zone.off_by) == (2, 2, (0.25, 0.5), 0)
    assert np.allclose(rim.zones[0].gains, 10**-0.3)  # a new <master> ends the old one's pan


def test_sfz_ranges_of_keys_are_tuned(folder):
    kit = sfz(folder, "<region> sample=a.wav lokey=d2 hikey=40 pitch_keycenter=38")
    assert {each.key: each.zones[0].semitones for each in kit.instruments} == {38: 0, 39: 1, 40: 2}
    kit = sfz(folder, "<region> sample=b.wav lokey=38 hikey=40 pitch_keytrack=0 ")
    kit = open_kit(folder / "kit.sfz", {"38": "kick", "39": "none"})
    assert [(each.key, each.piece) for each in kit.instruments] == [(38, "kick"), (40, "snare")]


def test_sfz_includes_and_defines(folder):
    (folder / "parts").mkdir()
    (folder / "parts" / "kick.txt").write_text("<region> key=$KICK sample=$KICKFILE")
    kit = sfz(
        folder,
        '#define $KICK 36\n#define $KICKFILE a.wav\n#include "parts/kick.txt"\n<region>key=38\n'
        "sample=b.wav",
    )
    assert [(each.key, each.zones[0].sample.name) for each in kit.instruments] == [
        (36, "a.wav"),
        (38, "b.wav"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "<region> key=36 sample=../a.wav",
            "line 1: names the file '../a.wav', which is not below",
        ),
        ("<control> default_path=../\n<region> key=36 sample=a.wav", "line 2: names the file"),
        ("<region> key=36 sample=/etc/passwd", "line 1: names the file '/etc/passwd'"),
        ('\n#include "../x.sfz"', "line 2: names the file '../x.sfz', which is not below"),
        ('#include "kit.sfz"', "no file that includes itself"),
        ("<region> key=36 sample=gone.wav", "line 1: no sample 'gone.wav'; get the whole kit"),
        ("<region> key=36 sample=*sine", "line 1: region without a sample file"),
        ("<region> key=h9 sample=a.wav", "line 1: lokey=h9: expected a key, 0 to 127 or c-1 to g9"),
        ("<region> key=36 volume=nan sample=a.wav", "line 1: volume=nan: expected a number, -144"),
        ("<region> key=$X sample=a.wav", "line 1: '<region> key=$X sample=a.wav' has a name that"),
        ("<region> key", "line 1: 'key' is no <header> and no opcode=value"),
        ("<region> key=36 seq_length=0 sample=a.wav", "seq_length=0: expected a number, 1 to 100"),
        ("", "no instrument that is known"),
    ],
)
def test_bad_sfz_is_refused(folder, text, message):
    with pytest.raises(ValueError) as error:
        sfz(folder, text)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert str(folder) in str(error.value)


LAYERS = """<layer><filename>a.wav</filename><min>0</min><max>0.5</max><gain>0.5</gain></layer>
<layer><filename>b.wav</filename><min>0.5</min><max>1</max><gain>1</gain><pitch>-2</pitch></layer>"""


def test_hydrogen_layers(folder):
    kit = hydrogen(
        folder,
        f"<instrument><name>Kick</name><gain>2</gain><volume>0.5</volume><pan_L>1</pan_L>"
        f"<pan_R>0.25</pan_R><muteGroup>0</muteGroup><midiOutNote>36</midiOutNote>{LAYERS}"
        f"</instrument><instrument><name>Zap</name>{LAYERS}</instrument><instrument><name>Snare"
        f"</name><isMuted>true</isMuted>{LAYERS}</instrument><instrument><name>Clap</name>"
        f"<applyVelocity>false</applyVelocity><filename>c.wav</filename></instrument>",
    )
    kick, clap = kit.instruments
    assert [(zone.low, zone.high) for zone in kick.zones] == [(0, 63), (64, 127)]
    assert [zone.gains for zone in kick.zones] == [(0.5, 0.125), (1.0, 0.25)]
    assert [zone.semitones for zone in kick.zones] == [0, -2]
    assert (kick.key, kick.zones[0].group, kick.zones[0].off_by) == (36, 1, 1)
    assert clap.zones[0].amplitude(10) == 1.0 and kit.left_out == ("Zap",)
    assert kit.table().splitlines()[-1].split() == ["Zap", "none"]
    assert open_kit(folder, {"Zap": "cowbell"}).instruments[1].piece == "cowbell"
    with pytest.raises(ValueError, match="'cowbel' is no piece"):
        open_kit(folder, {"Zap": "cowbel"})


@pytest.mark.parametrize("algorithm", ["VELOCITY", "ROUND_ROBIN", "RANDOM"])
def test_hydrogen_components_and_choices(folder, algorithm):
    same = "".join(f"<layer><filename>{name}.wav</filename></layer>" for name in "ab")
    part = "<instrumentComponent><component_id>0</component_id><gain>0.5</gain>"
    kit = hydrogen(
        folder,
        f"<instrument><name>Snare</name><sampleSelectionAlgo>{algorithm}</sampleSelectionAlgo>"
        f"<pan>-1</pan>{part}{same}</instrumentComponent></instrument>",
    )
    zones = kit.instruments[0].zones
    assert all(zone.gains == (0.5, 0.0) for zone in zones)
    found = [(zone.position, zone.count, zone.chance) for zone in zones]
    assert (
        found
        == {
            "VELOCITY": [(1, 1, (0.0, 1.0))],
            "ROUND_ROBIN": [(1, 2, (0.0, 1.0)), (2, 2, (0.0, 1.0))],
            "RANDOM": [(1, 1, (0.0, 0.5)), (1, 1, (0.5, 1.0))],
        }[algorithm]
    )


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("instruments", "head", "message"),
    [
        ("<instrument>", "", "damaged XML: mismatched tag"),
        ("<instrument><name>&b;</name></instrument>", BOMB, "line 1: declares a document type"),
        ("", '<!DOCTYPE x SYSTEM "file:///etc/passwd">', "line 1: declares a document type"),
        ("<a>" * 100 + "</a>" * 100, "", "400000 elements, 64 deep"),
        (
            "<instrument><name>Kick</name><filename>../a.wav</filename></instrument>",
            "",
            "drumkit.xml: Kick: names the file '../a.wav', which is not below",
        ),
        (
            "<instrument><name>Kick</name><filename>gone.wav</filename></instrument>",
            "",
            "drumkit.xml: Kick: no sample 'gone.wav'; get the whole kit",
        ),
        (
            "<instrument><name>Kick</name><gain>loud</gain></instrument>",
            "",
            "drumkit.xml: Kick: gain: 'loud' is not as expected, 0 to 1000",
        ),
    ],
)
def test_bad_hydrogen_kits_are_refused(folder, instruments, head, message):
    with pytest.raises(ValueError) as error:
        hydrogen(folder, instruments, head)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_kit_may_lack_one_instrument_of_many(folder):
    """One of Debian's has no cowbell."""
    whole = "<instrument><name>Snare</name><filename>a.wav</filename></instrument>"
    gone = "<instrument><name>Cowbell</name><filename>gone.wav</filename></instrument>"
    with pytest.warns(UserWarning, match=r"Cowbell: no sample 'gone\.wav', which is not played"):
        kit = hydrogen(folder, 9 * whole + gone)
    assert kit.left_out == ("Cowbell",) and len(kit.instruments) == 9
    layer = "<layer><filename>{}.wav</filename></layer>"
    some = f"<instrument><name>Cowbell</name>{layer.format('a')}{layer.format('gone')}</instrument>"
    for instruments in (8 * whole + gone, 9 * whole + some):
        (folder / "drumkit.xml").unlink()
        opening._opened.cache_clear()
        with pytest.raises(ValueError, match=r"Cowbell: no sample 'gone\.wav'; get the whole kit"):
            hydrogen(folder, instruments)


def test_installed_kits_have_names(folder, monkeypatch):
    monkeypatch.setattr(opening, "INSTALLED", (folder.parent,))
    hydrogen(folder, f"<instrument><name>Kick</name>{LAYERS}</instrument>")
    assert open_kit(folder.name).name == folder.name
    wrong = folder.name[:-1]
    with pytest.raises(FileNotFoundError, match=f"no such .* mean {folder.name}"):
        open_kit(wrong)
    monkeypatch.setattr(opening, "INSTALLED", ())
    with pytest.raises(FileNotFoundError, match="apt-get install hydrogen-data"):
        open_kit(wrong)


def packed(path, members, compress=True):
    """Write a tar file of {name: bytes or a TarInfo}."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            body = b"" if content is info else content
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    raw = data.getvalue()
    path.write_bytes(gzip.compress(raw) if compress else raw)
    return path


@pytest.mark.parametrize("compress", [True, False])
def test_archives_are_kits(folder, tmp_path, compress):
    hydrogen(folder, f"<instrument><name>Kick</name>{LAYERS}</instrument>")
    files = {f"Kit/{one.name}": one.read_bytes() for one in folder.iterdir() if one.is_file()}
    kit = open_kit(packed(tmp_path / "Kit.h2drumkit", files, compress))
    assert (kit.name, kit.instruments[0].piece) == ("Kit", "kick")
    assert kit.digest == open_kit(folder).digest


def test_bad_archives_are_refused(tmp_path, monkeypatch):
    link = tarfile.TarInfo("kit/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    cases = {
        "is no plain file": {"kit/link": link},
        "names the file '../x', which is not below": {"../x": b"x"},
        "names the file '/x', which is not below": {"/x": b"x"},
        "no drumkit.xml in it": {"x": b"x"},
        "unpacks to more than": {"x": bytes(200_000)},
    }
    monkeypatch.setattr("datasets.kits.opening.MOST_BYTES", 100_000)
    for number, (message, members) in enumerate(cases.items()):
        with pytest.raises(ValueError, match=message):
            open_kit(packed(tmp_path / f"{number}.h2drumkit", members))
    whole = packed(tmp_path / "cut.h2drumkit", {"x": np.random.default_rng(0).bytes(5000)})
    whole.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(ValueError, match="damaged archive"):
        open_kit(whole)
    assert not (tmp_path.parent / "x").exists()


def test_folders_of_hits(tmp_path):
    names = (
        *("kick_01.wav", "kick_02.wav", "snare/v1.wav", "snare/v2.wav", "hihat-open.wav"),
        *("hihat-closed.wav", "drum loop.wav", "snare/notes.txt"),
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name.endswith(".wav"):
            audio.write(tmp_path / name, np.full((64, 1), 0.5), 8000)
        else:
            (tmp_path / name).write_text("no audio")
    kit = open_kit(tmp_path)
    found = {each.piece: each for each in kit.instruments}
    assert set(found) == {"kick", "snare", "hat_open", "hat_closed"}
    assert [(zone.position, zone.count) for zone in found["kick"].zones] == [(1, 2), (2, 2)]
    assert [(zone.low, zone.high) for zone in found["snare"].zones] == [(0, 63), (64, 127)]
    assert found["hat_open"].zones[0].off_by == found["hat_closed"].zones[0].group == HATS
    assert found["hat_closed"].zones[0].off_by == 0
    assert kit.left_out == ("drum loop",)


def test_real_kits(shared):
    kit = open_kit(shared / "audio" / "kits" / "muldjord")
    assert len(kit.instruments) == 19 and len(kit.of_piece("snare")) == 4
    kit = open_kit(shared / "audio" / "drums_cc0" / "uzu-drumkit")
    assert {PIECES[each.piece] for each in kit.instruments} == set(PIECES.values())


def test_what_is_no_kit(tmp_path):
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(ValueError, match="no kit; expected a folder"):
        open_kit(tmp_path / "note.txt")
    with pytest.raises(FileNotFoundError):
        open_kit(tmp_path / "gone")
    with pytest.raises(ValueError, match="no instrument that is known"):
        open_kit(tmp_path)

"""Songs in folders and zip files; zip files that mean harm."""

import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from datasets.intake import stores
from datasets.intake.sources import contributions
from datasets.intake.stores import Archive


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"?")


def packed(path: Path, *members, method=zipfile.ZIP_DEFLATED) -> Path:
    """A zip of (name or ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def found(*paths) -> dict[str, tuple[str, ...]]:
    songs, refused = contributions(paths)
    assert not refused, refused
    return {song.label: song.files for song in songs}


def test_songs_of_a_folder(tmp_path):
    top = tmp_path / "give"
    touch(top, "One/Kick.wav", "One/notes.txt", "Two/Drums/1.wav", "Two/Stems/Gtr.flac")
    touch(
        top, "Two/Mix.wav", "__MACOSX/x.wav", ".cache/y.wav", "Three/CD 1/a.wav", "Three/song.yaml"
    )
    assert found(top) == {
        "give/One": ("Kick.wav",),
        "give/Two": ("Drums/1.wav", "Mix.wav", "Stems/Gtr.flac"),
        "give/Three": ("CD 1/a.wav",),
    }


def test_one_song(tmp_path):
    touch(tmp_path / "Song", "Kick.wav", "stems/Bass.wav")
    assert found(tmp_path / "Song") == {"Song": ("Kick.wav", "stems/Bass.wav")}


def test_zips_and_zips_in_folders(tmp_path):
    packed(tmp_path / "A.zip", ("Kick.wav", b"?"), ("Bass.wav", b"?"))
    packed(
        tmp_path / "B.zip", ("B/Kick.wav", b"?"), ("C/Gtr.wav", b"?"), ("__MACOSX/C/Gtr.wav", b"")
    )
    touch(tmp_path, "D/Vox.wav")
    expected = {"A.zip": ("Bass.wav", "Kick.wav"), "B.zip/B": ("Kick.wav",)}
    expected["B.zip/C"] = ("Gtr.wav",)
    assert found(tmp_path / "A.zip", tmp_path / "B.zip") == expected
    assert found(tmp_path) == {f"{tmp_path.name}/D": ("Vox.wav",), **expected}


def test_the_state_follows_the_files(tmp_path):
    touch(tmp_path / "S", "Kick.wav")
    (before,) = contributions([tmp_path / "S"])[0]
    os.utime(tmp_path / "S" / "Kick.wav", ns=(1, 1))
    (after,) = contributions([tmp_path / "S"])[0]
    assert before.state != after.state
    one = contributions([packed(tmp_path / "a.zip", ("Kick.wav", b"1"))])[0][0]
    two = contributions([packed(tmp_path / "a.zip", ("Kick.wav", b"2"))])[0][0]
    assert one.state != two.state


def refusal(path) -> str:
    songs, (refused,) = contributions([path])
    assert not songs and "\n" not in refused.reasons[0]
    return refused.reasons[0]


def test_nothing_in_a_folder(tmp_path):
    assert refusal(tmp_path) == "no audio files are in it"
    with pytest.raises(FileNotFoundError):
        contributions([tmp_path / "none"])
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ValueError, match=r"expected a folder or a \.zip file"):
        contributions([tmp_path / "a.txt"])


def test_a_link_out_of_a_folder(tmp_path):
    touch(tmp_path, "secret.wav", "give/Song/Kick.wav")
    (tmp_path / "give" / "Song" / "Bass.wav").symlink_to(tmp_path / "secret.wav")
    assert "a link that leads out of" in refusal(tmp_path / "give")


@pytest.mark.parametrize(
    "name", ["../up.wav", "/etc/x.wav", "a/../../x.wav", "a\\..\\x.wav", "C:/x.wav"]
)
def test_paths_that_lead_out(tmp_path, name):
    path = packed(tmp_path / "a.zip", ("Kick.wav", b"?"), (name, b"?"))
    assert ": refused" in refusal(path)


def test_links_in_a_zip(tmp_path):
    link = zipfile.ZipInfo("Kick.wav")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "is no plain file: refused" in refusal(packed(tmp_path / "a.zip", (link, "/etc/passwd")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice(tmp_path):
    assert "twice" in refusal(packed(tmp_path / "a.zip", ("K.wav", b"1"), ("K.wav", b"2")))


def test_encrypted(tmp_path):
    path = packed(tmp_path / "a.zip", ("Kick.wav", b"?"))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(mark) + offset
        data[place : place + 2] = struct.pack("<H", 1)
    path.write_bytes(data)
    assert "is encrypted" in refusal(path)


def test_bombs(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.zip", ("Kick.wav", bytes(10_000_000)))
    monkeypatch.setattr(stores, "SMALL", 1_000_000)
    assert "unpacks to 10000000 bytes" in refusal(path)
    monkeypatch.setattr(stores, "MOST_MEMBERS", 0)
    assert "1 members; expected 0 at most" in refusal(path)


def test_a_size_that_is_a_lie(tmp_path):
    """What unpacks to more or less than the archive says is damaged, and no more is written."""
    path = packed(tmp_path / "a.zip", ("Kick.wav", bytes(1_000_000)))
    data = path.read_bytes().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 1000))
    path.write_bytes(data)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ValueError, match="is damaged"):
        Archive(path).on_disk("Kick.wav", out, 1)
    assert all(file.stat().st_size <= 1000 for file in out.iterdir())


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "name"])
def test_damaged(tmp_path, damage):
    path = packed(tmp_path / "a.zip", ("Köck.wav", b"?" * 1000), ("Bass.wav", b"?"))
    data = path.read_bytes()
    path.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "noise": b"PK" + os.urandom(1000),
            "empty": b"",
            "name": data.replace("Köck".encode(), b"K\xff\xffck"),
        }[damage]
    )
    assert "damaged archive" in refusal(path)


def test_names_that_are_not_utf8(tmp_path):
    """Without the flag of UTF-8 a name is read as CP437, as the format says."""
    path = packed(tmp_path / "a.zip", ("Gesang.wav", b"?"), ("KXck.wav", b"?"))
    path.write_bytes(path.read_bytes().replace(b"KXck", b"K\x94ck"))
    assert found(path) == {"a.zip": ("Gesang.wav", "Köck.wav")}


def test_members_are_written_under_names_of_our_own(tmp_path):
    path = packed(tmp_path / "a.zip", ("x/Kick $(rm).wav", b"1"), ("y.w%v", b"2"))
    held = Archive(path)
    assert held.on_disk("x/Kick $(rm).wav", tmp_path, 1) == tmp_path / "0001.wav"
    assert held.on_disk("y.w%v", tmp_path, 2) == tmp_path / "0002"
    assert (tmp_path / "0001.wav").read_bytes() == b"1"

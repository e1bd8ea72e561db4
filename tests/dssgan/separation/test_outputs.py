"""All stems of a song or none."""

import pytest

from dssgan.separation.outputs import all_or_none


@pytest.mark.parametrize("name", ["x" * 300, "x" * 251 + ".wav.more"])
def test_a_name_that_is_too_long_leaves_nothing(tmp_path, name):
    paths = [tmp_path / "out" / "song" / stem for stem in ("a.wav", "b.wav", "c.wav", name)]
    with pytest.raises(OSError, match="too long"), all_or_none(paths):
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"stem")
    assert not list(tmp_path.iterdir())


def test_a_name_that_becomes_too_long_while_it_is_written(tmp_path, monkeypatch):
    """The folders of the stems are there, and one cannot be looked at any more."""
    paths = [tmp_path / "out" / stem for stem in ("a.wav", "b.wav", "c.wav", "d.wav")]
    with pytest.raises(OSError, match="full"), all_or_none(paths):
        paths[0].parent.mkdir()
        for path in paths[:3]:
            path.write_bytes(b"stem")
        paths[3].symlink_to(paths[3])
        raise OSError("full")
    assert not list(tmp_path.iterdir())


def test_older_files_stay(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"old")
    with pytest.raises(ValueError), all_or_none([tmp_path / "a.wav", tmp_path / "b.wav"]):
        (tmp_path / "b.wav").write_bytes(b"new")
        raise ValueError
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]

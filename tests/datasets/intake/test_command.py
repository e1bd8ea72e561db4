"""python -m datasets intake."""

import pytest

from common import cli
from datasets.__main__ import main


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        cli.run(main, ["intake", *map(str, arguments)])
    out, error = capsys.readouterr()
    return ended.value.code, out, error


def test_songs_are_taken_and_refused_by_name(tmp_path, contribute, capsys):
    contribute(tmp_path / "give" / "Good", ("Kick", "Gtr"), seed=1)
    contribute(tmp_path / "give" / "Bad", ("Kick", "Zork"), seed=2)
    words = [tmp_path / "give", "--out", tmp_path / "out", "--licence", "cc0-1.0"]
    words += ["--credit", "Some One", "--limits", "seconds=2", "--workers", 1]
    code, out, error = run(capsys, *words)
    assert code == 0 and error.count("\n") == 1
    assert error.startswith("Bad: refused: what 1 of its files hold is unknown (Zork.wav)")
    assert out.splitlines() == [
        "Good: has no bass, vocals",
        f"1 songs, 0.00 h, 1 of them taken now, 1 refused: {tmp_path / 'out' / 'REPORT.md'}",
    ]
    (tmp_path / "map.yaml").write_text("'zork*': vocals\n")
    code, out, error = run(capsys, *words, "--mapping", tmp_path / "map.yaml")
    assert (code, error) == (0, "") and "2 songs, 0.00 h, 2 of them taken now" in out


def test_nothing_taken_is_a_failure(tmp_path, contribute, capsys):
    contribute(tmp_path / "give" / "Bad", ("Kick",))
    code, out, error = run(capsys, tmp_path / "give", "--out", tmp_path / "out", "--workers", 1)
    assert code == 1 and "Bad: refused: it has no licence" in error and out.startswith("0 songs")


def test_names(tmp_path, contribute, capsys):
    contribute(tmp_path / "give" / "Song", ("Kick", "Zork"))
    code, out, error = run(capsys, tmp_path / "give", "--names")
    assert code == 0 and out.splitlines() == ["Song:", "  drums: Kick.wav"]
    assert error.startswith("Song: what 1 of its files hold is unknown (Zork.wav)")
    (tmp_path / "give" / "Song" / "song.yaml").write_text("stems: {zork*: ignore}")
    code, out, error = run(capsys, tmp_path / "give", "--names")
    assert out.splitlines()[-1] == "  ignore: Zork.wav" and not error


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["give"], 2, "--out DIR is missing"),
        (["give", "--out", "out", "--limits", "blead=1"], 2, "did you mean bleed?"),
        (["none", "--out", "out"], 1, "none: No such file or directory"),
        (["give", "--out", "out", "--mapping", "bad.yaml"], 1, "did you mean drums?"),
        (["give", "--out", "out", "--test-songs", "none"], 1, "none: No such file or directory"),
        (["give", "--out", "out", "--test-songs", "folders:none"], 1, "No such file"),
        (["give", "--out", "give/out"], 1, "lies in the other"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, contribute, capsys, monkeypatch, words, code, message):
    contribute(tmp_path / "give" / "Song", ("Kick",))
    (tmp_path / "bad.yaml").write_text("'*': drumz\n")
    monkeypatch.chdir(tmp_path)
    found, out, error = run(capsys, *words)
    assert found == code and out == "" and error.count("\n") == 1 and message in error
    assert not (tmp_path / "out").exists() and not (tmp_path / "give" / "out").exists()

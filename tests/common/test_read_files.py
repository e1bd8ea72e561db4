"""JSON of others: every damage is one line that names file, key and what was expected."""

import os
import re

import pytest

from common.files import check_name, inside, read_limited
from common.json_files import check_type, parse_json, read_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON (line 1): make it again"),
        (b'{"songs": [1,\n', "not valid JSON (line 2)"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "expected a JSON object, found list"),
        (b"{}", "expected the key 'songs' with a value of type list: make it again"),
        (b'{"songs": 3, "rate": 1.5}', "expected the key 'songs' with a value of type list"),
        (b'{"songs": [], "rate": "fast"}', "expected the key 'rate' with a value of type float"),
        (b'{"songs": [], "rate": true}', "expected the key 'rate' with a value of type float"),
    ],
)
def test_damaged_json_is_one_line(tmp_path, content, message):
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_json(path, {"songs": list, "rate": float})
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_good_json_is_read_and_whole_numbers_are_numbers(tmp_path):
    path = tmp_path / "some.json"
    path.write_text('{"songs": ["a"], "rate": 3, "more": null}')
    found = read_json(path, {"songs": list, "rate": float})
    assert found == {"songs": ["a"], "rate": 3, "more": None}
    check_type(None, (str, type(None)), "here")


def test_pipes_devices_and_long_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="a pipe or a device; expected a regular file"):
            read_limited(path)
    (tmp_path / "long").write_bytes(b"12345")
    assert read_limited(tmp_path / "long", 5) == b"12345"
    with pytest.raises(ValueError, match="larger than 4 bytes"):
        read_limited(tmp_path / "long", 4)
    with pytest.raises(FileNotFoundError):
        read_limited(tmp_path / "none")


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ({"a": [1, "x"]}, {"a": [int]}, "here: a[1]: expected int, found str"),
        ({"a": {"b": None}}, {"a": {str: str}}, "here: a: b: expected str, found nothing"),
        ({}, {"a": int}, "here: a: expected int, found nothing"),
        ({"a": None}, {"a?": int}, ""),
        ({}, {"a?": int}, ""),
        ({"a": "x"}, {"a?": int}, "here: a: expected int, found str"),
        (10**400, float, "here: expected float, found int"),
        (2**63, int, "here: expected int, found int"),
        (True, int, "here: expected int, found bool"),
        (True, (int, bool), ""),
        (None, (float, type(None)), ""),
        ("x", (float, type(None)), "here: expected float or null, found str"),
        ([], {"a": int}, "here: expected dict, found list"),
    ],
)
def test_kinds_of_values_within_values(value, kind, message):
    if not message:
        return check_type(value, kind, "here")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}: make it again$"):
        check_type(value, kind, "here")


@pytest.mark.parametrize(
    "text", [b'"\\ud800"', b"1" * 5000, b"[" * 200_000, b'{"a":' * 200_000, b"{", b"\xff", b"nul"]
)
def test_texts_that_are_no_json(text):
    with pytest.raises(ValueError, match=r"^here: not valid JSON.*: make it again$"):
        parse_json(text, "here", kind=object)


def test_json_that_would_take_all_memory_is_refused_at_once():
    for text in (b"[],", b"{},", b"1,"):
        with pytest.raises(ValueError, match=r"^here: about \d+ values; expected 4000000 at most$"):
            parse_json(b"[" + text * 5_000_000 + b"1]", "here", kind=object)
    assert parse_json(b'"\\ud83d\\ude00 \\udcff"', "here", kind=str) == "\U0001f600 \udcff"


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../../b", "", ".", "..", "a\0", 3, None, "\ud800"]
)
def test_names_of_files_that_lead_out_of_their_folder(tmp_path, name):
    with pytest.raises(ValueError, match=r"^here: names the file .* refused$"):
        inside(tmp_path, name, "here")


def test_names_of_files_in_their_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "out")
    assert inside(tmp_path / "in", "a/b.wav", "here") == tmp_path / "in" / "a" / "b.wav"
    with pytest.raises(ValueError, match="refused"):
        inside(tmp_path / "in", "linked/b.wav", "here")


def test_names_are_short_in_bytes_as_well():
    assert check_name("ß" * 100, "here")
    with pytest.raises(ValueError, match="200 bytes"):
        check_name("語" * 100, "here")

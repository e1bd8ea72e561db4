"""JSON of others: every damage is one line that names file, key and what was expected."""

import os

import pytest

from common.files import check_type, read_json, read_limited


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

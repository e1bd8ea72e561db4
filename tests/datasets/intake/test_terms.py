"""Licence, credit and name of a song."""

import pytest

from datasets.intake.terms import Terms, checked_licence, terms_of

NONE = Terms("")


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("CC0-1.0", "CC0-1.0"), ("cc-by-4.0", "CC-BY-4.0"), ("CC-BY-SA-3.0", "CC-BY-SA-3.0"),
        ("CC-BY-3.0-us", "CC-BY-3.0-US"), ("mit", "MIT"), ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        (" CC-BY-2.5 ", "CC-BY-2.5"), ("Artistic-2.0", "Artistic-2.0"),
    ],
)  # fmt: skip
def test_accepted(given, spelled):
    assert checked_licence(given) == spelled


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0 forbids commercial use; expected one such as CC-BY-4.0"),
        ("CC-BY-NC-SA-4.0", "forbids commercial use"),
        ("CC-BY-ND-4.0", "forbids changes"),
        ("CC BY-NC 4.0", "forbids commercial use"),
        ("CC BY 4.0", "'CC BY 4.0' is not known; did you mean CC-BY-4.0?"),
        ("CC0", "did you mean CC0-1.0?"),
        ("all rights reserved", "is not known"),
        ("LicenseRef-mine", "is not known"),
        ("MIT OR CC0-1.0", "is not known"),
    ],
)
def test_refused(given, message):
    with pytest.raises(ValueError) as caught:
        checked_licence(given)
    assert message in str(caught.value) and "--allow" in str(caught.value)


def test_allowed_by_name():
    assert checked_licence("cc-by-nc-4.0", ("CC-BY-NC-4.0",)) == "CC-BY-NC-4.0"
    with pytest.raises(ValueError, match="forbids commercial use"):
        checked_licence("CC-BY-NC-SA-4.0", ("CC-BY-NC-4.0",))


def test_a_song_s_own_terms_come_before_the_defaults():
    default = Terms("", licence="CC0-1.0", credit="Them", stems=(("*x*", "other"),))
    said = {"license": "CC-BY-4.0", "name": "New  Name", "stems": {"*y*": "drums"}}
    found = terms_of(said, "Folder", default, ())
    assert found == Terms(
        "New Name", "CC-BY-4.0", "Them", stems=(("*y*", "drums"), ("*x*", "other"))
    )
    assert terms_of({}, "Folder", default, ()).name == "Folder"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "it has no licence; write 'licence: CC-BY-4.0'"),
        ({"licnce": "MIT", "credit": "x"}, "no licence (it has 'licnce'; did you mean licence"),
        ({"licence": "MIT"}, "it has no credit; write 'credit: NAME'"),
        ({"licence": "MIT", "license": "ISC", "credit": "x"}, "it has two licences"),
        ({"licence": ["MIT"], "credit": "x"}, "its licence is no text"),
        ({"licence": "MIT", "credit": "x" * 2000}, "its credit is no text of 1000 characters"),
        ({"licence": "MIT", "credit": "a\x1b[31m"}, "cannot be printed"),
        ({"licence": "MIT", "credit": "x", "name": "../up"}, "cannot be a name"),
        ({"licence": "MIT", "credit": "x", "name": ".hidden"}, "cannot be a name"),
        ({"licence": "MIT", "credit": "x", "name": "Test"}, "it cannot be called 'Test'"),
        ({"licence": "MIT", "credit": "x", "name": "a:b"}, "it cannot be called 'a:b'"),
        ({"licence": "MIT", "credit": "x", "stems": {"*a*": "drumz"}}, "did you mean drums?"),
        ({"licence": "MIT", "credit": "x", "stems": ["drums"]}, "its stems: expected lines"),
    ],
)
def test_what_is_wrong_is_said(said, message):
    with pytest.raises(ValueError) as caught:
        terms_of(said, "Folder", NONE, ())
    assert message in str(caught.value)

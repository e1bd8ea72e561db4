"""The nearest known name, as messages end with it."""

from common.suggest import nearest


def test_the_nearest_name_ends_a_message():
    assert nearest("dums", ["bass", "drums"]) == "; did you mean drums?"
    assert nearest("dums", {"drums": 1}, show=repr) == "; did you mean 'drums'?"
    assert nearest("x", ["drums"]) == nearest(3, []) == ""
    assert nearest("dr", ["drums"], cutoff=0.9) == ""

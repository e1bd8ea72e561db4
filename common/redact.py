"""Texts without the passwords that addresses in them hold."""

import re

HIDDEN = "***"


def redacted(text: str) -> str:
    """A text without the users, the passwords and the secret options of the URLs in it.

    A password may hold any sign, also "@", "/" and blanks: whatever stands between the scheme and
    the last "@" of a line goes, at the cost of text that was none. One slash behind the scheme is
    enough, because that is what becomes of a URL that was taken for a path.
    """
    text = re.sub(r"(\w+:/{1,2}).*@", rf"\1{HIDDEN}@", text)
    return re.sub(
        r"(?i)([?&;]\w*(?:password|properties|secret|token)\w*=)[^&;\s'\"]+", rf"\1{HIDDEN}", text
    )

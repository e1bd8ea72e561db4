"""Texts without the passwords that addresses in them hold."""

import re

HIDDEN = "***"


def redacted(text: str) -> str:
    """Return a text without the users, the passwords and the secret options of the URLs in it.

    A password may contain any character, also "@", "/" and blanks: whatever stands between the
    scheme and the last "@" of a line is removed, at the cost of text that is no password. One slash
    behind the scheme is enough, because a URL that was read as a path has one.
    """
    text = re.sub(r"(?<=\w)(:/{1,2}).*@", rf"\1{HIDDEN}@", text)
    return re.sub(
        r"(?i)([?&;]\w{0,64}(?:password|properties|secret|token)\w{0,64}=)[^&;\s'\"]+",
        rf"\1{HIDDEN}",
        text,
    )

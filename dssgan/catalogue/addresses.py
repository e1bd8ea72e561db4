"""Addresses of files: which are allowed, and how they are shown without credentials."""

import ipaddress
import re
import urllib.parse

#: What a checkpoint's name ends with.
CHECKPOINTS = (".ckpt", ".th", ".pth", ".pt", ".safetensors")
CONFIGS = (".yaml", ".yml")
SECRET = re.compile(r"(?i)auth|credential|key|password|secret|sig|token")
HIDDEN = "***"
LONGEST = 2000  # letters of an address


def is_url(text: str) -> bool:
    """Whether a word of the command line is meant as an address: scheme://…"""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", text) is not None


def shown(url: str) -> str:
    """An address as it may be printed and kept: no user, no password, no secret of its query."""
    parts = urllib.parse.urlsplit(url)
    query = "&".join(_hidden(part) for part in parts.query.split("&"))
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query=query, fragment="").geturl()


def _hidden(part: str) -> str:
    key, equals, _ = part.partition("=")
    return f"{key}={HIDDEN}" if equals and SECRET.search(key) else part


def is_loopback(url: str) -> bool:
    """Whether an address leads to this machine."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check(url: str, insecure: bool = False) -> str:
    """An address that may be asked for a file.

    Args:
      insecure: whether http:// may lead to other machines.

    Raises:
      ValueError: another scheme, no host, a port that is none, signs that an address has not.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        where, host, _ = shown(url), parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{url[:80].rpartition('@')[2]!r} is no address: {error}") from None
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(
            f"{where[:80]!r} is no address: expected printable ASCII signs without blanks, "
            f"{LONGEST} at most"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{where}: expected https://HOST/FILE")
    if parts.scheme == "http" and not insecure and not is_loopback(url):
        raise ValueError(
            f"{where}: http:// can be read and changed on its way: take https://, or say --insecure"
        )
    return url


def check_redirect(before: str, after: str) -> None:
    """Check where a server sends on to: https, or http within this machine.

    Raises:
      ValueError: elsewhere.
    """
    within = is_loopback(before) and is_loopback(after)
    try:
        check(after)
    except ValueError as error:
        raise ValueError(f"{shown(before)} redirects to {error}") from None
    if urllib.parse.urlsplit(after).scheme == "http" and not within:
        raise ValueError(
            f"{shown(before)} redirects to {shown(after)}: only https:// is followed, refused"
        )


def file_name(url: str, endings: tuple[str, ...]) -> str:
    """The name of the file at an address, which is safe as a name in any folder.

    Args:
      endings: one of which it must have.

    Raises:
      ValueError: it has none of them.
    """
    last = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]
    if not last.lower().endswith(endings):
        raise ValueError(f"{shown(url)}: expected a file that ends in {', '.join(endings)}")
    stem, dot, ending = re.sub(r"[^A-Za-z0-9._-]", "_", last).rpartition(".")
    return f"{stem.lstrip('.')[:100] or 'file'}{dot}{ending}"

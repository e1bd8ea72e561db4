"""One request over HTTP: which servers it may reach, and errors of one line."""

import base64
import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from dssgan.catalogue import addresses

TIMEOUT_S = 30.0  # without an answer, or without another byte
MOST_REDIRECTS = 5
AGENT = "dssgan"


@dataclass(frozen=True)
class Remote:
    """What a server says of a file.

    Attributes:
      size: in bytes; None where it does not say.
      etag, modified: its ETag and Last-Modified; "" where it does not say.
    """

    size: int | None
    etag: str
    modified: str

    @property
    def validator(self) -> str:
        """What If-Range may be given, so that parts of two versions are never joined."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to https alone, five times at most, and hands no password to another host."""

    max_redirections = MOST_REDIRECTS
    max_repeats = MOST_REDIRECTS

    def http_error_302(self, req, fp, code, msg, headers):
        """Check where the server sends on to before anything else is asked for."""
        aim = headers.get("location") or ""
        try:
            after = urllib.parse.urljoin(req.full_url, aim.replace(" ", "%20"))
        except ValueError:
            after = "no address"
        fp.close()
        addresses.check_redirect(req.full_url, after)
        visited = getattr(req, "redirect_dict", {})
        if sum(visited.values()) >= MOST_REDIRECTS:
            raise ValueError(
                f"{addresses.shown(req.full_url)}: more than {MOST_REDIRECTS} redirects: refused"
            )
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """The next request, of the same method."""
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None:
            new.method = req.get_method()
            if new.host != req.host:
                new.remove_header("Authorization")
        return new


def ask(
    url: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    insecure: bool = False,
) -> Any:
    """Send a request; return the response, which the caller closes.

    Args:
      url: as of `addresses.check`. insecure: as of `addresses.check`.

    Raises:
      ValueError: it cannot be reached, redirects to where nothing is followed, or answers with an
        error other than 416 (no such range), which is returned.
    """
    url = addresses.check(url, insecure)
    parts = urllib.parse.urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    bare = parts._replace(netloc=host, fragment="").geturl()
    # Compressed on the way, a file has another length than on disk.
    sent = {"User-Agent": AGENT, "Accept-Encoding": "identity", **(headers or {})}
    if at:
        code = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        sent["Authorization"] = f"Basic {code}"
    request = urllib.request.Request(bare, headers=sent, method=method)
    where = addresses.shown(url)
    try:
        return _opener(url).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return error
        error.close()
        phrase = f"{error.code} {http.client.responses.get(error.code, '')}".strip()
        raise Refused(f"{where}: the server answers {phrase}: check the address") from None
    except urllib.error.URLError as error:
        raise ValueError(f"{where}: cannot be reached ({_reason(error.reason)})") from None
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(f"{where}: cannot be reached ({_reason(error)})") from None


class Refused(ValueError):
    """The server answered, with an error."""


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Opens http and https, and nothing else; this machine without any proxy."""
    opener = urllib.request.OpenerDirector()
    handlers = [
        urllib.request.ProxyHandler({} if addresses.is_loopback(url) else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ]
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _reason(error: Any) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def look(url: str, insecure: bool = False) -> Remote:
    """What the server says of a file, of which nothing is fetched.

    Raises:
      ValueError: as of `ask`.
    """
    try:
        with ask(url, "HEAD", insecure=insecure) as response:
            return described(response)
    except Refused:  # some servers answer GET alone; the connection is closed after the headers
        with ask(url, insecure=insecure) as response:
            return described(response)


def described(response: Any) -> Remote:
    """What a response says of the whole file, which it may hold a part of."""
    headers = response.headers
    size = _number(headers.get("Content-Length"))
    if headers.get("Content-Range"):
        size = _number(headers["Content-Range"].rpartition("/")[2])
    return Remote(size, headers.get("ETag") or "", headers.get("Last-Modified") or "")


def first_byte(response: Any) -> int:
    """Where in the file a response begins."""
    if response.status != http.client.PARTIAL_CONTENT:
        return 0
    unit, _, span = (headers := response.headers.get("Content-Range") or "").partition(" ")
    start = _number(span.partition("-")[0]) if unit == "bytes" else None
    if start is None:
        raise ValueError(f"the server answers a part of the file, but not which: {headers[:80]!r}")
    return start


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

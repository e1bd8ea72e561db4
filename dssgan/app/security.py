"""Who may talk to the page: this machine alone, or who has the token; and what a page may do."""

import hmac
import secrets
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse

COOKIE = "dssgan_token"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


class Guard:
    """ASGI middleware: refuses what does not come from the page itself.

    A page of another site can make a browser send requests here, and can let a name of its own
    stand for 127.0.0.1; the headers Host, Origin and Sec-Fetch-Site tell.

    Args:
      app: what is guarded.
      port: of the server.
      token: None for a server that only this machine reaches; else what a client must show, as
        `?token=` once (a cookie keeps it) or as `Authorization: Bearer`.
      hosts: further values of Host that are taken, without port.
    """

    def __init__(self, app, port: int, token: str | None = None, hosts: Sequence[str] = ()):
        self.app, self.token = app, token
        self.hosts = {f"{host}:{port}" for host in (*LOCAL, *hosts)}
        if port == 80:
            self.hosts |= {*LOCAL, *hosts}

    async def __call__(self, scope, receive, send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal:
            response = JSONResponse({"error": refusal}, 403)
        elif self.token is not None and not self._known(scope, headers):
            response = JSONResponse(
                {"error": "the token is missing or wrong: see the terminal"}, 401
            )
        elif self.token is not None and scope["path"] == "/" and self._in_query(scope):
            response = RedirectResponse("/", 303)
            response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict", path="/")
        else:
            response = self.app
        await response(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> str:
        host = headers.get("host", "").lower()
        if self.token is None and host not in self.hosts:
            return f"Host is {host[:60]!r}: expected this machine's own name"
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return "the request comes from another site"
        if headers.get("sec-fetch-site", "none") == "cross-site":
            navigation = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
            return "" if navigation else "the request comes from another site"
        return ""

    def _known(self, scope, headers: Headers) -> bool:
        bearer = headers.get("authorization", "")
        shown = [bearer[7:]] if bearer.lower().startswith("bearer ") else []
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        shown += [cookie.value] if cookie else []
        shown += self._in_query(scope)
        return any(hmac.compare_digest(each.encode(), self.token.encode()) for each in shown)

    @staticmethod
    def _in_query(scope) -> list[str]:
        return parse_qs(scope["query_string"].decode("latin-1")).get("token", [])

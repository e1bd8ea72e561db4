"""Who may talk to the page, and what the page may load."""

import pytest

from dssgan.app.security import COOKIE
from tests.dssgan.app.serving import serving

TOKEN = "a-token"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil.example:80"]
)
def test_other_names_of_this_machine_are_refused(server, host):
    status, answer = server.json("/api/jobs", headers={"Host": host})
    assert status == 403 and answer["error"].startswith("Host is")


def test_names_of_this_machine_are_taken(server):
    for name in ("127.0.0.1", "localhost", "[::1]", "LOCALHOST"):
        assert server.ask("/api/jobs", headers={"Host": f"{name}:{server.port}"})[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/jobs?name=a.wav"), ("GET", "/api/jobs")]
)
def test_other_sites_are_refused(server, headers, method, path):
    assert server.ask(path, method, b"x", headers)[0] == 403
    assert server.json("/api/jobs")[1]["jobs"] == []


def test_the_page_itself_and_links_to_it_are_taken(server):
    own = {"Origin": server.url[:-1], "Sec-Fetch-Site": "same-origin"}
    assert server.ask("/api/jobs?name=a.wav", "POST", b"x", own)[0] == 201
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.ask("/", headers=link)[0] == 200


@pytest.mark.parametrize("path", ["/", "/api", "/api/jobs", "/static/app.js", "/nothing"])
def test_every_answer_has_the_policy(server, path):
    _, headers, content = server.ask(path)
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"
    assert (
        b"http://" not in content.replace(b"http://www.w3.org", b"") and b"https://" not in content
    )


def test_a_token_is_asked_for_once(tmp_path):
    with serving(tmp_path, token=TOKEN) as server:
        outside = {"Host": "studio.example:8400"}
        assert server.ask("/", headers=outside)[0] == 401
        assert server.ask("/?token=wrong", headers=outside)[0] == 401
        status, headers, _ = server.ask(f"/?token={TOKEN}", headers=outside)
        assert status == 303 and headers["location"] == "/"
        cookie = headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}={TOKEN}; HttpOnly") and "SameSite=strict" in cookie
        kept = outside | {"Cookie": cookie.partition(";")[0]}
        assert server.ask("/api/jobs", headers=kept)[0] == 200
        bearer = outside | {"Authorization": f"Bearer {TOKEN}"}
        assert server.ask("/api/jobs", headers=bearer)[0] == 200
        assert server.ask("/api/jobs", headers=bearer | {"Origin": "http://evil.example"})[0] == 403

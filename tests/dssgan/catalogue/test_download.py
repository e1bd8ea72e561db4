"""Downloads: whole and checked, resumed, or refused in one line."""

import hashlib
import random
import shutil

import pytest

from dssgan.catalogue import download, transfer
from dssgan.catalogue.addresses import CHECKPOINTS
from dssgan.catalogue.download import Request

DATA = random.Random(1).randbytes(700_000)
OTHER = random.Random(2).randbytes(len(DATA))
PATH = "/files/model.ckpt"


def get(url, store, **options):
    request = Request(url, CHECKPOINTS, **options)
    return download.fetch(request, download.look(request), store)


def parts(store):
    return sorted(path.name for path in store.rglob("*.part"))


def test_a_file_arrives_whole(server, tmp_path):
    found = get(server.put(PATH, DATA), tmp_path)
    assert found.name == "model.ckpt" and found.read_bytes() == DATA
    assert found.is_relative_to(tmp_path / download.FOLDER) and not parts(tmp_path)
    assert server.log[0][0] == "HEAD" and server.gets() == [None]
    assert server.log[1][2]["Accept-Encoding"] == "identity"
    get(server.url(PATH), tmp_path)  # is there, and has not changed
    assert server.gets() == [None]


def test_what_broke_off_is_resumed(server, tmp_path):
    url = server.put(PATH, DATA, cuts=[1000, 300_000])
    assert get(url, tmp_path).read_bytes() == DATA
    assert server.gets() == [None, "bytes=1000-", "bytes=301000-"]
    assert server.log[2][2]["If-Range"] == '"one"'


def test_a_later_run_goes_on(server, tmp_path):
    url = server.put(PATH, DATA, cuts=[1000, 0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"broke off after 1000 bytes of 700000 .*goes on"):
        get(url, tmp_path)
    assert parts(tmp_path) == ["model.ckpt.part"]
    server.files[PATH].cuts.clear()
    server.log.clear()
    assert get(url, tmp_path).read_bytes() == DATA and server.gets() == ["bytes=1000-"]


@pytest.mark.parametrize("conditions", [True, False])
def test_a_file_that_has_changed_starts_afresh(server, tmp_path, conditions):
    """Also where the server does not understand If-Range and sends the rest of the new one."""
    url = server.put(PATH, DATA, cuts=[1000, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="broke off"):
        get(url, tmp_path)
    server.put(PATH, OTHER, etag='"two"', conditions=conditions)
    assert get(url, tmp_path).read_bytes() == OTHER


def test_a_file_that_changes_between_two_connections(server, tmp_path, monkeypatch):
    url = server.put(PATH, DATA, cuts=[1000])
    connect = download._connect

    def changing(*words):
        reason = connect(*words)
        server.put(PATH, OTHER, etag='"two"')
        return reason

    monkeypatch.setattr(download, "_connect", changing)
    assert get(url, tmp_path).read_bytes() == OTHER


@pytest.mark.parametrize("options", [{"ranges": False}, {"etag": ""}, {"etag": 'W/"weak"'}])
def test_without_ranges_or_validators_it_starts_again(server, tmp_path, options):
    url = server.put(PATH, DATA, cuts=[1000], **options)
    assert get(url, tmp_path).read_bytes() == DATA


def test_more_than_announced_is_refused(server, tmp_path):
    url = server.put(PATH, DATA, announced=1000)
    with pytest.raises(ValueError, match="more than the 1000 bytes that it has announced: refused"):
        get(url, tmp_path)
    assert not parts(tmp_path)
    url = server.put(PATH, DATA, head=1000)
    with pytest.raises(ValueError, match="700000 bytes, but the server has announced 1000"):
        get(url, tmp_path)
    assert not list(tmp_path.rglob("model.ckpt"))


def test_less_than_announced_is_no_file(server, tmp_path):
    url = server.put(PATH, DATA, announced=len(DATA) + 10)
    with pytest.raises(ValueError, match="broke off after"):
        get(url, tmp_path)
    assert len(server.gets()) < 12 and not list(tmp_path.rglob("model.ckpt"))


def test_without_a_length_there_is_a_bound(server, tmp_path):
    url = server.put(PATH, DATA, length=False)
    assert get(url, tmp_path).read_bytes() == DATA
    url = server.put("/other.ckpt", DATA, length=False)
    with pytest.raises(ValueError, match=r"more than the 500000 bytes that are allowed \(--max-b"):
        get(url, tmp_path, most=500_000)
    assert not parts(tmp_path)


def test_a_size_beyond_the_bound_or_the_disk_is_refused_at_once(server, tmp_path, monkeypatch):
    url = server.put(PATH, DATA)
    with pytest.raises(ValueError, match="700000 bytes; expected 1000 at most, or more with"):
        get(url, tmp_path, most=1000)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=r"1 MB, but .* has 0 MB left: free some space"):
        get(url, tmp_path)
    assert not server.gets()


def test_checksums(server, tmp_path):
    good = hashlib.sha256(DATA).hexdigest()
    url = server.put(PATH, DATA)
    for known in (good, good[:8], good.upper()):
        assert get(url, tmp_path, sha256=known).read_bytes() == DATA
    with pytest.raises(ValueError, match=f"SHA-256 is {good}, expected 00ff00ff.*deleted"):
        get(url, tmp_path, sha256="00ff00ff")
    assert not list(tmp_path.rglob("model.ckpt*"))


def test_redirects(server, tmp_path):
    server.put(PATH, DATA)
    for number in range(5):
        server.put(f"/{number}.ckpt", redirect=f"/{number - 1}.ckpt" if number else PATH)
    assert get(server.url("/4.ckpt"), tmp_path).read_bytes() == DATA
    server.put("/5.ckpt", redirect="/4.ckpt")
    with pytest.raises(ValueError, match="more than 5 redirects: refused"):
        get(server.url("/5.ckpt"), tmp_path)
    server.put("/loop.ckpt", redirect="/loop.ckpt")
    with pytest.raises(ValueError, match="more than 5 redirects: refused"):
        get(server.url("/loop.ckpt"), tmp_path)


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        ("file:///etc/passwd", r"file:///etc/passwd: expected https://HOST/FILE"),
        ("ftp://example.org/model.ckpt", "expected https://HOST/FILE"),
        ("http://example.invalid/model.ckpt", "can be read and changed on its way"),
        ("//example.invalid/model.ckpt", "can be read and changed on its way"),
        ("https://", "expected https://HOST/FILE"),
        ("http://[::1/x.ckpt", "no address"),
    ],
)
def test_redirects_to_where_nothing_is_followed(server, tmp_path, aim, message):
    url = server.put(PATH, redirect=aim)
    with pytest.raises(ValueError, match=message) as error:
        get(url, tmp_path)
    assert "redirects to" in str(error.value)


def test_a_redirect_into_this_machine_is_followed_from_there_alone():
    from dssgan.catalogue.addresses import check_redirect

    check_redirect("http://127.0.0.1:1/a", "http://localhost:2/b")
    check_redirect("http://127.0.0.1:1/a", "https://example.org/b")
    with pytest.raises(ValueError, match="only https:// is followed, refused"):
        check_redirect("https://example.org/a", "http://127.0.0.1/b")


def test_a_password_goes_to_its_host_alone(server, tmp_path):
    server.put(PATH, DATA)
    port = server.host.partition(":")[2]
    server.put("/there.ckpt", redirect=f"http://localhost:{port}{PATH}")
    url = server.url("/there.ckpt").replace("://", "://me:secret%40@")
    request = Request(url, CHECKPOINTS)
    assert "secret" not in request.shown and "me" not in request.shown.partition("/there")[0]
    get(url, tmp_path)
    sent = [(path, "Authorization" in headers) for _, path, headers in server.log]
    assert ("/there.ckpt", True) in sent and (PATH, False) in sent and (PATH, True) not in sent


def test_servers_that_do_not_answer(server, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="404 Not Found: check the address"):
        get(server.url("/gone.ckpt"), tmp_path)
    with pytest.raises(ValueError, match=r"cannot be reached \(Connection refused\)"):
        get("http://127.0.0.1:1/model.ckpt", tmp_path)
    monkeypatch.setattr(transfer, "TIMEOUT_S", 0.05)
    with pytest.raises(ValueError, match=r"cannot be reached \(no answer within 0.05 s\)"):
        get(server.put(PATH, DATA, wait=0.3), tmp_path)


def test_https_is_spoken_where_it_is_asked_for(server):
    """A server that speaks plain HTTP is not one of them."""
    with pytest.raises(ValueError, match=r"cannot be reached \(.*SSL"):
        transfer.look(server.put(PATH, DATA).replace("http:", "https:"))


def test_a_server_that_knows_no_head(server, tmp_path):
    assert get(server.put(PATH, DATA, heads=False), tmp_path).read_bytes() == DATA


def test_an_interruption_leaves_what_there_is(server, tmp_path, monkeypatch):
    url = server.put(PATH, DATA)
    block = download._block
    seen = []

    def interrupted(*words):
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return block(*words)

    monkeypatch.setattr(download, "_block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        get(url, tmp_path)
    (part,) = tmp_path.rglob("*.part")
    size = part.stat().st_size
    assert 0 < size < len(DATA)
    assert get(url, tmp_path).read_bytes() == DATA and server.gets()[-1] == f"bytes={size}-"


def test_a_full_disk_is_told_with_the_file(server, tmp_path, monkeypatch):
    def full(*words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_copy", full)
    with pytest.raises(OSError) as error:
        get(server.put(PATH, DATA), tmp_path)
    assert error.value.filename.endswith("model.ckpt.part")

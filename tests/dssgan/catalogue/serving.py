"""A server on loopback that breaks off, lies about lengths, redirects and changes its files."""

import contextlib
import http.server
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Served:
    """A file, and how its server behaves.

    Attributes:
      data, etag: of the file.
      cuts: after so many bytes of each GET the connection ends; used up one after the other.
      announced: the Content-Length of a whole answer, where it is not the truth; head: of HEAD.
      length: whether there is a Content-Length. ranges, conditions: whether Range and If-Range are
        understood.
      redirect: where it sends on to. code: of an error. wait: seconds before it answers.
      heads: whether it knows HEAD.
    """

    data: bytes = b""
    etag: str = '"one"'
    cuts: list[int] = field(default_factory=list)
    announced: int | None = None
    head: int | None = None
    length: bool = True
    ranges: bool = True
    conditions: bool = True
    redirect: str = ""
    code: int = 0
    wait: float = 0.0
    heads: bool = True


class Server:
    """Serves `files`; `log` holds (method, path, headers) of every request."""

    def __init__(self):
        self.files: dict[str, Served] = {}
        self.log: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                answer(outer, self, body=False)

            def do_GET(self):
                answer(outer, self, body=True)

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def host(self):
        return f"127.0.0.1:{self.server.server_address[1]}"

    def url(self, path):
        return f"http://{self.host}{path}"

    def put(self, path, data=b"", **options):
        """Serve a file; returns its address."""
        self.files[path] = Served(data, **options)
        return self.url(path)

    def gets(self, path=None):
        """The Range of every GET, None where there was none."""
        return [
            headers.get("Range")
            for method, asked, headers in self.log
            if method == "GET" and path in (None, asked)
        ]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def answer(server, handler, body):
    """Answer one request as its file says."""
    handler.close_connection = True
    path = handler.path.partition("?")[0]
    server.log.append((handler.command, path, dict(handler.headers)))
    file = server.files.get(path, Served(code=404))
    time.sleep(file.wait)
    if file.redirect:
        handler.send_response(302)
        handler.send_header("Location", file.redirect)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if file.code or (not body and not file.heads):
        handler.send_error(file.code or 405)
        return
    start = begin(file, handler.headers)
    if start is not None and start >= len(file.data):
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(file.data)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_response(200 if start is None else 206)
    data = file.data[start or 0 :]
    told = file.announced if body else file.head or file.announced
    if start is not None:
        span = f"bytes {start}-{len(file.data) - 1}/{told or len(file.data)}"
        handler.send_header("Content-Range", span)
        told = told and told - start
    if file.length:
        handler.send_header("Content-Length", str(len(data) if told is None else told))
    handler.send_header("Connection", "close")
    if file.etag:
        handler.send_header("ETag", file.etag)
    handler.end_headers()
    if body:
        cut = file.cuts.pop(0) if file.cuts else len(data)
        with contextlib.suppress(OSError):
            handler.wfile.write(data[:cut])


def begin(file, headers):
    """Where the part that is asked for begins; None is the whole file."""
    asked = headers.get("Range", "")
    if not file.ranges or not asked.startswith("bytes="):
        return None
    if file.conditions and headers.get("If-Range") not in (None, file.etag):
        return None
    return int(asked.removeprefix("bytes=").partition("-")[0])

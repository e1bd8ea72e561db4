"""A server of the page on a free port, with a worker whose separators take no time."""

import http.client
import json
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import uvicorn

from dssgan.app import server as app
from dssgan.app.__main__ import listening
from dssgan.app.dispatcher import Dispatcher
from dssgan.app.jobs import ENDED, JobStore, Limits
from dssgan.app.models import Model

SOURCES = ("drums", "accompaniment")
PIECES = ("kick", "snare", "toms", "hats", "cymbals")
QUICK = [sys.executable, "-m", "tests.dssgan.app.quick_worker"]


class Client:
    """Talks to a server as a program would.

    Attributes:
      port: of the server. store, dispatcher: its own.
    """

    def __init__(self, port, store, dispatcher):
        self.port, self.store, self.dispatcher = port, store, dispatcher

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, path, method="GET", body=None, headers=None):
        """(status, headers, body) of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def json(self, path, method="GET", body=None, headers=None):
        status, _, content = self.ask(path, method, body, headers)
        return status, json.loads(content)

    def submit(self, song, **query):
        """Put a song, bytes or a file, into the queue; returns the job."""
        body = song if isinstance(song, bytes) else song.read_bytes()
        query.setdefault("name", "song.wav" if isinstance(song, bytes) else song.name)
        status, job = self.json(f"/api/jobs?{urlencode(query)}", "POST", body)
        assert status == 201, job
        return job

    def until(self, job, states=ENDED, seconds=30):
        """The job, once it is in one of the states."""
        for _ in range(20 * seconds):
            found = self.json(f"/api/jobs/{job['id']}")[1]
            if found["state"] in states:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{found['name']} stays {found['state']}")


@contextmanager
def serving(folder, limits=None, token=None, hosts=()):
    """A server on a folder, in this process."""
    listener = listening("127.0.0.1", 0)
    port = listener.getsockname()[1]
    kinds = ("halves", "slow", "killed", "coarse")
    models = {
        name: Model(name, Path(name), SOURCES, f"{name}, for tests", "onnx") for name in kinds
    }
    about, pieces = "in pieces, for tests", (*PIECES, SOURCES[1])
    both = Model("halves + kit", Path("halves"), pieces, about, "onnx", Path("pieces"))
    models[both.name] = both
    store = JobStore(folder, limits or Limits())
    dispatcher = Dispatcher(store, {name: model.places for name, model in models.items()}, QUICK)
    served = app.application(app.Server(store, dispatcher, models), port, token, hosts)
    settings = uvicorn.Config(
        served, log_level="error", lifespan="off", timeout_graceful_shutdown=1
    )
    running = uvicorn.Server(settings)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    dispatcher.start()
    thread.start()
    while not running.started:
        time.sleep(0.01)
    try:
        yield Client(port, store, dispatcher)
    finally:
        running.should_exit = True
        thread.join(10)
        dispatcher.close()
        listener.close()

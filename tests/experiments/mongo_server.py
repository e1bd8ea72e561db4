"""A server that speaks MongoDB's protocol, in a process of its own that tests kill and restart."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pymongo

START = 30.0  # seconds that a server may take to answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MongoServer:
    """nx-27017 (neosqlite) on one port and one file, started and killed at will."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/sacred"
        self.process = None

    def start(self) -> "MongoServer":
        program = Path(sys.executable).parent / "nx-27017"
        files = {"--db": "runs.db", "--log-file": "server.log", "--pid-file": "server.pid"}
        words = [word for name, file in files.items() for word in (name, str(self.folder / file))]
        self.process = subprocess.Popen(
            [str(program), *words, "--host", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + START
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, "no server"
                time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def database(self):
        return pymongo.MongoClient(self.url, serverSelectionTimeoutMS=20_000)["sacred"]

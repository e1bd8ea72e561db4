"""Send songs to a running `python -m dssgan.app` and fetch their stems; standard library alone.

python examples/separate_over_http.py song.mp3 [MORE …] --out stems [--format wav]
    [--server http://127.0.0.1:8400] [--token TOKEN]
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path


class Server:
    """What is asked of the server.

    Args:
      url: its address. token: as it printed it, where it asks for one.
    """

    def __init__(self, url: str, token: str | None = None):
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, path: str, method: str = "GET", body=None, length: int | None = None):
        """The answer to a request, to be read.

        Raises:
          ValueError: the server refuses; its reason.
        """
        headers = self.headers | ({"Content-Length": str(length)} if length is not None else {})
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            return urllib.request.urlopen(request, timeout=600)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None

    def submit(self, song: Path) -> dict:
        """Put a song into the queue; returns the job."""
        query = urllib.parse.urlencode({"name": song.name})
        path, length = f"/api/jobs?{query}", song.stat().st_size
        with open(song, "rb") as file, self.ask(path, "POST", file, length) as answer:
            return json.load(answer)

    def finished(self, job: dict) -> dict:
        """The job, once it is done.

        Raises:
          ValueError: it failed, or was cancelled.
        """
        while job["state"] in ("queued", "running"):
            time.sleep(0.5)
            with self.ask(f"/api/jobs/{job['id']}") as answer:
                job = json.load(answer)
        if job["state"] != "done":
            raise ValueError(job["error"] or f"{job['name']}: {job['state']}")
        return job

    def fetch(self, job: dict, stem: str, format: str, path: Path) -> None:
        """Write a stem to a file."""
        address = f"/api/jobs/{job['id']}/stems/{urllib.parse.quote(stem)}?format={format}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.ask(address) as answer, open(path, "wb") as file:
            while block := answer.read(2**20):
                file.write(block)


def main() -> int:
    """Separate every song; returns how many failed, 1 at most."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("songs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--format", default="wav")
    parser.add_argument("--server", default="http://127.0.0.1:8400")
    parser.add_argument("--token")
    options = parser.parse_args()
    server, failed = Server(options.server, options.token), 0
    jobs = []
    for song in options.songs:  # all into the queue first: it never waits for a download
        try:
            jobs.append((song, server.submit(song)))
        except (OSError, ValueError) as error:
            failed, _ = 1, print(f"{song}: {error}", file=sys.stderr)
    for song, job in jobs:
        try:
            job = server.finished(job)
            for stem in job["sources"]:
                path = options.out / song.stem / f"{stem}.{options.format}"
                server.fetch(job, stem, options.format, path)
            print(f"{song} -> {options.out / song.stem}, null test {job['result']['null_db']} dBFS")
        except (OSError, ValueError) as error:
            failed, _ = 1, print(f"{song}: {error}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())

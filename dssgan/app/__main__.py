"""`python -m dssgan.app`: separate songs in the browser, and hear, mix and download the stems.

It serves this machine alone and needs no network. Songs and stems lie in a folder until they are
deleted, too old, or too many; what was in the queue goes on with the next start.
"""

import argparse
import socket
import sys
import threading
import webbrowser
from pathlib import Path

from common import cli
from common.cli import UsageError, one_line
from common.files import locked
from dssgan.app.jobs import Limits

LOCAL = "127.0.0.1"


def main(argv: list[str]) -> int:
    """Serve until Ctrl-C."""
    options = parse(argv)
    try:
        import uvicorn

        from dssgan.app import models, security, server
        from dssgan.app.dispatcher import Dispatcher
        from dssgan.app.jobs import JobStore
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed: pip install starlette uvicorn") from error
    try:
        known = models.found(options.model)
    except (ValueError, OSError) as error:
        raise UsageError(f"--model {one_line(error)}") from error
    options.folder.mkdir(parents=True, exist_ok=True)
    busy = ValueError(f"{options.folder}: another server uses this folder; see --folder")
    listener = listening(options.host, options.port)
    port = listener.getsockname()[1]
    token = None if options.host in (LOCAL, "localhost", "::1") else security.new_token()
    with locked(options.folder, busy), listener:
        limits = Limits(int(options.upload * 1e6), int(options.disk * 1e9), options.days)
        store = JobStore(options.folder / "jobs", limits)
        dispatcher = Dispatcher(store, {name: model.places for name, model in known.items()})
        for job in list(store.jobs.values()):
            if job.model not in known and job.state == "queued":
                store.change(job, state="failed", error=f"the model {job.model} is gone")
        served = server.application(server.Server(store, dispatcher, known), port, token)
        dispatcher.start()
        announce(options, port, token)
        settings = uvicorn.Config(
            served, log_level="error", lifespan="off", timeout_graceful_shutdown=2
        )
        try:
            uvicorn.Server(settings).run(sockets=[listener])
        finally:
            dispatcher.close()
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
      UsageError: a number out of its range.
    """
    parser = argparse.ArgumentParser(
        prog="python -m dssgan.app", description=__doc__, formatter_class=cli.HelpFormatter
    )
    add = parser.add_argument
    add("--port", type=int, default=8400, help="0: any that is free; default: %(default)s")
    add("--host", default=LOCAL, help="another address than %(default)s asks for a token")
    add(
        "--folder",
        type=cli.path,
        default=Path("app"),
        metavar="DIR",
        help="of songs and stems; default: %(default)s",
    )
    add(
        "--model",
        type=cli.path,
        action="append",
        default=[],
        metavar="DIR",
        help="a separator beside this machine's and the shipped ones, or a run; may be repeated",
    )
    add("--disk", type=float, default=20.0, metavar="GB", help="of all jobs; default: %(default)g")
    add(
        "--upload", type=float, default=2000.0, metavar="MB", help="of a song; default: %(default)g"
    )
    add("--days", type=float, default=7.0, help="ended jobs are kept so long; default: %(default)g")
    add("--no-browser", action="store_true", help="open no browser")
    options = parser.parse_args(argv)
    if not 0 <= options.port < 65536:
        raise UsageError(f"--port {options.port}: expected 0 to 65535")
    for name in ("disk", "upload", "days"):
        if not getattr(options, name) > 0:
            raise UsageError(f"--{name} {getattr(options, name):g}: expected more than 0")
    return options


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
      UsageError: the port is in use, or the address none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise UsageError(
            f"--host {host} --port {port}: {reason}; choose another, or --port 0"
        ) from error
    return listener


def announce(options: argparse.Namespace, port: int, token: str | None) -> None:
    """Print the address, and open it in a browser."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{port}/" + (f"?token={token}" if token else "")
    print(url, flush=True)
    print(
        f"songs and stems: {options.folder}; ended jobs are deleted after {options.days:g} days, "
        f"the oldest first beyond {options.disk:g} GB; Ctrl-C ends",
        flush=True,
    )
    if not options.no_browser and not token and sys.stdout.isatty():
        threading.Timer(0.5, webbrowser.open, [url]).start()


if __name__ == "__main__":
    cli.run(main)

"""The page and its HTTP API; `static/openapi.json` describes every route of it."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from common.audio_files import AUDIO_EXTENSIONS
from common.cli import one_line
from dssgan.app import downloads
from dssgan.app.dispatcher import Dispatcher
from dssgan.app.jobs import Job, JobStore
from dssgan.app.models import Model
from dssgan.app.security import Guard
from dssgan.app.song import OVERVIEW

STATIC = Path(__file__).parent / "static"
BITS = {"16": 16, "24": 24, "32f": "32f"}


class Refused(Exception):
    """A request that is not carried out: status and one line."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


class Server:
    """The routes.

    Args:
      store: of the jobs. dispatcher: runs them. models: to choose from, the default first.
    """

    def __init__(self, store: JobStore, dispatcher: Dispatcher, models: dict[str, Model]):
        self.store, self.dispatcher, self.models = store, dispatcher, models

    def routes(self) -> list[Route | Mount]:
        """Every route; `static/openapi.json` names the same."""
        job = "/api/jobs/{id}"
        table: list[tuple[str, str, Callable]] = [
            ("GET", "/api/models", self.list_models),
            ("GET", "/api/jobs", self.list_jobs),
            ("POST", "/api/jobs", self.submit),
            ("GET", job, self.show),
            ("DELETE", job, self.delete),
            ("POST", job + "/cancel", self.cancel),
            ("POST", job + "/retry", self.retry),
            ("GET", job + "/overview", self.overview),
            ("GET", job + "/stems/{stem}", self.stem),
            ("GET", job + "/stems/{stem}/samples", self.samples),
            ("GET", job + "/mix", self.mix),
            ("GET", job + "/zip", self.zip),
            ("GET", job + "/stem.mp4", self.container),
            ("GET", job + "/notes", self.notes),
        ]
        routes: list[Route | Mount] = [
            Route(path, answer, methods=[method]) for method, path, answer in table
        ]
        for path, name in (("/", "index.html"), ("/api", "api.html")):
            routes.append(Route(path, _file(STATIC / name)))
        routes.append(Route("/api/openapi.json", _file(STATIC / "openapi.json")))
        return [*routes, Mount("/static", StaticFiles(directory=STATIC))]

    async def list_models(self, request: Request) -> Response:
        """The separators, with what their cards say and how fast they were here."""
        speeds = self.dispatcher.speeds
        shown = [model.shown() | {"speed": speeds.get(name)} for name, model in self.models.items()]
        known = {"extensions": list(AUDIO_EXTENSIONS), "formats": list(downloads.FORMATS)}
        return JSONResponse({"models": shown} | known)

    async def list_jobs(self, request: Request) -> Response:
        """All jobs, and how much of the disk they take."""
        store, limits = self.store, self.store.limits
        with store.lock:
            jobs = [_shown(job) for job in store.jobs.values()]
            content = {"version": store.version, "jobs": jobs, "bytes": store.used()}
        kept = {"disk": limits.disk, "upload": limits.upload, "days": limits.days}
        return JSONResponse(content | {"limits": kept})

    async def submit(self, request: Request) -> Response:
        """Take a song, the body of the request, and put it into the queue."""
        query = request.query_params
        model, sources, bits = self._chosen(query)
        name = query.get("name", "")
        if not name.strip():
            raise Refused(
                400, "name is missing: expected ?name=song.mp3, with the song as the body"
            )
        limit = self.store.limits.upload
        length = request.headers.get("content-length", "")
        expected = int(length) if length.isdecimal() else 0
        if expected > limit:
            raise Refused(413, f"{expected / 1e6:.0f} MB: a song may have {limit / 1e6:.0f} MB")
        self.store.clean(expected)
        if self.store.used() + expected > self.store.limits.disk:
            gigabytes = self.store.limits.disk / 1e9
            raise Refused(
                507, f"the jobs fill their {gigabytes:.1f} GB: delete some, or see --disk"
            )
        job = self.store.new(name, model, sources, bits)
        try:
            await self._receive(request, job, limit)
        except BaseException:
            self.store.remove(job)
            raise
        self.store.add(job)
        self.dispatcher.wake()
        return JSONResponse(_shown(job), 201)

    async def _receive(self, request: Request, job: Job, limit: int) -> None:
        size = 0
        try:
            with open(self.store.song(job), "wb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > limit:
                        raise Refused(413, f"a song may have {limit / 1e6:.0f} MB")
                    file.write(chunk)
        except ClientDisconnect:
            raise Refused(400, "the upload was broken off") from None
        except OSError as error:
            status = 507 if error.errno in (errno.ENOSPC, errno.EDQUOT) else 500
            raise Refused(
                status, one_line(error).replace(str(self.store.song(job)), job.name)
            ) from None
        if not size:
            raise Refused(400, f"{job.name}: is empty (0 bytes)")

    def _chosen(self, query) -> tuple[str, list[str], Any]:
        name = query.get("model") or next(iter(self.models))
        if name not in self.models:
            raise Refused(400, f"no model {name[:40]!r}: expected one of {', '.join(self.models)}")
        known = self.models[name].sources
        asked = [each for each in query.get("sources", "").split(",") if each] or list(known)
        unknown = [each for each in asked if each not in known]
        if unknown:
            raise Refused(400, f"no source {unknown[0][:40]!r}: {name} has {', '.join(known)}")
        bits = query.get("bits", "16")
        if bits not in BITS:
            raise Refused(400, f"bits={bits[:10]}: expected one of {', '.join(BITS)}")
        return name, [each for each in known if each in asked], BITS[bits]

    def _job(self, request: Request) -> Job:
        job = self.store.jobs.get(request.path_params["id"])
        if job is None:
            raise Refused(404, "there is no such job: it was deleted, or never was")
        return job

    async def show(self, request: Request) -> Response:
        """One job."""
        return JSONResponse(_shown(self._job(request)))

    async def delete(self, request: Request) -> Response:
        """Delete a job and its files; one that runs is cancelled."""
        job = self._job(request)
        self.dispatcher.cancel(job)
        self.store.remove(job)
        return Response(status_code=204)

    async def cancel(self, request: Request) -> Response:
        """Take a job out of the queue, or end it; its song stays for another try."""
        job = self._job(request)
        if job.state not in ("queued", "running"):
            raise Refused(409, f"{job.name} is {job.state}: there is nothing to cancel")
        self.dispatcher.cancel(job)
        return JSONResponse(_shown(job))

    async def retry(self, request: Request) -> Response:
        """Put a job that failed or was cancelled into the queue again."""
        job = self._job(request)
        if job.state not in ("failed", "cancelled"):
            raise Refused(
                409, f"{job.name} is {job.state}: only what failed or was cancelled is tried again"
            )
        self.store.add(job)
        self.dispatcher.wake()
        return JSONResponse(_shown(job))

    async def overview(self, request: Request) -> Response:
        """Waveforms and spectrograms of the stems."""
        job = self._job(request)
        downloads.stem_of(job, job.sources[0])
        return FileResponse(self.store.path(job) / OVERVIEW, media_type="application/json")

    async def samples(self, request: Request) -> Response:
        """Samples of a stem as float32, for the player."""
        job, query = self._job(request), request.query_params
        try:
            start, stop = int(query.get("start", "0")), int(query.get("stop", "0"))
        except ValueError:
            raise Refused(400, "start and stop: expected whole numbers of samples") from None
        stem = request.path_params["stem"]
        data = await run_in_threadpool(downloads.samples, self.store, job, stem, start, stop)
        return Response(data, media_type="application/octet-stream")

    async def stem(self, request: Request) -> Response:
        """A stem as a file."""
        stem = request.path_params["stem"]
        return await self._download(request, downloads.mix, [stem], what=stem)

    async def mix(self, request: Request) -> Response:
        """The sum of some stems as a file."""
        names = [each for each in request.query_params.get("sources", "").split(",") if each]
        return await self._download(request, downloads.mix, names, what=" + ".join(names))

    async def zip(self, request: Request) -> Response:
        """All stems as files in a zip file."""
        return await self._download(request, downloads.archive, what="stems")

    async def container(self, request: Request) -> Response:
        """All stems in one .stem.mp4."""
        return await self._download(request, downloads.stem_container, what="stems", formats=False)

    async def notes(self, request: Request) -> Response:
        """The notes of the drums as a MIDI file."""
        return await self._download(request, downloads.notes, what="drums", formats=False)

    async def _download(
        self, request: Request, make: Callable, *arguments, what: str, formats: bool = True
    ) -> Response:
        job = self._job(request)
        given = (*arguments, request.query_params.get("format", "")) if formats else arguments
        path = await run_in_threadpool(make, self.store, job, *given)
        ending = ".stem.mp4" if path.name.endswith(".stem.mp4") else path.suffix
        return FileResponse(path, filename=downloads.file_name(job, what, ending))


def _file(path: Path) -> Callable:
    async def answer(request: Request) -> Response:
        return FileResponse(path)

    return answer


def _shown(job: Job) -> dict[str, Any]:
    return dict(vars(job))


def application(
    server: Server, port: int, token: str | None, hosts: tuple[str, ...] = ()
) -> Starlette:
    """The ASGI application: routes, what guards them, and errors as {"error": one line}."""

    async def refused(request: Request, error: Refused) -> Response:
        return JSONResponse({"error": str(error)}, error.status)

    async def unavailable(request: Request, error: downloads.Unavailable) -> Response:
        return JSONResponse({"error": str(error)}, 409)

    async def failed(request: Request, error: OSError) -> Response:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return JSONResponse({"error": one_line(error)}, 507 if full else 500)

    handlers = {Refused: refused, downloads.Unavailable: unavailable, OSError: failed}
    guard = Middleware(Guard, port=port, token=token, hosts=hosts)
    return Starlette(routes=server.routes(), middleware=[guard], exception_handlers=handlers)

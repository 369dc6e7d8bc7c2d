"""A stand-in for Replicate's HTTP API: predictions of a few models, files, results served by their addresses.

`StandIn` lives inside a test; `python -m scripts.simulators.replicate --port 8304` is a process of its own.
"""

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts.simulators.cloud import CloudApi, CloudStandIn, Job, draw_posters, new_id, run_as_process
from scripts.simulators.data_urls import checked_photo
from scripts.simulators.forms import read_parts
from scripts.simulators.pictures import Photo
from scripts.simulators.replicate_requests import Problem, Wish, read_seconds, read_wish, size_of

MOST_FILE_BYTES = 100_000_000
STATUS_OF = {"success": "succeeded", "error": "failed"}
FAILURE = "Prediction failed for an unknown reason. It might have run out of memory? (E1000)"


@dataclass(frozen=True)
class Prediction:
    """What was asked for, beside the work itself."""

    wish: Wish
    created_at: datetime
    deadline: float | None


class ReplicateApi(CloudApi):
    """The API. A prediction runs whether or not anybody asks about it."""

    TITLE = "Replicate"
    BASE_PATH = "/v1"

    def __init__(self, **options: Any) -> None:
        self._files: dict[str, Photo] = {}
        self._predictions: dict[str, Prediction] = {}
        super().__init__(**options)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/models/{owner}/{name}/predictions", self._create)
        router.add_post("/v1/predictions", self._create)
        router.add_get("/v1/predictions/{id}", self._get)
        router.add_post("/v1/predictions/{id}/cancel", self._cancel)
        router.add_post("/v1/files", self._take_file)
        router.add_get("/v1/files/{id}", self._get_file)
        self.add_results(router)
        router.add_route("*", "/{rest:.*}", self._refuse_path)

    @property
    def refuse_in_dialect(self) -> Any:
        return refuse_in_dialect

    async def _refuse_path(self, request: web.Request) -> web.Response:
        raise Problem(404, "The requested resource could not be found.")

    async def _create(self, request: web.Request) -> web.Response:
        check_key(request)
        wait_s, deadline = read_seconds(request)
        wish = await read_wish(request, self._files)
        prediction = Prediction(wish, datetime.now(UTC), deadline)
        job_id = new_id()
        self._predictions[job_id] = prediction
        asked = {"path": request.path, "model": wish.model, "client_id": None}
        photos = [(wish.field, wish.photo)] if wish.photo else []
        job = await self.accept(job_id, photos, lambda: make_pictures(wish), **asked)
        if deadline is not None:
            asyncio.get_running_loop().call_later(deadline, self.abandon, job)
        if wait_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await job.ended.wait()
        return web.json_response(self._described(request, job), status=201 if job.outcome or not wait_s else 202)

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._described(request, self._find(request)))

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self._find(request)
        self.abandon(job)
        return web.json_response(self._described(request, job))

    def _find(self, request: web.Request) -> Job:
        check_key(request)
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            raise Problem(404, "The requested prediction could not be found.")
        return job

    async def _take_file(self, request: web.Request) -> web.Response:
        check_key(request)
        content = next((part for part in await read_parts(request) if part.name == "content"), None)
        if content is None or content.filename is None:
            raise Problem(400, "Missing content")
        if len(content.data) > MOST_FILE_BYTES:
            raise Problem(413, "Files must be less than 100MB in size")
        file_id = new_id()
        try:
            self._files[file_id] = checked_photo(content.data)
        except ValueError as error:
            raise Problem(400, f"content: {error}") from None
        self.note("upload", name=content.filename, sha256=hashlib.sha256(content.data).hexdigest())
        return web.json_response(self._described_file(request, file_id, content.content_type), status=201)

    async def _get_file(self, request: web.Request) -> web.Response:
        check_key(request)
        if request.match_info["id"] not in self._files:
            raise Problem(404, "The requested file could not be found.")
        return web.json_response(self._described_file(request, request.match_info["id"], "image/jpeg"))

    def _described_file(self, request: web.Request, file_id: str, content_type: str) -> dict[str, Any]:
        photo, now = self._files[file_id], datetime.now(UTC)
        return {
            "id": file_id,
            "content_type": content_type,
            "size": len(photo.data),
            "checksums": {"sha256": photo.sha256},
            "metadata": {},
            "created_at": now.isoformat(),
            "expires_at": (now + timedelta(days=1)).isoformat(),
            "urls": {"get": f"http://{request.host}/v1/files/{file_id}"},
        }

    def _described(self, request: web.Request, job: Job) -> dict[str, Any]:
        asked = self._predictions[job.id]
        urls = self.result_urls(request, job)
        address = f"http://{request.host}/v1/predictions/{job.id}"
        described = {
            "id": job.id,
            "model": asked.wish.model,
            "version": asked.wish.version,
            "input": asked.wish.texts,
            "logs": "",
            "output": (urls if asked.wish.gives_list else urls[0]) if urls else None,
            "data_removed": False,
            "error": error_of(job),
            "status": status_of(job),
            "created_at": asked.created_at.isoformat(),
            "metrics": {"total_time": self.seconds} if job.outcome == "success" else {},
            "urls": {"get": address, "cancel": f"{address}/cancel", "web": f"https://replicate.com/p/{job.id}"},
        }
        if asked.deadline is not None:
            described["deadline"] = (asked.created_at + timedelta(seconds=asked.deadline)).isoformat()
        return described


class StandIn(CloudStandIn[ReplicateApi]):
    """One API on loopback inside a test."""

    def __init__(self, *, seconds: float = 0.0, port: int = 0, log: Path | None = None) -> None:
        super().__init__(ReplicateApi(seconds=seconds, log=log), port=port)


@web.middleware
async def refuse_in_dialect(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except Problem as problem:
        return web.json_response(problem.body, status=problem.status, content_type="application/problem+json")
    return answer


def check_key(request: web.Request) -> None:
    """Any key will do, but one there must be."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "token") or not key.strip():
        raise Problem(401, "You did not pass an authentication token", title="Unauthenticated")


def status_of(job: Job) -> str:
    """`aborted` is what ended before it had begun, and is not paid for."""
    if not job.outcome:
        return "processing" if job.has_begun else "starting"
    if job.outcome == "canceled":
        return "canceled" if job.has_begun else "aborted"
    return STATUS_OF[job.outcome]


def error_of(job: Job) -> Any:
    """What a failed prediction says; the fault's words where there are some."""
    if job.outcome != "error":
        return None
    return FAILURE if job.failed is None or job.failed.body is None else job.failed.body


def make_pictures(wish: Wish) -> list[bytes]:
    """The finished pictures, encoded."""
    photos = [wish.photo] if wish.photo else []
    return draw_posters(photos, wish.prompt, size_of(wish), count=wish.count)


def main() -> None:
    run_as_process(ReplicateApi, "scripts.simulators.replicate", 8304)


if __name__ == "__main__":
    main()

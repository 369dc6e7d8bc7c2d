"""A stand-in for fal's queue: requests are taken, asked about, taken back, and answered for themselves.

As at fal, the queue takes any JSON; what is wrong with a model's input shows only in the response.
`StandIn` lives inside a test; `python -m scripts.simulators.fal --port 8306` is a process of its own.
"""

import asyncio
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts.simulators.cloud import (
    CloudApi,
    CloudStandIn,
    Job,
    TaskFailed,
    draw_posters,
    run_as_process,
    shape_of,
)
from scripts.simulators.data_urls import photo_in
from scripts.simulators.pictures import Photo

PHOTO_BYTES = 20 * 1024 * 1024
SIZES = {"square_hd": (1024, 1024), "portrait_4_3": (768, 1024), "landscape_4_3": (1024, 768)}
INPUT_KEYS = {"prompt", "image_size", "num_images", "seed", "output_format", "safety_tolerance"}
APPS = {
    "fal-ai/flux-pro": {"kontext": "image_url", "kontext/max": "image_url"},
    "fal-ai/nano-banana": {"edit": "image_urls[]"},
    "fal-ai/face-poster": {"": "image_url"},
}
"""owner/app -> sub-path -> the field of the photo; `[]`: in a list."""


class Refusal(Exception):
    """An answer that refuses a request for itself."""

    def __init__(self, status: int, detail: str, error_type: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"detail": detail} | ({"error_type": error_type} if error_type else {})
        self.headers = {"X-Fal-Error-Type": error_type} if error_type else {}


@dataclass(frozen=True)
class Wish:
    """One picture that is asked for, as far as the input is right."""

    photo: Photo
    prompt: str
    size: tuple[int, int]
    count: int


class FalApi(CloudApi):
    """The queue. A request runs whether or not anybody asks about it."""

    TITLE = "fal"

    def __init__(self, **options: Any) -> None:
        self._apps: dict[str, str] = {}
        super().__init__(**options)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        self.add_results(router)
        request = "/{owner}/{app}/requests/{id}"
        router.add_get(request, self._respond)
        router.add_get(f"{request}/status", self._tell_status)
        router.add_put(f"{request}/cancel", self._cancel)
        router.add_post("/{owner}/{app}", self._submit)
        router.add_post("/{owner}/{app}/{path:(?!requests/).+}", self._submit)
        router.add_route("*", "/{rest:.*}", self._refuse_path)

    @property
    def refuse_in_dialect(self) -> Any:
        return refuse_in_dialect

    async def _refuse_path(self, request: web.Request) -> web.Response:
        raise Refusal(405, "Method Not Allowed")

    async def _submit(self, request: web.Request) -> web.Response:
        check_key(request)
        app = "{owner}/{app}".format(**request.match_info)
        if app not in APPS:
            raise Refusal(404, f"Application '{request.match_info['app']}' not found")
        start_s = read_start_seconds(request)
        try:
            given = await request.json()
        except ValueError:
            raise Refusal(400, "Invalid JSON body", "bad_request") from None
        wish: Wish | TaskFailed
        try:
            wish = read_input(app, request.match_info.get("path", ""), given)
            photos = [("photo", wish.photo)]
        except TaskFailed as failed:
            wish, photos = failed, []
        job_id = str(uuid.uuid4())
        self._apps[job_id] = app
        asked = {"path": request.path, "model": request.path.strip("/"), "client_id": None}
        job = await self.accept(job_id, photos, lambda: make_pictures(wish), **asked)
        if start_s is not None:
            asyncio.get_running_loop().call_later(start_s, self._time_out, job)
        address = f"http://{request.host}/{app}/requests/{job.id}"
        answer = {
            "status": "IN_QUEUE",
            "request_id": job.id,
            "response_url": address,
            "status_url": f"{address}/status",
            "cancel_url": f"{address}/cancel",
            "queue_position": 0,
            "logs": None,
            "metrics": {},
        }
        return web.json_response(answer, headers={"x-fal-request-id": job.id})

    async def _tell_status(self, request: web.Request) -> web.Response:
        job = self._find(request)
        status = "COMPLETED" if job.outcome else "IN_PROGRESS" if job.has_begun else "IN_QUEUE"
        answer: dict[str, Any] = {"status": status, "request_id": job.id, "logs": None, "metrics": {}}
        if status == "IN_QUEUE":
            answer["queue_position"] = 0
        return web.json_response(answer, status=200 if job.outcome else 202)

    async def _respond(self, request: web.Request) -> web.Response:
        job = self._find(request)
        headers = {"x-fal-request-id": job.id}
        if not job.outcome:
            raise Refusal(400, "Request is still in progress")
        if job.outcome == "success":
            images = [{"url": url, "content_type": "image/png"} for url in self.result_urls(request, job)]
            result = {"images": images, "timings": {}, "seed": job.number, "has_nsfw_concepts": [False] * len(images)}
            return web.json_response(result, headers=headers)
        failed = job.failed or request_error(500, "Internal Server Error", "internal_error")
        body = {"detail": "Internal Server Error"} if failed.body is None else failed.body
        return web.json_response(body, status=failed.status or 500, headers=headers | failed.headers)

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self._find(request)
        if job.outcome or job.has_begun:
            return web.json_response({"status": "ALREADY_COMPLETED"}, status=400)
        job.failed = request_error(499, "Request was cancelled", "client_cancelled")
        self.abandon(job)
        return web.json_response({"status": "CANCELLATION_REQUESTED"}, status=202)

    def _find(self, request: web.Request) -> Job:
        check_key(request)
        job = self.jobs.get(request.match_info["id"])
        if job is None or self._apps[job.id] != "{owner}/{app}".format(**request.match_info):
            raise Refusal(404, "Request not found")
        return job

    def _time_out(self, job: Job) -> None:
        if not job.has_begun and not job.outcome:
            job.failed = request_error(504, "Request timed out", "request_timeout")
            self.abandon(job)


class StandIn(CloudStandIn[FalApi]):
    """One queue on loopback inside a test."""

    def __init__(self, *, seconds: float = 0.0, port: int = 0, log: Path | None = None) -> None:
        super().__init__(FalApi(seconds=seconds, log=log), port=port)


@web.middleware
async def refuse_in_dialect(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except Refusal as refusal:
        return web.json_response(refusal.body, status=refusal.status, headers=refusal.headers)
    return answer


def check_key(request: web.Request) -> None:
    """Any key will do, but one there must be."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "key" or not key.strip():
        raise Refusal(401, "Authentication is required to access this application.")


def read_start_seconds(request: web.Request) -> float | None:
    """How long the request may wait for its beginning."""
    wanted = request.headers.get("X-Fal-Request-Timeout")
    if wanted is None:
        return None
    try:
        seconds = float(wanted)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise Refusal(400, "X-Fal-Request-Timeout must be a number of seconds", "bad_request")
    return seconds


def make_pictures(wish: Wish | TaskFailed) -> list[bytes]:
    """The finished pictures, encoded. Raises TaskFailed where the input is wrong."""
    if isinstance(wish, TaskFailed):
        raise wish
    return draw_posters([wish.photo], wish.prompt, wish.size, count=wish.count)


def read_input(app: str, path: str, given: Any) -> Wish:
    """The model's input, checked. Raises TaskFailed with what the model answers."""
    if (image_field := APPS[app].get(path)) is None:
        raise TaskFailed(status=404, body={"detail": f"Path /{path} not found"})
    field, wants_list = image_field.removesuffix("[]"), image_field.endswith("[]")
    if not isinstance(given, dict):
        raise misfit("dict_type", given)
    for key in given:
        if key not in INPUT_KEYS | {field}:
            raise misfit("extra_forbidden", given[key], key)
    for key in ("prompt", field):
        if not given.get(key):
            raise misfit("missing", given, key)
    if isinstance(given[field], list) is not wants_list:
        raise misfit("list_type" if wants_list else "string_type", given[field], field)
    try:
        photos = [photo_in(str(url), limit=PHOTO_BYTES) for url in (given[field] if wants_list else [given[field]])]
    except ValueError:
        raise misfit("image_load_error", given[field], field) from None
    size, count = given.get("image_size"), given.get("num_images", 1)
    if size is not None and size not in SIZES:
        raise misfit("enum", size, "image_size")
    if type(count) is not int or not 1 <= count <= 4:
        raise misfit("less_than_equal", count, "num_images")
    return Wish(photos[0], str(given["prompt"]), SIZES.get(size) or shape_of(photos[0]), count)


def misfit(kind: str, value: Any, *where: str) -> TaskFailed:
    """A model's refusal of its input."""
    detail = {"loc": ["body", *where], "msg": kind.replace("_", " "), "type": kind, "input": value}
    return TaskFailed(status=422, body={"detail": [detail]})


def request_error(status: int, text: str, error_type: str) -> TaskFailed:
    """An end that is the queue's own doing."""
    body = {"detail": text, "error_type": error_type}
    return TaskFailed(status=status, body=body, headers={"X-Fal-Error-Type": error_type})


def main() -> None:
    run_as_process(FalApi, "scripts.simulators.fal", 8306)


if __name__ == "__main__":
    main()

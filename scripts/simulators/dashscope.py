"""A stand-in for DashScope's image models: pictures in the answer, or tasks that are asked about; fails on demand.

`StandIn` lives inside a test; `python -m scripts.simulators.dashscope --port 8320` is a process of its own.
"""

import time
import uuid
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts.simulators.cloud import CloudApi, CloudStandIn, Job, draw_posters, run_as_process, shape_of
from scripts.simulators.dashscope_requests import ApiError, ImageRequest, read_request
from scripts.simulators.pictures import Photo

RESULT_SECONDS = 86_400
INTERNAL = {"code": "InternalError", "message": "An internal error has occured."}
LONG_SIDE = 1024  # pixels, where the size follows the photo's


class DashscopeApi(CloudApi):
    """The API. Tasks go on whether or not somebody asks about them."""

    TITLE = "DashScope"
    BASE_PATH = "/api/v1"

    def __init__(self, *, seconds: float = 0.0, log: Path | None = None) -> None:
        self._ways: dict[str, str] = {}
        """The id of each task that is still on record, and the way in which it was asked for."""
        super().__init__(seconds=seconds, log=log)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/api/v1/services/aigc/multimodal-generation/generation", self._generate)
        router.add_post("/api/v1/services/aigc/image-generation/generation", self._begin_task)
        router.add_post("/api/v1/services/aigc/image2image/image-synthesis", self._begin_older_task)
        router.add_get("/api/v1/tasks/{task_id}", self._show_task)
        router.add_post("/api/v1/tasks/{task_id}/cancel", self._cancel_task)
        router.add_get("/results/{job_id}/{number}.png", self._send_result)
        router.add_route("*", "/{rest:.*}", self._refuse_path)

    @property
    def refuse_in_dialect(self) -> Any:
        return refuse_in_dialect

    async def _generate(self, request: web.Request) -> web.Response:
        check_key(request)
        if is_async(request):
            raise ApiError(403, "AccessDenied", "current user api does not support asynchronous calls.")
        order = await read_request(request, "sync")
        job = await self._take(str(uuid.uuid4()), order, request)
        await self.wait(job)
        if job.outcome != "success":
            failure = failure_of(job)
            raise ApiError(500 if failure is INTERNAL else 400, failure["code"], failure["message"])
        return answer(self._pictures_of(job, request), request_id=job.id, usage=usage_of(job))

    async def _begin_task(self, request: web.Request) -> web.Response:
        return await self._begin(request, "task")

    async def _begin_older_task(self, request: web.Request) -> web.Response:
        return await self._begin(request, "image2image")

    async def _begin(self, request: web.Request, way: str) -> web.Response:
        check_key(request)
        if not is_async(request):
            raise ApiError(403, "AccessDenied", "current user api does not support synchronous calls.")
        order = await read_request(request, way)
        job = await self._take(str(uuid.uuid4()), order, request)
        self._ways[job.id] = way
        return answer({"task_id": job.id, "task_status": "PENDING"})

    async def _take(self, job_id: str, order: ImageRequest, request: web.Request) -> Job:
        asked = {"path": request.path, "model": order.model, "count": order.count}
        return await self.accept(job_id, order.photos, lambda: make_pictures(order), **asked)

    async def _show_task(self, request: web.Request) -> web.Response:
        check_key(request)
        job_id = request.match_info["task_id"]
        if job_id in self._ways and self.faults.take(("forget",)):
            del self._ways[job_id]
            self.jobs[job_id].made.clear()
        if job_id not in self._ways:
            return answer({"task_id": job_id, "task_status": "UNKNOWN"})
        job = self.jobs[job_id]
        output: dict[str, Any] = {"task_id": job_id, "task_status": status_of(job)}
        if job.outcome == "error":
            return answer(output | failure_of(job))
        if job.outcome != "success":
            return answer(output)
        return answer(output | self._pictures_of(job, request), usage=usage_of(job))

    async def _cancel_task(self, request: web.Request) -> web.Response:
        check_key(request)
        job_id = request.match_info["task_id"]
        if job_id not in self._ways or status_of(self.jobs[job_id]) != "PENDING":
            message = "Failed to cancel the task, please confirm if the task is in PENDING status."
            raise ApiError(400, "UnsupportedOperation", message)
        self.note("cancel", prompt_id=job_id)
        self.abandon(self.jobs[job_id])
        return answer(None)

    async def _send_result(self, request: web.Request) -> web.Response:
        """As the object storage does: a signed address wants no key, and refuses one."""
        if "Authorization" in request.headers:
            return web.Response(status=400, text="<Error><Code>InvalidArgument</Code></Error>", content_type="text/xml")
        job, number = self.jobs.get(request.match_info["job_id"]), request.match_info["number"]
        if job is None or not number.isdigit() or int(number) >= len(job.made):
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>", content_type="text/xml")
        return web.Response(body=job.made[int(number)], content_type="image/png")

    async def _refuse_path(self, request: web.Request) -> web.Response:
        raise ApiError(400, "InvalidParameter", "url error, please check url!")

    def _pictures_of(self, job: Job, request: web.Request) -> dict[str, Any]:
        """The finished pictures by their addresses, in the shape of the way in which they were asked for."""
        expires = int(time.time()) + RESULT_SECONDS
        start = f"http://{request.host}/results/{job.id}"
        urls = [f"{start}/{number}.png?Expires={expires}&Signature=simulated" for number in range(len(job.made))]
        if self._ways.get(job.id) == "image2image":
            return {"results": [{"url": url} for url in urls]}
        content = [{"image": url, "type": "image"} for url in urls]
        return {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": content}}]}


class StandIn(CloudStandIn[DashscopeApi]):
    """One API on loopback inside a test."""

    def __init__(self, *, seconds: float = 0.0, port: int = 0, log: Path | None = None) -> None:
        super().__init__(DashscopeApi(seconds=seconds, log=log), port=port)


@web.middleware
async def refuse_in_dialect(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except ApiError as error:
        body = {"code": error.code, "message": str(error), "request_id": str(uuid.uuid4())}
        return web.json_response(body, status=error.status)
    return response


def check_key(request: web.Request) -> None:
    """Any key will do, but one there must be."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ApiError(401, "InvalidApiKey", "Invalid API-key provided.")


def is_async(request: web.Request) -> bool:
    return request.headers.get("X-DashScope-Async", "") == "enable"


def status_of(job: Job) -> str:
    """A task's status in the dialect's words."""
    ended = {"success": "SUCCEEDED", "error": "FAILED", "canceled": "CANCELED"}
    return ended.get(job.outcome) or ("RUNNING" if job.has_begun else "PENDING")


def failure_of(job: Job) -> dict[str, str]:
    """What a failed call says: the fault's words where there are some."""
    return job.failed.body if job.failed is not None and job.failed.body else INTERNAL


def usage_of(job: Job) -> dict[str, Any]:
    return {"image_count": len(job.made)}


def answer(output: dict[str, Any] | None, *, request_id: str = "", **more: Any) -> web.Response:
    shown = {} if output is None else {"output": output}
    return web.json_response({"request_id": request_id or str(uuid.uuid4())} | shown | more)


def make_pictures(order: ImageRequest) -> list[bytes]:
    """The finished pictures as PNG."""
    photos = [photo for _, photo in order.photos]
    return draw_posters(photos, order.prompt, order.size or size_like(photos[0]), count=order.count)


def size_like(photo: Photo) -> tuple[int, int]:
    """The photo's shape, its long side as long as these models make it."""
    width, height = shape_of(photo)
    scale = LONG_SIDE / max(width, height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def main() -> None:
    run_as_process(DashscopeApi, "scripts.simulators.dashscope", 8320)


if __name__ == "__main__":
    main()

"""A stand-in for the images APIs of Volcengine Ark (below /api/v3) and SiliconFlow (below /v1), on one port.

`StandIn` and `SiliconflowStandIn` live inside a test; `python -m scripts.simulators.ark_images --port 8310` is a
process of its own. Results that an answer names lie below /results and are served without a key, as from a bucket.
"""

import base64
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts.simulators.ark_requests import ArkError, ArkRequest, check_ark
from scripts.simulators.cloud import CloudApi, CloudStandIn, Job, draw_posters, new_id, run_as_process
from scripts.simulators.siliconflow_requests import SiliconflowError, check_siliconflow

ARK_ID, SILICONFLOW_ID = "x-request-id", "x-siliconcloud-trace-id"


class ImagesApi(CloudApi):
    """Both APIs. A client that stops waiting gives its call up."""

    TITLE = "Ark images"
    BASE_PATH = "/api/v3"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/api/v3/images/generations", self._serve_ark)
        router.add_post("/v1/images/generations", self._serve_siliconflow)
        router.add_get("/results/{job}/{number:[0-9]+}", self._serve_result)
        router.add_route("*", "/{rest:.*}", self._refuse_path)

    @property
    def refuse_in_dialect(self) -> Any:
        return refuse_in_dialect

    async def _serve_ark(self, request: web.Request) -> web.Response:
        if not has_key(request):
            raise ArkError(401, "AuthenticationError", "The API key is missing or not valid.")
        fields = await json_of(request)
        order = check_ark(fields)
        asked = {"path": request.path, "model": order.model, "count": order.count, "watermark": order.watermark}
        pictures = {"count": order.count, "file_format": order.file_format}
        job = await self.accept(
            new_id("021"),
            [("image", photo) for photo in order.photos],
            lambda: draw_posters(order.photos, order.prompt, order.size, **pictures),
            size="x".join(map(str, order.size)),
            fields=sorted(fields),
            **asked,
        )
        await self.wait(job)
        if job.outcome != "success":
            raise ArkError(500, "InternalServiceError", "The service met an internal error.")
        return web.json_response(ark_answer(order, job, str(request.url.origin())), headers={ARK_ID: job.id})

    async def _serve_siliconflow(self, request: web.Request) -> web.Response:
        if not has_key(request):
            raise SiliconflowError(401, None, "Invalid token")
        fields = await json_of(request)
        order = check_siliconflow(fields)
        begun = time.monotonic()
        job = await self.accept(
            new_id("ti_"),
            [("image", photo) for photo in order.photos],
            lambda: draw_posters(order.photos, order.prompt, order.size, count=order.count),
            path=request.path,
            model=order.model,
            size="x".join(map(str, order.size)),
            count=order.count,
            fields=sorted(fields),
        )
        await self.wait(job)
        if job.outcome != "success":
            raise SiliconflowError(500, 50000, "Internal error")
        images = [{"url": address_of(job, number, str(request.url.origin()))} for number in range(order.count)]
        spent = {"inference": round(time.monotonic() - begun, 3)}
        answer = {"images": images, "timings": spent, "seed": order.seed, "created": int(time.time())}
        return web.json_response(answer, headers={SILICONFLOW_ID: job.id})

    async def _serve_result(self, request: web.Request) -> web.Response:
        job, number = self.jobs.get(request.match_info["job"]), int(request.match_info["number"])
        if job is None or number >= len(job.made):
            raise web.HTTPNotFound
        return web.Response(body=job.made[number], content_type="application/octet-stream")

    async def _refuse_path(self, request: web.Request) -> web.Response:
        raise web.HTTPNotFound


class SiliconflowApi(ImagesApi):
    """The same, known by SiliconFlow's address."""

    TITLE = "SiliconFlow images"
    BASE_PATH = "/v1"


class StandIn(CloudStandIn[ImagesApi]):
    """Ark on loopback inside a test."""

    def __init__(self, *, seconds: float = 0.0, port: int = 0, log: Path | None = None) -> None:
        super().__init__(ImagesApi(seconds=seconds, log=log), port=port)


class SiliconflowStandIn(CloudStandIn[SiliconflowApi]):
    """SiliconFlow on loopback inside a test."""

    def __init__(self, *, seconds: float = 0.0, port: int = 0, log: Path | None = None) -> None:
        super().__init__(SiliconflowApi(seconds=seconds, log=log), port=port)


@web.middleware
async def refuse_in_dialect(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except ArkError as error:
        return web.json_response(error.body, status=error.status, headers={ARK_ID: new_id("021")})
    except SiliconflowError as error:
        return web.json_response(error.body, status=error.status, headers={SILICONFLOW_ID: new_id("ti_")})
    return answer


def has_key(request: web.Request) -> bool:
    """Any key will do, but one there must be."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(key.strip())


async def json_of(request: web.Request) -> Any:
    """The body; None when it is no JSON."""
    try:
        return await request.json()
    except ValueError:
        return None


def address_of(job: Job, number: int, origin: str) -> str:
    return f"{origin}/results/{job.id}/{number}"


def ark_answer(order: ArkRequest, job: Job, origin: str) -> dict[str, Any]:
    size = "x".join(map(str, order.size))
    tokens = order.size[0] * order.size[1] // 256 * order.count
    data = [
        {"url": address_of(job, number, origin), "size": size}
        if order.wants_url
        else {"b64_json": base64.b64encode(picture).decode(), "size": size}
        for number, picture in enumerate(job.made)
    ]
    usage = {"generated_images": order.count, "output_tokens": tokens, "total_tokens": tokens}
    return {"model": order.model, "created": int(time.time()), "data": data, "usage": usage}


def main() -> None:
    run_as_process(ImagesApi, "scripts.simulators.ark_images", 8310)


if __name__ == "__main__":
    main()

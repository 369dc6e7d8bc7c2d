"""A stand-in for the OpenAI images API: makes posters of photos, counts who calls at once, fails on demand.

`StandIn` lives inside a test; `python -m scripts.simulators.openai_images --port 8300` is a process of its own.
"""

import base64
import time
import uuid
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts.simulators.cloud import CloudApi, CloudStandIn, draw_posters, new_id, run_as_process, shape_of
from scripts.simulators.openai_requests import MODELS, ApiError, ImageRequest, read_request
from scripts.simulators.pictures import Photo

TOKENS_PER_IMAGE = {"low": 400, "medium": 1600, "high": 6200, "auto": 1600}


class ImagesApi(CloudApi):
    """The API. A client that stops waiting gives its call up."""

    TITLE = "OpenAI images"
    BASE_PATH = "/v1"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/images/edits", self._edit)
        router.add_post("/v1/images/generations", self._generate)
        router.add_get("/v1/models", self._list_models)
        router.add_route("*", "/{rest:.*}", self._refuse_path)

    @property
    def refuse_in_dialect(self) -> Any:
        return refuse_in_dialect

    async def _edit(self, request: web.Request) -> web.Response:
        return await self._serve(request, is_edit=True)

    async def _generate(self, request: web.Request) -> web.Response:
        return await self._serve(request, is_edit=False)

    async def _list_models(self, request: web.Request) -> web.Response:
        check_key(request)
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "SIMULATED"} for name in MODELS]
        return web.json_response({"object": "list", "data": models})

    async def _refuse_path(self, request: web.Request) -> web.Response:
        raise ApiError(404, f"Invalid URL ({request.method} {request.path})")

    async def _serve(self, request: web.Request, *, is_edit: bool) -> web.Response:
        check_key(request)
        order = await read_request(request, is_edit=is_edit)
        begun = time.monotonic()
        asked = {"path": request.path, "model": order.model, "size": order.size, "count": order.count}
        job = await self.accept(
            new_id("req_"), order.photos, lambda: make_pictures(order), client_id=order.user, **asked
        )
        await self.wait(job)
        if job.outcome != "success":
            raise ApiError(500, "The server had an error while processing your request.")
        spent = f"{(time.monotonic() - begun) * 1000:.0f}"
        pictures = [base64.b64encode(picture).decode() for picture in job.made]
        return web.json_response(
            answer_to(order, pictures), headers={"x-request-id": job.id, "openai-processing-ms": spent}
        )


class StandIn(CloudStandIn[ImagesApi]):
    """One API on loopback inside a test."""

    def __init__(self, *, seconds: float = 0.0, port: int = 0, log: Path | None = None) -> None:
        super().__init__(ImagesApi(seconds=seconds, log=log), port=port)


@web.middleware
async def refuse_in_dialect(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except ApiError as error:
        return web.json_response(error.body, status=error.status, headers={"x-request-id": f"req_{uuid.uuid4().hex}"})
    return answer


def check_key(request: web.Request) -> None:
    """Any key will do, but one there must be."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ApiError(401, "You didn't provide an API key.", code="invalid_api_key")


def make_pictures(order: ImageRequest) -> list[bytes]:
    """The finished pictures, encoded as was asked for."""
    photos = [photo for _, photo in order.photos]
    quality = {} if order.output_format == "png" else {"quality": order.output_compression}
    size = size_of(order.size, photos[0] if photos else None)
    return draw_posters(photos, order.prompt, size, count=order.count, file_format=order.output_format, **quality)


def size_of(wanted: str, photo: Photo | None) -> tuple[int, int]:
    """The size in pixels; `auto` follows the photo's shape."""
    if wanted != "auto":
        width, height = wanted.split("x")
        return int(width), int(height)
    width, height = shape_of(photo)
    shape = width / height
    return (1024, 1024) if 0.8 < shape < 1.25 else (1536, 1024) if shape > 1 else (1024, 1536)


def answer_to(order: ImageRequest, pictures: list[str]) -> dict[str, Any]:
    words, images = len(order.prompt) // 4 + 1, 320 * len(order.photos)
    made = TOKENS_PER_IMAGE[order.quality] * order.count
    return {
        "created": int(time.time()),
        "background": "opaque",
        "data": [{"b64_json": picture} for picture in pictures],
        "output_format": order.output_format,
        "quality": order.quality,
        "size": order.size,
        "usage": {
            "input_tokens": words + images,
            "input_tokens_details": {"image_tokens": images, "text_tokens": words},
            "output_tokens": made,
            "total_tokens": words + images + made,
        },
    }


def main() -> None:
    run_as_process(ImagesApi, "scripts.simulators.openai_images", 8300)


if __name__ == "__main__":
    main()

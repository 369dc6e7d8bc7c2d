"""A stand-in for the OpenAI images API: makes posters of photos, counts who calls at once, fails on demand.

`StandIn` lives inside a test; `python -m scripts.simulators.openai_images --port 8300` is a process of its own.
"""

import argparse
import asyncio
import base64
import io
import os
import time
import uuid
import zlib
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image, ImageOps

from scripts.simulators import marks
from scripts.simulators.faults import CLOUD_FAULTS, WIRE_FAULTS, FaultBook
from scripts.simulators.hosting import Listener, die_with_parent, run_until_ended
from scripts.simulators.inprocess import InProcess
from scripts.simulators.journal import Journal
from scripts.simulators.openai_requests import MODELS, ApiError, ImageRequest, read_request
from scripts.simulators.pictures import dream, poster, stamp
from scripts.simulators.steering import add_steering_routes
from scripts.simulators.wire import fault_middleware

STARTED_BY = os.getppid()  # asked before anything slow: the parent may be gone later
MAX_BODY_BYTES = 512 * 1024 * 1024
LOOK_SECONDS = 0.02
TOKENS_PER_IMAGE = {"low": 400, "medium": 1600, "high": 6200, "auto": 1600}


class ImagesApi:
    """One API on one port. Every accepted call is logged and counted from its acceptance to its end."""

    def __init__(self, *, seconds: float = 0.0, log: Path | None = None) -> None:
        self.seconds = seconds
        self.faults = FaultBook(WIRE_FAULTS, CLOUD_FAULTS)
        self.journal = Journal(log)
        self._boot_id = uuid.uuid4().hex[:12]
        self._accepted = 0
        self._in_flight = 0
        self._most_at_once = 0
        self._listener = Listener(self._application())

    @property
    def port(self) -> int:
        return self._listener.port

    async def open(self, host: str, port: int) -> None:
        await self._listener.open(host, port)
        self.note("boot", lost=[])

    async def close(self) -> None:
        self.faults.clear()
        await self._listener.close()
        self.journal.close()

    def note(self, event: str, **fields: Any) -> None:
        self.journal.write(event, port=self.port, boot=self._boot_id, **fields)

    def stats(self) -> dict[str, Any]:
        return {
            "port": self.port,
            "boot": self._boot_id,
            "accepted": self._accepted,
            "in_flight": self._in_flight,
            "max_concurrent": self._most_at_once,
        }

    def _application(self) -> web.Application:
        app = web.Application(
            middlewares=[fault_middleware(self.faults), refuse_in_dialect], client_max_size=MAX_BODY_BYTES
        )
        add_steering_routes(app, self)
        app.router.add_post("/v1/images/edits", self._edit)
        app.router.add_post("/v1/images/generations", self._generate)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_route("*", "/{rest:.*}", self._refuse_path)
        return app

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
        request_id = f"req_{uuid.uuid4().hex}"
        inputs = await asyncio.to_thread(lambda: [photo.described(name) for name, photo in order.photos])
        self._accepted += 1
        self._in_flight += 1
        self._most_at_once = max(self._most_at_once, self._in_flight)
        call = {"prompt_id": request_id, "number": self._accepted}
        asked = {"path": request.path, "model": order.model, "size": order.size, "count": order.count}
        self.note("submit", **call, client_id=order.user, inputs=inputs, filename_prefix=None, **asked)
        outcome = "canceled"  # unless it gets to its end
        begun = time.monotonic()
        try:
            await asyncio.sleep(self.seconds)
            await self._hold(request_id)
            pictures = await asyncio.to_thread(make_pictures, order)
            outcome = "success"
        finally:
            self._in_flight -= 1
            self.note("end", **call, outcome=outcome)
        spent = f"{(time.monotonic() - begun) * 1000:.0f}"
        return web.json_response(
            answer_to(order, pictures), headers={"x-request-id": request_id, "openai-processing-ms": spent}
        )

    async def _hold(self, request_id: str) -> None:
        fault = self.faults.take(("hold",))
        if fault is None:
            return
        self.note("hold", prompt_id=request_id)
        while not fault.cleared.is_set():
            await asyncio.sleep(LOOK_SECONDS)


class StandIn(InProcess[ImagesApi]):
    """One API on loopback inside a test."""

    def __init__(self, *, seconds: float = 0.0, port: int = 0, log: Path | None = None) -> None:
        super().__init__(ImagesApi(seconds=seconds, log=log), port=port)

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL is set to."""
        return f"{self.url}/v1"


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


def make_pictures(order: ImageRequest) -> list[str]:
    """The finished pictures in base64; the first photo is drawn, and one that carries a mark gives it."""
    seed = zlib.crc32(order.prompt.encode())
    pictures = []
    for number in range(order.count):
        if order.photos:
            photos = [photo for _, photo in order.photos]
            marked = [photo for photo in photos if photo.painted_mark is not None]
            opened = ImageOps.exif_transpose(Image.open(io.BytesIO(photos[0].data)))
            size = size_of(order.size, opened.size)
            if photos[0].painted_mark is not None:
                opened = marks.above(opened)  # the poster's own strip lies elsewhere
            picture = stamp(poster(opened, size=size, seed=seed + number), (*marked, *photos)[0].mark)
        else:
            picture = stamp(dream(size_of(order.size, (1024, 1024)), seed + number), None)
        file = io.BytesIO()
        quality = {} if order.output_format == "png" else {"quality": order.output_compression}
        picture.save(file, order.output_format, **quality)
        pictures.append(base64.b64encode(file.getvalue()).decode())
    return pictures


def size_of(wanted: str, photo: tuple[int, int]) -> tuple[int, int]:
    """The size in pixels; `auto` follows the photo's shape."""
    if wanted != "auto":
        width, height = wanted.split("x")
        return int(width), int(height)
    shape = photo[0] / photo[1]
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
    parser = argparse.ArgumentParser(prog="python -m scripts.simulators.openai_images", description=__doc__)
    parser.add_argument("--port", type=int, default=8300, help="0 is any free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a call takes")
    parser.add_argument("--log", type=Path, help="append what happens as JSON lines")
    parser.add_argument("--die-with-parent", metavar="PID", type=int, nargs="?", const=STARTED_BY)
    options = parser.parse_args()
    if options.die_with_parent is not None:
        die_with_parent(options.die_with_parent)

    async def open_all() -> None:
        api = ImagesApi(seconds=options.seconds, log=options.log)
        await api.open(options.host, options.port)
        print(f"SIMULATED OpenAI images on http://{options.host}:{api.port}/v1", flush=True)

    run_until_ended(open_all)


if __name__ == "__main__":
    main()

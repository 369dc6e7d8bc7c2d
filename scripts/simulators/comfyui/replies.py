"""The answers that recur on a ComfyUI server, and how it reads a body."""

import json
from typing import Any, NoReturn

from aiohttp import web

TROUBLE = "500 Internal Server Error\n\nServer got itself in trouble"


def trouble() -> NoReturn:
    """What a real server answers when its handler raised."""
    raise web.HTTPInternalServerError(text=TROUBLE)


def empty(status: int = 200) -> web.Response:
    """No body, and no word about its type."""
    answer = web.Response(status=status)
    answer.headers.popall("Content-Type", None)
    return answer


async def body_of(request: web.Request) -> Any:
    """The JSON of the body, whatever its declared type; trouble when it is none."""
    try:
        return json.loads(await request.text())
    except (ValueError, LookupError):
        trouble()

"""The faults of an HTTP connection, as one middleware around every route of a stand-in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from scripts.simulators.faults import WIRE_FAULTS, Fault, FaultBook

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOOK_SECONDS = 0.02  # how often a waiting answer looks whether the fault was cleared or the client has left
HUGE_BYTES = 3 * 1024**3
BLOCK_BYTES = 1024 * 1024


def fault_middleware(book: FaultBook) -> Any:
    """Applies the book's wire faults to every request except those that steer the stand-in itself."""

    @web.middleware
    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_standin"):
            return await handler(request)
        # The body is always taken in first: otherwise a client that is still sending sees a reset, not the fault.
        body = await request.read()
        fault = book.take(
            WIRE_FAULTS,
            path=request.path.removeprefix("/api"),
            method=request.method,
            text=lambda: request.path_qs + body.decode("utf-8", "replace"),
        )
        return await handler(request) if fault is None else await _go_wrong(fault, request, handler)

    return apply


def cut_connection(request: web.Request) -> web.Response:
    """Closes the connection at once; the response returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _go_wrong(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    match fault.kind:
        case "status":
            return _given_answer(fault, 500)
        case "drop":
            return cut_connection(request)
        case "hang":
            stayed = await _wait_until_cleared(fault, request)
            return await handler(request) if stayed else web.Response()
        case "freeze":
            await _wait_until_cleared(fault, None)
            return await handler(request)
        case "huge":
            return await _send_without_end(fault, request)
    answer = await handler(request)
    if not isinstance(answer, web.Response):  # a WebSocket that has ended
        return answer
    match fault.kind:
        case "body":
            return _given_answer(fault, answer.status)
        case "drop_after":
            return cut_connection(request)
        case "hang_after":
            await _wait_until_cleared(fault, request)
            return answer
        case "drip":
            return await _drip(fault, request, answer)
        case "cut":
            return _copied(answer, _bytes_of(answer)[: len(_bytes_of(answer)) // 2])
        case _:
            return await _truncate(request, answer)


def _given_answer(fault: Fault, status: int) -> web.Response:
    options = fault.options
    body, status, headers = options.get("body", ""), options.get("status", status), options.get("headers")
    if isinstance(body, str):
        content_type = options.get("content_type", "text/html" if body.lstrip().startswith("<") else "text/plain")
        return web.Response(status=status, headers=headers, text=body, content_type=content_type)
    content_type = options.get("content_type", "application/json")
    return web.json_response(body, status=status, headers=headers, content_type=content_type)


async def _wait_until_cleared(fault: Fault, request: web.Request | None) -> bool:
    """Whether the client was still there when the fault was cleared."""
    while not fault.cleared.is_set():
        if request is not None and (request.transport is None or request.transport.is_closing()):
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True


async def _drip(fault: Fault, request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = _bytes_of(answer)
    step = max(1, int(fault.options.get("bytes_per_s", 1000) / 20))
    stream = await _begin(request, answer, len(body))
    for start in range(0, len(body), step):
        await stream.write(body[start : start + step])
        await asyncio.sleep(0 if fault.cleared.is_set() else 0.05)
    return stream


async def _truncate(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = _bytes_of(answer)
    stream = await _begin(request, answer, len(body))
    await stream.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()  # unlike abort, sends what was written
    return stream


async def _send_without_end(fault: Fault, request: web.Request) -> web.StreamResponse:
    left = int(fault.options.get("bytes", HUGE_BYTES))
    stream = web.StreamResponse(headers={"Content-Type": fault.options.get("content_type", "image/png")})
    if fault.options.get("announce"):
        stream.content_length = left
    await stream.prepare(request)
    block = bytes(BLOCK_BYTES)
    while left > 0 and not fault.cleared.is_set():
        await stream.write(block[:left])
        left -= len(block)
    return stream


async def _begin(request: web.Request, answer: web.Response, length: int) -> web.StreamResponse:
    stream = web.StreamResponse(status=answer.status, headers=_headers_of(answer))
    stream.content_length = length
    await stream.prepare(request)
    return stream


def _copied(answer: web.Response, body: bytes) -> web.Response:
    return web.Response(status=answer.status, headers=_headers_of(answer), body=body)


def _bytes_of(answer: web.Response) -> bytes:
    body = answer.body
    return bytes(body) if isinstance(body, (bytes, bytearray)) else b""


def _headers_of(answer: web.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}

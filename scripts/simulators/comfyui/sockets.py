"""The WebSockets of a server: who gets which frame, and the one sequential sender that a stalled reader can block.

Everything here runs in the event loop; other threads hand over frames with `publish`.
"""

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from scripts.simulators.faults import FaultBook

IMAGE_FORMATS = {"JPEG": 1, "PNG": 2}
PREVIEW, PREVIEW_WITH_METADATA = 1, 4  # binary events


@dataclass(frozen=True)
class Preview:
    """A picture on its way to a socket: for clients that asked for metadata, or for those that did not."""

    format: str
    data: bytes
    prompt_id: str
    node_id: str
    has_metadata: bool

    def frame(self) -> bytes:
        if not self.has_metadata:
            return PREVIEW.to_bytes(4, "big") + IMAGE_FORMATS[self.format].to_bytes(4, "big") + self.data
        ids = {"node_id": self.node_id, "prompt_id": self.prompt_id, "display_node_id": self.node_id}
        metadata = json.dumps(
            {**ids, "parent_node_id": None, "real_node_id": self.node_id, "image_type": f"image/{self.format.lower()}"}
        ).encode()
        return PREVIEW_WITH_METADATA.to_bytes(4, "big") + len(metadata).to_bytes(4, "big") + metadata + self.data


Frame = tuple[str, Any] | Preview


class Sockets:
    """The open sockets by client id. One that connects under an id in use takes it over, as on a real server."""

    def __init__(self, book: FaultBook, features: Callable[[], dict[str, Any]]) -> None:
        self._book = book
        self._features = features
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._requests: dict[str, web.Request] = {}
        self._wants_metadata: dict[str, bool] = {}
        self._frames: asyncio.Queue[tuple[Frame, Any]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._sender = self._loop.create_task(self._send_all())

    def publish(self, frame: Frame, receiver: Any = None) -> None:
        """Sends to one client id, or to every socket when there is none. From any thread, in order."""
        self._loop.call_soon_threadsafe(self._frames.put_nowait, (frame, receiver))

    async def attend(self, request: web.Request, greetings: Callable[[str], list[Frame]]) -> web.WebSocketResponse:
        """Serves one connection to its end; `greetings` are what a new socket is told first."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sid = request.query.get("clientId", "") or uuid.uuid4().hex
        self._sockets[sid] = socket
        self._requests[sid] = request
        self._wants_metadata[sid] = False
        if self._book.find("ws_silent") is None:
            for greeting in greetings(sid):
                await self._deliver(greeting, sid)
        if self._book.take(("ws_drop",), path="/ws") is not None:
            self._cut(request)
        try:
            await self._listen(socket, sid)
        finally:
            # By id, not by socket: whoever took the id over is no longer served either. Real servers do that.
            for table in (self._sockets, self._requests, self._wants_metadata):
                table.pop(sid, None)
        return socket

    async def _listen(self, socket: web.WebSocketResponse, sid: str) -> None:
        is_first = True
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                return
            if is_first and message.type is WSMsgType.TEXT:
                is_first = False
                await self._negotiate(message.data, sid)

    async def _negotiate(self, text: str, sid: str) -> None:
        """Feature flags count in the first message only."""
        try:
            message = json.loads(text)
            flags = message["data"] if message["type"] == "feature_flags" else None
        except (ValueError, KeyError, TypeError):
            return
        if isinstance(flags, dict):
            self._wants_metadata[sid] = bool(flags.get("supports_preview_metadata"))
            await self._deliver(("feature_flags", self._features()), sid)

    async def _send_all(self) -> None:
        while True:
            frame, receiver = await self._frames.get()
            if self._book.find("ws_silent") is not None:
                continue
            if receiver is None:
                for sid in list(self._sockets):
                    await self._deliver(frame, sid)
            elif isinstance(receiver, str):
                await self._deliver(frame, receiver)

    async def _deliver(self, frame: Frame, sid: str) -> None:
        socket = self._sockets.get(sid)
        if socket is None:
            return
        try:
            if isinstance(frame, Preview):
                if frame.has_metadata == self._wants_metadata.get(sid, False):
                    await socket.send_bytes(frame.frame())
            else:
                await socket.send_str(json.dumps({"type": frame[0], "data": frame[1]}))
        except (ConnectionError, RuntimeError):
            pass  # the reader has gone; its own handler takes it off the list

    def cut_all(self) -> None:
        """Closes every socket without a close frame, as a vanishing server does."""
        for request in list(self._requests.values()):
            self._cut(request)

    def _cut(self, request: web.Request) -> None:
        if request.transport is not None:
            request.transport.abort()

    def close(self) -> None:
        self._sender.cancel()
        self.cut_all()

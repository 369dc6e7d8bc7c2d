"""Progress of one prompt over ComfyUI's WebSocket: an extra that may fail at any time. Truth comes by polling.

A thread of its own reads one socket: a reader that stalls would freeze every other client of that server. The client
id is fresh for each call and never used twice, since a second socket of the same id silently loses its frames.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any
from urllib.parse import quote

import websocket

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0
ENDINGS = frozenset({"execution_success", "execution_error", "execution_interrupted"})


class ProgressListener:
    """Listens while it is entered. `ended` is set when the server says that the prompt has ended."""

    def __init__(
        self, server_url: str, client_id: str | None, prompt_id: str, nodes: int, report: Callable[[float], None]
    ) -> None:
        """`client_id` None: do not listen. `nodes`: nodes of the graph; `report` gets the share that is done."""
        address = "ws" + server_url.removeprefix("http")
        self._url = f"{address}/ws?clientId={quote(client_id)}" if client_id else None
        self._prompt_id = prompt_id
        self._nodes = max(nodes, 1)
        self._report = report
        self._socket: websocket.WebSocket | None = None
        self._thread: threading.Thread | None = None
        self._leaving = False
        self.ended = threading.Event()
        self.listening = False

    def __enter__(self) -> ProgressListener:
        if self._url is None:
            return self
        try:
            self._socket = websocket.create_connection(
                self._url, timeout=CONNECT_SECONDS, suppress_origin=True, enable_multithread=True
            )
            self._socket.settimeout(None)
        except (OSError, websocket.WebSocketException) as exc:
            log.info("no progress from this server", extra={"error": type(exc).__name__})
            return self
        self.listening = True
        self._thread = threading.Thread(target=self._listen, name="comfyui-progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leaving = True
        if self._socket is not None:
            self._socket.abort()  # type: ignore[no-untyped-call]  # wakes our thread, which closing alone would not
        if self._thread is not None:
            self._thread.join(timeout=1.0)
        if self._socket is not None:
            self._socket.shutdown()  # type: ignore[no-untyped-call]  # the library's own gap

    def _listen(self) -> None:
        socket = self._socket
        if socket is None:
            return
        try:
            while not self.ended.is_set():
                frame = socket.recv()
                if frame == "" or frame == b"":
                    break
                if isinstance(frame, str):
                    self._take(json.loads(frame))
        except (OSError, ValueError, AttributeError, KeyError, TypeError, websocket.WebSocketException) as exc:
            if not self._leaving:
                log.info("progress of a prompt broke off", extra={"error": type(exc).__name__})
        finally:
            self.listening = False

    def _take(self, message: dict[str, Any]) -> None:
        data = message["data"]
        if data.get("prompt_id") != self._prompt_id:
            return
        if message["type"] in ENDINGS:
            self.ended.set()
        elif message["type"] == "progress_state":
            shares = (float(node["value"]) / (float(node["max"]) or 1.0) for node in data["nodes"].values())
            self._report(min(sum(shares) / self._nodes, 1.0))

"""A server on loopback that writes down what it is asked, and answers as it is told or as another server does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

FORWARD_SECONDS = 30.0
HOP_BY_HOP = frozenset(
    {"host", "connection", "content-length", "content-encoding", "transfer-encoding", "keep-alive", "date", "server"}
)


@dataclass(frozen=True)
class Seen:
    """One request. `path` with its query; `headers` by their names in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What is answered. `drip_s`: seconds between one byte and the next; 0: all at once."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    drip_s: float = 0.0

    @classmethod
    def of_json(cls, document: Any, status: int = 200) -> Reply:
        return cls(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


Answer = Callable[[Seen], Reply | None]
"""None: the connection is cut without a word."""


class Recorder:
    """A context manager. `exchanges` are the requests so far with their answers."""

    def __init__(self, answer: Answer) -> None:
        self.exchanges: list[tuple[Seen, Reply | None]] = []
        self.answer = answer
        self._server = _Server(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Recorder:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Relay(Recorder):
    """Hands everything on to another server. `change` may alter a request on its way."""

    def __init__(self, target: str) -> None:
        self.change: Callable[[Seen], Seen] = lambda seen: seen
        self._target = target
        super().__init__(lambda seen: self._forward(self.change(seen)))

    @contextmanager
    def changing(self, change: Callable[[Seen], Seen]) -> Iterator[None]:
        """Alters the requests of a block."""
        self.change = change
        try:
            yield
        finally:
            self.change = lambda seen: seen

    def last_words(self) -> str:
        """The last answer, to show what another server objects to."""
        reply = self.exchanges[-1][1] if self.exchanges else None
        return f"{reply.status} {reply.body[:250].decode(errors='replace')}" if reply else "no answer"

    def _forward(self, seen: Seen) -> Reply | None:
        headers = {name: value for name, value in seen.headers.items() if name not in HOP_BY_HOP}
        with requests.Session() as session:
            session.trust_env = False
            session.headers.clear()
            try:
                answer = session.request(
                    seen.method,
                    f"{self._target}{seen.path}",
                    headers=headers,
                    data=seen.body,
                    timeout=FORWARD_SECONDS,
                    allow_redirects=False,
                )
            except requests.RequestException:
                return None
        passed = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        return Reply(answer.status_code, answer.content, passed)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = FORWARD_SECONDS

    def handle_any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        seen = Seen(self.command, self.path, headers, body)
        reply = self.server.recorder.answer(seen)
        self.server.recorder.exchanges.append((seen, reply))
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.drip_s:
            self._drip(reply)
        else:
            self.wfile.write(reply.body)

    def _drip(self, reply: Reply) -> None:
        pause = threading.Event()
        with suppress(OSError):  # the client has left
            for byte in reply.body:
                self.wfile.write(bytes([byte]))
                pause.wait(reply.drip_s)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def log_message(self, format: str, *args: object) -> None:
        pass

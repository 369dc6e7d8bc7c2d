"""HTTP as bytes on a socket: nothing here tidies up what a test wants to send."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

BOUNDARY = "a-boundary-of-the-tests"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
SECONDS = 20.0
Header = tuple[str, str | bytes]


@dataclass(frozen=True)
class Answer:
    """What came back. `seconds`: from the last byte sent to the last one received."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Part:
    """One part of a multipart form. Names and file names go out as they are."""

    name: str
    value: str | bytes
    filename: str | bytes | None = None
    content_type: str | None = None

    def encode(self) -> bytes:
        """As it stands in the body, without the boundaries."""
        head = f'Content-Disposition: form-data; name="{self.name}"'.encode()
        if self.filename is not None:
            head += b'; filename="' + as_bytes(self.filename) + b'"'
        if self.content_type is not None:
            head += f"\r\nContent-Type: {self.content_type}".encode()
        return head + b"\r\n\r\n" + as_bytes(self.value)


def as_bytes(text: str | bytes) -> bytes:
    """UTF-8, where it is not bytes already."""
    return text.encode() if isinstance(text, str) else text


def encode_form(parts: Iterable[Part], *, close: bool = True) -> bytes:
    """A multipart body; `close`: with its last boundary."""
    body = b"".join(f"--{BOUNDARY}\r\n".encode() + part.encode() + b"\r\n" for part in parts)
    return body + (f"--{BOUNDARY}--\r\n".encode() if close else b"")


def encode_head(method: str, target: str | bytes, headers: Iterable[Header]) -> bytes:
    """A request's first line and headers."""
    lines = [method.encode() + b" " + as_bytes(target) + b" HTTP/1.1"]
    lines += [
        name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()) for name, value in headers
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def exchange(port: int, request: bytes, *, method: str = "GET", source: str = "127.0.0.1") -> Answer:
    """Send bytes from an address of loopback, read one answer. A server that answers early is heard."""
    with socket.create_connection(("127.0.0.1", port), SECONDS, (source, 0)) as connection:
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the body was through; the answer is read below
        sent_at = time.monotonic()
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        body = response.read()
        return Answer(response.status, response.headers, body, time.monotonic() - sent_at)

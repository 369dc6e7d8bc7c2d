"""A booth that costs little to play: one kept connection, http.client, a long poll. Times are those of time.time()."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from scripts.rushing.main import BOOTH_NICE

TIMEOUT_SECONDS = 90
FOLLOW_SECONDS = 25
IDLE_SECONDS = 5
ENDED = frozenset({"succeeded", "partial", "failed", "canceled"})
BOUNDARY = uuid.uuid4().hex


@dataclass
class Trip:
    """One order on its way: when it was sent, accepted, said to be ready, and its picture there."""

    order_id: str
    sent_at: float = 0.0
    accepted_at: float = 0.0
    ready_at: float = 0.0
    fetched_at: float = 0.0
    status: str = ""


class WrongAnswer(Exception):
    """The farm did not answer as a measurement needs it."""


class Booth:
    """One client; not for sharing between threads."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self._headers = {"Authorization": f"Bearer {key}"}
        self._used_at = time.monotonic()

    def close(self) -> None:
        self._connection.close()

    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of one answer."""
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            self._connection.close()  # the farm may have closed it meanwhile; the next request opens another
        self._used_at = time.monotonic()
        self._connection.request(method, path, body=body, headers=self._headers | (headers or {}))
        answer = self._connection.getresponse()
        body_read = answer.read()
        self._used_at = time.monotonic()
        return answer.status, body_read

    def get(self, path: str) -> dict[str, Any]:
        """A JSON object below /api/v1. Raises WrongAnswer."""
        status, body = self.request("GET", f"/api/v1{path}")
        if status != 200:
            raise WrongAnswer(f"GET {path} was answered {status}: {body[:300]!r}")
        document: dict[str, Any] = json.loads(body)
        return document

    def submit(self, order_id: str, photo: bytes, style: str) -> Trip:
        """Send an order that is new. Raises WrongAnswer."""
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        body = encode_order(order_id, photo, style)
        sent_at = time.time()
        status, answer = self.request("POST", "/api/v1/orders", body=body, headers=headers)
        accepted_at = time.time()
        if status != 202:
            raise WrongAnswer(f"an order was answered {status}: {answer[:300]!r}")
        return Trip(order_id, sent_at=sent_at, accepted_at=accepted_at)

    def follow(self, trip: Trip) -> dict[str, Any]:
        """Long poll until the order has ended."""
        version = 0
        while True:
            order = self.get(f"/orders/{trip.order_id}?wait={FOLLOW_SECONDS}&after={version}")
            if order["status"] in ENDED:
                trip.ready_at, trip.status = time.time(), order["status"]
                return order
            version = order["version"]

    def fetch(self, trip: Trip, order: dict[str, Any]) -> bytes:
        """The first picture by its link. Raises WrongAnswer."""
        if order["status"] != "succeeded":
            raise WrongAnswer(f"the order ended as {order['status']}: {order['tasks'][0].get('reason')}")
        url = urlsplit(order["tasks"][0]["images"][0]["url"])
        status, picture = self.request("GET", url.path)
        if status != 200:
            raise WrongAnswer(f"the picture was answered {status}")
        trip.fetched_at = time.time()
        return picture

    def order(self, order_id: str, photo: bytes, style: str) -> Trip:
        """The whole way of one order."""
        trip = self.submit(order_id, photo, style)
        self.fetch(trip, self.follow(trip))
        return trip


def encode_order(order_id: str, photo: bytes, style: str) -> bytes:
    """The multipart body of one order with one photo."""
    lines = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (("order_id", order_id), ("style", style))
    )
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return lines + head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def play_together(booths: Sequence[Booth], play: Callable[[Booth, int], Trip]) -> list[Trip]:
    """Every booth at the same instant, each in a thread of its own; raises the first error."""
    together = threading.Barrier(len(booths))

    def begin(number: int) -> Trip:
        # Booths are machines of their own: played on the farm's, they step back for it. Linux counts per thread.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BOOTH_NICE)
        booths[number].request("GET", "/healthz")  # connected before the moment comes
        together.wait(TIMEOUT_SECONDS)
        return play(booths[number], number)

    with ThreadPoolExecutor(len(booths)) as threads:
        return list(threads.map(begin, range(len(booths))))

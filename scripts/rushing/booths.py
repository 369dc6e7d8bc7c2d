"""One booth: its HTTP session, and what a booth does with an order: send, follow, fetch, send once more."""

from __future__ import annotations

import hashlib
import io
import math
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from PIL import Image, ImageOps
from requests.adapters import HTTPAdapter

from scripts.rushing.rows import ACCEPTED, DUPLICATE, REFUSALS, Answer, Row
from scripts.simulators import marks

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIMEOUT = (5.0, 60.0)  # to connect, to read; in seconds
FOLLOW_SECONDS = 25
RESEND_SECONDS = 0.5  # after a connection error
LONGEST_PAUSE_SECONDS = 120.0
CONNECTIONS = 64
ENDED_ORDER = frozenset({"succeeded", "partial", "failed", "canceled"})


class OutOfTime(Exception):
    """The rush is over: its patience is, or somebody pressed Ctrl-C."""


@dataclass
class Clock:
    """How long everybody goes on."""

    deadline: float  # of time.monotonic()
    stopped: threading.Event

    def pause(self, seconds: float) -> None:
        """Sleep; raises OutOfTime when the rush ends meanwhile."""
        left = self.deadline - time.monotonic()
        if self.stopped.wait(max(0.0, min(seconds, left))) or time.monotonic() >= self.deadline:
            raise OutOfTime


def read_retry_after(text: str | None) -> float | None:
    """Seconds to wait; None when the header is missing or makes no sense."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.05), LONGEST_PAUSE_SECONDS) if math.isfinite(seconds) and seconds > -1 else None


def read_body(response: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty for anything else."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def read_promise(order: dict[str, Any]) -> tuple[float, float] | None:
    """Between how many seconds from now the first task is to be done; None where nothing is said."""
    spoken = [task.get("eta_range_s") for task in order.get("tasks") or []][:1]
    return (float(spoken[0]["low"]), float(spoken[0]["high"])) if spoken and spoken[0] else None


def send_no_key(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class Booth:
    """A booth with its key; several of its orders may be under way at once."""

    def __init__(self, name: str, *, url: str, key: str, clock: Clock) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self.clock = clock
        self._session = requests.Session()
        # Neither a proxy before this very machine nor somebody's .netrc belongs in a rehearsal.
        self._session.trust_env = urlsplit(url).hostname not in LOOPBACK
        self._session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
        self._session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))
        self._authorization = f"Bearer {key}"

    def close(self) -> None:
        self._session.close()

    def get(self, path: str, **query: Any) -> requests.Response:
        return self._session.get(f"{self.url}/api/v1{path}", params=query, timeout=TIMEOUT, auth=self._sign)

    def get_page(self, path: str) -> requests.Response:
        """A page that is for everybody, asked for without the key."""
        return self._session.get(f"{self.url}{path}", timeout=TIMEOUT, auth=send_no_key)

    def post(self, row: Row, *, style: str, photo: bytes, copy: int = 0) -> Answer:
        """One POST of the order. Raises requests' errors."""
        response = self._session.post(
            f"{self.url}/api/v1/orders",
            data={"order_id": row.order_id, "style": style},
            files={"photo": (f"{row.number}.jpg", photo, "image/jpeg")},
            timeout=TIMEOUT,
            auth=self._sign,
        )
        body, retry_after = read_body(response), response.headers.get("Retry-After")
        return Answer(
            status=response.status_code,
            at=time.time(),
            code=body.get("code"),
            retry_after=retry_after,
            retry_after_ok=response.status_code not in REFUSALS or read_retry_after(retry_after) is not None,
            duplicate=body.get("duplicate") is True,
            task_ids=tuple(str(task.get("task_id")) for task in body.get("tasks") or []),
            copy=copy,
            promised=read_promise(body),
        )

    def submit(self, row: Row, *, style: str, photo: bytes, copy: int = 0, resend: bool = True) -> bool:
        """Send until accepted, as often as it takes; whether it was. Raises OutOfTime."""
        while True:
            try:
                answer = self.post(row, style=style, photo=photo, copy=copy)
            except requests.RequestException:
                row.connection_errors += 1
                self.clock.pause(RESEND_SECONDS)
                continue
            row.answers.append(answer)
            if answer.status in (ACCEPTED, DUPLICATE):
                row.t_accepted = min(answer.at, row.t_accepted or answer.at)
                return True
            if answer.status < 500 and answer.status not in REFUSALS:
                return False
            if answer.status in REFUSALS and not resend:
                return False
            self.clock.pause(read_retry_after(answer.retry_after) or 1.0)

    def follow(self, row: Row) -> dict[str, Any]:
        """The order when it has ended; empty when the farm no longer knows it. Raises OutOfTime."""
        version = 0  # below that of any order
        while True:
            asked = time.monotonic()
            response = self._get_patiently(row, f"/orders/{row.order_id}", wait=FOLLOW_SECONDS, after=version)
            if response.status_code != 200:
                row.add_fault(f"following was answered {response.status_code}")
                return {}
            order = read_body(response)
            row.note_order(order)
            if order.get("status") in ENDED_ORDER:
                row.t_ended = time.time()
                return order
            newer = int(order.get("version") or 0)
            if newer < version:
                row.add_fault(f"the version went back from {version} to {newer}")
            elif newer == version and time.monotonic() - asked < 1:
                self.clock.pause(1)  # it does not wait: do not ask in circles
            version = newer

    def fetch(self, row: Row, order: dict[str, Any]) -> None:
        """Get the first picture and compare it with what was announced and with the photo. Raises OutOfTime."""
        images = order["tasks"][0].get("images") or []
        if not images:
            row.add_fault("succeeded without a picture")
            return
        announced = images[0]
        response = self._get_patiently(row, urljoin(self.url + "/", str(announced.get("url"))))
        if response.status_code != 200:
            row.add_fault(f"the picture was answered {response.status_code}")
            return
        data = response.content
        if hashlib.sha256(data).hexdigest() != announced.get("sha256"):
            row.picture_problems.append("another hash than announced")
        if len(data) != announced.get("bytes"):
            row.picture_problems.append(f"{len(data)} bytes, {announced.get('bytes')} announced")
        row.t_picture = time.time()
        try:
            row.picture_mark = marks.read(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            row.picture_problems.append("no picture at all")

    def repeat(self, row: Row, *, style: str, photo: bytes) -> None:
        """Send the identical order once more; refusals are resent, as for the first time. Raises OutOfTime."""
        again = replace(row, answers=[], connection_errors=0)
        try:
            self.submit(again, style=style, photo=photo)
        finally:
            row.connection_errors += again.connection_errors
            row.answers += [answer for answer in again.answers if answer.status in REFUSALS]
            row.repeat = again.answers[-1] if again.answers else None

    def _get_patiently(self, row: Row, where: str, **query: Any) -> requests.Response:
        """An answer that is neither a refusal nor a fault of the line. Pictures are fetched without the key."""
        while True:
            pause = RESEND_SECONDS
            try:
                if where.startswith("/"):
                    response = self.get(where, **query)
                else:
                    response = self._session.get(where, timeout=TIMEOUT, auth=send_no_key)
            except requests.RequestException:
                row.connection_errors += 1
            else:
                if response.status_code < 500 and response.status_code not in REFUSALS:
                    return response
                if response.status_code not in REFUSALS:
                    row.add_fault(f"a GET was answered {response.status_code}")
                pause = read_retry_after(response.headers.get("Retry-After")) or 1.0
            self.clock.pause(pause)

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._authorization
        return request

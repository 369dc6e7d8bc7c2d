"""One order of a booth: what it sends, what it is answered, its pictures. Everything is written down."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import requests
from PIL import Image, ImageOps

from scripts.rushing.booths import ENDED_ORDER, Clock, read_body, read_retry_after
from scripts.simulators import marks
from scripts.simulators.journal import Journal
from scripts.simulators.photos import portrait
from scripts.storming.wifi import SECONDS, Wifi

ACCEPTED, REFUSALS = (200, 202), (429, 503)
COME_BACK_CODES = ("style_unavailable",)
RESEND_SECONDS = (0.1, 0.8)
LONGEST_PAUSE_SECONDS = 2.0
FOLLOW_SECONDS = 4
PHOTO = (360, 480)


@dataclass(frozen=True)
class Line:
    """What an order is sent over, and where it is written down."""

    booth: str
    url: str
    wifi: Wifi
    clock: Clock
    journal: Journal

    def get(self, path: str, **query: Any) -> requests.Response:
        """GET of the booth API. Raises requests' errors."""
        return self.wifi.session.get(f"{self.url}/api/v1{path}", params=query, timeout=SECONDS)

    def pause(self, seconds: float) -> None:
        """Raises OutOfTime at the end of all patience."""
        self.clock.pause(seconds)


@dataclass
class Photo:
    """A photo of the order, in one style."""

    style: str
    mark: int
    data: bytes

    @classmethod
    def make(cls, style: str, name: str) -> Photo:
        """The same name always gives the same photo."""
        mark = random.Random(name).getrandbits(marks.MARK_BITS)
        return cls(style, mark, portrait(mark, size=PHOTO))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Order:
    """May be sent by several threads at once."""

    line: Line
    order_id: str
    sends: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: Any = None

    def send(self, photo: Photo) -> bool | None:
        """One sending: was it accepted? None: to be sent again, after a pause that was made here."""
        with self._lock:
            self.sends += 1
            send = self.sends
        self._note("post", mark=f"{photo.mark:016x}", photo_sha256=photo.sha256, style=photo.style, send=send)
        request = requests.Request(
            "POST",
            f"{self.line.url}/api/v1/orders",
            data={"order_id": self.order_id, "style": photo.style},
            files={"photo": ("photo.jpg", photo.data, "image/jpeg")},
        )
        try:
            answer = self.line.wifi.send(request)
        except requests.RequestException as error:
            self._note("no_answer", send=send, error=_describe(error))
            self.line.pause(self.line.wifi.chance.uniform(*RESEND_SECONDS))
            return None
        body, retry_after = read_body(answer), answer.headers.get("Retry-After")
        code = body.get("code")
        self._note(
            "answer",
            send=send,
            status=answer.status_code,
            code=code,
            retry_after=retry_after,
            duplicate=body.get("duplicate") is True,
            task_ids=[task["task_id"] for task in body.get("tasks") or []],
        )
        if answer.status_code in ACCEPTED:
            return True
        if answer.status_code not in REFUSALS and code not in COME_BACK_CODES:
            self._note("trouble", what="POST /orders", status=answer.status_code, code=code)
            if answer.status_code < 500:
                return False
        self.line.pause(min(read_retry_after(retry_after) or 1.0, LONGEST_PAUSE_SECONDS))
        return None

    def send_until_accepted(self, photo: Photo) -> bool:
        """As often as it takes; False when the farm will not have it. Raises OutOfTime."""
        while (accepted := self.send(photo)) is None:
            pass
        return accepted

    def send_twice_at_once(self, photo: Photo) -> None:
        """The identical order from two threads, once each."""
        twin = threading.Thread(target=self._send_beside, args=(photo,), daemon=True)
        twin.start()
        self.send(photo)
        twin.join(sum(SECONDS))

    def _send_beside(self, photo: Photo) -> None:
        try:
            self.send(photo)
        except Exception as error:  # of a thread that nobody waits for
            self._note("no_answer", send=self.sends, error=_describe(error))

    def cancel(self) -> None:
        """Once; an answer that does not come is written down as status 0."""
        where = f"{self.line.url}/api/v1/orders/{self.order_id}/cancel"
        try:
            status = self.line.wifi.session.post(where, timeout=SECONDS).status_code
        except requests.RequestException:
            status = 0
        self._note("cancel", status=status)

    def follow(self) -> dict[str, Any]:
        """The order when it has ended; empty when the farm does not know it. Raises OutOfTime."""
        version = 0
        while True:
            answer = self._get(f"/orders/{self.order_id}", wait=FOLLOW_SECONDS, after=version)
            if answer is None:
                continue
            if answer.status_code != 200:
                self._note("trouble", what="GET order", status=answer.status_code)
                return {}
            order = read_body(answer)
            self.note(order)
            if order.get("status") in ENDED_ORDER:
                return order
            version = int(order.get("version") or 0)

    def note(self, order: dict[str, Any]) -> None:
        """Write down the order's status if it differs from the last one seen."""
        tasks = [
            {
                "task_id": task["task_id"],
                "status": task["status"],
                "reason": (task.get("reason") or {}).get("code"),
                "photo_sha256": task["photo"]["sha256"],
                "images": len(task["images"]),
            }
            for task in order["tasks"]
        ]
        if (order["status"], tasks) != self._seen:
            self._seen = (order["status"], tasks)
            self._note("order", status=order["status"], tasks=tasks)

    def fetch(self, order: dict[str, Any]) -> None:
        """Get each finished task's picture, and read whose it is. Raises OutOfTime."""
        for task in order["tasks"]:
            if task["status"] != "succeeded":
                continue
            if not task["images"]:
                self._note("trouble", what="succeeded without a picture", status=0, task_id=task["task_id"])
                continue
            announced = task["images"][0]
            answer = None
            while answer is None:
                answer = self._get(urljoin(self.line.url, announced["url"]))
            if answer.status_code != 200:
                self._note("trouble", what="GET picture", status=answer.status_code, task_id=task["task_id"])
                continue
            sha256_ok = hashlib.sha256(answer.content).hexdigest() == announced["sha256"]
            self._note("picture", task_id=task["task_id"], sha256_ok=sha256_ok, mark=read_mark(answer.content))

    def _get(self, where: str, **query: Any) -> requests.Response | None:
        """None: ask again, after a pause that was made here."""
        try:
            if where.startswith("/"):
                answer = self.line.get(where, **query)
            else:
                answer = self.line.wifi.session.get(where, timeout=SECONDS)
        except requests.RequestException:
            self.line.pause(self.line.wifi.chance.uniform(*RESEND_SECONDS))
            return None
        if answer.status_code < 500 and answer.status_code not in REFUSALS:
            return answer
        if answer.status_code not in REFUSALS:
            self._note(
                "trouble", what=f"GET {'order' if where.startswith('/') else 'picture'}", status=answer.status_code
            )
        retry_after = read_retry_after(answer.headers.get("Retry-After"))
        self.line.pause(min(retry_after or 1.0, LONGEST_PAUSE_SECONDS))
        return None

    def _note(self, event: str, **fields: Any) -> None:
        self.line.journal.write(event, booth=self.line.booth, order_id=self.order_id, **fields)


def read_mark(data: bytes) -> str | None:
    """As the stand-ins write it; None when the picture carries none."""
    try:
        mark = marks.read(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return None if mark is None else f"{mark:016x}"


def _describe(error: Exception) -> str:
    """Its kind, and the line's own words where it broke by intention."""
    return f"{type(error).__name__}: {error}" if len(str(error)) < 60 else type(error).__name__

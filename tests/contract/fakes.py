"""What the contract tests share: small workflows, and an executor's Control that lives in memory."""

from __future__ import annotations

import io
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import requests
from PIL import Image

from jobs.comfyui.client import ComfyuiClient, Ending
from jobs.errors import ClaimLost
from jobs.orders.calls import OpenCall
from jobs.orders.work import Terms, Work
from jobs.styles.graph import Graph
from scripts.simulators import marks, photos

SECONDS = 20.0
"""How long a test waits for what must come; reaching it is a failure."""
MARK = 0x0123456789ABCDEF
PHOTO = photos.portrait(MARK, size=(450, 600))


def new_id() -> str:
    return str(uuid.uuid4())


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def blank(color: int = 0) -> dict[str, Any]:
    return node("EmptyImage", width=64, height=64, batch_size=1, color=color)


def save(source: str, prefix: str) -> dict[str, Any]:
    return node("SaveImage", images=[source, 0], filename_prefix=prefix)


def blank_graph(prefix: str | None = None) -> Graph:
    return {"1": blank(), "2": save("1", prefix or f"contract/{new_id()}")}


def sleep_graph(seconds: float) -> Graph:
    """Runs that long in steps of a tenth of a second; an interruption ends it at the next one."""
    sleep = node("TestSleep", image=["1", 0], seconds=seconds, steps=max(int(seconds * 10), 1), preview=False, nonce=1)
    return {"1": blank(), "2": sleep, "3": save("2", f"contract/{new_id()}")}


def submit(client: ComfyuiClient, graph: Graph | None = None, *, client_id: str | None = None) -> str:
    """The id of a prompt that the server took."""
    prompt_id = new_id()
    client.submit(graph or blank_graph(), prompt_id=prompt_id, client_id=client_id or new_id())
    return prompt_id


def until(found: Callable[[], Any]) -> Any:
    """Asks again until the answer is true: the only way to learn of a real server's doings."""
    ends_at = time.monotonic() + SECONDS
    pause = threading.Event()
    while time.monotonic() < ends_at:
        if answer := found():
            return answer
        pause.wait(0.02)
    raise TimeoutError(f"not within {SECONDS} s")


def ending_of(client: ComfyuiClient, prompt_id: str) -> Ending:
    ending: Ending = until(lambda: client.history(prompt_id))
    return ending


def running_at(client: ComfyuiClient, prompt_id: str) -> None:
    until(lambda: prompt_id in client.queue().running)


def raw_queue(url: str) -> list[str]:
    """The waiting prompts in the order in which the server names them."""
    answer = requests.get(f"{url}/queue", timeout=SECONDS).json()
    return [item[1] for item in answer["queue_pending"]]


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def mark_in(data: bytes) -> int | None:
    return marks.read(opened(data).convert("RGB"))


def photo_work(read_source: Callable[[], bytes] = lambda: PHOTO) -> Work:
    """A step that inverts the photo."""
    step = {
        "graph": {
            "1": node("LoadImage", image=""),
            "2": node("ImageInvert", image=["1", 0]),
            "3": save("2", ""),
        },
        "bind": {},
        "photo": ["1", "image"],
        "prefix": ["3", "filename_prefix"],
        "output": ["3"],
    }
    return Work(step, {}, 7, read_source)


class FakeControl:
    """A claim without database or queue. Waiting is shortened; losing the claim is up to the test."""

    def __init__(self, server: str) -> None:
        self.call = OpenCall(1, 1, "comfyui", None, server, new_id(), None, None, datetime.now(UTC))
        self.ids = [self.call.external_id]
        self.marked = 0
        self.asides: list[tuple[str, str | None]] = []
        self.reports: list[tuple[float, str]] = []
        self.followed: set[str] = set()
        self.asked_about: list[str] = []
        self.asked = threading.Event()
        self.ends_at = time.monotonic() + SECONDS
        self.waits: list[float] = []
        self.checks = 0
        self.unknown = 0
        self.lost_at = 0
        """The check that finds the claim lost; 0 is none."""
        self.when_lost: Callable[[], object] = lambda: None

    def adopt(self) -> None:
        """As if an earlier attempt had sent the call."""
        self.call = replace(self.call, sent_at=datetime.now(UTC))

    def run_out(self) -> None:
        """The time limit is over now."""
        self.ends_at = 0.0

    def check(self) -> None:
        self.checks += 1
        if self.checks == self.lost_at:
            self.when_lost()
        if 0 < self.lost_at <= self.checks:
            raise ClaimLost()

    def mark_sent(self, terms: Terms | None = None) -> None:
        if self.call.sent_at is not None:
            raise ClaimLost()
        self.marked += 1
        self.call = replace(self.call, sent_at=datetime.now(UTC))

    def replace_lost(self) -> None:
        self.call = replace(self.call, id=self.call.id + 1, call_no=self.call.call_no + 1, sent_at=None)
        self.call = replace(self.call, external_id=new_id())
        self.ids.append(self.call.external_id)

    def count_unknown(self) -> int:
        return self.unknown

    def replace_unknown(self) -> None:
        self.unknown += 1
        self.replace_lost()

    def keep_remote_id(self, remote_id: str) -> None:
        self.call = replace(self.call, remote_id=remote_id)

    def seconds_left(self) -> float:
        return self.ends_at - time.monotonic()

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        threading.Event().wait(min(seconds, 0.02))
        self.check()

    def report(self, value: float, stage: str) -> None:
        self.reports.append((value, stage))

    def set_aside(self, why: str, stuck_prompt: str | None = None) -> None:
        self.asides.append((why, stuck_prompt))

    def is_followed(self, external_id: str) -> bool:
        self.asked_about.append(external_id)
        self.asked.set()
        return external_id in self.followed

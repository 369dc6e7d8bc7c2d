"""A farm that did everything right for two orders; each test changes one thing in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from scripts.storming.checking.evidence import Evidence, Finding
from scripts.storming.checking.rows import CallRow, EventRow, ImageRow, Snapshot, StepRow, StoredFile, TaskRow
from scripts.storming.checking.verdict import Verdict, judge

PORT = 8188
SERVER = f"http://127.0.0.1:{PORT}"
WORKER = "comfyui-here-1-aaaaaa"
PROVIDERS = {
    "openai": {"port": 8300, "limit": 1, "unknown": "hold"},
    "replicate": {"port": 8304, "limit": 2, "unknown": "resubmit"},
}
LIMITS = {
    "claim_s": 3,
    "comfyui_limit": 2,
    "api_limit": 2,
    "comfyui_depth": 2,
    "queue_limit": 2,
    "providers": PROVIDERS,
}


AGAIN: dict[str, Any] = {
    "id": 9,
    "call_no": 2,
    "attempt": 2,
    "external_id": "p9",
    "outcome": "succeeded",
    "opened_at": 13.6,
    "sent_at": 13.7,
    "closed_at": 16.0,
}
"""How the second call of a step differs from the first."""


def port_of(provider: str) -> int:
    port: int = PROVIDERS[provider]["port"]  # type: ignore[assignment]
    return port


def at(t: float, event: str, **fields: Any) -> dict[str, Any]:
    return {"t": t, "event": event, **fields}


def comfyui(t: float, event: str, prompt_id: str = "", **fields: Any) -> dict[str, Any]:
    return at(t, event, port=PORT, boot="b1", prompt_id=prompt_id, **fields)


@dataclass
class Story:
    """Order 1 in one step at ComfyUI (moments 10 to 16), order 2 in one step at the cloud (20 to 26)."""

    booths: list[dict[str, Any]] = field(default_factory=list)
    comfyui: list[dict[str, Any]] = field(default_factory=list)
    clouds: list[dict[str, Any]] = field(default_factory=list)
    nemesis: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    steps: list[StepRow] = field(default_factory=list)
    calls: list[CallRow] = field(default_factory=list)
    images: list[ImageRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    named: dict[str, int | None] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nemesis += [at(1, "settings", **LIMITS), at(50, "healed"), at(60, "drained", seconds=10)]
        self.comfyui.append(comfyui(2, "boot", lost=[]))
        for provider in PROVIDERS:
            self.clouds.append(at(2, "boot", port=port_of(provider), boot="c1", lost=[]))
        for number, resource in ((1, "comfyui"), (2, "api")):
            self._add(number, resource)

    def _add(self, number: int, resource: str) -> None:
        t, name, sha256, mark = number * 10.0, f"order-{number}", f"sha{number}", f"{number:016x}"
        worker, prompt = (WORKER, "p1") if number == 1 else ("api-here-2-bbbbbb", "req_2")
        who = {"booth": "booth-1", "order_id": name}
        shown = {"task_id": f"task-{number}", "status": "succeeded", "reason": None, "photo_sha256": sha256}
        self.booths += [
            at(t - 0.2, "post", **who, mark=mark, photo_sha256=sha256, style="style", send=1),
            self.answer(number, t + 0.1, 202, [f"task-{number}"]),
            at(t + 1, "queue", booth="booth-1", queued=1),
            at(t + 6.1, "order", **who, status="succeeded", tasks=[{**shown, "images": 1}]),
            at(t + 6.2, "picture", **who, task_id=f"task-{number}", sha256_ok=True, mark=mark),
        ]
        told = {"prompt_id": prompt, "inputs": [{"name": "photo.jpg", "mark": mark}]}
        rows, port = (self.comfyui, PORT) if number == 1 else (self.clouds, port_of("openai"))
        rows.append(at(t + 3, "submit", port=port, boot="b1", **told))
        rows.append(at(t + 5, "end", port=port, boot="b1", prompt_id=prompt, outcome="success"))
        paths = f"photos/{number}.jpg", f"images/{number}.jpg"
        self.tasks.append(
            TaskRow(number, f"task-{number}", name, sha256, "style", "succeeded", t, t + 2, t + 6, photo_path=paths[0])
        )
        self.steps.append(StepRow(number, number, 0, resource, "succeeded", 1))
        provider, server, remote = (None, SERVER, None) if number == 1 else ("openai", None, "req_2")
        external = "p1" if number == 1 else "uuid-2"
        place = (resource, provider, server, external, remote)
        self.calls.append(CallRow(number, number, 1, 1, *place, "closed", "succeeded", t + 2, t + 2.9, t + 6))
        self.images.append(ImageRow(number, number, 1, True, paths[1], 100))
        self.happens(number, t + 2, "S2", 1, worker)
        self.happens(number, t + 6, "S4", 1, worker)
        for path in paths:
            self.named[path] = 100
            self.files[path] = StoredFile(100, 30)

    def answer(self, number: int, t: float, status: int, task_ids: list[str], send: int = 1) -> dict[str, Any]:
        told = {"code": None, "retry_after": None, "duplicate": False, "task_ids": task_ids}
        return at(t, "answer", booth="booth-1", order_id=f"order-{number}", send=send, status=status, **told)

    def happens(self, step: int, t: float, move: str, attempt: int, actor: str = WORKER, **detail: Any) -> None:
        self.events.append(EventRow(len(self.events) + 1, t, step, step, attempt, move, actor, detail))

    def change(self, rows: str, row: int, **values: Any) -> None:
        """Change the row at this place of `tasks`, `steps`, `calls` or `images`."""
        table = getattr(self, rows)
        table[row] = replace(table[row], **values)

    def send_again(self, *, outcome: str, t: float = 14.0) -> None:
        """Step 1 is retried: its first call ended with `outcome` at 13.5, a second one makes the picture."""
        self.change("calls", 0, outcome=outcome, closed_at=13.5)
        self.calls.append(replace(self.calls[0], **AGAIN))
        self.comfyui.append(comfyui(t, "submit", "p9", inputs=[]))
        self.comfyui.append(comfyui(15.5, "end", "p9"))
        self.steps[0] = replace(self.steps[0], attempt=2)
        self.images[0] = replace(self.images[0], attempt=2)
        self.events = [event for event in self.events if event.step != 1]
        for moment, move, attempt in ((12, "S2", 1), (13.5, "S5", 1), (13.55, "S8", 2), (13.6, "S2", 2), (16, "S4", 2)):
            self.happens(1, moment, move, attempt)

    def move_to(self, provider: str) -> None:
        """Order 2 was made by this provider."""
        self.change("calls", 1, provider=provider)
        for row in self.clouds:
            if row.get("prompt_id") == "req_2":
                row["port"] = port_of(provider)

    def buy_again(self, *, outcome: str = "unknown", remote_id: str | None = "req_2") -> None:
        """Step 2 is bought again within its attempt: its call ended with `outcome` at 23.5, 24 to 25 is the next."""
        first = self.calls[1]
        self.change("calls", 1, outcome=outcome, closed_at=23.5, remote_id=remote_id)
        number = len(self.calls) + 1
        again = {"id": number, "call_no": number - 1, "external_id": f"uuid-{number}", "remote_id": f"req_{number}"}
        self.calls.append(replace(first, **again, opened_at=23.6, sent_at=23.7))
        [took] = [row for row in self.clouds if row["event"] == "submit" and row["prompt_id"] == "req_2"]
        told = {"prompt_id": f"req_{number}"}
        self.clouds += [{**took, **told, "t": 24.0}, at(25.0, "end", port=took["port"], boot="b1", **told)]

    def evidence(self) -> Evidence:
        journals = [tuple(sorted(rows, key=lambda row: row["t"])) for rows in self._journals()]
        rows = (self.tasks, self.steps, self.calls, self.images, self.events)
        return Evidence(*journals, snapshot=Snapshot(*map(tuple, rows), self.named), files=self.files)  # type: ignore[arg-type]

    def _journals(self) -> tuple[list[dict[str, Any]], ...]:
        return self.booths, self.comfyui, self.clouds, self.nemesis

    def judged(self) -> Verdict:
        return judge(self.evidence())

    def found(self) -> dict[str, list[Finding]]:
        """What is not empty."""
        return {name: found for name, found in self.judged().findings.items() if found}


def drop(rows: list[dict[str, Any]], event: str, **fields: Any) -> None:
    """Take the rows of an event out."""
    rows[:] = [row for row in rows if row["event"] != event or any(row[name] != fields[name] for name in fields)]


def freeze(number: int, target: str = WORKER) -> list[dict[str, Any]]:
    who = {"fault": "freeze worker", "target": target, "pid": 7, "number": number}
    return [at(12.95, "begin", **who), at(18, "end", **who)]

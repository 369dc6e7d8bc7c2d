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
LIMITS = {"claim_s": 3, "comfyui_limit": 2, "api_limit": 1, "comfyui_depth": 2, "queue_limit": 2}


def at(t: float, event: str, **fields: Any) -> dict[str, Any]:
    return {"t": t, "event": event, **fields}


def comfyui(t: float, event: str, prompt_id: str = "", **fields: Any) -> dict[str, Any]:
    return at(t, event, port=PORT, boot="b1", prompt_id=prompt_id, **fields)


@dataclass
class Story:
    """Order 1 in one step at ComfyUI (moments 10 to 16), order 2 in one step at the cloud (20 to 26)."""

    booths: list[dict[str, Any]] = field(default_factory=list)
    comfyui: list[dict[str, Any]] = field(default_factory=list)
    openai: list[dict[str, Any]] = field(default_factory=list)
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
        self.openai.append(at(2, "boot", port=8300, boot="c1", lost=[]))
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
        rows, port = (self.comfyui, PORT) if number == 1 else (self.openai, 8300)
        rows.append(at(t + 3, "submit", port=port, boot="b1", **told))
        rows.append(at(t + 5, "end", port=port, boot="b1", prompt_id=prompt, outcome="success"))
        paths = f"photos/{number}.jpg", f"images/{number}.jpg"
        self.tasks.append(
            TaskRow(number, f"task-{number}", name, sha256, "style", "succeeded", t, t + 2, t + 6, photo_path=paths[0])
        )
        self.steps.append(StepRow(number, number, 0, resource, "succeeded", 1))
        server, remote = (SERVER, None) if number == 1 else (None, "req_2")
        external = "p1" if number == 1 else "uuid-2"
        self.calls.append(
            CallRow(
                number, number, 1, 1, resource, server, external, remote, "closed", "succeeded", t + 2, t + 2.9, t + 6
            )
        )
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
        self.calls.append(CallRow(9, 1, 2, 2, "comfyui", SERVER, "p9", None, "closed", "succeeded", 13.6, 13.7, 16.0))
        self.comfyui.append(comfyui(t, "submit", "p9", inputs=[]))
        self.comfyui.append(comfyui(15.5, "end", "p9"))
        self.steps[0] = replace(self.steps[0], attempt=2)
        self.images[0] = replace(self.images[0], attempt=2)
        self.events = [event for event in self.events if event.step != 1]
        for moment, move, attempt in ((12, "S2", 1), (13.5, "S5", 1), (13.55, "S8", 2), (13.6, "S2", 2), (16, "S4", 2)):
            self.happens(1, moment, move, attempt)

    def evidence(self) -> Evidence:
        journals = [tuple(sorted(rows, key=lambda row: row["t"])) for rows in self._journals()]
        rows = (self.tasks, self.steps, self.calls, self.images, self.events)
        return Evidence(*journals, snapshot=Snapshot(*map(tuple, rows), self.named), files=self.files)  # type: ignore[arg-type]

    def _journals(self) -> tuple[list[dict[str, Any]], ...]:
        return self.booths, self.comfyui, self.openai, self.nemesis

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

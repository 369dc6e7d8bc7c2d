"""What a rush writes down about each order: answers, times, pictures. Values only; nothing outside is touched."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

ACCEPTED = 202
DUPLICATE = 200
REFUSALS = (429, 503)


@dataclass(frozen=True)
class Answer:
    """One answer to a POST of the order."""

    status: int
    at: float  # seconds since the epoch, as all times here but the farm's own
    code: str | None = None
    retry_after: str | None = None
    retry_after_ok: bool = True
    duplicate: bool = False
    task_ids: tuple[str, ...] = ()
    copy: int = 0
    promised: tuple[float, float] | None = None  # the task's `eta_range_s`: seconds from this answer on


@dataclass
class Row:
    """One order with one photo, from its first POST to the last look at it."""

    number: int
    order_id: str
    booth: str
    mark: int
    style: str = ""
    photo_sha256: str = ""
    t_submit: float | None = None
    t_accepted: float | None = None
    answers: list[Answer] = field(default_factory=list)
    connection_errors: int = 0
    order_status: str | None = None
    task_ids: tuple[str, ...] = ()
    task_status: str | None = None
    reason: str | None = None
    resources: tuple[str, ...] = ()
    attempts: int = 0
    created_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    t_ended: float | None = None  # when the booth saw that it had ended
    t_picture: float | None = None
    picture_mark: int | None = None
    picture_problems: list[str] = field(default_factory=list)
    repeat: Answer | None = None
    made: int | None = None  # pictures that the servers' logs name for this mark; None when nobody asked
    bought: int | None = None  # the same of the cloud services' logs
    faults: list[str] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        return self.t_accepted is not None

    @property
    def is_succeeded(self) -> bool:
        return self.task_status == "succeeded"

    @property
    def lane(self) -> str:
        """Where nobody overtakes: all that begin at ComfyUI; of the clouds, whose slots differ, each style."""
        return "comfyui" if self.resources[:1] == ("comfyui",) else self.style

    @property
    def wait(self) -> float | None:
        """Seconds from being accepted to having the picture."""
        if self.t_picture is None or self.t_accepted is None:
            return None
        return self.t_picture - self.t_accepted

    @property
    def promised(self) -> tuple[float, float] | None:
        """From when to when the picture was promised to the booth that was told 202."""
        told = next((answer for answer in self.answers if answer.status == ACCEPTED), None)
        if told is None or told.promised is None:
            return None
        return told.at + told.promised[0], told.at + told.promised[1]

    def note_order(self, order: dict[str, Any]) -> None:
        """Take over what the farm says about the order now."""
        tasks = order.get("tasks") or []
        self.order_status = order.get("status")
        self.task_ids = tuple(str(task.get("task_id")) for task in tasks)
        if not tasks:
            return
        task = tasks[0]
        steps = task.get("steps") or []
        self.task_status = task.get("status")
        self.created_at, self.started_at = task.get("created_at"), task.get("started_at")
        self.finished_at = task.get("finished_at")
        self.reason = (task.get("reason") or {}).get("code")
        self.resources = tuple(step.get("resource", "") for step in steps)
        self.attempts = sum(step.get("attempt") or 0 for step in steps)
        sent_as = (task.get("photo") or {}).get("sha256")
        if sent_as != self.photo_sha256:
            self.add_fault(f"the task's photo has the hash {sent_as}")

    def add_fault(self, sentence: str) -> None:
        """Remember what should not have happened, once."""
        if sentence not in self.faults:
            self.faults.append(sentence)

    def described(self) -> dict[str, Any]:
        """As the JSON file has it; marks as the stand-ins write them."""
        painted = None if self.picture_mark is None else f"{self.picture_mark:016x}"
        first = min(self.answers, key=lambda answer: answer.at).status if self.answers else None
        return {
            **asdict(self),
            "mark": f"{self.mark:016x}",
            "picture_mark": painted,
            "first_status": first,
            "wait_s": self.wait,
        }

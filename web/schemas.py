"""The JSON shapes of the booth API, and nothing else. Answers are built as these models, and the description of the API
is made from them; showing.py fills them from rows.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

TaskStatus = Literal["queued", "running", "succeeded", "failed", "canceled"]
StepStatus = Literal["pending", "queued", "running", "retrying", "succeeded", "failed", "canceled"]
OrderStatus = Literal["queued", "running", "succeeded", "partial", "failed", "canceled"]
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""RFC 3339 in UTC, as `show_moment` writes it."""
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


def _is_none(value: Any) -> bool:
    return value is None


class Shape(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(frozen=True)


class Photo(Shape):
    """The photo of a task."""

    sha256: str = Field(description="The hash of the bytes as received.")
    index: Count = Field(description="Its place in the order, from 0.")


class Progress(Shape):
    """How far a task is."""

    value: Annotated[float, Field(ge=0, le=1)]
    stage: str = Field(description="queued, sending, waiting, making, fetching, done, failed or canceled.")
    message: str = Field(description="The stage as a sentence for a screen.")


class Reason(Shape):
    """Why a task failed."""

    code: str = Field(description="One of the kinds listed under “Why a task failed”.")
    message: str = Field(description="A sentence for the attendant.")


class MadeBy(Shape):
    """What made a picture."""

    resource: str
    provider: str | None = Field(description="The cloud provider; `frame` stands for the plain framed photo.")
    model: str | None
    server: str | None = Field(description="The ComfyUI server.")
    alternative: bool = Field(description="The style, or a step of it, was not made as written but by an alternative.")
    why: str | None = Field(description="Why: `paused`, `unavailable`, `refused` or `slow`; null without alternative.")


class Image(Shape):
    """A finished picture."""

    url: str = Field(description="A signed link that needs no key, works for a day and stays the same for an hour.")
    thumbnail_url: str
    content_type: str
    width: Count
    height: Count
    bytes: Count
    sha256: str
    made_by: MadeBy | None = Field(description="Null for pictures of before this was written down.")


class Step(Shape):
    """One piece of a task's work on one resource."""

    index: Count
    resource: str
    status: StepStatus
    attempt: Count
    failures: Count


class Range(Shape):
    """Seconds from now: at the earliest, at the latest."""

    low: Seconds
    high: Seconds


class Task(Shape):
    """One photo of an order in one style: what a guest waits for."""

    task_id: str
    style: str
    status: TaskStatus
    photo: Photo
    progress: Progress
    position: Count = Field(description="Tasks ahead of it in the queue.")
    eta_s: Seconds | None = Field(
        description="Seconds left, the likeliest: from measured times, the queue ahead and what works now."
    )
    eta_range_s: Range | None = Field(
        description="Seconds left, from the earliest to the latest. Null, as `eta_s`, when the task has ended or "
        "nothing can be said: what it needs is paused until further notice, or no server that can make it is well."
    )
    reason: Reason | None
    images: list[Image]
    steps: list[Step]
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


class Guest(Shape):
    """How the guest finds the order again."""

    code: str = Field(description="A short code to read out.")
    url: str = Field(description="The guest's page; works before the picture is there.")
    qr_url: str = Field(description="The same as a QR code (SVG).")


class Links(Shape):
    """Where to go on."""

    self: str
    events: str
    cancel: str
    delete: str


class Order(Shape):
    """What a booth submitted under an order id, and what became of it."""

    order_id: str
    booth: str
    status: OrderStatus = Field(
        description="queued: none has begun; partial: all ended, some succeeded; failed: all ended, none did."
    )
    version: Count = Field(description="Raised by every move of a task or step; not by progress, position or ETA.")
    duplicate: Annotated[Literal[True] | None, WithJsonSchema({"type": "boolean", "const": True})] = Field(
        default=None,
        exclude_if=_is_none,
        description="There when a submission brought nothing new: nothing was added, nothing runs twice.",
    )
    created_at: Moment
    tasks: list[Task]
    guest: Guest
    links: Links


class Event(Shape):
    """One event of an order's stream."""

    event: Literal["order", "progress"]
    id: Annotated[str | None, WithJsonSchema({"type": "string"})] = Field(
        default=None, exclude_if=_is_none, description="The order's version; only with `order`."
    )
    data: str = Field(
        description="JSON. With `order` the whole order; with `progress` an object with `tasks`, each with `task_id`, "
        "`status`, `progress`, `position`, `eta_s` and `eta_range_s`."
    )


class Style(Shape):
    """A style that a guest may pick."""

    name: str
    title: dict[str, str] = Field(description="By language: en, zh.")
    description: dict[str, str]
    preview_url: str | None
    resources: list[str]
    options: dict[str, Any] = Field(description="JSON Schema of what the guest may choose.")
    available: bool
    unavailable_reason: Annotated[str | None, WithJsonSchema({"type": "string"})] = Field(
        default=None, exclude_if=_is_none, description="There when it cannot be ordered now."
    )


class Styles(Shape):
    """All styles."""

    styles: list[Style]


class Resource(Shape):
    """What limits the work: `comfyui`, `api`."""

    workers: Count
    busy: Count
    queued: Count
    limit: Count
    paused_until: str | None = Field(description="A moment, or “further notice”; null when it is not paused.")


class ProviderState(Shape):
    """A cloud provider that has a key."""

    busy: Count
    limit: Count = Field(description="Calls that may be in flight now; fewer than usual after a pause.")
    paused_until: str | None = Field(description="A moment, or “further notice”; null when it is not paused.")
    paused_s: Seconds | None
    why: str | None = Field(description="`rate`, `quota`, `account`, `breaker`, `budget` or `operator`.")


class Waits(Shape):
    """Seconds from acceptance to the picture, of the tasks that finished last; null before the first."""

    p50: Seconds | None
    p90: Seconds | None


class Queue(Shape):
    """How full the farm is and how long it takes."""

    queued: Count
    running: Count
    limit: Count
    wait_s: Waits
    next_eta_range_s: dict[str, Range | None] = Field(
        description="By style: when the picture of an order placed now would be there. Null when nothing can be said."
    )
    accepting: bool
    intake_paused_until: str | None = Field(
        description="A moment, or “further notice”, when staff have stopped new orders; null when they have not."
    )
    resources: dict[str, Resource]
    providers: dict[str, ProviderState]


class Stats(Shape):
    """The figures since the farm was set up; restarts and retention do not touch the totals."""

    total_submitted: Count = Field(description="Tasks ever accepted.")
    total_processed: Count = Field(description="Tasks that have ended, failed and canceled ones included.")
    total_failed: Count
    current_queue_size: Count
    last_processed_time: Moment | None
    queue_size: Count
    queue_maxsize: Count
    is_running: bool = Field(description="At least one worker lives.")
    worker_count: Count
    resources: dict[str, Resource]


class Remain(BaseModel):
    """A place where copies may lie that the farm cannot remove by itself: a ComfyUI server, or a provider."""

    model_config = ConfigDict(frozen=True, extra="allow")

    place: str
    what: str
    until: Moment | None = Field(None, description="When it is gone at the latest, where that can be promised.")
    gone_at: Moment | None = Field(None, description="When it was found gone.")


class Receipt(Shape):
    """What was deleted."""

    order_id: str
    deleted_at: Moment
    tasks: Count
    files: Count
    may_remain: list[Remain]


class Deleted(Shape):
    """The answer to a deletion."""

    deleted: Literal[True]
    receipt: Receipt


class Pulse(Shape):
    """The answer to a heartbeat."""

    server_time: Moment
    accepting: bool
    message: str = Field(description="For the booth's screen; empty when all is well.")
    config_version: Count


class FieldError(Shape):
    """One field that is wrong."""

    field: str
    detail: str


class Problem(Shape):
    """A refusal, as RFC 9457 has it."""

    type: str = Field(description="The address of the page that explains the code.")
    title: str
    status: int
    detail: str = Field(description="One plain sentence for staff.")
    code: str = Field(description="What programs decide by.")
    retryable: bool = Field(description="The same request may succeed later.")
    retry_after_s: Annotated[int | None, WithJsonSchema({"type": "integer", "minimum": 0})] = Field(
        default=None, exclude_if=_is_none, description="As the header Retry-After."
    )
    errors: Annotated[
        list[FieldError] | None,
        WithJsonSchema({"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}}),
    ] = Field(default=None, exclude_if=_is_none, description="The fields that are wrong.")
    request_id: str | None = Field(description="As the header X-Request-Id; staff find the request by it in the logs.")

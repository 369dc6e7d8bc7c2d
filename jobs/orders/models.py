"""The tables of orders. Columns only; the moves live in moves.py and repairs.py.

An order has tasks (one photo in one style), a task has steps, a step has attempts; a call is one submission to the
outside, and the open and closing calls are the slots of a resource.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from jobs.database import Base, Moment


class Order(Base):
    """What a booth submits under its own order id. Its status is derived from its tasks, so it is not a column."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_booth_id_id", "booth_id", "id"),
        # PostgreSQL finds ids that begin so only in an index that compares byte by byte.
        Index("ix_orders_order_id_start", "order_id", postgresql_ops={"order_id": "varchar_pattern_ops"}),
        Index(
            "ix_orders_kept",
            "created_at",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    order_id: Mapped[str] = mapped_column(String(64), unique=True)
    booth_id: Mapped[int] = mapped_column(ForeignKey("booths.id"))
    code: Mapped[str] = mapped_column(String(8), index=True)
    guest_key: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    link_number: Mapped[int] = mapped_column(default=1)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)
    receipt: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    tasks: Mapped[list[Task]] = relationship(back_populates="order", order_by="Task.id")


class Photo(Base):
    """A photo as the booth sent it: `sha256` is of the received bytes; the file is our upright, clean re-encoding."""

    __tablename__ = "photos"
    __table_args__ = (UniqueConstraint("order_id", "sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    sha256: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]
    path: Mapped[str | None] = mapped_column(String(200), index=True)
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Moment)


class Recipe(Base):
    """One version of a style, kept as it was when a task was accepted: what waits is not changed by an edit."""

    __tablename__ = "recipes"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    style: Mapped[str] = mapped_column(String(64))
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Task(Base):
    """One photo of an order in one style: the unit a guest waits for. `id` is the order of admission."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("order_id", "photo_sha256", "style", "options_key", "take", name="uq_tasks_identity"),
        Index("ix_tasks_status_id", "status", "id"),
        Index("ix_tasks_status_finished_at", "status", "finished_at"),
        Index("ix_tasks_status_order_id", "status", "order_id"),
        Index("ix_tasks_style_status_finished_at", "style", "status", "finished_at"),
        {"sqlite_autoincrement": True},  # ids are never given twice, so they stay the order of admission
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[str] = mapped_column(String(32), unique=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id"))
    photo_sha256: Mapped[str] = mapped_column(String(64))
    style: Mapped[str] = mapped_column(String(64))
    recipe_id: Mapped[str] = mapped_column(ForeignKey("recipes.id"))
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    options_key: Mapped[str] = mapped_column(String(64))
    take: Mapped[int] = mapped_column(default=0)
    seed: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(12), default="queued")
    kind: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(Moment)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment, index=True)
    deadline_at: Mapped[datetime] = mapped_column(Moment)
    promised_low_at: Mapped[datetime | None] = mapped_column(Moment)
    """From when to when its picture was to be there, as the booth was told at acceptance: promises.py."""
    promised_high_at: Mapped[datetime | None] = mapped_column(Moment)

    order: Mapped[Order] = relationship(back_populates="tasks")
    photo: Mapped[Photo] = relationship()
    recipe: Mapped[Recipe] = relationship()
    steps: Mapped[list[Step]] = relationship(back_populates="task", order_by="Step.position")
    images: Mapped[list[Image]] = relationship(back_populates="task", order_by="Image.id")


class Step(Base):
    """One piece of a task's work on one resource. `attempt` is the fencing number: each can be claimed once."""

    __tablename__ = "steps"
    __table_args__ = (
        UniqueConstraint("task_id", "position"),
        Index("ix_steps_resource_status", "resource", "status", "task_id"),
        Index("ix_steps_status_claim_until", "status", "claim_until"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    position: Mapped[int]
    rung: Mapped[int] = mapped_column(default=0, server_default="0")
    """How it is made: 0 as the style's step is written, n by its n-th alternative. The next three columns follow it."""
    rung_why: Mapped[str | None] = mapped_column(String(16))
    """Why it is not made as written: paused, unavailable, refused or slow."""
    resource: Mapped[str] = mapped_column(String(32))
    provider: Mapped[str | None] = mapped_column(String(32))
    timeout_s: Mapped[float]
    status: Mapped[str] = mapped_column(String(12))
    attempt: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(100))
    claimed_at: Mapped[datetime | None] = mapped_column(Moment)
    claim_until: Mapped[datetime | None] = mapped_column(Moment)
    not_before: Mapped[datetime | None] = mapped_column(Moment)
    queued_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    failures: Mapped[int] = mapped_column(default=0)
    crashes: Mapped[int] = mapped_column(default=0)
    claims: Mapped[int] = mapped_column(default=0)
    kind: Mapped[str | None] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(Text)

    task: Mapped[Task] = relationship(back_populates="steps")
    calls: Mapped[list[Call]] = relationship(back_populates="step", order_by="Call.id")


class Call(Base):
    """One submission to a ComfyUI server or provider, written down before its first byte is sent."""

    __tablename__ = "calls"
    __table_args__ = (
        UniqueConstraint("step_id", "call_no"),
        Index(
            "uq_calls_open",
            "step_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_calls_state_resource", "state", "resource"),
        Index("ix_calls_provider_sent_at", "provider", "sent_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    step_id: Mapped[int] = mapped_column(ForeignKey("steps.id"))
    call_no: Mapped[int]
    attempt: Mapped[int]
    resource: Mapped[str] = mapped_column(String(32))
    provider: Mapped[str | None] = mapped_column(String(32))
    server: Mapped[str | None] = mapped_column(String(200))
    external_id: Mapped[str] = mapped_column(String(64), unique=True)
    remote_id: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10), default="open")
    outcome: Mapped[str | None] = mapped_column(String(20))
    opened_at: Mapped[datetime] = mapped_column(Moment)
    sent_at: Mapped[datetime | None] = mapped_column(Moment)
    closing_at: Mapped[datetime | None] = mapped_column(Moment)
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    price: Mapped[float | None]
    """What it was expected to cost when it was sent."""
    cost: Mapped[float | None]

    step: Mapped[Step] = relationship(back_populates="calls")


class Image(Base):
    """A picture that a successful step made. Only the last step's are the task's; earlier ones feed the next step."""

    __tablename__ = "images"

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    step_id: Mapped[int] = mapped_column(ForeignKey("steps.id"))
    attempt: Mapped[int]
    position: Mapped[int]
    final: Mapped[bool]
    path: Mapped[str] = mapped_column(String(200), index=True)
    thumbnail_path: Mapped[str] = mapped_column(String(200), index=True)
    content_type: Mapped[str] = mapped_column(String(40))
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
    made_by: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """resource, provider and model, or server; `alternative`: was this step or one before it not made as written, and
    `why`. None: made before this was written down.
    """

    task: Mapped[Task] = relationship(back_populates="images")


class Event(Base):
    """One line of an order's history. Written by the move itself, never changed."""

    __tablename__ = "events"
    __table_args__ = ({"sqlite_autoincrement": True},)  # an id below the tallies' position is never given again

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"), index=True)
    step_id: Mapped[int | None] = mapped_column(ForeignKey("steps.id"))
    attempt: Mapped[int | None]
    move: Mapped[str] = mapped_column(String(24))
    actor: Mapped[str] = mapped_column(String(100))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class Pause(Base):
    """Nothing of this scope (pauses.py names them) starts until then."""

    __tablename__ = "pauses"

    scope: Mapped[str] = mapped_column(String(100), primary_key=True)
    since: Mapped[datetime] = mapped_column(Moment)
    until: Mapped[datetime | None] = mapped_column(Moment)
    why: Mapped[str] = mapped_column(String(300))
    kind: Mapped[str] = mapped_column(String(16), server_default="operator")
    """rate, quota, account, breaker or budget: what a provider's brake does; operator: somebody pressed a button."""
    actor: Mapped[str | None] = mapped_column(String(100))
    """Who pressed it; `why` is then their reason, and may be empty."""


class ResourceLimit(Base):
    """How many calls of a resource may be in flight, as an operator set it. No row: what the settings say."""

    __tablename__ = "resource_limits"

    resource: Mapped[str] = mapped_column(String(32), primary_key=True)
    calls: Mapped[int]


class Tally(Base):
    """A figure that only grows, counted from the events up to the position: orders/tallies.py owns both tables."""

    __tablename__ = "tallies"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    labels: Mapped[str] = mapped_column(String(200), primary_key=True)
    """A JSON list of the labels' values, in the order in which tallies.py names them."""
    value: Mapped[float]


class TallyPosition(Base):
    """Up to which event the tallies count: one row. `noted_*`: the next stretch, once no older transaction is open."""

    __tablename__ = "tally_position"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int]
    noted_event_id: Mapped[int]
    noted_transaction: Mapped[int] = mapped_column(BigInteger)
    rolled_at: Mapped[datetime | None] = mapped_column(Moment)

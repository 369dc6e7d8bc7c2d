"""Rows in, the contract's shapes out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from jobs.access.links import Signer
from jobs.forecast.span import SecondsLeft
from jobs.menu import Dish
from jobs.orders import models
from jobs.orders.states import derive_order_status
from jobs.orders.stats import show_moment
from web import schemas

FINAL_STAGES = {"succeeded": "done", "failed": "failed", "canceled": "canceled"}
MESSAGES = {
    "queued": "Waiting for its turn",
    "sending": "Sending the photo",
    "waiting": "Next in line at the server",
    "making": "Making the picture",
    "fetching": "Fetching the picture",
    "done": "Done",
    "failed": "Failed",
    "canceled": "Canceled",
}


@dataclass(frozen=True)
class Surroundings:
    """What an order's answer needs besides its rows."""

    booth: str
    places: dict[int, int]
    left: dict[int, SecondsLeft | None]
    """Of the open tasks."""
    progress: dict[int, dict[str, Any]]


def show_order(order: models.Order, around: Surroundings, signer: Signer, base_url: str) -> schemas.Order:
    """The order of the contract."""
    token = signer.guest_token(order.uid, order.link_number)
    here = f"/api/v1/orders/{order.order_id}"
    return schemas.Order.model_validate(
        {
            "order_id": order.order_id,
            "booth": around.booth,
            "status": derive_order_status(task.status for task in order.tasks),
            "version": order.version,
            "created_at": show_moment(order.created_at),
            "tasks": [describe_task(task, around, signer) for task in order.tasks],
            "guest": {"code": order.code, "url": f"{base_url}/g/{token}", "qr_url": f"{base_url}/g/{token}/qr.svg"},
            "links": {"self": here, "events": f"{here}/events", "cancel": f"{here}/cancel", "delete": here},
        }
    )


def show_task(task: models.Task, around: Surroundings, signer: Signer) -> schemas.Task:
    """The task of the contract."""
    return schemas.Task.model_validate(describe_task(task, around, signer))


def describe_task(task: models.Task, around: Surroundings, signer: Signer) -> dict[str, Any]:
    """A task's fields, not yet checked: an order's tasks are checked with it, at once."""
    left = around.left.get(task.id)
    images = [image for image in task.images if image.final] if task.status == "succeeded" else []
    return {
        "task_id": task.task_id,
        "style": task.style,
        "status": task.status,
        "photo": {"sha256": task.photo_sha256, "index": task.photo.position},
        "progress": _show_progress(task, around.progress.get(task.id)),
        "position": around.places.get(task.id, 0),
        "eta_s": left.middle if left else None,
        "eta_range_s": {"low": left.low, "high": left.high} if left else None,
        "reason": {"code": task.kind, "message": task.reason or ""} if task.kind else None,
        "images": [_describe_image(image, signer) for image in images],
        "steps": [
            {
                "index": step.position,
                "resource": step.resource,
                "status": step.status,
                "attempt": step.attempt,
                "failures": step.failures,
            }
            for step in task.steps
        ],
        "created_at": show_moment(task.created_at),
        "started_at": show_moment(task.started_at),
        "finished_at": show_moment(task.finished_at),
    }


def show_style(dish: Dish) -> schemas.Style:
    """A style of the list; an unavailable one says why."""
    style = dish.style
    return schemas.Style(
        name=style.name,
        title=style.title,
        description=style.description,
        preview_url=f"/api/v1/styles/{style.name}/preview" if style.preview else None,
        resources=list(style.resources),
        options=style.options,
        available=dish.problem is None,
        unavailable_reason=dish.problem,
    )


def _describe_image(image: models.Image, signer: Signer) -> dict[str, Any]:
    """A picture with its signed links, which stay the same within an hour."""
    now = time.time()
    return {
        "url": f"/api/v1/images/{signer.image_token(image.uid, 'full', now)}",
        "thumbnail_url": f"/api/v1/images/{signer.image_token(image.uid, 'thumbnail', now)}",
        "content_type": image.content_type,
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
        "sha256": image.sha256,
        "made_by": None if image.made_by is None else dict.fromkeys(schemas.MadeBy.model_fields) | image.made_by,
    }


def _show_progress(task: models.Task, reported: dict[str, Any] | None) -> dict[str, Any]:
    if task.status in FINAL_STAGES:
        stage, value = FINAL_STAGES[task.status], 1.0 if task.status == "succeeded" else 0.0
    elif task.status == "queued" or reported is None:
        stage, value = "queued" if task.status == "queued" else "waiting", 0.0
    else:
        done = sum(step.status == "succeeded" for step in task.steps)
        stage = str(reported["stage"])
        # A chain's steps share the bar; the last word on "done" is the task's status.
        value = min((done + float(reported["value"])) / max(len(task.steps), 1), 0.99)
    return {"value": round(value, 3), "stage": stage, "message": MESSAGES.get(stage, stage)}

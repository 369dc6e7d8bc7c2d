"""One task's page: what happened to it on one time line, its pictures and its buttons."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from jobs.access.operators import Operator
from jobs.cloud.money import Spending, spent_on_order
from jobs.errors import Conflict, FarmBusy, FarmError, PhotoRejected, PhotoTooLarge, StyleUnavailable, StyleUnknown
from jobs.orders import telling
from web.auth import needs_operator
from web.context import farm
from web.languages import translate
from web.ops import ops
from web.ops.links import link_picture
from web.ops.story import look_of, tell


@ops.get("/tasks/<task_id>")
@needs_operator
def show_task(operator: Operator, task_id: str) -> ResponseReturnValue:
    """A task's whole story."""
    told, spent = farm().database.read(_tell, task_id)
    progress = farm().announcer.read_progress([told.task.id]) if told.task.status == "running" else {}
    return render_template(
        "ops/task.html",
        story=told,
        spent=spent,
        progress=progress.get(told.task.id),
        picture=link_picture,
        position_of={step.id: step.position for step in told.steps},
        tell=lambda moment: tell(moment, told.task),
        look_of=look_of,
    )


def _tell(session: Session, task_id: str) -> tuple[telling.Story, dict[str, Spending]]:
    story = telling.tell_story(session, task_id)
    return story, spent_on_order(session, story.order.id)


@ops.post("/tasks/<task_id>/retry")
@needs_operator
def retry_task(operator: Operator, task_id: str) -> ResponseReturnValue:
    """Try a failed task again."""
    farm().interventions.retry(task_id, actor=operator.username)
    flash(_("The task is tried again."))
    return redirect(url_for("ops.show_task", task_id=task_id))


@ops.post("/tasks/<task_id>/redo")
@needs_operator
def redo_task(operator: Operator, task_id: str) -> ResponseReturnValue:
    """Make another take of the same photo and style."""
    fresh = farm().interventions.redo(task_id, actor=operator.username)
    flash(_("Another take is in the queue."))
    return redirect(url_for("ops.show_task", task_id=fresh))


@ops.post("/tasks/<task_id>/cancel")
@needs_operator
def cancel_task(operator: Operator, task_id: str) -> ResponseReturnValue:
    """Stop a task that nobody wants any more."""
    farm().interventions.cancel_task(task_id, actor=operator.username)
    flash(_("The task is canceled."))
    return redirect(url_for("ops.show_task", task_id=task_id))


@ops.errorhandler(Conflict)
@ops.errorhandler(FarmBusy)
@ops.errorhandler(PhotoRejected)
@ops.errorhandler(PhotoTooLarge)
@ops.errorhandler(StyleUnavailable)
@ops.errorhandler(StyleUnknown)
def say_no(error: FarmError) -> ResponseReturnValue:
    """A button that cannot do its work now says why, on a page."""
    status: int = getattr(error, "status", 409)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, FarmBusy) else {}
    return render_template("ops/refused.html", message=translate(error), back=_way_back()), status, headers


def _way_back() -> str:
    """Where the button was that could not do its work."""
    named = request.view_args or {}
    if "task_id" in named:
        return url_for("ops.show_task", task_id=named["task_id"])
    if "order_id" in named:
        return url_for("ops.show_order", order_id=named["order_id"])
    return url_for("ops.show_styles" if request.endpoint == "ops.try_style" else "ops.show_board")

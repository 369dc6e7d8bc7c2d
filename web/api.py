"""The booth API of the contract, /api/v1. Each call says what it takes and answers, asks the farm; owns no rule."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, send_file
from flask_babel import gettext
from werkzeug.exceptions import NotFound as NoSuchPage

from jobs.access import booths
from jobs.access.booths import BoothId
from jobs.admission import Submission
from jobs.errors import (
    BoothTooFast,
    Conflict,
    FarmBusy,
    IntakePaused,
    InvalidOrder,
    NotFound,
    OptionsRejected,
    OrderClosed,
    OrderDeleted,
    OrderNotFound,
    OrderTaken,
    PhotoRejected,
    PhotoTooLarge,
    QueueFull,
    RequestError,
    StorageFull,
    StyleUnavailable,
    StyleUnknown,
    TooManyPhotos,
    UnsupportedMedia,
)
from jobs.figures import read_next, read_queue, read_stats
from jobs.orders import book
from jobs.orders.stats import show_moment
from web import schemas
from web.auth import check_booth_rate
from web.calls import Answer, call
from web.context import context, farm
from web.errors import RANGE_NOT_SATISFIABLE, TOO_LARGE
from web.examples import JUST_TAKEN
from web.follow import stream_order, wait_for_change
from web.images import serve_image
from web.inputs import (
    FollowHeaders,
    FollowQuery,
    Heartbeat,
    ImagePath,
    OrderForm,
    OrderPath,
    StylePath,
    TaskPath,
)
from web.orders import load_order, load_task
from web.showing import show_style

api = Blueprint("api", __name__, url_prefix="/api/v1")

AN_ORDER = Answer("The order.", schemas.Order)
PICTURES = {
    200: Answer("The picture.", media="image/jpeg"),
    206: Answer("The part of it that `Range` asked for.", media="image/jpeg", headers=("Content-Range",)),
    304: Answer("It has not changed since.", media=""),
}
EVENTS = """event: order
id: 7
data: {"order_id": "booth1-0042", "status": "running", "version": 7, …}

event: progress
data: {"tasks": [{"task_id": "7b1f…", "status": "running", "progress": {…}, "position": 0, "eta_s": 4.2, …}]}

: still here
"""


@api.get("/styles")
@call("Styles", answers={200: Answer("The styles.", schemas.Styles)})
def list_styles(booth: BoothId) -> schemas.Styles:
    """List the styles.

    Unavailable ones are there too, with the reason.
    """
    dishes = farm().database.read(farm().menu.list_dishes)
    return schemas.Styles(styles=[show_style(dish) for dish in dishes])


@api.get("/styles/<name>/preview")
@call("Styles", path=StylePath, answers=PICTURES, refuses=(NotFound, RANGE_NOT_SATISFIABLE))
def show_preview(booth: BoothId, path: StylePath) -> Response:
    """Fetch a style's preview."""
    style = farm().shelf.get(path.name)
    if style is None or style.preview is None:
        raise NoSuchPage()
    return send_file(style.preview, mimetype="image/jpeg", max_age=3600)


@api.post("/orders")
@call(
    "Orders",
    form=OrderForm,
    answers={
        202: Answer("Taken: at least one task is new.", schemas.Order, headers=("Location",), example=JUST_TAKEN),
        200: Answer(
            "All of it was there already and nothing was added: the same order, with `duplicate`.",
            schemas.Order,
            headers=("Location",),
            example={"duplicate": True},
        ),
    },
    refuses=(
        InvalidOrder,
        UnsupportedMedia,
        TOO_LARGE,
        PhotoTooLarge,
        OrderTaken,
        OrderClosed,
        OrderDeleted,
        StyleUnknown,
        StyleUnavailable,
        OptionsRejected,
        PhotoRejected,
        TooManyPhotos,
        BoothTooFast,
        QueueFull,
        IntakePaused,
        StorageFull,
    ),
)
def submit_order(booth: BoothId, form: OrderForm) -> tuple[schemas.Order, int, dict[str, str]]:
    """Submit photos into an order.

    Safe to repeat: the same order id, photos, style and options are taken once, whatever is sent again. Another photo,
    style or options adds a task to the order, within 12 hours of its first. A 2xx is given only for what is on disk
    and committed.
    """
    check_booth_rate(booth)
    photos = [photo.read() for photo in form.photo]
    submission = Submission(form.order_id, form.style, form.options, photos)
    added = farm().admission.admit(booth, submission, while_waiting=g.turn.step_aside)
    order = load_order(farm(), booth, form.order_id)
    if not added:
        order = order.model_copy(update={"duplicate": True})
    return order, 202 if added else 200, {"Location": order.links.self}


@api.get("/orders/<order_id>")
@call("Orders", path=OrderPath, query=FollowQuery, answers={200: AN_ORDER}, refuses=(OrderNotFound, OrderDeleted))
def get_order(booth: BoothId, path: OrderPath, query: FollowQuery) -> schemas.Order:
    """Read or await an order.

    With `wait` and `after` the answer comes once the order's version is above `after`, at the latest after `wait`
    seconds: ask again with the `version` of each answer.
    """
    if query.wait and query.after is not None:
        place = farm().database.read(book.find_version, path.order_id, booth.id)
        wait_for_change(context().watcher, place, query.after, query.wait)
    return load_order(farm(), booth, path.order_id)


@api.get("/orders/<order_id>/events")
@call(
    "Orders",
    path=OrderPath,
    headers=FollowHeaders,
    answers={200: Answer("A stream of events.", schemas.Event, media="text/event-stream", example=EVENTS)},
    refuses=(OrderNotFound, OrderDeleted, FarmBusy),
)
def follow_order(booth: BoothId, path: OrderPath, headers: FollowHeaders) -> Response:
    """Stream an order's changes.

    Server-Sent Events: first the whole order, then at every change (`event: order`, its `id` being the order's version
    and its data the order); between them `event: progress` without id, at most two a second, and a comment every 15
    seconds. The stream ends after the order has ended.
    """
    place = farm().database.read(book.find_version, path.order_id, booth.id)
    web = context()
    return stream_order(
        web.watcher, place.id, lambda: load_order(web.farm, booth, path.order_id), headers.last_event_id
    )


@api.get("/tasks/<task_id>")
@call(
    "Tasks",
    path=TaskPath,
    answers={200: Answer("The task.", schemas.Task)},
    refuses=(OrderNotFound, OrderDeleted),
)
def get_task(booth: BoothId, path: TaskPath) -> schemas.Task:
    """Read a task."""
    return load_task(farm(), booth, path.task_id)


@api.post("/orders/<order_id>/cancel")
@call("Orders", path=OrderPath, answers={200: AN_ORDER}, refuses=(OrderNotFound, OrderDeleted))
def cancel_order(booth: BoothId, path: OrderPath) -> schemas.Order:
    """Cancel an order.

    What is still open of it is stopped; what has ended stays as it is.
    """
    farm().interventions.cancel_order(path.order_id, actor=f"booth:{booth.name}", booth_id=booth.id)
    return load_order(farm(), booth, path.order_id)


@api.post("/tasks/<task_id>/cancel")
@call("Tasks", path=TaskPath, answers={200: AN_ORDER}, refuses=(OrderNotFound, OrderDeleted))
def cancel_task(booth: BoothId, path: TaskPath) -> schemas.Order:
    """Cancel a task.

    Answers with its order. A task that has ended stays as it is.
    """
    order_id = farm().interventions.cancel_task(path.task_id, actor=f"booth:{booth.name}", booth_id=booth.id)
    return load_order(farm(), booth, order_id)


@api.post("/tasks/<task_id>/redo")
@call(
    "Tasks",
    path=TaskPath,
    answers={202: Answer("The order, with one more task.", schemas.Order)},
    refuses=(
        OrderNotFound,
        OrderDeleted,
        Conflict,
        StyleUnknown,
        StyleUnavailable,
        BoothTooFast,
        QueueFull,
        IntakePaused,
    ),
)
def redo_task(booth: BoothId, path: TaskPath) -> tuple[schemas.Order, int]:
    """Make another take.

    A new task of the same photo and style, when the guest wants another one; answers with the order.
    """
    check_booth_rate(booth)
    fresh = farm().interventions.redo(path.task_id, actor=f"booth:{booth.name}", booth_id=booth.id)
    task = farm().database.read(book.find_task, fresh, booth.id)
    return load_order(farm(), booth, task.order.order_id), 202


@api.delete("/orders/<order_id>")
@call(
    "Orders",
    path=OrderPath,
    answers={200: Answer("The receipt.", schemas.Deleted)},
    refuses=(OrderNotFound, OrderDeleted),
)
def delete_order(booth: BoothId, path: OrderPath) -> schemas.Deleted:
    """Delete an order.

    Its photos, pictures, links and progress are removed. The receipt lists what may remain elsewhere, such as copies on
    ComfyUI's machines until they are swept there. Afterwards the order answers 410.
    """
    receipt = farm().interventions.delete_order(path.order_id, actor=f"booth:{booth.name}", booth_id=booth.id)
    return schemas.Deleted.model_validate({"deleted": True, "receipt": receipt})


@api.get("/queue")
@call("Farm", answers={200: Answer("The queue.", schemas.Queue)})
def get_queue(booth: BoothId) -> schemas.Queue:
    """Read the queue.

    How full the farm is and how long it takes.
    """
    queue = read_queue(farm().database, farm().redis, farm().settings, farm().providers)
    following = read_next(farm().database, farm().forecast)
    return schemas.Queue.model_validate(queue | {"next_eta_range_s": following})


@api.get("/stats")
@call("Farm", answers={200: Answer("The figures.", schemas.Stats)})
def get_stats(booth: BoothId) -> schemas.Stats:
    """Read the figures.

    Nine of them, and the resources.
    """
    return schemas.Stats.model_validate(read_stats(farm().database, farm().redis, farm().settings))


@api.post("/booths/me/heartbeat")
@call(
    "Farm",
    body=Heartbeat,
    answers={200: Answer("The farm's state.", schemas.Pulse)},
    refuses=(RequestError, TOO_LARGE),
)
def heartbeat(booth: BoothId, body: Heartbeat) -> schemas.Pulse:
    """Say that the booth lives.

    Answers whether the farm takes orders.
    """
    now = farm().database.write(booths.note_heartbeat, booth, body.to_keep())
    queue = read_queue(farm().database, farm().redis, farm().settings, farm().providers)
    return schemas.Pulse(
        server_time=show_moment(now) or "", accepting=queue["accepting"], message=_why_closed(queue), config_version=1
    )


def _why_closed(queue: dict[str, Any]) -> str:
    """For guests, in the language that the booth's browser asks for; empty while orders are taken."""
    if queue["accepting"]:
        return ""
    if queue["intake_paused_until"] is not None:
        return gettext("The photo service is taking a break. Please come back a little later.")
    return gettext("So many pictures are being made that no more can wait. Please come back in a few minutes.")


@api.get("/images/<token>")
@call("Pictures", path=ImagePath, needs_key=False, answers=PICTURES, refuses=(NotFound, RANGE_NOT_SATISFIABLE))
def get_image(path: ImagePath) -> Response:
    """Fetch a picture or thumbnail.

    The signed link is the right to it.
    """
    return serve_image(path.token)

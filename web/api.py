"""The booth API of the contract, /api/v1. Parses, asks the farm, answers; owns no rule."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from flask import Blueprint, Response, jsonify, request, send_file
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound, RequestEntityTooLarge

from jobs.access import booths
from jobs.access.booths import BoothId
from jobs.admission import Submission
from jobs.errors import (
    InvalidOrder,
    StyleUnknown,
    TooManyPhotos,
    UnsupportedMedia,
)
from jobs.figures import read_queue, read_stats
from jobs.orders import book
from jobs.orders.models import Order
from jobs.orders.stats import show_moment
from web.auth import check_booth_rate, needs_booth
from web.context import context, farm
from web.follow import longest_wait, stream_order, wait_for_change
from web.images import serve_image
from web.schemas import Surroundings, show_order, show_style, show_task

api = Blueprint("api", __name__, url_prefix="/api/v1")

ORDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
STYLE_NAME = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
MAX_PHOTOS = 10
MAX_FIELD_CHARACTERS = 64_000


@api.get("/styles")
@needs_booth
def list_styles(booth: BoothId) -> Response:
    """All styles, unavailable ones with the reason."""
    dishes = farm().database.read(farm().menu.list_dishes)
    return jsonify({"styles": [show_style(dish) for dish in dishes]})


@api.get("/styles/<name>/preview")
@needs_booth
def show_preview(booth: BoothId, name: str) -> Response:
    """A style's preview picture."""
    style = farm().shelf.get(name)
    if style is None or style.preview is None:
        raise NotFound()
    return send_file(style.preview, mimetype="image/jpeg", max_age=3600)


@api.post("/orders")
@needs_booth
def submit_order(booth: BoothId) -> tuple[Response, int, dict[str, str]]:
    """Take photos into an order."""
    submission = parse_submission()
    check_booth_rate(booth)
    added = farm().admission.admit(booth, submission)
    order = load_for(booth, submission.order_id)
    if not added:
        order["duplicate"] = True
    return jsonify(order), 202 if added else 200, {"Location": order["links"]["self"]}


@api.get("/orders/<order_id>")
@needs_booth
def get_order(booth: BoothId, order_id: str) -> Response:
    """The order; with `wait` and `after`, once its version is above `after`."""
    wait = longest_wait(request.args.get("wait", ""))
    after = request.args.get("after", "")
    if wait and after.isdecimal():
        order = farm().database.read(book.load_order, order_id, booth.id)
        wait_for_change(context().watcher, order, int(after), wait)
    return jsonify(load_for(booth, order_id))


@api.get("/orders/<order_id>/events")
@needs_booth
def follow_order(booth: BoothId, order_id: str) -> Response:
    """The order's changes as Server-Sent Events."""
    order = farm().database.read(book.load_order, order_id, booth.id)
    last_seen = request.headers.get("Last-Event-ID", "")
    web = context()
    return stream_order(
        web.watcher,
        order.id,
        lambda: farm_order(web.farm, booth, order_id),
        int(last_seen) if last_seen.isdecimal() else 0,
    )


@api.get("/tasks/<task_id>")
@needs_booth
def get_task(booth: BoothId, task_id: str) -> Response:
    """One task."""

    def load(session: Session) -> dict[str, Any]:
        task = book.find_task(session, task_id, booth.id)
        order = book.load_order(session, task.order.order_id, booth.id)
        around = _look_around(session, booth.name, order, context().farm)
        return next(show_task(one, around, farm().signer) for one in order.tasks if one.task_id == task_id)

    return jsonify(farm().database.read(load))


@api.post("/orders/<order_id>/cancel")
@needs_booth
def cancel_order(booth: BoothId, order_id: str) -> Response:
    """Cancel what is still open of an order."""
    farm().interventions.cancel_order(order_id, actor=f"booth:{booth.name}", booth_id=booth.id)
    return jsonify(load_for(booth, order_id))


@api.post("/tasks/<task_id>/cancel")
@needs_booth
def cancel_task(booth: BoothId, task_id: str) -> Response:
    """Cancel a task; answers with its order."""
    order_id = farm().interventions.cancel_task(task_id, actor=f"booth:{booth.name}", booth_id=booth.id)
    return jsonify(load_for(booth, order_id))


@api.post("/tasks/<task_id>/redo")
@needs_booth
def redo_task(booth: BoothId, task_id: str) -> tuple[Response, int]:
    """Another take of the same photo and style; answers with the order."""
    check_booth_rate(booth)
    fresh = farm().interventions.redo(task_id, actor=f"booth:{booth.name}", booth_id=booth.id)
    task = farm().database.read(book.find_task, fresh, booth.id)
    return jsonify(load_for(booth, task.order.order_id)), 202


@api.delete("/orders/<order_id>")
@needs_booth
def delete_order(booth: BoothId, order_id: str) -> Response:
    """Remove an order's photos, pictures, links and progress."""
    receipt = farm().interventions.delete_order(order_id, actor=f"booth:{booth.name}", booth_id=booth.id)
    return jsonify({"deleted": True, "receipt": receipt})


@api.get("/queue")
@needs_booth
def get_queue(booth: BoothId) -> Response:
    """How full the farm is and how long it takes."""
    return jsonify(read_queue(farm().database, farm().redis, farm().settings))


@api.get("/stats")
@needs_booth
def get_stats(booth: BoothId) -> Response:
    """The nine figures, and the resources."""
    return jsonify(read_stats(farm().database, farm().redis, farm().settings))


@api.post("/booths/me/heartbeat")
@needs_booth
def heartbeat(booth: BoothId) -> Response:
    """A booth says that it lives; hears whether the farm takes orders."""
    report = _parse_json(request.get_data(), InvalidOrder("The heartbeat is not a JSON object."))
    known = {key: report[key] for key in ("app_version", "printer") if isinstance(report.get(key), str | int | float)}
    now = farm().database.write(booths.note_heartbeat, booth, {key: str(value)[:200] for key, value in known.items()})
    queue = read_queue(farm().database, farm().redis, farm().settings)
    message = "" if queue["accepting"] else "The farm takes no orders at the moment."
    return jsonify(
        {"server_time": show_moment(now), "accepting": queue["accepting"], "message": message, "config_version": 1}
    )


@api.get("/images/<token>")
def get_image(token: str) -> Response:
    """A picture or thumbnail behind a signed link; needs no key."""
    return serve_image(token)


def parse_submission() -> Submission:
    """The request as a submission. Raises RequestError."""
    if request.mimetype != "multipart/form-data":
        if not request.mimetype and not request.content_length:
            raise InvalidOrder("The request is empty.")
        raise UnsupportedMedia()
    form, files = request.form, request.files
    if not form and not files:
        raise InvalidOrder("The request has no readable parts.")
    if any(len(value) > MAX_FIELD_CHARACTERS for values in form.listvalues() for value in values):
        raise RequestEntityTooLarge()
    for name in ("order_id", "style", "options"):
        if len(form.getlist(name)) > 1:
            raise InvalidOrder(f"The field {name} is there more than once.")
    order_id = form.get("order_id", "")
    if not ORDER_ID.fullmatch(order_id):
        raise InvalidOrder("The order id needs 1 to 64 letters, digits, - or _, and starts with a letter or digit.")
    if "style" not in form:
        raise InvalidOrder("The style is missing.")
    photos = files.getlist("photo")
    if not photos:
        raise InvalidOrder("The photo is missing.")
    if len(photos) > MAX_PHOTOS:
        raise TooManyPhotos()
    style = form["style"]
    if not STYLE_NAME.fullmatch(style):
        raise StyleUnknown()
    options = _parse_json(
        form.get("options", "").encode("utf-8", "surrogatepass"), InvalidOrder("The options are not a JSON object.")
    )
    return Submission(order_id, style, options, [photo.read() for photo in photos])


def load_for(booth: BoothId, order_id: str) -> dict[str, Any]:
    """A booth's order as the contract shows it. Raises OrderNotFound, OrderDeleted."""
    return farm_order(farm(), booth, order_id)


def farm_order(the_farm: Any, booth: BoothId, order_id: str) -> dict[str, Any]:
    """`load_for` without a request: event streams outlive theirs."""

    def load(session: Session) -> dict[str, Any]:
        order = book.load_order(session, order_id, booth.id)
        around = _look_around(session, booth.name, order, the_farm)
        return show_order(order, around, the_farm.signer, the_farm.settings.base_url)

    shown: dict[str, Any] = the_farm.database.read(load)
    return shown


def _look_around(session: Session, booth: str, order: Order, the_farm: Any) -> Surroundings:
    open_ids = [task.id for task in order.tasks if task.status in ("queued", "running")]
    places = book.places_of(session, open_ids) if open_ids else {}
    etas: dict[int, float | None] = {}
    slots = max(the_farm.settings.limit_of("comfyui"), 1)
    now = time.time()
    for task in order.tasks:
        if task.id not in open_ids:
            continue
        usual = book.usual_seconds(session, task.style)
        if usual is None:
            etas[task.id] = None
        elif task.started_at is not None:
            etas[task.id] = round(max(usual - (now - task.started_at.timestamp()), 1.0), 1)
        else:
            etas[task.id] = round(usual * (1 + places.get(task.id, 0) / slots), 1)
    return Surroundings(booth, places, etas, the_farm.announcer.read_progress(open_ids))


def _parse_json(raw: bytes, error: InvalidOrder) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_refuse_twins)
    except (ValueError, RecursionError) as exc:
        raise error from exc
    if not isinstance(document, dict):
        raise error
    return document


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key twice")
    return document

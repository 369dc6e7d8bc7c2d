"""Following an order: long poll and Server-Sent Events. A follower sleeps until the process's one watcher wakes it.

No database session and no lock is held while waiting. Followers above a share of the threads are answered at once and
told when to come again, so that waiting never keeps a submission out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from flask import Response, after_this_request, current_app, g, stream_with_context

from jobs.engine.changes import Watcher
from jobs.errors import FarmBusy, FarmError
from jobs.orders.book import Version
from web import schemas
from web.inputs import LONGEST_WAIT_SECONDS

COMMENT_SECONDS = 15.0
PROGRESS_SECONDS = 0.5
NO_SEAT_RETRY_SECONDS = 5
TERMINAL = frozenset({"succeeded", "partial", "failed", "canceled"})
PROGRESS_ONLY = {"tasks": {"__all__": {"task_id", "status", "progress", "position", "eta_s", "eta_range_s"}}}


def wait_for_change(watcher: Watcher, order: Version, after: int, seconds: float) -> None:
    """Return when the order's version is above `after`, at the latest after `seconds`, held to what we allow.

    Without a free seat it returns at once, and the answer says by Retry-After when to ask again.
    """
    if order.version > after:
        return
    if not watcher.follow(order.id, seats=_count_seats()):
        after_this_request(_ask_later)
        return
    g.follows = True
    try:
        until = time.monotonic() + min(seconds, LONGEST_WAIT_SECONDS)
        seen = after
        while seen <= after and (left := until - time.monotonic()) > 0 and not watcher.stopping:
            seen, _ = watcher.wait(order.id, after, None, left)
    finally:
        watcher.leave(order.id)


def stream_order(watcher: Watcher, row_id: int, load: Callable[[], schemas.Order], last_seen: int) -> Response:
    """The order now, then at every change, with progress between; ends after the terminal state."""
    if not watcher.follow(row_id, seats=_count_seats()):
        raise FarmBusy("Too many follow orders at the moment; poll instead.", retry_after=NO_SEAT_RETRY_SECONDS)
    g.follows = True
    response = Response(
        stream_with_context(_events(watcher, row_id, load, last_seen)), content_type="text/event-stream; charset=utf-8"
    )
    response.call_on_close(lambda: watcher.leave(row_id))
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(watcher: Watcher, row_id: int, load: Callable[[], schemas.Order], last_seen: int) -> Iterator[str]:
    order = load()
    version, progress = order.version, 0
    if version > last_seen or order.status in TERMINAL:
        yield _show_order(order)
    spoke_at = time.monotonic()
    while order.status not in TERMINAL and not watcher.stopping:
        seen, told = watcher.wait(row_id, version, progress, COMMENT_SECONDS - (time.monotonic() - spoke_at))
        if seen > version:
            try:
                order = load()
            except FarmError:
                return  # deleted meanwhile, or the database is away; the follower comes back and is told
            version = order.version
            yield _show_order(order)
        elif told != progress:
            pause = PROGRESS_SECONDS - (time.monotonic() - spoke_at)
            if pause > 0:
                time.sleep(pause)  # at most two a second
            try:
                order = load()
            except FarmError:
                return
            if order.version > version:
                version = order.version
                yield _show_order(order)
            else:
                yield _spell(schemas.Event(event="progress", data=order.model_dump_json(include=PROGRESS_ONLY)))
        else:
            yield ": still here\n\n"
        progress, spoke_at = told, time.monotonic()


def _show_order(order: schemas.Order) -> str:
    return _spell(schemas.Event(event="order", id=str(order.version), data=order.model_dump_json()))


def _spell(event: schemas.Event) -> str:
    number = f"id: {event.id}\n" if event.id is not None else ""
    return f"event: {event.event}\n{number}data: {event.data}\n\n"


def _ask_later(response: Response) -> Response:
    response.headers["Retry-After"] = str(NO_SEAT_RETRY_SECONDS)
    return response


def _count_seats() -> int:
    seats: int = current_app.config["FOLLOWERS"]
    return seats

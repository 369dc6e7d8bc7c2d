"""Every code that a refusal can carry, explained once: what it means, what the booth does, what staff may do.

Code, status, title and meaning stand at the classes; ADVICE adds what to do. The codes of HTTP itself, which no class
of the farm stands for, are in web/errors.py in the same form. Pages and the API's description are made from these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.errors import FarmBusy, RequestError

Refusal = type[RequestError] | type[FarmBusy]
TOPS: tuple[Refusal, ...] = (RequestError, FarmBusy)


@dataclass(frozen=True)
class ErrorCode:
    """One code as its page explains it. `status` is what it is answered with."""

    code: str
    status: int
    title: str
    meaning: str
    booth: str
    staff: str
    retryable: bool = False


ADVICE: dict[str, tuple[str, str]] = {
    "bad_request": (
        "Do not repeat it as it is. `detail` and `errors` say what cannot be read: correct the request.",
        "Nothing; it is for whoever programs the booth.",
    ),
    "invalid_order": (
        "Do not repeat it as it is. Correct the fields that `errors` names and send the whole order again.",
        "If a booth that has worked before does this, look whether its software was changed.",
    ),
    "unsupported_media_type": (
        "Send the order as `multipart/form-data`, not compressed; let the HTTP library write the Content-Type.",
        "Nothing; it is for whoever programs the booth.",
    ),
    "not_authenticated": (
        "Do not repeat it in a loop: after 20 wrong keys in a minute the address has to wait. Show that the booth "
        "needs a key, and keep the photos.",
        "Give the booth a new key with ./scripts/booth-key NAME --rotate, and enter it there.",
    ),
    "not_found": (
        "Do not repeat it. A link to a picture works for a day: read the order again for a fresh one.",
        "If it was a link to a picture, the order may have been deleted.",
    ),
    "order_not_found": (
        "Do not repeat it. If this order was sent, send it again with the same order id: nothing is made twice.",
        "Look for the order on the operators' pages; it may belong to another booth.",
    ),
    "order_taken": (
        "Send the order again under another order id. Put the booth's own name into its order ids.",
        "Two booths make the same order ids: give each booth its own prefix.",
    ),
    "order_closed": (
        "Start a new order with a new order id. What the old order holds stays as it is.",
        "Nothing; an order takes photos for 12 hours after its first one.",
    ),
    "order_deleted": (
        "Forget the order: its photos and pictures are gone. A new visit needs a new order id.",
        "A deleted order cannot be brought back. Take a new photo.",
    ),
    "conflict": (
        "Read the task again and act on its status: another take has to wait until the open one has ended.",
        "Look at the task's page; its history says what happened.",
    ),
    "style_unknown": (
        "Fetch GET /styles again and let the guest choose from that list.",
        "Look whether the style's folder is there on the machine that serves the web.",
    ),
    "style_unavailable": (
        "Fetch GET /styles again and offer what is available; try this style again when the list says so.",
        "The `detail` says why: no ComfyUI server has what it needs, a provider has no key, somebody switched it off.",
    ),
    "options_rejected": (
        "Do not repeat it as it is. Keep each option within the schema that GET /styles shows for the style.",
        "If a booth that has worked before gets this, the style was edited: let the booth fetch the styles again.",
    ),
    "photo_rejected": (
        "Do not repeat it. Take a new photo: JPEG, PNG or WebP, at most 50 megapixels, sides of 64 to 12000 pixels.",
        "Let the guest take a new photo. If it happens often, look at the camera and its cable.",
    ),
    "photo_too_large": (
        "Make the photo smaller than 25 MB and send it again. JPEG at quality 90 is far below that.",
        "Set the camera or the booth to JPEG.",
    ),
    "too_many_photos": (
        "Send 1 to 10 photos at a time; further ones can follow under the same order id.",
        "Nothing; it is for whoever programs the booth.",
    ),
    "busy": (
        "Try again after `retry_after_s` seconds. Instead of an event stream, poll with `wait` meanwhile.",
        "If it stays, look at /ops/ and at how many follow orders at once.",
    ),
    "queue_full": (
        "Keep the photo, tell the guest that it takes a moment, and send the same order after `retry_after_s` seconds.",
        "The queue drains by itself. If it often fills up, add servers or raise QUEUE_LIMIT.",
    ),
    "intake_paused": (
        "Keep the photo and send the same order after `retry_after_s` seconds.",
        "An operator has paused the intake; it can be resumed from the operators' side.",
    ),
    "booth_rate": (
        "Wait `retry_after_s` seconds, then send the same order again.",
        "Look whether the booth sends in a loop. BOOTH_RATE says how many orders a minute it may send.",
    ),
    "too_many_attempts": (
        "Stop, and wait `retry_after_s` seconds before the next try. Look at the key first.",
        "A device at this address uses a wrong key or password. Correct it there; after a minute all is well.",
    ),
    "storage_full": (
        "Keep the photo and send the same order after `retry_after_s` seconds.",
        "Free space on the disk that holds DATA_DIR; DISK_RESERVE_MB are always kept free.",
    ),
    "database_away": (
        "Keep the photo and repeat the same request after `retry_after_s` seconds: nothing is made twice.",
        "Look at the database server and its disk; /readyz says when it answers again.",
    ),
}
"""Code -> (what the booth does, what staff may do)."""


def list_codes() -> dict[str, ErrorCode]:
    """All codes of the tree, by code. Raises KeyError for a class whose code ADVICE does not know."""
    return {kind.code: explain(kind) for top in TOPS for kind in _from(top)}


def explain(kind: Refusal) -> ErrorCode:
    """The code of one class."""
    booth, staff = ADVICE[kind.code]
    meaning = (kind.__doc__ or "").strip().splitlines()[0]
    return ErrorCode(kind.code, kind.status, kind.title, meaning, booth, staff, issubclass(kind, FarmBusy))


def _from(kind: Refusal) -> Iterator[Refusal]:
    yield kind
    for child in kind.__subclasses__():
        yield from _from(child)

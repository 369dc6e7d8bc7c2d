"""The farm's error tree. A class's docstring is its default message: one plain sentence for staff.

FarmError
  SettingsError
  BackupError                a backup cannot be taken or restored
  InvalidTransition          a defect of the farm
  ClaimLost                  the step is no longer this worker's
  RequestError               the booth's fault; `code` and `status` are its answer
    InvalidOrder, UnsupportedMedia, NotAuthenticated, NotFound, OrderNotFound, OrderTaken, OrderClosed, OrderDeleted,
    Conflict, StyleUnknown, StyleUnavailable, OptionsRejected, PhotoRejected, PhotoTooLarge, TooManyPhotos
  FarmBusy                   not now; `retry_after` seconds
    QueueFull, IntakePaused, BoothTooFast, TooManyAttempts, StorageFull, DatabaseAway
  StepError                  why one attempt of a step ended: steps.py

codes.py explains every code that an answer can carry.
"""

from __future__ import annotations


class FarmError(Exception):
    """Something went wrong in the farm."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class SettingsError(FarmError):
    """A setting cannot be used."""


class BackupError(FarmError):
    """The backup cannot be taken or restored; nothing was changed."""


class InvalidTransition(FarmError):
    """No such move is allowed; this is a defect of the farm."""


class ClaimLost(FarmError):
    """The step is no longer this worker's."""


class RequestError(FarmError):
    """The request cannot be carried out."""

    code = "bad_request"
    status = 400
    title = "Bad request"

    def __init__(self, message: str | None = None, *, fields: dict[str, str] | None = None) -> None:
        """`fields`: name of each field that is wrong -> a sentence. Never a value that was sent."""
        super().__init__(message)
        self.fields = fields or {}


class InvalidOrder(RequestError):
    """The order is not complete or not well formed."""

    code = "invalid_order"
    title = "Invalid order"


class UnsupportedMedia(RequestError):
    """Send the order as multipart/form-data."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"


class NotAuthenticated(RequestError):
    """The booth key is missing, unknown or revoked."""

    code = "not_authenticated"
    status = 401
    title = "Not authenticated"


class NotFound(RequestError):
    """There is nothing here."""

    code = "not_found"
    status = 404
    title = "Not found"


class OrderNotFound(NotFound):
    """This booth has no such order or task."""

    code = "order_not_found"
    title = "Order not found"


class OrderTaken(RequestError):
    """This order id cannot be used by this booth; choose another."""

    code = "order_taken"
    status = 409
    title = "Order id taken"


class OrderClosed(RequestError):
    """The order no longer takes photos; start a new one."""

    code = "order_closed"
    status = 409
    title = "Order closed"


class OrderDeleted(RequestError):
    """The order was deleted."""

    code = "order_deleted"
    status = 410
    title = "Order deleted"


class Conflict(RequestError):
    """The task is not in a state that allows this."""

    code = "conflict"
    status = 409
    title = "Not possible now"


class StyleUnknown(RequestError):
    """There is no such style."""

    code = "style_unknown"
    status = 422
    title = "Unknown style"


class StyleUnavailable(RequestError):
    """The style is not available now."""

    code = "style_unavailable"
    status = 422
    title = "Style unavailable"


class OptionsRejected(RequestError):
    """The options do not fit the style."""

    code = "options_rejected"
    status = 422
    title = "Options rejected"


class PhotoRejected(RequestError):
    """The photo cannot be used."""

    code = "photo_rejected"
    status = 422
    title = "Photo rejected"


class PhotoTooLarge(PhotoRejected):
    """The photo is larger than 25 MB."""

    code = "photo_too_large"
    status = 413
    title = "Photo too large"


class TooManyPhotos(PhotoRejected):
    """An order takes 1 to 10 photos at a time."""

    code = "too_many_photos"
    title = "Too many photos"


class FarmBusy(FarmError):
    """The farm cannot take this now; try again."""

    code = "busy"
    status = 503
    title = "Busy"

    def __init__(self, message: str | None = None, *, retry_after: int = 10) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueueFull(FarmBusy):
    """The queue is full; the order was not taken."""

    code = "queue_full"
    title = "Queue full"


class IntakePaused(FarmBusy):
    """The farm takes no orders at the moment; the order was not taken."""

    code = "intake_paused"
    title = "Intake paused"


class BoothTooFast(FarmBusy):
    """This booth sends orders faster than it is allowed to."""

    code = "booth_rate"
    status = 429
    title = "Too many orders from this booth"


class TooManyAttempts(FarmBusy):
    """Too many wrong keys or passwords from this address; wait a minute."""

    code = "too_many_attempts"
    status = 429
    title = "Too many attempts"


class StorageFull(FarmBusy):
    """The farm's disk is nearly full; the order was not taken."""

    code = "storage_full"
    title = "Storage full"


class DatabaseAway(FarmBusy):
    """The farm's database does not answer; nothing was changed."""

    code = "database_away"
    title = "Database away"

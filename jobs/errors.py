"""The farm's error tree. A class's docstring is its default message: one plain sentence for staff.

FarmError
  SettingsError
  BackupError                a backup cannot be taken or restored
  RequestError               the booth's fault; `code` and `status` are its answer
    InvalidOrder, NotAuthenticated, OrderNotFound, OrderTaken, OrderClosed, OrderDeleted, StyleUnknown,
    StyleUnavailable, OptionsRejected, PhotoRejected, PhotoTooLarge, TooManyPhotos, Conflict
  FarmBusy                   not now; `retry_after` seconds
    QueueFull, BoothTooFast, StorageFull, DatabaseAway, IntakePaused
  ClaimLost                  the step is no longer this worker's
  StepError                  why one attempt ended; `kind` says which class of invariants section 5 it is
    Away                     the other side cannot be reached
    Transient                it answered that it failed, and nothing was accepted
    Busy                     come back after `retry_after` seconds
    OutcomeUnknown           it may or may not have accepted the call
    ExecutionFailed          it tried and failed
    BadAnswer                it answered something that cannot be used
    ContentRefused           it will not make this picture
    BadInput                 it will never take this input
    WorkflowRejected         this server does not take the workflow; another may
    AccountRefused           key, region, model or money
    LocalTrouble             our database or disk
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


# --- answers to a request ---------------------------------------------------------------------------------------


class RequestError(FarmError):
    """The request cannot be carried out."""

    code = "bad_request"
    status = 400
    title = "Bad request"


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


# --- the work of a step -----------------------------------------------------------------------------------------


class InvalidTransition(FarmError):
    """No such move is allowed; this is a defect of the farm."""


class ClaimLost(FarmError):
    """The step is no longer this worker's."""


class StepError(FarmError):
    """One attempt of a step ended without a picture."""

    kind = "bug"
    outcome = "failed"

    def __init__(self, message: str | None = None, *, detail: str = "", outcome: str | None = None) -> None:
        """`detail` is for the operators' pages only; it may quote the other side. `outcome` closes the call."""
        super().__init__(message)
        self.detail = detail[:500]
        if outcome is not None:
            self.outcome = outcome


class Away(StepError):
    """The server cannot be reached."""

    kind = "away"
    outcome = "unknown"

    def __init__(
        self, message: str | None = None, *, refused: bool = False, detail: str = "", outcome: str | None = None
    ) -> None:
        """`refused`: nobody listens there, so nothing was sent."""
        super().__init__(message, detail=detail, outcome=outcome)
        self.refused = refused


class Transient(StepError):
    """The server failed for a moment."""

    kind = "transient"


class Busy(StepError):
    """The server asks us to come back later."""

    kind = "busy"

    def __init__(self, message: str | None = None, *, retry_after: float | None = None, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class OutcomeUnknown(StepError):
    """Nobody can tell whether the call was carried out."""

    kind = "unknown"
    outcome = "unknown"


class ExecutionFailed(StepError):
    """The server tried to make the picture and failed."""

    kind = "execution"


class BadAnswer(StepError):
    """The server answered something that cannot be used."""

    kind = "bad_answer"


class ContentRefused(StepError):
    """The service does not make a picture of this photo."""

    kind = "refused"


class BadInput(StepError):
    """The photo or the style was not accepted."""

    kind = "bad_input"


class WorkflowRejected(StepError):
    """The server does not take this workflow."""

    kind = "rejected"
    outcome = "rejected"


class AccountRefused(StepError):
    """The provider refused our key or has no credit left."""

    kind = "account"


class LocalTrouble(StepError):
    """Our own database or disk is in trouble."""

    kind = "local"

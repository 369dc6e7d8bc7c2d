"""Why one attempt of a step ended. `kind` says which class of retries.py it is; `outcome` closes the call.

StepError
  Away                     the other side cannot be reached
  Transient                it answered that it failed, and nothing was accepted
  Busy                     come back after `retry_after` seconds
  OutcomeUnknown           it may or may not have accepted the call
  ExecutionFailed          it tried and failed
  BadAnswer                it answered something that cannot be used
  ContentRefused           it will not make this picture
  BadInput                 it will never take this input
    NotConfigured          nobody set up what the style needs
  WorkflowRejected         this server does not take the workflow; another may
  AccountRefused           key, region or model
    QuotaExhausted         no money left there
    OverBudget             the day's budget of ours is spent
  Braked                   the provider was paused while the call was on its way
  LocalTrouble             our database or disk
"""

from __future__ import annotations

from jobs.errors import FarmError


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

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: float | None = None,
        detail: str = "",
        outcome: str | None = None,
    ) -> None:
        super().__init__(message, detail=detail, outcome=outcome)
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


class NotConfigured(BadInput):
    """The provider of this style is not configured."""

    outcome = "unsent"


class WorkflowRejected(StepError):
    """The server does not take this workflow."""

    kind = "rejected"
    outcome = "rejected"


class AccountRefused(StepError):
    """The provider refused our key, or our right to use this model from here."""

    kind = "account"


class QuotaExhausted(AccountRefused):
    """There is no credit left, or a limit on spending is reached."""


class OverBudget(AccountRefused):
    """The day's budget for this provider is spent."""

    outcome = "unsent"


class Braked(StepError):
    """The provider is paused; the call was not sent."""

    kind = "braked"
    outcome = "unsent"


class LocalTrouble(StepError):
    """Our own database or disk is in trouble."""

    kind = "local"

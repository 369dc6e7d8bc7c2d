"""From a provider's answer to the farm's errors, as far as providers have it in common. Pure.

Read in this order: the code, by the table of the provider, then the status. 429 is a rate or a quota, 200 not success.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Any

from jobs.cloud.provider import NotThere, Unheard
from jobs.cloud.transport import Answer
from jobs.errors.steps import (
    AccountRefused,
    BadAnswer,
    BadInput,
    Busy,
    ContentRefused,
    QuotaExhausted,
    StepError,
    Transient,
)

MOMENT = "The provider failed for a moment."
CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,200}")
REMOTE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}", re.ASCII)
"""What may stand in the path of an address, and in the journal."""


class Codes:
    """A provider's own words for what it refuses. A `*` in a code stands for any letters."""

    def __init__(
        self,
        *,
        refused: Collection[str] = (),
        quota: Collection[str] = (),
        account: Collection[str] = (),
        rate: Collection[str] = (),
        transient: Collection[str] = (),
        bad_input: Collection[str] = (),
    ) -> None:
        self._classes = {
            "refused": refused,
            "quota": quota,
            "account": account,
            "rate": rate,
            "transient": transient,
            "bad_input": bad_input,
        }

    def find(self, *words: str) -> str | None:
        """The class of the first of these words that the provider's table names."""
        for word in words:
            for name, codes in self._classes.items():
                if any(fnmatchcase(word, code) for code in codes):
                    return name
        return None


def code_of(value: Any) -> str:
    """A code or an id as an answer has it; empty for what does not look like one, since that may quote a guest."""
    text = str(value) if isinstance(value, str | int) else ""
    return text if CODE.fullmatch(text) else ""


def read_refusal(answer: Answer) -> dict[str, Any]:
    """The document of a refusal; empty where somebody on the way answers in words of its own: the status says it."""
    try:
        document = answer.read_json()
    except StepError:
        return {}
    return document if isinstance(document, dict) else {}


def error_of(answer: Answer, found: str | None, detail: str, *, retry_after: float | None = None) -> StepError:
    """The error of an answer that holds no picture. `found`: the class of its code, as `Codes.find` has it.

    `detail` is for operators: codes and numbers, nothing that quotes a guest.
    """
    status, detail = answer.status, f"{answer.status} {detail}".strip()
    wait_s = answer.retry_after if answer.retry_after is not None else retry_after
    if found == "refused":
        return ContentRefused(detail=detail)
    if found == "quota" or (found is None and status == 402):
        return QuotaExhausted(detail=detail)
    if found == "account" or (found is None and status in (401, 403)):
        return AccountRefused(detail=detail)
    if found == "rate" or (found is None and status in (429, 503)):
        return Busy(retry_after=wait_s, detail=detail)
    if found == "transient" or (found is None and (status in (408, 409) or status >= 500)):
        return Transient(MOMENT, detail=detail)
    if found is None and status < 400:
        return BadAnswer("The provider's answer holds no picture.", detail=detail)
    return BadInput("The provider does not take this photo or style.", detail=detail)


def read_id(answer: Answer, name: str) -> str:
    """The provider's id of a call that it has taken. Raises BadAnswer."""
    remote_id = answer.read_object().get(name)
    if not isinstance(remote_id, str) or not REMOTE_ID.fullmatch(remote_id):
        raise BadAnswer("The provider's answer names no call.", detail=f"status {answer.status}")
    return remote_id


def read_state(answer: Answer, *, retry_after: float | None = None) -> dict[str, Any]:
    """The document of an answer to a question about a call. Raises NotThere, Unheard."""
    if answer.status == 404:
        raise NotThere("status 404")
    if answer.status not in (200, 202):
        wait_s = answer.retry_after if answer.retry_after is not None else retry_after
        raise Unheard(f"status {answer.status}", retry_after=wait_s)
    try:
        return answer.read_object()
    except StepError as exc:
        raise Unheard("not an answer of this dialect") from exc

"""The OpenAI images dialect: POST /images/edits as multipart, the picture comes back as base64 in the same answer.

Spoken by OpenAI, LiteLLM and many local servers. Read the error's code, not the status: 429 is a rate or a quota.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable
from typing import Any, Literal

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from jobs.cloud.provider import Bought, ImageRequest
from jobs.errors.steps import (
    AccountRefused,
    Away,
    BadAnswer,
    BadInput,
    Busy,
    ContentRefused,
    OutcomeUnknown,
    StepError,
    Transient,
)
from jobs.settings import Settings
from jobs.wire import CutShort, TooLarge, TooSlow, never_connected, read_body, read_retry_after

CONNECT_SECONDS = 10.0
ANSWER_BYTES = 100_000_000
REFUSED_CODES = frozenset({"moderation_blocked", "content_policy_violation"})
QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    }
)


class OpenaiImages:
    """One service of this dialect. Holds no connection between calls."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        key: str | None,
        limit: int,
        silence_s: float,
        on_unknown: Literal["hold", "resubmit"],
    ) -> None:
        self.name = name
        self.limit = limit
        self.on_unknown: Literal["hold", "resubmit"] = on_unknown
        self._base_url = base_url
        self._key = key
        self._silence_s = silence_s

    def is_configured(self) -> bool:
        """Is there a key?"""
        return bool(self._key)

    def generate(self, request: ImageRequest, keep_remote_id: Callable[[str], None], seconds: float) -> Bought:
        """Buy one picture. Raises StepError: OutcomeUnknown when the request may have been carried out."""
        fields = {"model": request.model, "prompt": request.prompt} | {
            name: str(value) for name, value in request.parameters.items()
        }
        with requests.Session() as session:
            session.trust_env = False
            session.mount(self._base_url, HTTPAdapter(max_retries=0))
            ends_at = time.monotonic() + seconds
            try:
                with session.post(
                    f"{self._base_url}/images/edits",
                    data=fields,
                    files={"image": ("photo.jpg", request.photo, "image/jpeg")},
                    headers={"Authorization": f"Bearer {self._key}"},
                    timeout=(CONNECT_SECONDS, min(self._silence_s, seconds)),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    remote_id = response.headers.get("x-request-id")
                    if remote_id:
                        keep_remote_id(remote_id)
                    raw = read_body(response, ends_at=ends_at, limit=ANSWER_BYTES)
                    return _read_answer(response.status_code, raw, response.headers)
            except TooLarge as exc:
                raise BadAnswer("The provider's answer is too large.") from exc
            except (CutShort, TooSlow) as exc:
                raise OutcomeUnknown(detail="the answer broke off") from exc
            except (requests.RequestException, HTTPError, OSError) as exc:
                if never_connected(exc):
                    raise Away(refused=True, detail=type(exc).__name__, outcome="unsent") from exc
                raise OutcomeUnknown(detail=type(exc).__name__) from exc


def from_settings(settings: Settings) -> OpenaiImages:
    """The provider that OPENAI_* describes."""
    key = settings.openai_api_key
    return OpenaiImages(
        name="openai",
        base_url=settings.openai_base_url,
        key=key.get_secret_value() if key else None,
        limit=settings.openai_limit,
        silence_s=settings.openai_silence_s,
        on_unknown=settings.openai_unknown,
    )


def _read_answer(status: int, raw: bytes, headers: Any) -> Bought:
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        if status >= 500:
            raise Transient("The provider failed for a moment.", detail=f"status {status}") from exc
        raise BadAnswer("The provider's answer is not JSON.", detail=f"status {status}") from exc
    error = answer.get("error") if isinstance(answer, dict) else None
    if status != 200 or error:
        raise _as_step_error(status, error if isinstance(error, dict) else {}, headers)
    try:
        images = [base64.b64decode(item["b64_json"], validate=True) for item in answer["data"]]
    except (KeyError, TypeError, ValueError, binascii.Error) as exc:
        raise BadAnswer("The provider's answer holds no picture.") from exc
    if not images:
        raise BadAnswer("The provider's answer holds no picture.")
    return Bought(images)


def _as_step_error(status: int, error: dict[str, Any], headers: Any) -> StepError:
    code, kind = str(error.get("code")), str(error.get("type"))
    detail = f"{status} {kind} {code}"
    if code in REFUSED_CODES:
        return ContentRefused(detail=detail)
    if code in QUOTA_CODES or kind == "insufficient_quota" or status in (401, 402, 403):
        return AccountRefused(detail=detail)
    if status in (429, 503):
        return Busy(retry_after=read_retry_after(headers.get("Retry-After")), detail=detail)
    if status == 408 or status >= 500:
        return Transient("The provider failed for a moment.", detail=detail)
    if status == 200:
        return BadAnswer("The provider's answer holds an error.", detail=detail)
    return BadInput("The provider does not take this photo or style.", detail=detail)

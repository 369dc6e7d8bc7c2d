"""Gemini's image models: POST /models/<model>:generateContent, photo and picture as base64 inside the JSON.

A style's parameters are the fields of `imageConfig`, such as aspectRatio and imageSize. A refusal is an answer of 200.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from jobs.cloud.provider import Done, ImageRequest, Keep
from jobs.cloud.reading import Codes, code_of, error_of, read_refusal
from jobs.cloud.results import decode_base64
from jobs.cloud.service import AtOnce
from jobs.cloud.transport import Answer
from jobs.errors.steps import BadAnswer, ContentRefused, StepError
from jobs.settings.providers import ProviderSettings
from jobs.wire import read_retry_after

CODES = Codes(
    account=("API_KEY_*", "FAILED_PRECONDITION", "UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND"),
    bad_input=("INVALID_ARGUMENT",),
    transient=("INTERNAL", "DEADLINE_EXCEEDED"),
)
QUOTAS = Codes(quota=("*PerDay*", "*Spend*"), rate=("*PerMinute*",))
"""By the id of the quota: RESOURCE_EXHAUSTED stands for both, and a time to wait is named with either."""
SPEND_CAP = "spending cap"
"""In the message alone: a cap on spending comes without the id of a quota."""
REFUSED = frozenset(
    {
        *("SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT"),
        *("RECITATION", "IMAGE_RECITATION", "SPII", "BLOCKLIST"),
    }
)
"""Reasons to finish without a picture that another try will not change."""


class Gemini(AtOnce):
    """Google's own service."""

    def _key_header(self, settings: ProviderSettings) -> dict[str, str]:
        return {"x-goog-api-key": settings.key}

    def submit(self, request: ImageRequest, keep_remote_id: Keep, seconds: float) -> Done:
        """Buy one picture. Raises StepError: OutcomeUnknown when the request may have been carried out."""
        path = f"/models/{quote(request.model, safe='')}:generateContent"
        answer = self._transport.send(path, seconds=seconds, json=_body_of(request))
        document = answer.read_object() if answer.status == 200 else read_refusal(answer)
        if remote_id := code_of(document.get("responseId")):
            keep_remote_id(remote_id)
        if answer.status != 200 or document.get("error"):
            raise _error_of(answer, _as_dict(document.get("error")))
        return Done((_read_image(document),))


def _body_of(request: ImageRequest) -> dict[str, Any]:
    photo = {"mimeType": "image/jpeg", "data": request.photo_base64}
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    if request.parameters:
        config["imageConfig"] = request.parameters
    return {
        "contents": [{"role": "user", "parts": [{"text": request.prompt}, {"inlineData": photo}]}],
        "generationConfig": config,
    }


def _read_image(document: dict[str, Any]) -> bytes:
    """The first picture of an answer; pictures among the model's thoughts are drafts. Raises StepError."""
    candidates = _dicts_in(document.get("candidates"))
    for candidate in candidates:
        for part in _dicts_in(_as_dict(candidate.get("content")).get("parts")):
            data = _as_dict(part.get("inlineData")).get("data")
            if data and not part.get("thought"):
                return decode_base64(data)
    if blocked := code_of(_as_dict(document.get("promptFeedback")).get("blockReason")):
        raise ContentRefused(detail=f"blockReason {blocked}")
    reasons = [code_of(candidate.get("finishReason")) for candidate in candidates]
    detail = " ".join(["finishReason", *reasons]) if reasons else ""
    if REFUSED.intersection(reasons):
        raise ContentRefused(detail=detail)
    raise BadAnswer("The provider's answer holds no picture.", detail=detail)


def _error_of(answer: Answer, error: dict[str, Any]) -> StepError:
    """The error of an `error` object, by the quota that is used up, then by reason and status."""
    status = code_of(error.get("status"))
    details = _dicts_in(error.get("details"))
    quotas = [code_of(one.get("quotaId")) for detail in details for one in _dicts_in(detail.get("violations"))]
    reasons = [code_of(detail.get("reason")) for detail in details]
    used_up = {QUOTAS.find(quota) for quota in quotas}
    if "quota" in used_up or (answer.status == 429 and SPEND_CAP in str(error.get("message")).lower()):
        found: str | None = "quota"
    else:
        found = "rate" if "rate" in used_up else CODES.find(*reasons, status)
    waits = [_seconds_in(detail.get("retryDelay")) for detail in details if "retryDelay" in detail]
    words = " ".join(filter(None, [status, *reasons, *quotas]))
    return error_of(answer, found, words, retry_after=waits[0] if waits else None)


def _seconds_in(duration: Any) -> float | None:
    """`22s` or `22.5s`, held to the same bounds as Retry-After."""
    return read_retry_after(duration.removesuffix("s")) if isinstance(duration, str) else None


def _as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts_in(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []

"""Gemini's dialect: refusals are answers of 200, and one status stands for a rate and for a quota."""

from __future__ import annotations

from typing import Any

from jobs.cloud.providers.gemini import Gemini
from jobs.errors.steps import AccountRefused, BadAnswer, BadInput, Busy, ContentRefused, QuotaExhausted, Transient
from scripts.simulators.gemini import StandIn
from tests.contract.dialects.dialect import KEY, Dialect, Said

PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"


def refusal(status: str, *details: Any, message: str = "words of a guest") -> dict[str, Any]:
    return {"error": {"code": 400, "message": message, "status": status, "details": list(details)}}


def reason(word: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word, "domain": "googleapis.com"}


def used_up(*quota_ids: Any, wait: Any = "22s") -> dict[str, Any]:
    """The time to wait is named for quotas of a minute and of a day alike."""
    violations = [{"quotaMetric": "requests", "quotaId": quota_id, "quotaValue": "5"} for quota_id in quota_ids]
    return refusal(
        "RESOURCE_EXHAUSTED",
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait},
    )


def finished(word: Any, *parts: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, "finishReason": word, "index": 0}]}


def blocked(word: Any) -> dict[str, Any]:
    return {"promptFeedback": {"blockReason": word}, "usageMetadata": {"promptTokenCount": 7}}


DIALECT = Dialect(
    name="gemini",
    make=Gemini,
    stand_in=StandIn,
    model="gemini-2.5-flash-image",
    parameters={"aspectRatio": "2:3"},
    submit_path="/v1beta/models",
    key=("x-goog-api-key", KEY),
    rate=Said(429, used_up(PER_MINUTE)),
    quota=Said(429, used_up(PER_DAY), {"Retry-After": "1"}),
    refused=Said(200, blocked("PROHIBITED_CONTENT")),
    others=(
        *(
            (Said(200, blocked(word)), ContentRefused)
            for word in ("SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "SOMETHING_NEW")
        ),
        *(
            (Said(200, finished(word)), ContentRefused)
            for word in (
                *("SAFETY", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "PROHIBITED_CONTENT"),
                *("IMAGE_RECITATION", "RECITATION", "SPII", "BLOCKLIST"),
            )
        ),
        *(
            (Said(200, finished(word)), BadAnswer)
            for word in ("NO_IMAGE", "IMAGE_OTHER", "OTHER", "MALFORMED_RESPONSE", "MAX_TOKENS", "SOMETHING_NEW")
        ),
        (Said(200, finished("STOP", {"text": "words of a guest"})), BadAnswer),
        (Said(400, refusal("INVALID_ARGUMENT")), BadInput),
        (Said(400, refusal("INVALID_ARGUMENT", reason("API_KEY_INVALID"))), AccountRefused),
        (Said(400, refusal("FAILED_PRECONDITION")), AccountRefused),
        (Said(401, refusal("UNAUTHENTICATED")), AccountRefused),
        (Said(403, refusal("PERMISSION_DENIED", reason("SERVICE_DISABLED"))), AccountRefused),
        (Said(404, refusal("NOT_FOUND")), AccountRefused),
        (Said(402, refusal("SOMETHING_NEW")), QuotaExhausted),
        (Said(429, used_up(PER_MINUTE, PER_DAY)), QuotaExhausted),
        (Said(429, refusal("RESOURCE_EXHAUSTED", message="Your Spending Cap, guest")), QuotaExhausted),
        (Said(429, used_up("ProjectSpendLimit")), QuotaExhausted),
        (Said(429, refusal("RESOURCE_EXHAUSTED")), Busy),
        (Said(429, "<html>guest</html>"), Busy),
        (Said(500, refusal("INTERNAL")), Transient),
        (Said(503, refusal("UNAVAILABLE")), Busy),
        (Said(504, refusal("DEADLINE_EXCEEDED")), Transient),
        (Said(502, "<html>bad gateway, guest</html>"), Transient),
        # A success by its status only.
        (Said(200, refusal("INVALID_ARGUMENT")), BadInput),
        (Said(200, refusal("odd")), BadAnswer),
        # What no service should say.
        (Said(400, {"error": "guest"}), BadInput),
        (Said(400, {"error": {"status": ["guest"], "details": {"guest": 1}}}), BadInput),
        (Said(429, used_up(7, ["guest"], wait={"guest": 1})), Busy),
        (Said(429, refusal("RESOURCE_EXHAUSTED", "guest", {"violations": "guest", "reason": {"guest": 1}})), Busy),
        (Said(200, {"responseId": ["guest"], "candidates": "guest"}), BadAnswer),
        (Said(200, {"responseId": "a guest", "candidates": ["guest", {"content": "guest"}]}), BadAnswer),
        (Said(200, {"candidates": [{"content": {"parts": {"guest": 1}}, "finishReason": {"guest": 1}}]}), BadAnswer),
        (Said(200, {"promptFeedback": ["guest"]}), BadAnswer),
        (Said(200, finished("words of a guest", "guest", {"inlineData": "guest"}, {"inlineData": {}})), BadAnswer),
        (Said(200, finished("STOP", {"inlineData": {"data": ["guest"]}})), BadAnswer),
        (Said(200, finished("STOP", {"inlineData": {"data": "!guest"}})), BadAnswer),
        (Said(307, "<html>elsewhere</html>"), BadAnswer),
    ),
)

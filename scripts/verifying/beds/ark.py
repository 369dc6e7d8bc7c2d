"""Ark: our provider and aimock, which plays BytePlus ModelArk. It checks little; this proves how answers are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.errors.steps import (
    AccountRefused,
    BadAnswer,
    BadInput,
    Busy,
    ContentRefused,
    OutcomeUnknown,
    QuotaExhausted,
    StepError,
    Transient,
)
from scripts.verifying.making import (
    PICTURE,
    PICTURE_URL,
    expect_error,
    expect_picture,
    provider_at,
    request_of,
    submit,
)
from scripts.verifying.servers import Aimock, aimock, aimock_name, fixture, in_base64, refusing
from scripts.verifying.sheet import Sheet, expect

NAME, PATH = "ark", "/api/v3/images/generations"
MODEL = "seedream-4-5-251128"
PLAIN = request_of(MODEL, {"size": "2K", "watermark": False}, "a good one")

REFUSALS: tuple[tuple[str, type[StepError], float | None, Mapping[str, Any]], ...] = (
    ("rate", Busy, 7.0, {"status": 429, "retry_after": 7, "code": "ModelAccountIpmRateLimitExceeded"}),
    ("overload", Transient, None, {"status": 429, "code": "ServerOverloaded"}),
    ("trial used up", QuotaExhausted, None, {"status": 429, "code": "QuotaExceeded"}),
    ("arrears", QuotaExhausted, None, {"status": 403, "code": "AccountOverdueError"}),
    ("photo refused", ContentRefused, None, {"status": 400, "code": "InputImageSensitiveContentDetected"}),
    (
        "prompt refused",
        ContentRefused,
        None,
        {"status": 400, "code": "InputTextSensitiveContentDetected.PolicyViolation"},
    ),
    ("parameter", BadInput, None, {"status": 400, "code": "InvalidParameter.OversizedImage"}),
    ("model not opened", AccountRefused, None, {"status": 404, "code": "ModelNotOpen"}),
    ("key", AccountRefused, None, {"status": 401, "code": "AuthenticationError"}),
)
"""What the service is told to say to this prompt, and how it must be read."""


def verify(sheet: Sheet) -> None:
    """All checks of this provider against aimock."""
    fixtures = [
        fixture("image", "a good one", {"images": [{"b64Json": in_base64(PICTURE)}]}),
        fixture("image", "an address", {"images": [{"url": PICTURE_URL}]}),
        fixture("image", "an empty one", {"images": []}),
        *(refusing("image", f"{name} please", **told) for name, _, _, told in REFUSALS),
    ]
    with aimock(fixtures) as service:
        _verify(sheet, service)


def _verify(sheet: Sheet, service: Aimock) -> None:
    provider, against = provider_at(NAME, f"{service.url}/api/v3"), aimock_name()
    for prompt in ("a good one", "an address"):
        with sheet.check(NAME, against, f"good picture: {prompt}") as row:
            row.note = expect_picture(submit(provider, request_of(MODEL, {"size": "2K"}, prompt)))
    for name, error, retry_after, _ in REFUSALS:
        with sheet.check(NAME, against, f"refusal: {name}") as row:
            before = service.calls(PATH)
            row.note = expect_error(provider, request_of(MODEL, {}, f"{name} please"), error, retry_after)
            expect(service.calls(PATH) == before + 1, "not asked exactly once")
    with sheet.check(NAME, against, "answer without a picture") as row:
        row.note = expect_error(provider, request_of(MODEL, {}, "an empty one"), BadAnswer, None)
    with sheet.check(NAME, against, "rate of every caller") as row, service.chaos(rateLimitRate=1):
        row.note = expect_error(provider, PLAIN, Busy, None)
    with sheet.check(NAME, against, "connection lost during the call") as row, service.chaos(disconnectRate=1):
        row.note = expect_error(provider, PLAIN, OutcomeUnknown, None)
    with sheet.check(NAME, against, "answer that is no JSON") as row, service.chaos(malformedRate=1):
        row.note = expect_error(provider, PLAIN, BadAnswer, None)

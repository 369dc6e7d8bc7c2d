"""The OpenAI images dialect."""

from __future__ import annotations

from typing import Any

from jobs.cloud.providers.openai_images import OpenaiImages
from jobs.errors.steps import AccountRefused, BadAnswer, BadInput, Busy, ContentRefused, QuotaExhausted, Transient
from scripts.simulators.openai_images import StandIn
from tests.contract.dialects.dialect import KEY, Dialect, Said


def refusal(code: str | None, kind: str = "invalid_request_error", message: str = "words of a guest") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


DIALECT = Dialect(
    name="openai",
    make=OpenaiImages,
    stand_in=StandIn,
    model="gpt-image-1",
    parameters={"size": "1024x1536", "quality": "low"},
    submit_path="/v1/images",
    key=("authorization", f"Bearer {KEY}"),
    rate=Said(429, refusal("rate_limit_exceeded", "requests")),
    quota=Said(429, refusal("insufficient_quota", "insufficient_quota"), {"Retry-After": "1"}),
    refused=Said(400, refusal("moderation_blocked", "image_generation_user_error")),
    others=(
        (Said(401, refusal("invalid_api_key")), AccountRefused),
        (Said(403, refusal(None)), AccountRefused),
        (Said(404, refusal("model_not_found")), AccountRefused),
        (Said(429, refusal("organization_spend_limit_exceeded", "billing")), QuotaExhausted),
        (Said(400, refusal("content_policy_violation")), ContentRefused),
        (Said(400, refusal("invalid_image_file")), BadInput),
        (Said(503, refusal(None, "server_error")), Busy),
        (Said(500, refusal(None, "server_error")), Transient),
        (Said(502, "<html>bad gateway, guest</html>"), Transient),
        # As LiteLLM's proxy passes on what it was told: the provider's own words lie inside the message.
        (
            Said(429, refusal("429", "throttling_error", 'RateLimitError: {"error": {"code": "insufficient_quota"}}')),
            QuotaExhausted,
        ),
        (Said(200, refusal("odd")), BadAnswer),
        (Said(200, {"data": [{"b64_json": None, "url": None}]}), BadAnswer),
        (Said(200, {"data": [{"b64_json": "!"}]}), BadAnswer),
        (Said(200, {"data": [{"url": "http://127.0.0.1/x.png"}]}), BadAnswer),
        (Said(307, "<html>elsewhere</html>"), BadAnswer),
    ),
)

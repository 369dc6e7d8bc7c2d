"""Volcengine Ark's and BytePlus' dialect."""

from __future__ import annotations

from typing import Any

from jobs.cloud.providers.ark_images import ArkImages
from jobs.errors.steps import AccountRefused, BadAnswer, BadInput, Busy, ContentRefused, QuotaExhausted, Transient
from scripts.simulators.ark_images import StandIn
from tests.contract.dialects.dialect import KEY, Dialect, Said


def refusal(code: str | None, message: str = "words of a guest") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "param": "", "type": "BadRequest"}}


def one_picture(code: str) -> dict[str, Any]:
    """A success whose only picture was not made."""
    return {"model": "m", "data": [{"error": {"code": code, "message": "guest"}}], "usage": {"generated_images": 0}}


DIALECT = Dialect(
    name="ark",
    make=ArkImages,
    stand_in=StandIn,
    model="doubao-seedream-4-0-250828",
    parameters={"size": "768x1200", "watermark": False},
    submit_path="/v3/images",
    key=("authorization", f"Bearer {KEY}"),
    rate=Said(429, refusal("ModelAccountIpmRateLimitExceeded")),
    quota=Said(429, refusal("SetLimitExceeded"), {"Retry-After": "1"}),
    refused=Said(400, refusal("InputImageSensitiveContentDetected")),
    others=(
        *(
            (Said(400, refusal(code)), ContentRefused)
            for code in (
                "InputTextSensitiveContentDetected",
                "InputImageSensitiveContentDetected.PrivacyInformation",
                "InputImageSensitiveContentDetected.PolicyViolation",
                "OutputImageSensitiveContentDetected",
                "SensitiveContentDetected",
                "SensitiveContentDetected.SevereViolation",
                "InputImageRiskDetection",
                "OutputTextRiskDetection",
            )
        ),
        *(
            (Said(400, refusal(code)), BadInput)
            for code in (
                "MissingParameter",
                "MissingParameter.model",
                "InvalidParameter",
                "InvalidParameter.OversizedImage",
                "InvalidParameter.UnsupportedImageFormat",
                "InvalidImageURL",
                "SomethingNew",
            )
        ),
        (Said(401, refusal("AuthenticationError")), AccountRefused),
        (Said(403, refusal("AccountOverdueError")), QuotaExhausted),
        (Said(403, refusal("OperationDenied.ServiceOverdue")), QuotaExhausted),
        (Said(403, refusal("AccessDenied")), AccountRefused),
        (Said(403, refusal("SomethingNew")), AccountRefused),
        (Said(404, refusal("InvalidEndpointOrModel.NotFound")), AccountRefused),
        (Said(404, refusal("InvalidEndpointOrModel.ModelIDAccessDisabled")), AccountRefused),
        (Said(404, refusal("ModelNotOpen")), AccountRefused),
        (Said(400, refusal("InvalidEndpoint.ClosedEndpoint")), AccountRefused),
        *(
            (Said(429, refusal(code)), Busy)
            for code in (
                "ModelAccountRpmRateLimitExceeded",
                "ModelAccountTpmRateLimitExceeded",
                "APIAccountRpmRateLimitExceeded",
                "RateLimitExceeded.EndpointRPMExceeded",
                "RateLimitExceeded.EndpointTPMExceeded",
                "AccountRateLimitExceeded",
                "RequestBurstTooFast",
                "InflightBatchsizeExceeded",
                "SomethingNew",
            )
        ),
        (Said(429, "<html>guest</html>"), Busy),
        (Said(429, refusal("ServerOverloaded")), Transient),
        (Said(429, refusal("QuotaExceeded")), QuotaExhausted),
        (Said(500, refusal("InternalServiceError")), Transient),
        (Said(502, "<html>bad gateway, guest</html>"), Transient),
        # A success by its status only.
        (Said(200, refusal("InvalidParameter")), BadInput),
        (Said(200, refusal("odd")), BadAnswer),
        (Said(200, one_picture("OutputImageSensitiveContentDetected")), ContentRefused),
        (Said(200, one_picture("InternalServiceError")), Transient),
        (Said(200, one_picture("odd")), BadAnswer),
        # What no service should say.
        (Said(400, refusal("words of a guest")), BadInput),
        (Said(400, {"error": ["guest"]}), BadInput),
        (Said(400, {"error": {"code": {"guest": 1}, "type": 7, "message": ["guest"]}}), BadInput),
        (Said(200, {"data": "guest"}), BadAnswer),
        (Said(200, {"data": ["guest"]}), BadAnswer),
        (Said(200, {"data": [{"b64_json": 7}]}), BadAnswer),
        (Said(200, {"data": [{"b64_json": None, "url": None}]}), BadAnswer),
        (Said(200, {"data": [{"url": "file:///etc/guest"}]}), BadAnswer),
        (Said(307, "<html>elsewhere</html>"), BadAnswer),
    ),
)

"""Seedream at Volcengine Ark (China) or BytePlus ModelArk (elsewhere); and SiliconFlow, whose words are nearly these.

POST /images/generations as JSON, the photo as a data URL. Of a style's parameters exactly those are sent that it names:
newer models refuse what older ones take. Ark paints its mark into each picture unless `watermark` is among them.
"""

from __future__ import annotations

from typing import Any

from jobs.cloud.provider import Done, ImageRequest, Keep
from jobs.cloud.providers.openai_images import read_images
from jobs.cloud.reading import Codes, code_of, error_of, read_refusal
from jobs.cloud.service import AtOnce
from jobs.cloud.transport import Answer
from jobs.errors.steps import BadAnswer

ARK_CODES = Codes(
    refused=("*SensitiveContentDetected*", "*RiskDetection*"),
    quota=("AccountOverdueError", "OperationDenied.ServiceOverdue", "QuotaExceeded", "SetLimitExceeded"),
    account=("AuthenticationError", "AccessDenied*", "InvalidEndpoint*", "ModelNotOpen"),
    rate=("*RateLimitExceeded*", "RequestBurstTooFast", "InflightBatchsizeExceeded"),
    transient=("ServerOverloaded", "InternalServiceError"),
    bad_input=("MissingParameter*", "InvalidParameter*", "InvalidImageURL*"),
)
SILICONFLOW_CODES = Codes(
    refused=("451",),
    quota=("30001",),
    account=("20012", "30003", "30014"),
    bad_input=("20015",),
)
"""Numbers of its own, else the HTTP status."""


class ArkImages(AtOnce):
    """Ark. The picture comes back in the same answer, so nothing has to be fetched while its address lasts."""

    id_header = "x-request-id"

    def submit(self, request: ImageRequest, keep_remote_id: Keep, seconds: float) -> Done:
        """Buy one picture. Raises StepError: OutcomeUnknown when the request may have been carried out."""
        answer = self._transport.send(
            "/images/generations",
            seconds=seconds,
            on_headers=lambda headers: keep_remote_id(headers[self.id_header]) if self.id_header in headers else None,
            json=self._body(request),
        )
        return Done(tuple(self._read(answer)))

    def _body(self, request: ImageRequest) -> dict[str, Any]:
        return body_of(request) | {"response_format": "b64_json"}

    def _read(self, answer: Answer) -> list[bytes]:
        return read_images(answer, self._results, ARK_CODES)


class SiliconflowImages(ArkImages):
    """SiliconFlow. It knows no `response_format` and names addresses in a list of its own."""

    id_header = "x-siliconcloud-trace-id"

    def _body(self, request: ImageRequest) -> dict[str, Any]:
        return body_of(request)

    def _read(self, answer: Answer) -> list[bytes]:
        document = answer.read_object() if answer.status == 200 else read_refusal(answer)
        items = document.get("images") or document.get("data")
        if answer.status != 200 or not items:
            code = code_of(document.get("code"))
            raise error_of(answer, SILICONFLOW_CODES.find(code, str(answer.status)), code)
        if not isinstance(items, list):
            raise BadAnswer("The provider's answer holds no picture.")
        return [self._results.fetch(item.get("url") if isinstance(item, dict) else None) for item in items]


def body_of(request: ImageRequest) -> dict[str, Any]:
    """What both services are asked."""
    own = {"model": request.model, "prompt": request.prompt, "image": request.photo_url}
    return request.parameters | own

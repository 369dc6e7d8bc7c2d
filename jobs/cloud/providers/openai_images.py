"""The OpenAI images dialect: POST /images/edits as multipart, the picture comes back as base64 in the same answer.

Spoken by OpenAI, Azure OpenAI, LiteLLM and many local servers. A query at the end of the base address, such as Azure's
api-version, goes with each request.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from jobs.cloud.provider import Done, ImageRequest, Keep
from jobs.cloud.reading import Codes, code_of, error_of, read_refusal
from jobs.cloud.results import ResultFetcher, decode_base64
from jobs.cloud.service import AtOnce
from jobs.cloud.transport import Answer
from jobs.errors.steps import BadAnswer
from jobs.settings.providers import ProviderSettings

CODES = Codes(
    refused=("moderation_blocked", "content_policy_violation", "content_filter", "contentFilter"),
    quota=(
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    ),
    account=("invalid_api_key", "model_not_found"),
    rate=("rate_limit_exceeded", "slow_down"),
)


class OpenaiImages(AtOnce):
    """One service of this dialect."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        address, _, query = settings.base_url.partition("?")
        super().__init__(name, settings.model_copy(update={"base_url": address.rstrip("/")}))
        self._query = f"?{query}" if query else ""

    def _key_header(self, settings: ProviderSettings) -> dict[str, str]:
        is_azure = str(urlsplit(settings.base_url).hostname).endswith(".azure.com")
        return {"api-key": settings.key} if is_azure else super()._key_header(settings)

    def submit(self, request: ImageRequest, keep_remote_id: Keep, seconds: float) -> Done:
        """Buy one picture. Raises StepError: OutcomeUnknown when the request may have been carried out."""
        fields = {"model": request.model, "prompt": request.prompt}
        answer = self._transport.send(
            f"/images/edits{self._query}",
            seconds=seconds,
            on_headers=lambda headers: keep_remote_id(headers["x-request-id"]) if "x-request-id" in headers else None,
            data=fields | {name: _as_text(value) for name, value in request.parameters.items()},
            files={"image": ("photo.jpg", request.photo, "image/jpeg")},
        )
        return Done(tuple(read_images(answer, self._results)))


def read_images(answer: Answer, results: ResultFetcher, codes: Codes = CODES) -> list[bytes]:
    """The pictures of an answer, each `b64_json` or `url` of `data`. Raises StepError."""
    document = answer.read_object() if answer.status == 200 else read_refusal(answer)
    error = document.get("error")
    if answer.status != 200 or error:
        fields = error if isinstance(error, dict) else document
        code, kind = code_of(fields.get("code")), code_of(fields.get("type"))
        found = codes.find(code, kind)
        if found is None or code.isdigit():  # a gateway hides the provider's own code in its message
            found = codes.find(*_words_in(fields.get("message"))) or found
        raise error_of(answer, found, f"{kind} {code}")
    items = document.get("data")
    if not isinstance(items, list) or not items:
        raise BadAnswer("The provider's answer holds no picture.")
    images, lacking = [], None
    for item in items:
        if not isinstance(item, dict):
            raise BadAnswer("The provider's answer holds no picture.")
        if isinstance(item.get("error"), dict):  # one picture of several, in an answer of 200
            code = code_of(item["error"].get("code"))
            lacking = error_of(answer, codes.find(code), code)
        elif item.get("b64_json"):
            images.append(decode_base64(item["b64_json"]))
        else:
            images.append(results.fetch(item.get("url")))
    if lacking and not images:
        raise lacking
    return images  # what was made is paid for, whatever became of the others


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _words_in(message: Any) -> list[str]:
    """Whatever stands in quotes or between blanks, as candidates for a code."""
    return [word.strip("\"'{},:[]()") for word in str(message)[:4000].split()] if message else []

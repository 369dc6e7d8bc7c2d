"""The OpenAI images dialect: POST /images/edits as multipart, the picture comes back as base64 in the same answer.

Spoken by OpenAI, Azure OpenAI, LiteLLM and many local servers. A query at the end of the base address, such as Azure's
api-version, goes with each request.
"""

from __future__ import annotations

import json
from typing import Any, Literal
from urllib.parse import urlsplit

from jobs.cloud.provider import Done, ImageRequest, Keep, Pending, Unheard
from jobs.cloud.reading import Codes, error_of
from jobs.cloud.results import ResultFetcher, decode_base64
from jobs.cloud.transport import Answer, Transport
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


class OpenaiImages:
    """One service of this dialect."""

    can_look_up = False
    takes_key = False

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self.limit = settings.limit
        self.silence_s = settings.silence_s
        self.on_unknown: Literal["hold", "resubmit"] = settings.unknown
        self._key = settings.key
        address, _, query = settings.base_url.partition("?")
        self._query = f"?{query}" if query else ""
        is_azure = str(urlsplit(address).hostname).endswith(".azure.com")
        key = {"api-key": self._key} if is_azure else {"Authorization": f"Bearer {self._key}"}
        self._transport = Transport(address.rstrip("/"), key, silence_s=self.silence_s)
        self._results = ResultFetcher(address, settings.result_hosts)

    def is_configured(self) -> bool:
        """Is there a key?"""
        return bool(self._key)

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

    def poll(self, model: str, remote_id: str, seconds: float) -> Done | Pending:
        """The dialect cannot be asked about a call. Raises Unheard."""
        raise Unheard("not part of this dialect")

    def cancel(self, model: str, remote_id: str, seconds: float) -> None:
        """The dialect knows no stopping. Raises Unheard."""
        raise Unheard("not part of this dialect")


def read_images(answer: Answer, results: ResultFetcher, codes: Codes = CODES) -> list[bytes]:
    """The pictures of an answer, each `b64_json` or `url` of `data`. Raises StepError."""
    document = answer.read_object() if answer.status == 200 else _read_leniently(answer)
    error = document.get("error")
    if answer.status != 200 or error:
        fields = error if isinstance(error, dict) else document
        code, kind = _word(fields.get("code")), _word(fields.get("type"))
        found = codes.find(code, kind)
        if found is None or code.isdigit():  # a gateway hides the provider's own code in its message
            found = codes.find(*_words_in(fields.get("message"))) or found
        raise error_of(answer, found, f"{kind} {code}")
    items = document.get("data")
    if not isinstance(items, list) or not items:
        raise BadAnswer("The provider's answer holds no picture.")
    images = []
    for item in items:
        if not isinstance(item, dict):
            raise BadAnswer("The provider's answer holds no picture.")
        if isinstance(item.get("error"), dict):  # one picture of several, in an answer of 200
            code = _word(item["error"].get("code"))
            raise error_of(answer, codes.find(code), code)
        if item.get("b64_json"):
            images.append(decode_base64(item["b64_json"]))
        else:
            images.append(results.fetch(item.get("url")))
    return images


def _read_leniently(answer: Answer) -> dict[str, Any]:
    """The document of a refusal; proxies answer in their own words, and lists are no object."""
    document = answer.read_json()
    return document if isinstance(document, dict) else {}


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _word(value: Any) -> str:
    return str(value)[:80] if value else ""


def _words_in(message: Any) -> list[str]:
    """Whatever stands in quotes or between blanks, as candidates for a code."""
    return [word.strip("\"'{},:[]()") for word in str(message)[:4000].split()] if message else []

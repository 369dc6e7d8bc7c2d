"""A provider's HTTP: a submission goes out once, and the key to the configured host alone. Knows no dialect.

`send` is for what is paid for: its errors say whether it may have arrived. `ask` is for what may be asked again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from jobs.cloud.provider import Unheard
from jobs.errors.steps import Away, BadAnswer, OutcomeUnknown, Transient
from jobs.wire import CutShort, TooLarge, TooSlow, never_connected, read_body, read_retry_after

CONNECT_SECONDS = 10.0
ASK_SECONDS = 30.0
ANSWER_BYTES = 100_000_000


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, whole. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    def read_json(self) -> Any:
        """The document. Raises BadAnswer, or Transient where a gateway in trouble says it in its own words."""
        try:
            return json.loads(self.raw)
        except (ValueError, RecursionError) as exc:
            if self.status >= 500:
                raise Transient("The provider failed for a moment.", detail=f"status {self.status}") from exc
            raise BadAnswer("The provider's answer is not JSON.", detail=f"status {self.status}") from exc

    def read_object(self) -> dict[str, Any]:
        """The document, which must be an object. Raises BadAnswer, Transient."""
        document = self.read_json()
        if not isinstance(document, dict):
            raise BadAnswer("The provider's answer is not an object.", detail=f"status {self.status}")
        return document

    @property
    def retry_after(self) -> float | None:
        """Seconds the provider asks us to wait, held to sane bounds. A gateway passes it on under its own name."""
        for name in ("Retry-After", "llm_provider-retry-after"):
            if (seconds := read_retry_after(self.headers.get(name))) is not None:
                return seconds
        return None


class Transport:
    """Requests to one provider's configured address, with its key."""

    def __init__(self, base_url: str, headers: Mapping[str, str], *, silence_s: float) -> None:
        """`headers` carry the key. `silence_s`: so long the provider may say nothing to a submission."""
        self.base_url = base_url
        self._headers = dict(headers)
        self._silence_s = silence_s

    def send(
        self,
        path: str,
        *,
        seconds: float,
        on_headers: Callable[[Mapping[str, str]], None] = lambda headers: None,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Answer:
        """POST once. `on_headers` hears of the answer's headers before its body is read. `body`: as requests takes it.

        Raises StepError: Away when not a byte was sent, OutcomeUnknown when it may have been carried out.
        """
        try:
            return self._exchange("POST", path, seconds, self._silence_s, on_headers, headers, body)
        except TooLarge as exc:
            raise BadAnswer("The provider's answer is too large.") from exc
        except (CutShort, TooSlow) as exc:
            raise OutcomeUnknown(detail="the answer broke off") from exc
        except (requests.RequestException, HTTPError, OSError) as exc:
            if never_connected(exc):
                raise Away(refused=True, detail=type(exc).__name__, outcome="unsent") from exc
            raise OutcomeUnknown(detail=type(exc).__name__) from exc

    def ask(self, path: str, *, method: str = "GET", seconds: float, **body: Any) -> Answer:
        """A request that may be made again and buys nothing. Raises Unheard."""
        try:
            return self._exchange(method, path, seconds, ASK_SECONDS, lambda headers: None, None, body)
        except (TooLarge, CutShort, TooSlow, requests.RequestException, HTTPError, OSError) as exc:
            raise Unheard(type(exc).__name__) from exc

    def _exchange(
        self,
        method: str,
        path: str,
        seconds: float,
        silence_s: float,
        on_headers: Callable[[Mapping[str, str]], None],
        headers: Mapping[str, str] | None,
        body: dict[str, Any],
    ) -> Answer:
        ends_at = time.monotonic() + seconds
        with requests.Session() as session:
            session.trust_env = False
            session.mount(self.base_url, HTTPAdapter(max_retries=0))
            with session.request(
                method,
                f"{self.base_url}{path}",
                headers=self._headers | dict(headers or {}),
                timeout=(min(CONNECT_SECONDS, seconds), min(silence_s, seconds)),
                allow_redirects=False,
                stream=True,
                **body,
            ) as response:
                on_headers(response.headers)
                raw = read_body(response, ends_at=ends_at, limit=ANSWER_BYTES)
                return Answer(response.status_code, response.headers, raw)

"""The sweeper beside a ComfyUI server, over HTTP: how it is, and asking it to remove copies. It is in
worker_configs/comfyui_host; the only other place that knows its JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from jobs.errors.steps import Away, BadAnswer
from jobs.wire import CutShort, TooLarge, TooSlow, never_connected, read_body

CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 10.0
TOTAL_SECONDS = 20.0
ANSWER_BYTES = 64_000
AT_ONCE = 1_000
"""Prompts that one request names."""


@dataclass(frozen=True)
class Copies:
    """What a sweeper says is left at its host: files, their bytes, seconds since the oldest was written."""

    files: int
    bytes: int
    oldest_s: float | None


class SweeperClient:
    """One host's sweeper. Not for sharing between threads."""

    def __init__(self, server: str, port: int, token: str) -> None:
        """`server`: the URL of a ComfyUI there."""
        host = urlsplit(server).hostname or ""
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Give back the connections."""
        self._session.close()

    def ask(self, *, patience_s: float) -> Copies:
        """How it is there. Raises Away; BadAnswer also when its last sweep is longer ago than `patience_s`."""
        answer = self._request("GET", "/healthz", None)
        if _number(answer, "swept_s") > patience_s:
            raise BadAnswer(detail="its last sweep was long ago")
        files = int(_number(answer, "files"))
        return Copies(files, int(_number(answer, "bytes")), _number(answer, "oldest_s") if files else None)

    def sweep(self, prompts: Sequence[str]) -> bool:
        """Have the copies of these prompts removed, now and for what is written late; whether all that was there went.

        Raises Away, BadAnswer.
        """
        stuck = 0.0
        for start in range(0, len(prompts), AT_ONCE):
            stuck += _number(self._request("POST", "/sweep", list(prompts[start : start + AT_ONCE])), "stuck")
        return not stuck

    def _request(self, method: str, path: str, document: Any) -> dict[str, Any]:
        ends_at = time.monotonic() + TOTAL_SECONDS
        try:
            with self._session.request(
                method,
                self.url + path,
                json=document,
                timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                raw = read_body(response, ends_at=ends_at, limit=ANSWER_BYTES)
                status = response.status_code
        except (TooLarge, CutShort) as exc:
            raise BadAnswer(detail="its answer cannot be read") from exc
        except TooSlow as exc:
            raise Away(detail="its answer takes too long") from exc
        except (requests.RequestException, OSError) as exc:
            refused = never_connected(exc)
            raise Away(refused=refused, detail="nobody listens there" if refused else "it does not answer") from exc
        if status == 401:
            raise BadAnswer(detail="it refuses our SWEEPER_TOKEN")
        if status != 200:
            raise BadAnswer(detail=f"it answers with status {status}")
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError) as exc:
            raise BadAnswer(detail="its answer cannot be read") from exc
        if not isinstance(answer, dict):
            raise BadAnswer(detail="its answer cannot be read")
        return answer


def _number(answer: dict[str, Any], key: str) -> float:
    value = answer.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e18:
        raise BadAnswer(detail="its answer cannot be read")
    return float(value)

"""What both resources need of HTTP: bounded reading, Retry-After, whether a failed request was sent at all. Pure."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
from urllib3.exceptions import IncompleteRead, NewConnectionError, ProtocolError

SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 120.0
CHUNK_BYTES = 65_536


class TooLarge(Exception):
    """The body is larger than allowed."""


class TooSlow(Exception):
    """The body did not arrive within the total time allowed."""


class CutShort(Exception):
    """The body ended before its announced length."""


def read_body(response: requests.Response, *, ends_at: float, limit: int) -> bytes:
    """The body of a streamed response, in pieces as they come: a silence limit alone never ends a slow drip.

    `ends_at` is of the monotonic clock, `limit` in bytes. Raises TooLarge, TooSlow, CutShort.
    """
    parts: list[bytes] = []
    size = 0
    while part := _read_part(response):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise TooLarge()
        if time.monotonic() > ends_at:
            raise TooSlow()
    expected = response.headers.get("Content-Length", "")
    if expected.isdigit() and "Content-Encoding" not in response.headers and size != int(expected):
        raise CutShort()
    return b"".join(parts)


def _read_part(response: requests.Response) -> bytes:
    try:
        part: bytes = response.raw.read1(CHUNK_BYTES, decode_content=True)
    except ProtocolError as exc:
        if any(isinstance(arg, IncompleteRead) for arg in exc.args):
            raise CutShort() from exc
        raise
    return part


def never_connected(exc: BaseException) -> bool:
    """Did the request fail before there was a connection, so that not a byte of it was sent?"""
    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, NewConnectionError | requests.ConnectTimeout):
            return True
        if isinstance(getattr(seen, "reason", None), NewConnectionError):
            return True
        seen = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else None
    return False


def read_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Retry-After, seconds or an HTTP date, held to 1 to 120 seconds; None when there is no usable value."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            seconds = (moment - (now or datetime.now(UTC))).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    if seconds != seconds:  # NaN
        return None
    return min(max(seconds, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)

"""Who is asking: booths by key, operators by session. Keys and users live in jobs/access."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import g, redirect, request, session, url_for
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from jobs.access import booths, operators
from jobs.access.booths import BoothId
from jobs.access.operators import Operator
from jobs.errors import BoothTooFast, NotAuthenticated, TooManyAttempts
from web.context import farm
from web.errors import NOT_PERMITTED, problem

View = TypeVar("View", bound=Callable[..., Any])

SESSION_SECONDS = 8 * 3600
WRONG_KEYS = parse("20 per minute")
WRONG_LOGINS = parse("5 per minute")

_limiter = MovingWindowRateLimiter(MemoryStorage())
"""Counted in this process: with several web processes, each allows as much."""


def authenticate_booth() -> BoothId:
    """The asking booth. Raises NotAuthenticated, TooManyAttempts."""
    address = request.remote_addr or "?"
    if not _limiter.test(WRONG_KEYS, "key", address):
        raise TooManyAttempts(retry_after=60)
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer" or not key:
            raise NotAuthenticated()
        booth = farm().database.read(booths.authenticate, key.strip())
    except NotAuthenticated:
        _limiter.hit(WRONG_KEYS, "key", address)
        raise
    g.booth = booth.name
    return booth


def check_booth_rate(booth: BoothId) -> None:
    """Count one submission of a booth. Raises BoothTooFast."""
    rate = _rate_of(booth.rate)
    if not _limiter.hit(rate, "booth", str(booth.id)):
        reset, _ = _limiter.get_window_stats(rate, "booth", str(booth.id))
        raise BoothTooFast(retry_after=max(1, int(reset - time.time()) + 1))


def count_of_booth(booth_id: int, rate: int | None) -> tuple[int, int]:
    """(submissions of a booth in the last minute, how many it may). `rate`: its own, or None."""
    limit = _rate_of(rate)
    _, left = _limiter.get_window_stats(limit, "booth", str(booth_id))
    return limit.amount - left, limit.amount


def _rate_of(rate: int | None) -> RateLimitItem:
    return parse(f"{farm().settings.booth_rate if rate is None else rate} per minute")


def log_in(username: str, password: str) -> Operator | None:
    """Start a session for the operator whose password this is. Raises TooManyAttempts."""
    address = request.remote_addr or "?"
    if not _limiter.hit(WRONG_LOGINS, "login", address):
        raise TooManyAttempts(retry_after=60)
    operator = farm().database.read(operators.check_password, username, password)
    session.clear()
    if operator is not None:
        session["user"] = operator.id
        session["number"] = operator.session_number
        session["until"] = time.time() + SESSION_SECONDS
    return operator


def log_out() -> None:
    """End this operator's sessions everywhere: a copied cookie is worth nothing afterwards."""
    operator = current_operator()
    if operator is not None:
        farm().database.write(operators.end_sessions, operator.id)
    session.clear()


def current_operator() -> Operator | None:
    """The operator who is logged in, or None."""
    if session.get("until", 0) < time.time():
        return None
    return farm().database.read(operators.find_operator, session["user"], session["number"])


def needs_role(role: str) -> Callable[[View], View]:
    """The view's first argument becomes the operator, who has at least this role. Nobody logged in: the login page."""

    def guard(view: View) -> View:
        @functools.wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            operator = current_operator()
            if operator is None:
                return redirect(url_for("ops.login", next=request.path if request.method == "GET" else None))
            if not operator.may(role):
                return problem(NOT_PERMITTED)
            g.operator = operator
            return view(operator, *args, **kwargs)

        return cast(View, checked)

    return guard


needs_operator = needs_role("attendant")
"""Whoever is logged in."""

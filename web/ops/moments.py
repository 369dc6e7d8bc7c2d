"""Moments as operators type them, in the venue's zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from web.context import farm

AROUND = timedelta(minutes=15)
CLOCK = re.compile(r"([01]?\d|2[0-3])[:.]?([0-5]\d)", re.ASCII)


def read_moment(text: str) -> datetime | None:
    """`2026-11-28T20:15`, as a browser's field sends it; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return _at_the_venue(moment).astimezone(UTC)
    except (OverflowError, OSError):  # the year 1 or 9999
        return None


def read_around(text: str) -> tuple[datetime, datetime] | None:
    """`20:15`: a quarter of an hour before and after, today or, when it has not come yet, yesterday."""
    found = CLOCK.fullmatch(text)
    if found is None:
        return None
    now = datetime.now(UTC)
    today = now.astimezone(farm().settings.zone).date()
    clock = time(int(found[1]), int(found[2]))
    moment = _at_the_venue(datetime.combine(today, clock))
    if moment - AROUND > now:
        moment = _at_the_venue(datetime.combine(today - timedelta(days=1), clock))
    return moment.astimezone(UTC) - AROUND, moment.astimezone(UTC) + AROUND


def _at_the_venue(moment: datetime) -> datetime:
    """A moment without a zone is one of the venue's clock; without VENUE_TIMEZONE, of this machine's."""
    if moment.tzinfo is not None:
        return moment
    zone = farm().settings.zone
    return moment.replace(tzinfo=zone) if zone else moment.astimezone()

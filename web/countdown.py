"""Times that are left, as people read them."""

from __future__ import annotations

from flask_babel import gettext as _


def count_down(seconds: float) -> str:
    """`7 s`, `1:05 min`, `3:20 h`."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return _("%(seconds)s s", seconds=whole)
    if whole < 3600:
        return _("%(time)s min", time=f"{whole // 60}:{whole % 60:02}")
    return _("%(time)s h", time=f"{whole // 3600}:{whole % 3600 // 60:02}")

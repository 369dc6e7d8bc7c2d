"""What failed, by cause: how much, since when, whom it concerns, what to do, and trying all of one cause again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext

from jobs.access.operators import Operator
from jobs.orders import failures
from jobs.orders.failures import Failures
from web.auth import needs_operator
from web.context import farm
from web.ops import ops
from web.ops.moments import read_moment

SPANS = {
    "1": lazy_gettext("the last hour"),
    "24": lazy_gettext("the last 24 hours"),
    "168": lazy_gettext("the last 7 days"),
}
"""Hours -> what they are called."""
USUAL_SPAN = "24"
ADVICE = {
    "unavailable": lazy_gettext("See on the board which server or provider is away. Once it is back, try all again."),
    "outcome_unknown": lazy_gettext(
        "Nobody can tell whether these were made and billed. Compare the provider's bill before trying again."
    ),
    "execution_failed": lazy_gettext(
        "Try one again. If it fails once more, the style or its server is at fault: call the technician, and let "
        "guests choose another style meanwhile."
    ),
    "bad_answer": lazy_gettext("Try one again. If it fails once more, call the technician."),
    "content_refused": lazy_gettext(
        "Nothing is broken: the service refuses these photos. Guests should choose another style or take a new photo."
    ),
    "bad_input": lazy_gettext("Trying again brings the same until the technician has looked at the style."),
    "poison": lazy_gettext("Guests should take a new photo. Tell the technician: these photos end what works on them."),
    "deadline": lazy_gettext("More was asked for than could be made. Try all again once few are waiting."),
    "bug": lazy_gettext("Call the technician: the log has the reason under the task's id."),
}
OTHER_ADVICE = lazy_gettext("Call the technician.")


@ops.get("/failures")
@needs_operator
def show_failures(operator: Operator) -> ResponseReturnValue:
    """The causes, the commonest first."""
    span = request.args.get("hours", "")
    span = span if span in SPANS else USUAL_SPAN
    until = datetime.now(UTC)
    since = until - timedelta(hours=int(span))
    return render_template(
        "ops/failures.html",
        causes=farm().database.read(failures.list_causes, since, until),
        advice=ADVICE,
        other_advice=OTHER_ADVICE,
        most=failures.MOST_AT_ONCE,
        spans=SPANS,
        span=span,
        since=since,
        until=until,
    )


@ops.post("/failures/retry")
@needs_operator
def retry_failures(operator: Operator) -> ResponseReturnValue:
    """Try all of one cause again that the page showed; what failed after it was shown is left for the next look."""
    since, until = (read_moment(request.form.get(name, "")) for name in ("since", "until"))
    if since is None or until is None:
        flash(_("Nothing was tried again: the form was not complete."))
        return redirect(url_for("ops.show_failures"))
    which = Failures(request.form.get("kind", ""), request.form.get("reason", ""), since, until)
    revived, moved_on = farm().interventions.retry_failures(which, actor=operator.username)
    flash(ngettext("%(num)s picture is tried again.", "%(num)s pictures are tried again.", revived))
    if moved_on:
        flash(ngettext("%(num)s had moved on already.", "%(num)s had moved on already.", moved_on))
    return redirect(url_for("ops.show_failures", hours=request.form.get("hours")))

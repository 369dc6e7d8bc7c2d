"""A task's time line as sentences that an attendant can read, in the page's language."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext

from jobs.orders.models import Task
from jobs.orders.telling import Happening
from web.countdown import count_down
from web.languages import translate
from web.titles import title_style

KINDS = {
    "away": lazy_gettext("it could not be reached"),
    "transient": lazy_gettext("it had a passing trouble"),
    "busy": lazy_gettext("it was busy"),
    "unknown": lazy_gettext("nobody can tell whether it made the picture"),
    "execution": lazy_gettext("it could not make the picture"),
    "bad_answer": lazy_gettext("it sent no usable picture"),
    "refused": lazy_gettext("it refused the photo"),
    "bad_input": lazy_gettext("it did not accept the photo or the style"),
    "rejected": lazy_gettext("it did not accept the style"),
    "account": lazy_gettext("the account there needs attention"),
    "braked": lazy_gettext("it was given a pause"),
    "local": lazy_gettext("this farm had trouble of its own"),
    "bug": lazy_gettext("something went wrong in the farm"),
    "content_refused": lazy_gettext("it refused the photo"),
    "unavailable": lazy_gettext("it was not available"),
    "execution_failed": lazy_gettext("it could not make the picture"),
    "outcome_unknown": lazy_gettext("nobody can tell whether it made the picture"),
    "poison": lazy_gettext("whatever works on this photo ends in the middle of it"),
    "deadline": lazy_gettext("it was not ready in time"),
}
"""Why a try ended, as the second half of a sentence."""
OUTCOMES = {
    "unsent": lazy_gettext("A request was prepared but never sent."),
    "lost": lazy_gettext("The server no longer knew the request."),
    "unknown": lazy_gettext("Nobody can tell what became of the request."),
    "stopped": lazy_gettext("The work outside was stopped."),
}
GOOD, BAD, PRESSED = "good", "bad", "pressed"
LOOKS = {"S4": GOOD, "S5": BAD, "S6": BAD, "S7": BAD, "S10": BAD, "S11": PRESSED, "S9": PRESSED}
"""How lines stand out; a line that is not named is a plain one."""


def look_of(moment: Happening) -> str:
    """The class of a line."""
    return PRESSED if moment.what.startswith("pressed ") else LOOKS.get(moment.what, "")


def tell(moment: Happening, task: Task) -> str:
    """One line of the time line as a sentence. Steps and tries are numbered where there are several."""
    sentence = _tell(moment, task)
    if moment.step is not None and len(task.steps) > 1:
        return _("Step %(number)s: %(sentence)s", number=moment.step + 1, sentence=sentence)
    return sentence


def _tell(moment: Happening, task: Task) -> str:
    detail, actor = moment.detail, name_actor(moment.actor)
    match moment.what:
        case "accepted":
            return _("Accepted from %(who)s: %(style)s.", who=actor, style=title_style(str(detail.get("style", ""))))
        case "S2":
            return _("A worker took it (try %(number)s).", number=moment.attempt)
        case "sent":
            where = str(detail.get("where")).rpartition("://")[2]
            return _("Sent to %(where)s (try %(number)s).", where=where, number=moment.attempt)
        case "S4":
            if moment.step is not None and moment.step + 1 == len(task.steps):
                return _("The picture is ready.")
            return _("Done; the next step follows.")
        case "S5":
            return _tell_retry(moment)
        case "S6":
            return _("Failed for good: %(why)s.", why=_why(moment))
        case "S7":
            return _tell_release(moment)
        case "S8":
            return _("The wait is over: back in the queue.")
        case "S9":
            return _("%(who)s had it tried again.", who=actor)
        case "S10":
            return _("Given up: it was not ready in time.")
        case "S11":
            return _("%(who)s canceled it.", who=actor)
        case "S12":
            return _tell_change(moment)
        case "call":
            outcome = str(detail.get("outcome"))
            return str(OUTCOMES.get(outcome) or _("A request ended: %(outcome)s.", outcome=outcome))
        case "pressed redo":
            return _("%(who)s asked for another take.", who=actor)
    if moment.what.startswith("pressed "):
        return _("%(who)s pressed: %(what)s.", who=actor, what=translate(moment.what.removeprefix("pressed ")))
    return translate(moment.what)


def name_actor(actor: str) -> str:
    """Who did something, as people say it: an operator's name, a booth, or the farm itself."""
    kind, colon, name = actor.partition(":")
    if kind == "booth" and colon:
        return _("booth %(name)s", name=name)
    if kind == "operator" and colon:
        return name
    if actor in ("guest", "reconciler") or (kind == "pool" and colon):
        return _("the guest") if actor == "guest" else _("the farm")
    return actor


def _why(moment: Happening) -> str:
    kind = str(moment.detail.get("kind", ""))
    return str(KINDS.get(kind, kind))


def _tell_retry(moment: Happening) -> str:
    if "rung" in moment.detail:
        return _tell_change(moment)
    try_ended = _("Try %(number)s ended: %(why)s.", number=moment.attempt, why=_why(moment))
    wait_s = float(moment.detail.get("wait_s") or 0)
    if not wait_s:
        return try_ended
    return try_ended + " " + _("The next try comes in %(time)s.", time=count_down(wait_s))


def _tell_change(moment: Happening) -> str:
    detail = moment.detail
    return _(
        "From now on made another way: %(new)s instead of %(old)s (%(why)s).",
        new=detail.get("to"),
        old=detail.get("from"),
        why=translate(detail.get("why")),
    )


def _tell_release(moment: Happening) -> str:
    if moment.detail.get("kind") == "poison":
        return _("Given up: whatever works on this photo ends in the middle of it.")
    if moment.detail.get("crashed"):
        crashes = int(moment.detail.get("crashes") or 1)
        return ngettext(
            "The worker ended in the middle of it; another takes over.",
            "The worker ended in the middle of it, for the %(num)s. time; another takes over.",
            crashes,
        )
    return _("The worker was silent for too long; another takes over.")

"""What a guest reads about an order: the contract's order in kind words, in the page's language."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flask_babel import get_locale, lazy_gettext, ngettext
from flask_babel import gettext as _
from flask_babel.speaklater import LazyString

from jobs.farm import Farm
from web import schemas

SOON_S, LATE_S = 2.0, 10.0
"""How often a page asks again: while its picture is made, and far back in the queue."""
PLACES_PER_SECOND = 8
"""A page with so many tasks before its own asks a second later."""

STAGES = {
    "sending": lazy_gettext("Your photo is on its way."),
    "waiting": lazy_gettext("Your photo is next in line."),
    "making": lazy_gettext("Your picture is being made."),
    "fetching": lazy_gettext("Almost done."),
}
UNUSABLE = (
    lazy_gettext("This photo could not be used."),
    lazy_gettext("Please take a new one at the booth: close to the camera, in good light."),
)
OURS = (
    lazy_gettext("Something went wrong on our side."),
    lazy_gettext("Your photo is fine. Please show your code at the booth: it can be tried again."),
)
FAILURES: dict[str, tuple[LazyString, LazyString]] = {
    "content_refused": (
        lazy_gettext("This style does not go with this photo."),
        lazy_gettext(
            "It happens, and it is nobody's fault: some styles take only some photos. "
            "At the booth you can choose another style or take a new photo."
        ),
    ),
    "bad_input": UNUSABLE,
    "poison": UNUSABLE,
    "deadline": (
        lazy_gettext("Your picture was not ready in time."),
        lazy_gettext("We are sorry. Please show your code at the booth: it can be tried again."),
    ),
    "outcome_unknown": (
        lazy_gettext("We are not sure what became of your picture."),
        lazy_gettext("Please show your code at the booth: somebody will look for it."),
    ),
    "unavailable": OURS,
    "execution_failed": OURS,
    "bad_answer": OURS,
    "bug": OURS,
}
"""By the kind of a failure: what happened, and what to do."""
OTHER_WAYS = {
    "refused": lazy_gettext("Your photo did not go with the usual way to make this style, so it was made another way."),
}
OTHER_WAY = lazy_gettext("It was made another way than usual, so that you need not wait longer.")


@dataclass(frozen=True)
class Card:
    """One task as a guest sees it. `state`: waiting, making, ready, failed, canceled; `value`: 0 to 1 while making."""

    state: str
    heading: str
    text: str
    style: str = ""
    wait: str = ""
    value: float | None = None
    note: str = ""
    images: tuple[schemas.Image, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """The whole page. `again_s`: when to ask for news; None when there will be none."""

    code: str
    headline: str
    cards: tuple[Card, ...]
    again_s: float | None
    kept_days: int


def tell_order(order: schemas.Order, farm: Farm) -> Sheet:
    """An order in a guest's words."""
    tasks = [task for number, task in enumerate(order.tasks) if not _was_repeated(task, order.tasks[number + 1 :])]
    cards = tuple(_tell_task(task, farm) for task in tasks)
    return Sheet(
        code=order.guest.code,
        headline=_tell_headline(cards),
        cards=cards,
        again_s=min((_ask_again(task) for task in tasks if task.status in ("queued", "running")), default=None),
        kept_days=farm.settings.retention_days,
    )


def _was_repeated(task: schemas.Task, later: list[schemas.Task]) -> bool:
    """Did it come to nothing, and was its photo tried once more in the same style? Then the other one is told."""
    same = any(other.photo.sha256 == task.photo.sha256 and other.style == task.style for other in later)
    return same and task.status in ("failed", "canceled")


def _ask_again(task: schemas.Task) -> float:
    return SOON_S if task.status == "running" else min(SOON_S + 1 + task.position / PLACES_PER_SECOND, LATE_S)


def _tell_headline(cards: tuple[Card, ...]) -> str:
    """The page in a line: what a screen reader says when it changes."""
    if len(cards) == 1:
        return cards[0].heading
    ready = sum(card.state == "ready" for card in cards)
    return _("%(ready)s of %(all)s pictures are ready.", ready=ready, all=len(cards))


def _tell_task(task: schemas.Task, farm: Farm) -> Card:
    style = _title_of(task.style, farm)
    if task.status == "succeeded":
        return Card(
            "ready", _("Your picture is ready."), "", style, note=_tell_way(task.images), images=tuple(task.images)
        )
    if task.status == "failed":
        what, advice = FAILURES.get(task.reason.code if task.reason else "", OURS)
        return Card("failed", str(what), str(advice), style)
    if task.status == "canceled":
        text = _("If you would still like to have it, please ask at the booth.")
        return Card("canceled", _("This picture was canceled."), text, style)
    wait = tell_wait(task.eta_range_s)
    if task.status == "running":
        stage = STAGES.get(task.progress.stage, STAGES["making"])
        return Card("making", _("Your picture is being made."), str(stage), style, wait, value=task.progress.value)
    if task.position == 0:
        return Card("waiting", _("You are next."), _("It begins in a moment."), style, wait)
    before = ngettext("%(num)s picture before yours", "%(num)s pictures before yours", task.position)
    return Card("waiting", before, _("It begins by itself when it is your turn."), style, wait)


def tell_wait(left: schemas.Range | None) -> str:
    """The minutes that are left, as a range; never more exact than it is."""
    if left is None:
        return _("We cannot say yet how long it takes.")
    low, high = math.floor(left.low / 60), math.ceil(left.high / 60)
    if high <= 1:
        return _("Ready within a minute")
    if low < 1:
        return _("Ready within %(high)s minutes", high=high)
    if low == high:
        return _("Ready in about %(high)s minutes", high=high)
    return _("Ready in %(low)s to %(high)s minutes", low=low, high=high)


def _tell_way(images: list[schemas.Image]) -> str:
    """Was it made by an alternative? The guest is told so, without a word about machines."""
    made_by = next((image.made_by for image in images if image.made_by and image.made_by.alternative), None)
    return "" if made_by is None else str(OTHER_WAYS.get(made_by.why or "", OTHER_WAY))


def _title_of(name: str, farm: Farm) -> str:
    """A style's title in the page's language; nothing for one that is gone."""
    style = farm.shelf.get(name)
    if style is None:
        return ""
    return style.title.get(str(get_locale()), style.title.get("en", ""))

"""What a trouble is: what happened, who is affected, and what to do or that nothing needs doing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from flask_babel import get_locale, lazy_gettext, ngettext
from flask_babel import gettext as _
from flask_babel.speaklater import LazyString

from jobs.orders.watch import FailedTask, OpenStep

Words = str | LazyString
Level = Literal["bad", "eye"]
"""bad: guests do not get their pictures until somebody acts; eye: it goes on, and somebody should look at it."""
RESOURCE_NAMES = {"comfyui": lazy_gettext("GPU servers"), "api": lazy_gettext("Cloud services")}
"""What people call a resource."""
NAMED = 4
"""Names that a sentence tells; the others are counted."""


@dataclass(frozen=True)
class Trouble:
    """Sentences in the language of whoever reads them; none of them names anything of a guest. Times in them stand
    still, so that a screen reader is not told the same trouble again and again.
    """

    what: Words
    advice: Words
    level: Level = "bad"
    affected: Words = ""
    link: Link | None = None


@dataclass(frozen=True)
class Link:
    """Where to do it: a page of the operators', with what it is asked."""

    endpoint: str
    name: Words
    asked: dict[str, str] = field(default_factory=dict)
    role: str = "attendant"
    """Who has a lower one is told to ask somebody who has it."""


def tell_affected(steps: Sequence[OpenStep]) -> str:
    """Whose pictures wait because of it."""
    if not steps:
        return _("No guest waits because of it.")
    return _(
        "Waiting because of it: %(pictures)s of %(guests)s, at %(booths)s. Styles: %(styles)s.",
        pictures=count_pictures(len({step.task for step in steps})),
        guests=count_guests(len({step.order for step in steps})),
        booths=name_some(step.booth for step in steps),
        styles=name_some(step.style for step in steps),
    )


def tell_failed(tasks: Sequence[FailedTask]) -> str:
    """Whose pictures failed."""
    return _(
        "%(guests)s at %(booths)s. Styles: %(styles)s.",
        guests=count_guests(len({task.order for task in tasks})),
        booths=name_some(task.booth for task in tasks),
        styles=name_some(task.style for task in tasks),
    )


def count_pictures(count: int) -> str:
    """`1 picture`, `3 pictures`."""
    return ngettext("%(num)s picture", "%(num)s pictures", count)


def count_guests(count: int) -> str:
    """`1 guest`, `3 guests`: an order is a guest's."""
    return ngettext("%(num)s guest", "%(num)s guests", count)


def name_some(names: Iterable[str]) -> str:
    """The first names in alphabetical order, and how many there are besides."""
    known = sorted(set(names))
    shown = _(", ").join(known[:NAMED])
    if len(known) > NAMED:
        return _("%(names)s and %(count)s more", names=shown, count=len(known) - NAMED)
    return shown


def join_sentences(*sentences: Words) -> str:
    """Sentences behind each other; Chinese has no space between them."""
    return ("" if str(get_locale()) == "zh" else " ").join(str(sentence) for sentence in sentences)

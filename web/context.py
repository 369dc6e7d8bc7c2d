"""The Farm and the Watcher of this web process, as the views reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from jobs.engine.changes import Watcher
from jobs.farm import Farm


@dataclass(frozen=True)
class WebContext:
    """What the views of one process share."""

    farm: Farm
    watcher: Watcher


def context() -> WebContext:
    """The context of the running app."""
    return cast(WebContext, current_app.extensions["farm"])


def farm() -> Farm:
    """The farm of the running app."""
    return context().farm

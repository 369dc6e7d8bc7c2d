"""The ids that every log line carries while a thread works on something: request, task, step, job. Bound here only.

Modules log with the standard library; worker_configs/log_config.py merges what is bound into every line.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars


def start(**ids: Any) -> None:
    """A new piece of work begins in this thread: forget what was bound before, and bind these."""
    clear_contextvars()
    bind_contextvars(**ids)


def bound(**ids: Any) -> AbstractContextManager[None]:
    """Bind these while entered."""
    return bound_contextvars(**ids)


def carry(function: Callable[[], None]) -> Callable[[], None]:
    """`function` for another thread, with what is bound in this one."""
    context = contextvars.copy_context()
    return lambda: context.run(function)

"""How the farm's processes log: one event per line, with its ids. JSON, or aligned and coloured on a terminal.

Whatever logs with the standard library comes through here, libraries too. A JSON line is at most 4 KiB: the kernel
writes it whole even into a pipe that fifteen workers share.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.contextvars import merge_contextvars
from structlog.dev import BRIGHT, CYAN, DIM, GREEN, MAGENTA, RED, RESET_ALL, YELLOW, Column, KeyValueColumnFormatter
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name

STDERR = 2
LONGEST_LINE_BYTES = 4_096
LONGEST_TRACEBACK = 2_500
EVENT_WIDTH = 34
LEVEL_COLOURS = {"debug": DIM, "info": GREEN, "warning": YELLOW, "error": RED + BRIGHT, "critical": RED + BRIGHT}
HIDDEN_ON_TERMINAL = frozenset({"logger", "pid", "request_id", "job_id", "move"})
FIRST_ON_TERMINAL = (
    "status",
    "ms",
    "seconds",
    "kind",
    "task_id",
    "task_ids",
    "order_id",
    "step_id",
    "attempt",
    "resource",
)

EventDict = MutableMapping[str, Any]


class WholeLineHandler(logging.Handler):
    """Hands each line to the kernel in one piece: processes that share the log do not tear each other's lines."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(STDERR, self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            self.handleError(record)


def make_log_config(process: str, level: str = "INFO", *, on_terminal: bool | None = None) -> dict[str, Any]:
    """A configuration for logging.config.dictConfig. `process`: what every line of this one says of itself."""
    if on_terminal is None:
        on_terminal = sys.stderr.isatty()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "event": {"()": "worker_configs.log_config.make_formatter", "process": process, "on_terminal": on_terminal}
        },
        "handlers": {"console": {"()": "worker_configs.log_config.WholeLineHandler", "formatter": "event"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "rq": {"level": "WARNING"},
            "alembic": {"level": "WARNING"},
            "waitress.queue": {"level": "ERROR"},
        },
    }


def make_formatter(process: str, *, on_terminal: bool) -> ProcessorFormatter:
    """The formatter of one process."""

    def introduce(_logger: Any, _name: str, event: EventDict) -> EventDict:
        record: logging.LogRecord = event["_record"]
        at = datetime.fromtimestamp(record.created, UTC)
        event["at"] = (
            at.astimezone().strftime("%H:%M:%S")
            if on_terminal
            else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
        event["process"], event["pid"] = process, record.process
        return event

    last: list[Any] = (
        [_hide_details, _render_for_people()] if on_terminal else [structlog.processors.format_exc_info, _render_json]
    )
    return ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars, ExtraAdder(), add_log_level, add_logger_name, introduce],
        processors=[ProcessorFormatter.remove_processors_meta, *last],
    )


def _render_json(_logger: Any, _name: str, event: EventDict) -> str:
    first = {name: event.pop(name) for name in ("at", "level", "process", "event", "task_id") if name in event}
    document = {**first, **event}
    if len(document.get("exception", "")) > LONGEST_TRACEBACK:
        document["exception"] = "… " + document["exception"][-LONGEST_TRACEBACK:]  # the end says what happened
    line = json.dumps(document, default=str)
    if len(line) < LONGEST_LINE_BYTES:
        return line
    short = {name: value[:200] if isinstance(value, str) else value for name, value in first.items()}
    kept = {name: value for name, value in event.items() if name.endswith("_id") and len(str(value)) <= 100}
    return json.dumps({**short, **kept, "cut": len(line)}, default=str)


def _hide_details(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """A person on a terminal follows a task by its id; the rest stands in the JSON lines of a service."""
    shown = {
        name: value for name, value in event.items() if name not in HIDDEN_ON_TERMINAL and value not in (None, False)
    }
    if shown["event"] == "request":
        shown["event"] = f"{shown.pop('method')} {shown.pop('route')}"
    return {name: shown.pop(name) for name in FIRST_ON_TERMINAL if name in shown} | shown


def _show_value(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _render_for_people() -> structlog.dev.ConsoleRenderer:
    def plain(colour: str, width: int = 0) -> KeyValueColumnFormatter:
        return KeyValueColumnFormatter(
            key_style=None, value_style=colour, reset_style=RESET_ALL, value_repr=str, width=width
        )

    def level(_key: str, value: object) -> str:
        return f"{LEVEL_COLOURS.get(str(value), '')}{value!s:<7}{RESET_ALL}"

    return structlog.dev.ConsoleRenderer(
        sort_keys=False,
        exception_formatter=structlog.dev.plain_traceback,  # no values of variables: a guest's text may be among them
        columns=[
            Column("at", plain(DIM)),
            Column("level", level),
            Column("process", plain(CYAN, 9)),
            Column("event", plain(BRIGHT, EVENT_WIDTH)),
            Column(
                "",
                KeyValueColumnFormatter(
                    key_style=DIM, value_style=MAGENTA, reset_style=RESET_ALL, value_repr=_show_value
                ),
            ),
        ],
    )

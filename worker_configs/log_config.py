"""How the farm's processes log: one event per line; ids go along as key=value."""

from __future__ import annotations

import logging
from typing import Any

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class EventFormatter(logging.Formatter):
    """Time, level, where, message, then the `extra` fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields = " ".join(f"{key}={value}" for key, value in vars(record).items() if key not in STANDARD)
        head, newline, rest = line.partition("\n")
        return f"{head} {fields}{newline}{rest}" if fields else line


def make_log_config(level: str = "INFO") -> dict[str, Any]:
    """A configuration for logging.config.dictConfig."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "event": {
                "()": "worker_configs.log_config.EventFormatter",
                "format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s",
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "event"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "rq": {"level": "WARNING"},
            "alembic": {"level": "WARNING"},
            "waitress.queue": {"level": "ERROR"},
        },
    }

"""The web tier: `python -m scripts.serve`. Migrates the database under a lock, then serves."""

from __future__ import annotations

import logging.config
import signal
import sys
import time
from types import FrameType

import waitress
from sqlalchemy.exc import SQLAlchemyError

from jobs.access.operators import ensure_admin
from jobs.access.secret_files import admin_password
from jobs.database.migrate import migrate
from jobs.errors import FarmBusy, SettingsError
from jobs.farm import Farm
from jobs.settings import Settings
from web import MAX_BODY_BYTES, create_app
from worker_configs.log_config import make_log_config

MAX_HEADER_BYTES = 16_384
IDLE_SECONDS = 30
CONNECTIONS = 1_000
BACKLOG = 1_024
RETRY_SECONDS = 1.0

log = logging.getLogger("scripts.serve")


def main() -> int:
    """Serve until told to stop."""
    try:
        settings = Settings.load()
    except SettingsError as exc:
        print(exc, file=sys.stderr)
        return 2
    logging.config.dictConfig(make_log_config("web"))
    farm = Farm(settings, serves_web=True)
    _prepare(farm)
    app = create_app(farm)
    server = waitress.create_server(
        app,
        host=settings.host,
        port=settings.port,
        threads=settings.web_threads,
        connection_limit=CONNECTIONS,
        backlog=BACKLOG,
        channel_timeout=IDLE_SECONDS,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=MAX_BODY_BYTES,
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=False,  # web/proxies.py decides whose count
        ident=None,
    )

    def stop(signum: int, frame: FrameType | None) -> None:
        app.extensions["farm"].watcher.stop()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("web is up", extra={"address": settings.base_url})
    server.run()
    farm.close()
    return 0


def _prepare(farm: Farm) -> None:
    while True:
        try:
            migrate(farm.database)
            farm.database.write(ensure_admin, admin_password(farm.settings))
            return
        except (FarmBusy, SQLAlchemyError) as exc:
            log.warning("waiting for the database", extra={"error": type(exc).__name__})
            time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())

"""The web tier: `python -m scripts.serve`. Migrates the database under a lock, then serves."""

from __future__ import annotations

import logging.config
import signal
import sys
import time
from types import FrameType

from sqlalchemy.exc import SQLAlchemyError

from jobs.access.operators import ensure_admin
from jobs.access.secret_files import admin_password
from jobs.database.migrate import migrate
from jobs.engine.lifeline import show_stacks_on_request
from jobs.engine.memory import share_heaps
from jobs.errors import FarmBusy, SettingsError
from jobs.farm import Farm
from jobs.media.images import DECODES_AT_ONCE
from jobs.settings import Settings
from scripts.http_server import Bounds, create_server
from web import MAX_BODY_BYTES, create_app
from worker_configs.log_config import make_log_config

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
    show_stacks_on_request()
    share_heaps(DECODES_AT_ONCE)
    farm = Farm(settings, serves_web=True)
    _prepare(farm)
    app = create_app(farm)
    server = create_server(
        app,
        host=settings.host,
        port=settings.port,
        threads=settings.web_threads,
        max_body_bytes=MAX_BODY_BYTES,
        bounds=Bounds(settings.idle_s, settings.transfer_s),
    )

    def stop(signum: int, frame: FrameType | None) -> None:
        app.extensions["farm"].watcher.stop()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("web is up", extra={"address": settings.base_url})
    server.run()
    app.extensions["farm"].watcher.join()
    farm.close()
    log.info("web ended")
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

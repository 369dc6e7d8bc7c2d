"""The reconciler: `python -m scripts.reconcile`. Parses, joins the parts, runs."""

from __future__ import annotations

import logging.config
import signal
import sys
from types import FrameType

from jobs.database.revision import wait_until_current
from jobs.engine.lifeline import show_stacks_on_request
from jobs.errors import SettingsError
from jobs.farm import Farm
from jobs.settings import Settings
from worker_configs.log_config import make_log_config

log = logging.getLogger("scripts.reconcile")


def main() -> int:
    """Run until told to stop."""
    try:
        settings = Settings.load()
    except SettingsError as exc:
        print(exc, file=sys.stderr)
        return 2
    logging.config.dictConfig(make_log_config("reconcile"))
    show_stacks_on_request()
    farm = Farm(settings)
    wait_until_current(farm.database)
    reconciler = farm.reconciler()

    def stop(signum: int, frame: FrameType | None) -> None:
        reconciler.stop.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    reconciler.run()
    farm.close()
    log.info("reconciler ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())

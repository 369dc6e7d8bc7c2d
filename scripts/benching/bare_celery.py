"""The bare job as a Celery application with default settings: what `celery -A scripts.benching.bare_celery` runs."""

from __future__ import annotations

import os

from celery import Celery

from scripts.benching.bare_jobs import wait

app = Celery("bare", broker=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
wait_for = app.task(wait, name="wait", ignore_result=True)

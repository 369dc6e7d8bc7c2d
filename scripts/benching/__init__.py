"""Measured speed: `./scripts/bench`. One module for each figure; `main` runs them, `report` shows them.

The farm under test is started as `./scripts/up` starts it, with stand-ins that hand out a prepared picture. What
bare jobs take under RQ's own pool and under Celery is measured beside it, from an environment of their own.
"""

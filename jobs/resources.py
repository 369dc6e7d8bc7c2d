"""What limits the work: one queue and one pool of workers for each resource.

A new resource is a folder with an executor, a line in RESOURCES, a module in worker_configs/ and a line in the
Procfile; tests/test_architecture.py names the one that is missing. Executors are named by dotted string, so that
this module imports nothing from above itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """One resource: its name is its RQ queue's name too."""

    name: str
    executor: str
    has_servers: bool


RESOURCES: dict[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource("comfyui", executor="jobs.comfyui.executor:ComfyuiExecutor", has_servers=True),
        Resource("api", executor="jobs.cloud.executor:CloudExecutor", has_servers=False),
    )
}

"""The ComfyUI servers: who is healthy, who is set aside since when and why."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from jobs.access.operators import Operator
from jobs.comfyui.servers import list_servers
from web.auth import needs_role
from web.context import farm
from web.ops import ops


@ops.get("/servers")
@needs_role("technician")
def show_servers(operator: Operator) -> ResponseReturnValue:
    """All configured servers."""
    return render_template(
        "ops/servers.html",
        servers=farm().database.read(list_servers),
        dishes=farm().database.read(farm().menu.list_dishes),
    )

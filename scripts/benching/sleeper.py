"""What the bare jobs wait for: `GET /sleep?seconds=2&label=a&number=1` answers after that time; GET /log says when.

Runs as a process: `python -m scripts.benching.sleeper`; prints its address. As cheap as a stand-in can be.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from scripts.simulators.hosting import Listener, run_until_ended

Row = dict[str, Any]


class Sleeper:
    """Keeps in memory who asked, when the job says that it began, and when it was answered."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    async def sleep(self, request: web.Request) -> web.Response:
        query = request.query
        await asyncio.sleep(float(query["seconds"]))
        row = {"label": query["label"], "number": int(query["number"]), "started": float(query["started"])}
        self._rows.append(row | {"answered": time.time()})
        return web.Response(text="well slept")

    async def show_log(self, request: web.Request) -> web.Response:
        return web.json_response([row for row in self._rows if row["label"] == request.query["label"]])


async def open_all() -> None:
    sleeper, app = Sleeper(), web.Application()
    app.router.add_get("/sleep", sleeper.sleep)
    app.router.add_get("/log", sleeper.show_log)
    listener = Listener(app)
    await listener.open("127.0.0.1", 0)
    print(f"http://127.0.0.1:{listener.port}", flush=True)


if __name__ == "__main__":
    run_until_ended(open_all)

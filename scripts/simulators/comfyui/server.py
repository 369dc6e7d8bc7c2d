"""One ComfyUI stand-in on one port: what it keeps for good, and its boots one after the other."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts.simulators.comfyui.boot import Boot
from scripts.simulators.comfyui.control import add_control_routes
from scripts.simulators.comfyui.files import add_file_routes
from scripts.simulators.comfyui.folders import Folders
from scripts.simulators.comfyui.routes import add_prompt_routes
from scripts.simulators.comfyui.settings import Settings
from scripts.simulators.faults import COMFYUI_FAULTS, WIRE_FAULTS, Fault, FaultBook
from scripts.simulators.hosting import Listener
from scripts.simulators.journal import Journal
from scripts.simulators.steering import add_steering_routes
from scripts.simulators.wire import fault_middleware

JOIN_SECONDS = 5


class Server:
    """Made anywhere, opened and closed in an event loop."""

    def __init__(self, settings: Settings | None = None, log: Path | None = None) -> None:
        self.settings = settings or Settings()
        self.folders = Folders()
        self.faults = FaultBook(WIRE_FAULTS, COMFYUI_FAULTS)
        self.faults.changed.append(self._act_on)
        self.journal = Journal(log)
        self.submissions: Counter[str] = Counter()
        self.executions: Counter[str] = Counter()
        self.boots: list[Boot] = []
        self._listener = Listener(self._application())
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def boot(self) -> Boot:
        return self.boots[-1]

    @property
    def port(self) -> int:
        return self._listener.port

    async def open(self, host: str, port: int) -> None:
        """Listens; port 0 is any free one."""
        self._loop = asyncio.get_running_loop()
        self.boots.append(Boot(self))
        await self._listener.open(host, port)
        self.boot.start()
        self.note("boot", boot=self.boot.id, lost=[])

    async def close(self) -> None:
        self.boot.end()
        self.faults.clear()
        await self._listener.close()
        for boot in self.boots:
            await asyncio.to_thread(boot.execution.join, JOIN_SECONDS)
        self.journal.close()

    def restart(self, *, memory: bool = True, spare: asyncio.BaseTransport | None = None) -> None:
        """Cuts all connections; with `memory`, forgets what a new process would not know."""
        self._listener.cut_connections(spare=spare)
        if not memory:
            return
        lost = self.boot.end()
        self.folders.wipe("temp")
        self.boots.append(Boot(self))
        self.boot.start()
        self.note("boot", boot=self.boot.id, lost=lost)

    def note(self, event: str, *, boot: str, **fields: Any) -> None:
        self.journal.write(event, port=self.port, boot=boot, **fields)

    def features(self) -> dict[str, Any]:
        return {"supports_preview_metadata": True, "max_upload_size": self.settings.max_upload_bytes}

    def stats(self) -> dict[str, Any]:
        return {
            "port": self.port,
            "boot": self.boot.id,
            "boots": len(self.boots),
            "remaining": self.boot.queue.remaining(),
            "max_concurrent": max(boot.queue.most_at_once for boot in self.boots),
            "submissions": dict(self.submissions),
            "executions": dict(self.executions),
        }

    def _application(self) -> web.Application:
        app = web.Application(
            middlewares=[fault_middleware(self.faults)], client_max_size=self.settings.max_upload_bytes
        )
        add_control_routes(app, self)
        add_steering_routes(app, self)
        add_file_routes(app, self)
        add_prompt_routes(app, self)
        return app

    def _act_on(self, fault: Fault) -> None:
        """What happens at the moment a fault is asked for. From any thread."""
        if fault.kind == "ws_drop" and self._loop is not None:
            self._loop.call_soon_threadsafe(self.boot.sockets.cut_all)
        if fault.kind == "lose" and fault.options.get("now"):
            for kind in ("output", "temp"):
                self.folders.wipe(kind)

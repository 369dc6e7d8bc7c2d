"""A ComfyUI stand-in inside a test."""

from pathlib import Path
from typing import Any

from scripts.simulators.comfyui.server import Server
from scripts.simulators.comfyui.settings import Settings
from scripts.simulators.inprocess import InProcess


class StandIn(InProcess[Server]):
    """One server on loopback: `with StandIn() as comfyui: requests.post(comfyui.url + "/prompt", …)`."""

    def __init__(self, settings: Settings | None = None, *, port: int = 0, log: Path | None = None) -> None:
        super().__init__(Server(settings, log), port=port)

    @property
    def boot_id(self) -> str:
        return self.server.boot.id

    def configure(self, **wishes: Any) -> None:
        """As POST /_standin/config: seconds, without, checkpoints, loras, controlnet, upscale_models."""
        self.server.settings.change(wishes)

    def restart(self, *, memory: bool = True) -> str:
        """As a restart of the process; without `memory`, only the connections are cut. The id of the boot."""

        async def restart() -> str:
            self.server.restart(memory=memory)
            return self.server.boot.id

        return self._thread.run(restart())

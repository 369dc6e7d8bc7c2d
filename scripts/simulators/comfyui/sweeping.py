"""The sweeper beside stand-ins: the real one, over folders that are in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from scripts.simulators.comfyui.folders import KINDS, Folders
from worker_configs.comfyui_host.sweeper import FOLDER, OURS, Copy, Sweeper, SweeperServer


class FoldersInMemory:
    """What the sweeper sees of the stand-ins of one host."""

    def __init__(self, hosts: Sequence[Folders]) -> None:
        self._hosts = hosts

    def list_copies(self) -> Iterator[Copy]:
        """All files that the farm has left."""
        for number, folders in enumerate(self._hosts):
            for kind in KINDS:
                sizes = folders.listed(kind)
                for path, at in folders.written(kind).items():
                    below, _, name = path.rpartition("/")
                    match = OURS.fullmatch(name) if below == FOLDER else None
                    if match is not None:
                        yield Copy(f"{number}:{kind}/{FOLDER}", name, at, sizes.get(path, 0), match["prompt"])

    def remove(self, copy: Copy) -> bool:
        """Nothing in memory is ever in the way."""
        number, _, place = copy.kind.partition(":")
        kind, _, below = place.partition("/")
        self._hosts[int(number)].delete(kind, f"{below}/{copy.name}")
        return True


def serve_sweeper(
    hosts: Sequence[Folders], token: str, *, host: str = "127.0.0.1", port: int = 0, max_age_s: float = 3600.0
) -> SweeperServer:
    """Start the sweeper of these stand-ins' one host; `shutdown` and `server_close` end it."""
    server = SweeperServer((host, port), Sweeper(FoldersInMemory(hosts), max_age_s), token)
    ended = threading.Event()
    for work in (lambda: server.sweep_by_age(ended), server.serve_forever):
        threading.Thread(target=work, name="sweeper", daemon=True).start()
    return server

"""`./scripts/up --simulate` in a folder that is thrown away: its booths, and stand-ins that can be told to fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from jobs.database import Database
from jobs.settings import Settings
from scripts.benching.rig import eventually, python_module, running
from scripts.booth_key import change_key
from scripts.embedded_redis import free_port

PASSWORD = "a password for pictures"  # noqa: S105  of a farm on loopback that lives for minutes
SERVERS = 3
SECONDS = 2.0
SLOWLY = 90.0
"""So many seconds a picture takes while the pages are looked at: what is being made stays so."""
STYLE = "framed-print"
TIMEOUT = 30
ENDED = {"succeeded", "partial", "failed", "canceled"}


@dataclass(frozen=True)
class SimulatedFarm:
    """A running farm."""

    url: str
    stand_ins: tuple[str, ...]
    database_url: str

    def add_booth(self, name: str) -> Booth:
        """A new booth with its key."""
        database = Database(self.database_url)
        try:
            key = change_key(database, name, rotate=False, revoke=False)
        finally:
            database.dispose()
        return Booth(self.url, str(key))

    def tell_stand_ins(self, what: str, wish: dict[str, Any] | None) -> None:
        """Add a fault, change the config; None clears the faults."""
        for url in self.stand_ins:
            if wish is None:
                requests.delete(f"{url}/_standin/{what}", timeout=TIMEOUT).raise_for_status()
            else:
                requests.post(f"{url}/_standin/{what}", json=wish, timeout=TIMEOUT).raise_for_status()


@dataclass(frozen=True)
class Booth:
    """A client with a key."""

    url: str
    key: str

    def ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """One call of the API. Raises requests' errors."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = requests.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=TIMEOUT, **more)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body

    def submit(self, order_id: str, photo: bytes, *, style: str = STYLE) -> str:
        """Send an order; returns the path of the guest's page."""
        data = {"order_id": order_id, "style": style}
        order = self.ask("POST", "/orders", data=data, files={"photo": ("photo.jpg", photo, "image/jpeg")})
        return str(order["guest"]["url"]).removeprefix(self.url)

    def follow(self, order_id: str) -> dict[str, Any]:
        """The order, once it has ended. Raises NotMeasured."""

        def look() -> dict[str, Any] | None:
            order = self.ask("GET", f"/orders/{order_id}")
            return order if order["status"] in ENDED else None

        return eventually(look, f"the order {order_id} has ended")

    def offers(self, style: str) -> bool:
        """Can this style be ordered now?"""
        return any(one["name"] == style and one["available"] for one in self.ask("GET", "/styles")["styles"])


@contextmanager
def simulated_farm(folder: Path) -> Iterator[SimulatedFarm]:
    """A farm that takes orders, on a free port. Raises NotMeasured when it does not come up."""
    port = free_port()
    settings = Settings(_env_file=None, data_dir=folder / "data")
    environment = {
        "DATA_DIR": str(settings.data_dir),
        "PORT": str(port),
        "ADMIN_PASSWORD": PASSWORD,
        "COMFYUI_WORKERS": str(SERVERS),
        "API_WORKERS": "2",
        "VENUE_TIMEZONE": "Asia/Shanghai",
    }
    command = python_module("scripts.launch", "--simulate", "--servers", str(SERVERS), "--seconds", str(SECONDS))
    log = folder / "up.log"
    with running(command, log=log, environment=environment) as process:

        def is_up() -> bool:
            if process.poll() is not None:
                raise SystemExit(f"The farm did not start:\n{log.read_text()}")
            try:
                return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=TIMEOUT).ok
            except requests.RequestException:
                return False

        eventually(is_up, "the farm is up")
        urls = (settings.data_dir / "simulators" / "urls").read_text().split()
        farm = SimulatedFarm(f"http://127.0.0.1:{port}", tuple(urls), settings.database)
        first = farm.add_booth("entrance")
        eventually(lambda: first.offers(STYLE), f"the style {STYLE} can be ordered")
        yield farm

"""The routes below /_standin that every stand-in has: faults, log and numbers. No real server has them."""

from typing import Any, Protocol

from aiohttp import web

from scripts.simulators.faults import FaultBook
from scripts.simulators.journal import Journal


class Steered(Protocol):
    """A stand-in as whoever steers it sees it."""

    faults: FaultBook
    journal: Journal

    @property
    def port(self) -> int: ...
    def stats(self) -> dict[str, Any]: ...
    async def open(self, host: str, port: int) -> None: ...
    async def close(self) -> None: ...


def add_steering_routes(app: web.Application, standin: Steered) -> None:
    """Faults: GET lists, POST adds one or a list, DELETE clears all, or `?kind=…`, or `?id=…`."""
    book = standin.faults

    async def list_faults(request: web.Request) -> web.Response:
        return web.json_response(book.listed())

    async def add_faults(request: web.Request) -> web.Response:
        try:
            wishes = await request.json()
            added = [book.add(**wish) for wish in (wishes if isinstance(wishes, list) else [wishes])]
        except (ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response([fault.described() for fault in added])

    async def clear_faults(request: web.Request) -> web.Response:
        number = request.query.get("id", "")
        cleared = book.clear(kind=request.query.get("kind"), number=int(number) if number.isdigit() else None)
        return web.json_response({"cleared": cleared})

    async def show_log(request: web.Request) -> web.Response:
        return web.json_response(standin.journal.rows())

    async def show_stats(request: web.Request) -> web.Response:
        return web.json_response(standin.stats())

    app.router.add_get("/_standin/faults", list_faults)
    app.router.add_post("/_standin/faults", add_faults)
    app.router.add_delete("/_standin/faults", clear_faults)
    app.router.add_get("/_standin/log", show_log)
    app.router.add_get("/_standin/stats", show_stats)

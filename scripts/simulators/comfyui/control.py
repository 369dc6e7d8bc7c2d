"""What only the ComfyUI stand-in has below /_standin: restart, settings, and the files in its folders."""

from typing import TYPE_CHECKING

from aiohttp import web

from scripts.simulators.comfyui.folders import KINDS

if TYPE_CHECKING:
    from scripts.simulators.comfyui.server import Server


def add_control_routes(app: web.Application, server: "Server") -> None:
    async def restart(request: web.Request) -> web.Response:
        wishes = await request.json() if await request.read() else {}
        server.restart(memory=wishes.get("memory", True), spare=request.transport)
        return web.json_response({"boot": server.boot.id})

    async def show_settings(request: web.Request) -> web.Response:
        return web.json_response(server.settings.described())

    async def change_settings(request: web.Request) -> web.Response:
        try:
            server.settings.change(await request.json())
        except (ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(server.settings.described())

    async def list_files(request: web.Request) -> web.Response:
        return web.json_response({kind: server.folders.listed(kind) for kind in KINDS})

    async def delete_file(request: web.Request) -> web.Response:
        """`?type=input&path=jobs/1.jpg`: what a sweeper on the server's disk would do."""
        deleted = server.folders.delete(request.query.get("type", "input"), request.query.get("path", ""))
        return web.json_response({"deleted": deleted})

    app.router.add_post("/_standin/restart", restart)
    app.router.add_get("/_standin/config", show_settings)
    app.router.add_post("/_standin/config", change_settings)
    app.router.add_get("/_standin/files", list_files)
    app.router.add_delete("/_standin/files", delete_file)

"""The routes around prompts: submit, queue, history, interrupt, what the server offers, and the WebSocket."""

import asyncio
import logging
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

from scripts.simulators.comfyui.folders import Folders
from scripts.simulators.comfyui.prompts import Entry
from scripts.simulators.comfyui.replies import body_of, empty, trouble
from scripts.simulators.comfyui.validation import known_nodes, reason, validate

if TYPE_CHECKING:
    from scripts.simulators.comfyui.server import Server

logger = logging.getLogger(__name__)

VERSION = "0.3.64"  # of the server whose measured behaviour this one repeats
MEMORY_BYTES = 16 * 1024**3
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_prompt_routes(app: web.Application, server: "Server") -> None:
    """Every route is there twice: as it is, and below /api."""
    routes = PromptRoutes(server)
    app.middlewares.append(refuse_foreign_pages)
    for prefix in ("", "/api"):
        app.router.add_get(f"{prefix}/ws", routes.attend)
        app.router.add_get(f"{prefix}/prompt", routes.show_remaining)
        app.router.add_post(f"{prefix}/prompt", routes.submit)
        app.router.add_get(f"{prefix}/queue", routes.show_queue)
        app.router.add_post(f"{prefix}/queue", routes.change_queue)
        app.router.add_post(f"{prefix}/interrupt", routes.interrupt)
        app.router.add_post(f"{prefix}/free", routes.free)
        app.router.add_get(f"{prefix}/history", routes.show_history)
        app.router.add_get(f"{prefix}/history/{{prompt_id}}", routes.show_prompt)
        app.router.add_post(f"{prefix}/history", routes.change_history)
        app.router.add_get(f"{prefix}/object_info", routes.describe_nodes)
        app.router.add_get(f"{prefix}/object_info/{{name}}", routes.describe_node)
        app.router.add_get(f"{prefix}/system_stats", routes.show_system)
        app.router.add_get(f"{prefix}/features", routes.show_features)
    app.router.add_get("/{rest:.*}", routes.show_nothing)


@web.middleware
async def refuse_foreign_pages(request: web.Request, handler: Any) -> web.StreamResponse:
    """A page of another origin may not use a server on loopback; who sends no Origin may."""
    origin, host = urlsplit(request.headers.get("Origin", "")), urlsplit(f"//{request.host}")
    if origin.netloc and host.hostname in LOOPBACK and origin.netloc.lower() != host.netloc.lower():
        return empty(403)
    answer: web.StreamResponse = await handler(request)
    return answer


def describe_inputs(graph: Any, folders: Folders, *, with_marks: bool = True) -> list[dict[str, str]]:
    """The photos that a graph names, for the log; a graph of any shape will do. Reading their marks takes a while."""
    described = []
    nodes = [node for node in graph.values() if isinstance(node, dict)] if isinstance(graph, dict) else []
    for node in nodes:
        inputs = node.get("inputs")
        name = inputs.get("image") if isinstance(inputs, dict) else None
        if node.get("class_type") == "LoadImage" and isinstance(name, str):
            photo = folders.find_named(name)
            described.append(photo.described(name, with_mark=with_marks) if photo else {"name": name})
    return described


def prefixes(graph: dict[str, Any], outputs: list[str]) -> list[str]:
    """The filename prefixes of the outputs that will run."""
    found = [graph[node_id].get("inputs", {}).get("filename_prefix") for node_id in outputs]
    return [prefix for prefix in found if isinstance(prefix, str)]


def _wishes(data: Any) -> dict[str, Any]:
    """What a body asks for: one that is no object asks for nothing, and null is trouble."""
    if data is None:
        trouble()
    return data if isinstance(data, dict) else {}


class PromptRoutes:
    """The handlers, all of one server."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    async def attend(self, request: web.Request) -> web.StreamResponse:
        boot = self._server.boot
        return await boot.sockets.attend(request, boot.greetings)

    async def submit(self, request: web.Request) -> web.Response:
        data = _wishes(await body_of(request))
        # Reading marks takes a while; from here to the queue nothing waits, so prompts stay in the order of arrival.
        inputs = await asyncio.to_thread(
            describe_inputs,
            data.get("prompt"),
            self._server.folders,
            with_marks=self._server.settings.prepared is None,
        )
        try:
            return self._accept(data, inputs)
        except (TypeError, ValueError, KeyError, AttributeError):
            logger.debug("a body that a real server trips over as well", exc_info=True)
            trouble()

    def _accept(self, data: dict[str, Any], inputs: list[dict[str, str]]) -> web.Response:
        server, boot = self._server, self._server.boot
        number: float = float(data["number"]) if "number" in data else boot.number
        if "number" not in data:
            number = -number if data.get("front") else number
            boot.number += 1
        if "prompt" not in data:
            missing = reason("no_prompt", "No prompt provided", "No prompt provided")
            return web.json_response({"error": missing, "node_errors": {}}, status=400)
        graph, prompt_id = data["prompt"], str(data.get("prompt_id", uuid.uuid4()))
        verdict = validate(graph, server.settings, server.folders)
        extra: Any = data.get("extra_data", {})
        if "client_id" in data:
            extra["client_id"] = data["client_id"]
        if verdict.error is not None:
            server.note("refuse", boot=boot.id, prompt_id=prompt_id, error=verdict.error["type"])
            return web.json_response({"error": verdict.error, "node_errors": verdict.node_errors}, status=400)
        entry: Entry = (number, prompt_id, graph, extra, verdict.outputs)
        boot.queue.put(entry, noted=lambda: self._note_submission(entry, inputs, sorted(verdict.node_errors)))
        boot.tell_queue()
        return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors})

    def _note_submission(self, entry: Entry, inputs: list[dict[str, str]], invalid: list[str]) -> None:
        number, prompt_id, graph, extra, outputs = entry
        self._server.submissions[prompt_id] += 1
        self._server.note(
            "submit",
            boot=self._server.boot.id,
            prompt_id=prompt_id,
            number=number,
            client_id=extra.get("client_id") if isinstance(extra, dict) else None,
            inputs=inputs,
            filename_prefix=next(iter(prefixes(graph, outputs)), None),
            node_errors=invalid,
        )

    async def show_remaining(self, request: web.Request) -> web.Response:
        return web.json_response(self._server.boot.status()["status"])

    async def show_queue(self, request: web.Request) -> web.Response:
        return web.json_response(self._server.boot.queue.shown())

    async def change_queue(self, request: web.Request) -> web.Response:
        data, boot = _wishes(await body_of(request)), self._server.boot
        if data.get("clear"):
            boot.note("clear", prompt_ids=boot.queue.clear())
        try:
            for prompt_id in data.get("delete", ()):
                boot.queue.delete(prompt_id, noted=partial(boot.note, "delete", prompt_id=prompt_id))
        except TypeError:
            trouble()
        return empty()

    async def interrupt(self, request: web.Request) -> web.Response:
        """By id only what is running; without one, whatever runs."""
        boot = self._server.boot
        data = await body_of(request) if await request.read() else {}
        if not isinstance(data, dict):
            trouble()
        prompt_id = data.get("prompt_id")
        hit = not prompt_id or boot.queue.is_running(prompt_id)
        boot.note("interrupt", prompt_id=prompt_id, hit=hit)
        if hit:
            boot.interrupted.set()
        return empty()

    async def free(self, request: web.Request) -> web.Response:
        data = await body_of(request)
        if isinstance(data, dict) and data.get("free_memory"):
            self._server.boot.cache_dropped.set()
        return empty()

    async def show_history(self, request: web.Request) -> web.Response:
        try:
            most = int(request.query["max_items"]) if "max_items" in request.query else None
            offset = int(request.query.get("offset", -1))
        except ValueError:
            trouble()
        return web.json_response(self._server.boot.queue.history(most, offset))

    async def show_prompt(self, request: web.Request) -> web.Response:
        return web.json_response(self._server.boot.queue.remembered(request.match_info["prompt_id"]))

    async def change_history(self, request: web.Request) -> web.Response:
        data, queue = _wishes(await body_of(request)), self._server.boot.queue
        if data.get("clear"):
            queue.forget_all()
        for prompt_id in data.get("delete", ()):
            queue.forget(prompt_id)
        return empty()

    async def describe_nodes(self, request: web.Request) -> web.Response:
        server = self._server
        nodes = known_nodes(server.settings)
        return web.json_response(
            {name: node.described(name, server.settings, server.folders) for name, node in nodes.items()}
        )

    async def describe_node(self, request: web.Request) -> web.Response:
        server, name = self._server, request.match_info["name"]
        node = known_nodes(server.settings).get(name)
        return web.json_response({name: node.described(name, server.settings, server.folders)} if node else {})

    async def show_system(self, request: web.Request) -> web.Response:
        memory = {"ram_total": MEMORY_BYTES, "ram_free": MEMORY_BYTES // 2}
        versions = {"comfyui_version": VERSION, "python_version": "3.11", "pytorch_version": "0"}
        graphics = {
            f"{owner}vram_{what}": MEMORY_BYTES // (1 + (what == "free"))
            for owner in ("", "torch_")
            for what in ("total", "free")
        }
        return web.json_response(
            {
                "system": {"os": "posix", **memory, **versions, "embedded_python": False, "argv": ["SIMULATED"]},
                "devices": [{"name": "SIMULATED", "type": "cpu", "index": None, **graphics}],
            }
        )

    async def show_features(self, request: web.Request) -> web.Response:
        return web.json_response(self._server.features())

    async def show_nothing(self, request: web.Request) -> web.Response:
        """For every other path; it is also why a POST to one of them is 405 and not 404."""
        if request.path == "/":
            return web.Response(text="SIMULATED ComfyUI: a stand-in, not a server that paints.")
        return empty(404)

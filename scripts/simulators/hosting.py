"""Where a stand-in lives: its own process from the command line, or a thread with its own loop inside a test."""

import asyncio
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

T = TypeVar("T")

PR_SET_PDEATHSIG = 1  # from linux/prctl.h
START_SECONDS = 10


class Listener:
    """An application on a port, whose open connections can be cut as a dying process cuts them."""

    def __init__(self, app: web.Application) -> None:
        # No waiting for answers that hang: whoever closes a stand-in wants it closed.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, backlog=1024).start()
        self.port = self._runner.addresses[0][1]

    def cut_connections(self, *, spare: asyncio.BaseTransport | None = None) -> None:
        """Closes every open connection without a word, except the one that asked for it."""
        if self._runner.server is None:
            return
        for connection in self._runner.server.connections:
            transport = connection.transport
            if transport is not None and transport is not spare:
                transport.abort()

    async def close(self) -> None:
        self.cut_connections()
        await self._runner.cleanup()


class LoopThread:
    """An event loop in a thread of its own, for tests that are not asynchronous themselves."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(_cancel_the_rest())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _cancel_the_rest() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run_until_ended(open_all: Callable[[], Awaitable[None]]) -> None:
    """Opens the stand-ins and serves until SIGTERM or SIGINT; then ends at once, as a killed server would."""

    def end(*_: object) -> None:
        sys.stdout.flush()
        os._exit(0)  # the journal is written line by line; nothing else is worth keeping

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for wanted in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(wanted, end)
        await open_all()
        await asyncio.Event().wait()

    asyncio.run(serve())


def die_with_parent(parent: int) -> None:
    """Asks Linux to kill this process when the thread that started it ends; `parent` is who that was.

    It is the starting *thread* that counts: a parent should start the stand-in from its main thread.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have died before the request was made; then nobody will ever send the signal.
    if os.getppid() != parent:
        os._exit(1)

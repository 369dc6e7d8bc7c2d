"""A TCP gate between the farm and one of its servers, which can stop forwarding at a chosen byte.

It knows no protocol: a stop names bytes that a request or an answer contains. From there on that one connection stands
still, both ends stay open, and all others go on. Who stands at the gate is told by the port it came from.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

LOOK_SECONDS = 0.02
CHUNK_BYTES = 65_536
LONGEST_PATTERN = 512
GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class At(Enum):
    """Where a stop lies."""

    REQUEST = "not a byte of the chunk in which the request is recognised is forwarded"
    ANSWER = "the request is forwarded, of its answer only the first bytes"
    REPLY = "the chunk in which the reply is recognised is not forwarded"
    PASSED = "nothing stops; it is only noted that the answer has begun to arrive"


class Stop:
    """One place to stop at, for one connection or for every one. Waits for `reached`; ends with `release`."""

    def __init__(
        self, at: At, pattern: bytes, is_meant: Callable[[int], bool], after_bytes: int = 0, every: bool = False
    ) -> None:
        if len(pattern) > LONGEST_PATTERN:
            raise ValueError("a pattern this long may lie across two chunks and be missed")
        self.at, self.pattern, self.is_meant, self.after_bytes = at, pattern, is_meant, after_bytes
        self.every = every
        self.port = 0
        """The local port of the client that stands here."""
        self.reached = threading.Event()
        self.released = threading.Event()
        self.left = threading.Event()
        """Nobody stands here any more: it went on, or the client has gone."""
        self._lock = threading.Lock()

    def take(self, at: At, before: bytes, data: bytes, port: int) -> bool:
        """Does this chunk of the connection from `port`, after what came `before`, meet the stop?"""
        seen = before[max(len(before) - len(self.pattern) + 1, 0) :] + data  # what lies wholly before is over
        is_over = self.released.is_set() or (self.port and not self.every)
        if at is not self.at or self.pattern not in seen or is_over or not self.is_meant(port):
            return False
        with self._lock:
            if self.port and not self.every:
                return False
            self.port = port
            return True

    def release(self) -> None:
        """Let it go on."""
        self.released.set()


class Gate:
    """Listens on loopback and forwards to a port of loopback. A context manager."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._stops: list[Stop] = []
        self._ended = threading.Event()

    def __enter__(self) -> Gate:
        threading.Thread(target=self._accept, name="gate", daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self.open()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake `accept`
        self._listener.close()

    def stop(
        self,
        at: At,
        pattern: bytes,
        *,
        is_meant: Callable[[int], bool] = lambda port: True,
        after_bytes: int = 0,
        every: bool = False,
    ) -> Stop:
        """Stop there, once or, with `every`, whenever. `is_meant(client's port)` is asked when the pattern was seen."""
        stop = Stop(at, pattern, is_meant, after_bytes, every)
        self._stops.append(stop)
        return stop

    def open(self) -> None:
        """End every stop and let go whatever stands."""
        stops, self._stops = self._stops, []
        for stop in stops:
            stop.release()

    def find(self, at: At, before: bytes, data: bytes, port: int) -> Stop | None:
        """The stop that this chunk meets."""
        return next((stop for stop in tuple(self._stops) if stop.take(at, before, data, port)), None)

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    def _accept(self) -> None:
        while not self.has_ended:
            try:
                client, (_, port) = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=2)
            except OSError:
                client.close()  # as near to a refused connection as can be had after accepting it
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Connection(self, client, server, port).start()


class _Connection:
    """Two threads, one for each direction."""

    def __init__(self, gate: Gate, client: socket.socket, server: socket.socket, port: int) -> None:
        self._gate, self._client, self._server, self._port = gate, client, server, port
        self._answering: Stop | None = None
        self._lock = threading.Lock()
        self._pumping = 2

    def start(self) -> None:
        for pump in (self._forward, self._answer):
            threading.Thread(target=self._until_closed, args=(pump,), name="gate", daemon=True).start()

    def _until_closed(self, pump: Callable[[], None]) -> None:
        with suppress(OSError):
            pump()
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the other direction's thread
        with self._lock:
            self._pumping -= 1
            if not self._pumping:
                self._client.close()
                self._server.close()

    def _forward(self) -> None:
        before = b""
        while data := self._client.recv(CHUNK_BYTES):
            stop = self._gate.find(At.REQUEST, before, data, self._port)
            if stop is not None:
                more = self._stand(stop, select.POLLIN)
                if more is None:
                    return
                data += more
            for at in (At.ANSWER, At.PASSED):
                self._answering = self._gate.find(at, before, data, self._port) or self._answering
            before = (before + data)[-LONGEST_PATTERN:]
            self._server.sendall(data)

    def _answer(self) -> None:
        before = b""
        while data := self._server.recv(CHUNK_BYTES):
            stop, self._answering = self._answering, None
            if stop is not None and stop.at is At.PASSED:
                self._client.sendall(data)
                stop.reached.set()
                continue
            if stop is not None and len(data) <= stop.after_bytes:
                stop.after_bytes -= len(data)
                self._answering = stop  # the place lies further on
            elif stop is not None:
                self._client.sendall(data[: stop.after_bytes])
                data = data[stop.after_bytes :]
                if self._stand(stop) is None:
                    return
            reply = self._gate.find(At.REPLY, before, data, self._port)
            if reply is not None and self._stand(reply) is None:
                return
            before = (before + data)[-LONGEST_PATTERN:]
            self._client.sendall(data)

    def _stand(self, stop: Stop, also: int = 0) -> bytes | None:
        """Stand still until released. None when the client has gone: what was held is lost with it.

        `also`: POLLIN where nobody else reads from the client. What it sends meanwhile is returned: unless that is
        read, a client that has gone is not seen behind it.
        """
        stop.reached.set()
        try:
            return self._wait(stop, also)
        finally:
            stop.left.set()

    def _wait(self, stop: Stop, also: int) -> bytes | None:
        read = b""
        poll = select.poll()
        poll.register(self._client, GONE | also)
        while True:
            is_released = stop.released.is_set()
            events = poll.poll(0 if is_released else LOOK_SECONDS * 1000)
            if self._gate.has_ended or any(event & GONE for _, event in events):
                return None
            if events:
                read += self._client.recv(CHUNK_BYTES)
            elif is_released:
                return read

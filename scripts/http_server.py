"""waitress with bounds on bad clients: slow and stalled ones are let go, and its own refusals are problem+json as well.

waitress itself knows neither a limit for a whole upload nor one for a reader that stops reading. All of it is added by
subclassing; the main thread looks over all connections once a second.
"""

from __future__ import annotations

import logging
import resource
import socket
import time
import uuid
from dataclasses import dataclass
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import MultiSocketServer, TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher
from waitress.utilities import BadRequest, Error

from web import HEADERS
from web.errors import BY_STATUS, DEFECT, PROBLEM_TYPE, describe

MAX_HEADER_BYTES = 16_384
MAX_CHUNK_LINE_BYTES = 1_024
RECEIVE_BYTES = 65_536
"""Taken from a socket at once. Each piece costs a look over all connections, so 3 MB in waitress' 8 kB is slow."""
CONNECTIONS = 1_000
OPEN_FILES = 4_096
BACKLOG = 1_024
LOOK_SECONDS = 1
LINGER_SECONDS = 5.0
"""How long the rest of a refused body is read and dropped; closing at once would reset the answer away."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bounds:
    """How patient the server is, in seconds."""

    idle_s: float
    transfer_s: float


class RequestTimeout(Error):
    """The request did not arrive in time."""

    code = 408
    reason = "Request Timeout"


class BoundedParser(HTTPRequestParser):
    """Knows when its request began, and refuses what waitress would let through or stumble over."""

    path = ""
    """waitress logs it also for a request whose first line never came."""

    def __init__(self, adj: Adjustments) -> None:
        super().__init__(adj)
        self.began_at = time.monotonic()

    def received(self, data: bytes) -> int:
        """Take in a piece; how many bytes of it belong to this request."""
        consumed: int = super().received(data)
        if self.chunked and not self.completed:
            # Both grow without a limit of their own, and are copied with every piece.
            if len(self.body_rcv.control_line) > MAX_CHUNK_LINE_BYTES or len(self.body_rcv.trailer) > MAX_HEADER_BYTES:
                self.error = BadRequest("A chunk's line is too long")
                self.completed = True
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Raises ParsingError also for two lengths, and for numbers and addresses that Python refuses."""
        try:
            super().parse_header(header_plus)
        except ValueError as exc:
            raise ParsingError("A number or the address is invalid") from exc
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Content-Length and Transfer-Encoding are both there")


class ProblemTask(ErrorTask):
    """A refusal before Flask has seen the request, in the form that Flask's have."""

    def execute(self) -> None:
        """Answer with the problem, then close."""
        code = BY_STATUS.get(self.request.error.code, DEFECT)
        refusal = describe(code, request_id=uuid.uuid4().hex[:16])
        log.info(
            "a request was refused",
            extra={"status": refusal.status, "code": refusal.code, "request_id": refusal.request_id},
        )
        body = refusal.model_dump_json().encode()
        self.status = f"{refusal.status} {refusal.title}"
        self.response_headers.extend(HEADERS.items())
        self.response_headers.append(("X-Request-Id", str(refusal.request_id)))
        self.response_headers.append(("Content-Type", PROBLEM_TYPE))
        self.set_close_on_finish()
        self.channel.lingers = True
        self.content_length = len(body)
        self.write(body)


class BoundedChannel(HTTPChannel):
    """One connection, looked over once a second."""

    parser_class = BoundedParser
    error_task_class = ProblemTask

    lingers = False
    """The answer refuses what may still be arriving."""
    lingering_until: float | None = None
    moved_at = 0.0
    """When bytes last went either way."""
    answered_at: float | None = None
    """Since when the last answer is complete and waits for its reader."""

    def __init__(self, server: BoundedServer, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self.moved_at = time.monotonic()
        super().__init__(server, sock, *args, **kwargs)

    def look_over(self, bounds: Bounds) -> None:
        """Let the client go if it is overdue. Main thread only."""
        now = time.monotonic()
        is_idle = now - self.moved_at > bounds.idle_s
        if self.lingering_until is not None:
            is_over = now > self.lingering_until
        elif self.total_outbufs_len:  # it does not read, be it an event stream that still runs or a finished picture
            is_over = is_idle or (self.answered_at is not None and now - self.answered_at > bounds.transfer_s)
        elif self.requests:
            return  # being answered, which may take as long as a long poll does
        elif self.request is not None:
            if is_idle or now - self.request.began_at > bounds.transfer_s:
                self._time_out()
            return
        else:
            is_over = is_idle
        if is_over:
            self.handle_close()  # waitress' `will_close` waits until the socket is writable, which it may never be

    def received(self, data: bytes) -> bool:
        """Take in bytes; drop them when their request is refused already."""
        self.moved_at = time.monotonic()
        if self.lingering_until is not None:
            return False
        taken: bool = super().received(data)
        return taken

    def send_continue(self) -> None:
        """`100 Continue`, unless the request has no body or is refused without reading it."""
        if self.request.completed:
            self.request.expect_continue = False
            return
        super().send_continue()

    def service(self) -> None:
        """Answer the request that came first."""
        self.answered_at = None
        super().service()
        self.moved_at = time.monotonic()
        if not self.requests:
            self.answered_at = self.moved_at

    def handle_write(self) -> None:
        """Send what is pending; after a refusal, say goodbye before closing."""
        if self.lingers and self.close_when_flushed and not self.will_close:
            self._flush_exception(self._flush_some)
            if self.will_close:
                self.handle_close()
            elif not self.total_outbufs_len and self.socket is not None:
                self._begin_lingering()
            return
        super().handle_write()

    def _flush_some(self, do_close: bool = True) -> bool:
        sent: bool = super()._flush_some(do_close)
        if sent:
            self.moved_at = time.monotonic()
        return sent

    def _begin_lingering(self) -> None:
        self.lingering_until = time.monotonic() + LINGER_SECONDS
        self.close_when_flushed = False  # readable again: what comes is dropped until the client closes
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()

    def _time_out(self) -> None:
        with self.requests_lock:
            request, self.request = self.request, None
            request.error = RequestTimeout("The request did not arrive in time")
            request.completed = True
            self.requests.append(request)
        self.server.add_task(self)


class BoundedServer(TcpWSGIServer):
    """Accepts connections at one address."""

    channel_class = BoundedChannel
    bounds: Bounds

    def set_socket_options(self, conn: socket.socket) -> None:
        """A peer that vanished acknowledges nothing; the kernel would give it up only after 15 minutes."""
        super().set_socket_options(conn)
        conn.setsockopt(socket.SOL_TCP, socket.TCP_USER_TIMEOUT, int(self.bounds.idle_s * 1000))

    def maintenance(self, now: float) -> None:
        """Called by waitress every LOOK_SECONDS, in its main thread."""
        for channel in list(self.active_channels.values()):
            channel.look_over(self.bounds)


def create_server(
    application: Any, *, host: str, port: int, threads: int, max_body_bytes: int, bounds: Bounds
) -> MultiSocketServer:
    """A server that listens already; `run()` serves until SystemExit."""
    _allow_open_files()
    adjustments = Adjustments(
        host=host,
        port=port,
        threads=threads,
        connection_limit=CONNECTIONS,
        backlog=BACKLOG,
        cleanup_interval=LOOK_SECONDS,
        recv_bytes=RECEIVE_BYTES,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=max_body_bytes,
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=False,  # web/proxies.py decides whose count
        log_socket_errors=False,
        ident=None,
    )
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(threads)
    connections: dict[int, Any] = {}
    addresses = []
    for address in adjustments.listen:
        server = BoundedServer(application, connections, dispatcher=dispatcher, adj=adjustments, sockinfo=address)
        server.bounds = bounds
        addresses.append((server.effective_host, server.effective_port))
    return MultiSocketServer(connections, adjustments, addresses, dispatcher)


def _allow_open_files() -> None:
    """A connection takes up to three files; the usual soft limit of 1,024 is less than our connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

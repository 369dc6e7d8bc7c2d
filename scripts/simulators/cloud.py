"""What every stand-in of a cloud image API has in common: accepted work, counted and logged from acceptance to its end.

A dialect is a subclass that adds its routes. Work goes on whether or not somebody waits for it, unless `abandon` is
called; what it makes are posters of the photo that came, with the photo's mark.
"""

import argparse
import asyncio
import io
import os
import uuid
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from PIL import Image, ImageOps

from scripts.simulators import marks
from scripts.simulators.faults import CLOUD_FAULTS, WIRE_FAULTS, FaultBook
from scripts.simulators.hosting import Listener, die_with_parent, run_until_ended
from scripts.simulators.inprocess import InProcess
from scripts.simulators.journal import Journal
from scripts.simulators.pictures import Photo, dream, poster, stamp
from scripts.simulators.steering import add_steering_routes
from scripts.simulators.wire import fault_middleware

STARTED_BY = os.getppid()  # asked before anything slow: the parent may be gone later
MAX_BODY_BYTES = 512 * 1024 * 1024
LOOK_SECONDS = 0.02
PNG_EFFORT = 1  # quick: the library's own would cost four times what the drawing does
PICTURES_KEPT = 50  # calls whose pictures are there: a stand-in may run for a whole evening
ENDED = ("success", "error", "canceled")


class TaskFailed(Exception):
    """Work that ended without a picture. How a client is told is up to the dialect."""

    def __init__(
        self, *, status: int | None = None, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.status, self.body, self.headers = status, body, dict(headers or {})


@dataclass
class Job:
    """One accepted call. `outcome` is empty until it has ended; `made` are the encoded pictures."""

    id: str
    number: int
    has_begun: bool = False
    outcome: str = ""
    made: list[bytes] = field(default_factory=list)
    failed: TaskFailed | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    work: asyncio.Task[None] | None = None


class CloudApi(ABC):
    """One API on one port."""

    TITLE = ""
    """What the service calls itself where it starts."""
    BASE_PATH = ""
    """What follows the port in the provider's base address."""

    def __init__(self, *, seconds: float = 0.0, log: Path | None = None) -> None:
        """`seconds`: how long a call takes, besides drawing."""
        self.seconds = seconds
        self.faults = FaultBook(WIRE_FAULTS, CLOUD_FAULTS)
        self.journal = Journal(log)
        self.jobs: dict[str, Job] = {}
        self._finished: deque[Job] = deque()
        self._boot_id = uuid.uuid4().hex[:12]
        self._accepted = 0
        self._in_flight = 0
        self._most_at_once = 0
        app = web.Application(
            middlewares=[fault_middleware(self.faults), self.refuse_in_dialect], client_max_size=MAX_BODY_BYTES
        )
        add_steering_routes(app, self)
        self.add_routes(app.router)
        self._listener = Listener(app)

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The dialect's own."""

    def add_results(self, router: web.UrlDispatcher) -> None:
        """Finished pictures by their addresses, for anybody: as from the hosts where providers leave them."""
        router.add_get("/results/{job}/{name}", self._serve_result)

    def result_urls(self, request: web.Request, job: Job, ending: str = "png") -> list[str]:
        """Where the pictures of a finished call lie."""
        return [f"http://{request.host}/results/{job.id}/{number}.{ending}" for number in range(len(job.made))]

    async def _serve_result(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["job"])
        number = request.match_info["name"].partition(".")[0]
        is_there = job is not None and number.isdecimal() and int(number) < len(job.made)
        if job is None or not is_there or self.faults.take(("expire",), path=request.path) is not None:
            return web.Response(
                status=404, text="<Error><Code>NoSuchKey</Code></Error>", content_type="application/xml"
            )
        return web.Response(body=job.made[int(number)], content_type="image/png")

    @property
    @abstractmethod
    def refuse_in_dialect(self) -> Any:
        """A middleware that turns what the dialect's handlers raise into its answers."""

    @property
    def port(self) -> int:
        return self._listener.port

    async def open(self, host: str, port: int) -> None:
        await self._listener.open(host, port)
        self.note("boot", lost=[])

    async def close(self) -> None:
        self.faults.clear()
        for job in self.jobs.values():
            self.abandon(job)
        await self._listener.close()
        self.journal.close()

    def note(self, event: str, **fields: Any) -> None:
        self.journal.write(event, port=self.port, boot=self._boot_id, **fields)

    def stats(self) -> dict[str, Any]:
        return {
            "port": self.port,
            "boot": self._boot_id,
            "accepted": self._accepted,
            "in_flight": self._in_flight,
            "max_concurrent": self._most_at_once,
        }

    async def accept(
        self, job_id: str, photos: Sequence[tuple[str, Photo]], make: Callable[[], list[bytes]], **asked: Any
    ) -> Job:
        """Takes a call, which is paid for from now on, and begins with it. `asked` goes to the log."""
        inputs = await asyncio.to_thread(lambda: [photo.described(name) for name, photo in photos])
        self._accepted += 1
        self._in_flight += 1
        self._most_at_once = max(self._most_at_once, self._in_flight)
        job = Job(job_id, self._accepted)
        self.jobs[job_id] = job
        self.note("submit", prompt_id=job_id, number=job.number, inputs=inputs, filename_prefix=None, **asked)
        job.work = asyncio.create_task(self._work(job, make))
        return job

    async def wait(self, job: Job) -> Job:
        """Until it has ended. Who stops waiting gives the call up, as a client of a synchronous API does."""
        try:
            await job.ended.wait()
        except asyncio.CancelledError:
            self.abandon(job)
            raise
        return job

    def abandon(self, job: Job) -> bool:
        """Ends it without a picture; False when it had ended."""
        if job.outcome:
            return False
        if job.work is not None:
            job.work.cancel()
        self._end(job, "canceled")
        return True

    async def _work(self, job: Job, make: Callable[[], list[bytes]]) -> None:
        await self._hold(job, "hold_queue")
        job.has_begun = True
        await asyncio.sleep(self.seconds)
        await self._hold(job, "hold")
        fault = self.faults.take(("task_error",))
        try:
            if fault is not None:
                raise TaskFailed(**fault.options)
            job.made = await asyncio.to_thread(make)
        except TaskFailed as failed:
            job.failed = failed
            self._end(job, "error")
            return
        except Exception:
            self._end(job, "error")
            raise
        self._end(job, "success")
        self._finished.append(job)
        if len(self._finished) > PICTURES_KEPT:
            self._finished.popleft().made = []  # as gone as results are after their time

    async def _hold(self, job: Job, kind: str) -> None:
        fault = self.faults.take((kind,))
        if fault is None:
            return
        self.note("hold", prompt_id=job.id)
        while not fault.cleared.is_set():
            await asyncio.sleep(LOOK_SECONDS)

    def _end(self, job: Job, outcome: str) -> None:
        if job.outcome:
            return
        job.outcome = outcome
        self._in_flight -= 1
        self.note("end", prompt_id=job.id, number=job.number, outcome=outcome)
        job.ended.set()


A = TypeVar("A", bound="CloudApi")


class CloudStandIn(InProcess[A]):
    """One API on loopback inside a test."""

    @property
    def base_url(self) -> str:
        """What the provider's …_BASE_URL is set to."""
        return f"{self.url}{self.server.BASE_PATH}"


def new_id(start: str = "") -> str:
    return f"{start}{uuid.uuid4().hex}"


def draw_posters(
    photos: Sequence[Photo],
    prompt: str,
    size: tuple[int, int],
    *,
    count: int = 1,
    file_format: str = "PNG",
    **save: Any,
) -> list[bytes]:
    """The finished pictures, encoded; the first photo is drawn, and one that carries a mark gives it."""
    seed = zlib.crc32(prompt.encode())
    made = []
    for number in range(count):
        if photos:
            marked = [photo for photo in photos if photo.painted_mark is not None]
            opened = ImageOps.exif_transpose(Image.open(io.BytesIO(photos[0].data)))
            if photos[0].painted_mark is not None:
                opened = marks.above(opened)  # the poster's own strip lies elsewhere
            picture = stamp(poster(opened, size=size, seed=seed + number), (*marked, *photos)[0].mark)
        else:
            picture = stamp(dream(size, seed + number), None)
        file = io.BytesIO()
        picture.save(file, file_format, **{"compress_level": PNG_EFFORT} | save)
        made.append(file.getvalue())
    return made


def shape_of(photo: Photo | None) -> tuple[int, int]:
    """(width, height) of a photo as it is looked at; a square without one."""
    return ImageOps.exif_transpose(Image.open(io.BytesIO(photo.data))).size if photo else (1024, 1024)


def run_as_process(api_class: type[CloudApi], module: str, port: int) -> None:
    """The `main` of a dialect's module: one API until SIGTERM. `port`: unless another one is asked for."""
    parser = make_parser(module, f"A stand-in for {api_class.TITLE}.")
    parser.add_argument("--port", type=int, default=port, help="0 is any free port")
    parser.add_argument("--log", type=Path, help="append what happens as JSON lines")
    options = parse_options(parser)

    async def open_it() -> None:
        api = api_class(seconds=options.seconds, log=options.log)
        print(await open_api(api, options.host, options.port), flush=True)

    run_until_ended(open_it)


def make_parser(module: str, description: str) -> argparse.ArgumentParser:
    """The options of every process that hosts such APIs."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a call takes")
    parser.add_argument("--die-with-parent", metavar="PID", type=int, nargs="?", const=STARTED_BY)
    return parser


def parse_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options as given. From here on the process dies with its parent, where that was asked for."""
    options = parser.parse_args()
    if options.die_with_parent is not None:
        die_with_parent(options.die_with_parent)
    return options


async def open_api(api: CloudApi, host: str, port: int) -> str:
    """Serves an API; what to say about it, which ends with its base address."""
    await api.open(host, port)
    return f"SIMULATED {api.TITLE} on http://{host}:{api.port}{api.BASE_PATH}"

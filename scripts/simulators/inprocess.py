"""A stand-in inside a test: its own thread and loop, steered by plain calls instead of HTTP."""

from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from scripts.simulators.faults import Fault
from scripts.simulators.hosting import LoopThread
from scripts.simulators.journal import Row
from scripts.simulators.steering import Steered

S = TypeVar("S", bound=Steered)


class InProcess(Generic[S]):
    """One stand-in on loopback. A context manager; or `start()` and `stop()`."""

    def __init__(self, server: S, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.server = server
        self._host, self._wanted_port = host, port
        self._thread = LoopThread("standin")
        self.is_running = False

    def start(self) -> Self:
        self._thread.start()
        try:
            self._thread.run(self.server.open(self._host, self._wanted_port))
        except BaseException:
            self._thread.stop()
            raise
        self.is_running = True
        return self

    def stop(self) -> None:
        """Close the port and cut every connection. Harmless when it was stopped before."""
        if self.is_running:
            self.is_running = False
            self._thread.run(self.server.close())
            self._thread.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}"

    def add_fault(self, kind: str, **options: Any) -> Fault:
        """As POST /_standin/faults. The fault can be asked for its `hits`, and ended alone with its id."""
        return self.server.faults.add(kind=kind, **options)

    def clear_faults(self, *, kind: str | None = None, number: int | None = None) -> int:
        return self.server.faults.clear(kind=kind, number=number)

    def log(self, event: str | None = None) -> list[Row]:
        """What was written to the log, of one event or of all."""
        return [row for row in self.server.journal.rows() if event in (None, row["event"])]

    def wait_for(self, event: str, prompt_id: str | None = None, *, count: int = 1, timeout: float = 10) -> Row:
        """The `count`th row of this event (and prompt), as soon as it is there; TimeoutError otherwise."""

        def is_wanted(row: Row) -> bool:
            return row["event"] == event and prompt_id in (None, row.get("prompt_id"))

        return self.server.journal.wait_for(is_wanted, count=count, timeout=timeout)[-1]

    def stats(self) -> dict[str, Any]:
        return self.server.stats()

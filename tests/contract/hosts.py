"""Hosts that are no stand-ins: they write down what comes, and answer one thing only."""

from __future__ import annotations

from scripts.verifying.recorder import Recorder, Reply, Seen


class Host(Recorder):
    """Answers everything alike: a redirect to the same path at `target`, or what is given, or 404."""

    def __init__(self, target: str = "", reply: Reply | None = None) -> None:
        def answer(seen: Seen) -> Reply:
            if target:
                return Reply(307, b"", {"Location": target + seen.path})
            return reply or Reply(404, b"")

        super().__init__(answer)

    def __enter__(self) -> Host:
        super().__enter__()
        return self

    @property
    def seen(self) -> list[Seen]:
        """The requests so far."""
        return [seen for seen, _ in self.exchanges]

"""Why a figure is missed, by its name: one sentence for the table, written after looking where the time goes."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "makespan": (
        "Ten prompts end together, and then ten workers (some 55 ms of processor for each task: fetch, decode and "
        "encode the picture, store, commit, claim, upload, submit) and the web that answers their followers (some "
        "45 ms) want two cores at once, so a server waits 0.15 to 0.4 s between two prompts; bare jobs do none of this"
    ),
    "idle dispatch p50": (
        "Between the ring and POST /prompt one worker looks, claims, reads the work, opens the socket for progress, "
        "uploads the photo and writes down that it sends: three commits' and two requests' worth of Python, some 25 ms"
    ),
    "ten photos at once": (
        "Ten photos of 12 megapixels cost the web 1.3 s of processor, 0.65 s on two cores; the first of them are made "
        "meanwhile, so that workers and stand-ins take their share"
    ),
    "web CPU per photo": (
        "Decoding and encoding cost what Pillow alone costs; receiving 3 MB, taking the form apart, four transactions "
        "and the file come to 40 to 50 ms on top"
    ),
    "memory during a rush": (
        "At its first task a worker touches some 15 MiB of the Python objects that it shared with its pool until then: "
        "counting references writes into every page that is read, so the kernel copies it"
    ),
    "task p95, PostgreSQL": (
        "A booth's answer takes six questions of 1 to 2 ms each to a server that shares the two cores; nearer to the "
        "target than the machine's own noise"
    ),
    "list p95, PostgreSQL": (
        "The operators' list also draws a page of fifty rows and the farm's figures; it does not grow with the database"
    ),
}
UNKNOWN = "not yet known; write it into scripts/benching/reasons.py"


def reason_for(name: str) -> str:
    """The sentence for a figure that is missed."""
    return REASONS.get(name, UNKNOWN)

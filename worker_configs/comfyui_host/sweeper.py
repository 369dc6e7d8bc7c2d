#!/usr/bin/env python3
"""Removes the photo farm's copies from ComfyUI's folders: by age, and at once when the farm asks. Runs beside ComfyUI.

ComfyUI has no call for deleting files. This is one file for the Python (3.9 or newer) that is there already; it touches
nothing but regular files below input/, output/ and temp/ whose names the farm has made, and follows no link.

    SWEEPER_TOKEN_FILE=/etc/photo-farm-sweeper.token python3 sweeper.py --folder /opt/ComfyUI

POST /sweep    with `Authorization: Bearer <token>`; body: a JSON list of names, each an id of a prompt
GET  /healthz  with the same token: version, last sweep, files and bytes that are left, age of the oldest in seconds
"""

from __future__ import annotations

import argparse
import hmac
import json
import logging
import os
import re
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

VERSION = "1"
KINDS = ("input", "output", "temp")
FOLDER = "farm"
PROMPT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OURS = re.compile(rf"(?P<prompt>{PROMPT_ID.pattern})[ ._(][^/\0]{{0,100}}")
"""`<id>.jpg`, `<id> (1).jpg` where ComfyUI had that one already, `<id>_00001_.png`."""
PREVIEW = re.compile(r"ComfyUI_temp_[a-z]{5}_\d{5}_\.png")
"""What a PreviewImage node leaves in temp/, which ComfyUI itself empties at its start. Removed for its age only."""
LARGEST_BODY = 256 * 1024
MOST_NAMES = 2_000
REMEMBERED_SECONDS = 600.0
"""A file of a prompt that was asked for may be written only now: its name is looked for so long."""
ROUND_SECONDS = 10.0
CLIENT_SECONDS = 10.0

log = logging.getLogger("sweeper")


@dataclass(frozen=True)
class Copy:
    """A file that the farm has left: where, last changed when (seconds of the epoch), its bytes, of which prompt.

    `prompt` None: a preview, whose name tells of none.
    """

    kind: str
    name: str
    at: float
    size: int
    prompt: str | None


class Folders(Protocol):
    """Where copies lie."""

    def list_copies(self) -> Iterator[Copy]:
        """All that are there."""

    def remove(self, copy: Copy) -> bool:
        """Whether it is gone."""


class ComfyuiFolders:
    """The folders of one or several ComfyUI on this machine's disk. Everything is done by open folders' descriptors, so
    that a link put in place meanwhile leads nowhere.
    """

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = [root.resolve(strict=True) for root in roots]

    def list_copies(self) -> Iterator[Copy]:
        """All regular files whose names are ours."""
        for number, root in enumerate(self._roots):
            for kind in KINDS:
                for below, named in ((FOLDER, OURS), ("", PREVIEW)):
                    if below or kind == "temp":
                        yield from self._list_folder(f"{number}:{kind}/{below}".rstrip("/"), root / kind, below, named)

    def _list_folder(self, place: str, top: Path, below: str, named: re.Pattern[str]) -> Iterator[Copy]:
        try:
            folder = _open_folder(top, below)
        except (FileNotFoundError, NotADirectoryError):
            return  # nothing of ours has been there yet, or it is a link, which is not ours
        try:
            for name in os.listdir(folder):
                match = named.fullmatch(name)
                if match is None:
                    continue
                try:
                    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(found.st_mode):
                    yield Copy(place, name, found.st_mtime, found.st_size, match.groupdict().get("prompt"))
        finally:
            os.close(folder)

    def remove(self, copy: Copy) -> bool:
        """Unlink it from the folder in which it was found."""
        number, _, place = copy.kind.partition(":")
        kind, _, below = place.partition("/")
        try:
            folder = _open_folder(self._roots[int(number)] / kind, below)
        except (FileNotFoundError, NotADirectoryError):
            return True
        try:
            os.unlink(copy.name, dir_fd=folder)
        except FileNotFoundError:
            pass
        except OSError as exc:
            log.warning("a copy cannot be removed: %s", exc.strerror)
            return False
        finally:
            os.close(folder)
        return True


def _open_folder(top: Path, below: str) -> int:
    """A descriptor of top/below. `top` may be a link that whoever set up ComfyUI made; what is below may not."""
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    if not below:
        return descriptor
    try:
        return os.open(below, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
    except OSError as exc:
        raise NotADirectoryError(below) from exc
    finally:
        os.close(descriptor)


class Sweeper:
    """Sweeps, and knows how it went. For any thread."""

    def __init__(self, folders: Folders, max_age_s: float) -> None:
        self._folders = folders
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self._health: dict[str, Any] = {}

    def sweep(self, prompts: Iterable[str] = ()) -> int:
        """Remove what is too old and what was asked for, `prompts` from now on; how many files went."""
        with self._lock:
            now = time.time()
            self._asked = {name: until for name, until in self._asked.items() if until > time.monotonic()}
            self._asked.update(dict.fromkeys(prompts, time.monotonic() + REMEMBERED_SECONDS))
            removed, stuck, left = 0, 0, []
            for copy in list(self._folders.list_copies()):
                if copy.prompt not in self._asked and now - copy.at <= self._max_age_s:
                    left.append(copy)
                elif self._folders.remove(copy):
                    removed += 1
                else:
                    stuck += 1
                    left.append(copy)
            self._health = {
                "version": VERSION,
                "max_age_s": self._max_age_s,
                "swept_at": now,
                "removed": removed,
                "stuck": stuck,
                "files": len(left),
                "bytes": sum(copy.size for copy in left),
                "oldest_s": round(max((now - copy.at for copy in left), default=0.0), 1),
            }
        if removed or stuck:
            log.info("removed %d copies, %d could not be removed, %d are left", removed, stuck, len(left))
        return removed

    def health(self) -> dict[str, Any]:
        """How the last sweep went, and how long ago."""
        health = dict(self._health)
        if health:
            health["swept_s"] = round(max(time.time() - health.pop("swept_at"), 0.0), 1)
        return health


class Door(BaseHTTPRequestHandler):
    """Two requests, for whoever knows the token. A client that says nothing is let go."""

    server: SweeperServer
    timeout = CLIENT_SECONDS
    server_version = f"photo-farm-sweeper/{VERSION}"
    sys_version = ""

    def do_GET(self) -> None:
        """GET /healthz."""
        if not self._may():
            return
        if self.path != "/healthz":
            self._answer(404, {"error": "There are GET /healthz and POST /sweep."})
            return
        health = self.server.sweeper.health()
        self._answer(200 if health else 503, health or {"error": "No sweep has ended yet."})

    def do_POST(self) -> None:
        """POST /sweep: what could not be removed is told by `stuck`."""
        if not self._may():
            return
        if self.path != "/sweep":
            self._answer(404, {"error": "There are GET /healthz and POST /sweep."})
            return
        prompts = self._read_prompts()
        if prompts is None:
            self._answer(400, {"error": "The body is a JSON list of at most 2000 ids of prompts."})
            return
        removed = self.server.sweeper.sweep(prompts)
        self._answer(200, {"removed": removed, "stuck": self.server.sweeper.health()["stuck"]})

    def _may(self) -> bool:
        given = self.headers.get("Authorization", "")
        if hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {self.server.token}".encode()):
            return True
        self.close_connection = True
        self._answer(401, {"error": "The token is missing or wrong."})
        return False

    def _read_prompts(self) -> list[str] | None:
        """The ids that the body names; None where it is anything else. A name with a path in it is no id."""
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,7}", length) or int(length) > LARGEST_BODY:
            self.close_connection = True
            return None
        try:
            names = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return None
        if not isinstance(names, list) or len(names) > MOST_NAMES:
            return None
        if not all(isinstance(name, str) and PROMPT_ID.fullmatch(name) for name in names):
            return None
        return names

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was removed is told by the sweeper itself."""


class SweeperServer(ThreadingHTTPServer):
    """The sweeper on a port."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], sweeper: Sweeper, token: str) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.sweeper, self.token = sweeper, token
        super().__init__(address, Door)

    def sweep_by_age(self, ended: threading.Event) -> None:
        """A round every few seconds until `ended`: what a prompt writes late goes with the next one."""
        while True:
            try:
                self.sweeper.sweep()
            except OSError as exc:
                log.warning("a sweep failed: %s", exc)  # /healthz tells that there has been none for a while
            if ended.wait(ROUND_SECONDS):
                return


def read_token() -> str:
    """SWEEPER_TOKEN, or what the file SWEEPER_TOKEN_FILE holds, which others may not read. Raises SystemExit."""
    token = os.environ.get("SWEEPER_TOKEN", "")
    path = os.environ.get("SWEEPER_TOKEN_FILE", "")
    if not token and path:
        try:
            if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
                raise SystemExit(f"{path} can be read by others: chmod 600 {path}")
            token = Path(path).read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise SystemExit(f"SWEEPER_TOKEN_FILE cannot be read: {exc}") from None
    if len(token) < 16:
        raise SystemExit("Set SWEEPER_TOKEN or SWEEPER_TOKEN_FILE to a token of at least 16 characters.")
    return token


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--folder", type=Path, action="append", required=True, help="of a ComfyUI, which holds input/, output/, temp/"
    )
    parser.add_argument("--max-age-minutes", type=float, default=60.0, help="how old a copy gets at most (60)")
    parser.add_argument("--host", default="0.0.0.0", help="the address to listen on")  # noqa: S104  the farm is elsewhere
    parser.add_argument("--port", type=int, default=8189)
    parser.add_argument("--once", action="store_true", help="sweep by age once and end, for a timer; opens no port")
    return parser.parse_args(arguments)


def main() -> int:
    """Run until told to stop."""
    options = parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        sweeper = Sweeper(ComfyuiFolders(options.folder), options.max_age_minutes * 60)
    except OSError as exc:
        print(f"A folder of ComfyUI is not there: {exc}", file=sys.stderr)
        return 2
    if options.once:
        sweeper.sweep()
        return 1 if sweeper.health()["stuck"] else 0
    server = SweeperServer((options.host, options.port), sweeper, read_token())
    ended = threading.Event()
    threading.Thread(target=server.sweep_by_age, args=(ended,), daemon=True).start()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    log.info("sweeper on port %d", server.server_address[1])
    server.serve_forever()
    ended.set()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

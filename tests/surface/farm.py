"""One farm that all bad inputs are thrown at, with what its insides look like before and after."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from jobs.access.links import Signer
from scripts.simulators.comfyui import Settings, StandIn
from tests.acceptance.farm_process import FarmProcess, eventually
from tests.surface.wire import MULTIPART, Answer, Header, Part, encode_form, encode_head, exchange

TABLES = ("orders", "photos", "tasks", "steps", "calls", "images", "events", "recipes")
CHECKPOINT = "dreamshaper_8.safetensors"
BOLD = "<b onmouseover=alert(1)>bold"
"""The name of a style folder that tries to be HTML."""

PLAIN = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "photo.jpg"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "farm"}},
}
WORDS = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "photo.jpg"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
    "4": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
    "5": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0],
            "seed": 1,
            "steps": 1,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "positive": ["3", 0],
            "negative": ["3", 0],
            "latent_image": ["4", 0],
            "denoise": 0.5,
        },
    },
    "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
    "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "farm"}},
}
PLAIN_STYLE = """
title = { en = "<script>alert('title')</script>", zh = "原样" }
options.strength = { type = "number", minimum = 0.2, maximum = 0.9, default = 0.6 }
options.colours = { type = "integer", minimum = 4, maximum = 24, default = 14 }
options.shiny = { type = "boolean", default = false }
options.mood = { type = "choice", choices = ["soft", "hard"], default = "soft" }
options.motto = { type = "string", max_length = 40, default = "" }

[[steps]]
resource = "comfyui"
workflow = "plain.json"
photo = "1.image"
output = ["2"]
prefix = "2.filename_prefix"
"""
WORDS_STYLE = """
title = { en = "Words", zh = "文字" }
options.motto = { type = "string", max_length = 400, default = "" }

[[steps]]
resource = "comfyui"
workflow = "words.json"
photo = "2.image"
output = ["7"]
prefix = "7.filename_prefix"
seed = "5.seed"
bind = { motto = "3.text" }
"""


def write_styles(folder: Path) -> Path:
    """A STYLES_DIR: `plain` hands the photo through, `words` puts a guest's text into a graph, one is hostile."""
    for name, style, workflow in (("plain", PLAIN_STYLE, PLAIN), ("words", WORDS_STYLE, WORDS)):
        (folder / name).mkdir(parents=True)
        (folder / name / "style.toml").write_text(style)
        (folder / name / f"{name}.json").write_text(json.dumps(workflow))
    (folder / BOLD).mkdir()
    (folder / BOLD / "style.toml").write_text(PLAIN_STYLE)
    return folder


@dataclass(frozen=True)
class Insides:
    """What a refused request must leave as it was."""

    files: frozenset[str]
    rows: tuple[int, ...]
    rings: frozenset[str]
    prompts: int


class Surface:
    """A farm with two booths and stand-ins, spoken to in bytes."""

    def __init__(self, farm: FarmProcess, stand_ins: list[StandIn]) -> None:
        self.farm = farm
        self.stand_ins = stand_ins
        self.key, self.other_key = farm.make_key("booth-a"), farm.make_key("booth-b")
        self._numbers = itertools.count(1)
        self._addresses = itertools.count(2)

    # --- asking ---------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        target: str | bytes,
        headers: tuple[Header, ...] = (),
        body: bytes | None = None,
        *,
        key: str | None = "",
        source: str = "127.0.0.1",
    ) -> Answer:
        """One request as it is. `key`: None for no Authorization, empty for that of the first booth."""
        given = {name.lower() for name, _ in headers}
        all_headers: list[Header] = [] if "host" in given else [("Host", f"127.0.0.1:{self.farm.port}")]
        if key is not None and "authorization" not in given:
            all_headers.append(("Authorization", f"Bearer {key or self.key}"))
        if body is not None and "content-length" not in given:
            all_headers.append(("Content-Length", str(len(body))))
        head = encode_head(method, target, [*all_headers, *headers, ("Connection", "close")])
        return exchange(self.farm.port, head + (body or b""), method=method, source=source)

    def submit(
        self,
        *photos: bytes | Part,
        order_id: str | bytes | None = None,
        style: str | bytes | None = "plain",
        options: str | bytes | None = None,
        parts: tuple[Part, ...] = (),
        key: str | None = "",
    ) -> Answer:
        """POST /orders; `parts` come besides. An order id of its own unless one is given."""
        fields = [Part("order_id", self.new_order_id() if order_id is None else order_id)]
        fields += [Part("style", style)] if style is not None else []
        fields += [Part("options", options)] if options is not None else []
        fields += [
            photo if isinstance(photo, Part) else Part("photo", photo, "photo.jpg", "image/jpeg") for photo in photos
        ]
        return self.post_form([*fields, *parts], key=key)

    def post_form(self, parts: list[Part], *, key: str | None = "", close: bool = True) -> Answer:
        """POST /orders with these parts and no others."""
        body = encode_form(parts, close=close)
        return self.request("POST", "/api/v1/orders", (("Content-Type", MULTIPART),), body, key=key)

    def new_order_id(self) -> str:
        """An order id that nobody has used."""
        return f"order-{next(self._numbers)}"

    def new_address(self) -> str:
        """An address of loopback that nobody has asked from: wrong keys and log-ins are counted by address."""
        return f"127.0.1.{next(self._addresses)}"

    def order(self, order_id: str) -> dict[str, Any]:
        """The order as it is now."""
        answer = self.request("GET", f"/api/v1/orders/{order_id}")
        assert answer.status == 200, answer.text
        order: dict[str, Any] = answer.json()
        return order

    def finish(self, answer: Answer) -> dict[str, Any]:
        """The task of a submission that was just accepted, once its order has ended well."""
        assert answer.status == 202, answer.text
        order_id = answer.json()["order_id"]
        eventually(lambda: self.order(order_id)["status"] not in ("queued", "running"), f"{order_id} has ended")
        order = self.order(order_id)
        assert order["status"] == "succeeded", order
        task: dict[str, Any] = order["tasks"][-1]
        return task

    # --- looking inside -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def database(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """The database, past the farm."""
        mode = "rw" if write else "ro"
        with contextlib.closing(
            sqlite3.connect(f"file:{self.farm.folder / 'farm.sqlite3'}?mode={mode}", uri=True, timeout=30)
        ) as connection:
            yield connection
            connection.commit()

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self.database() as connection:
            return connection.execute(query, values).fetchall()

    def change(self, statement: str, *values: Any) -> None:
        """Write past every rule: to make a moment pass or a state stand."""
        with self.database(write=True) as connection:
            assert connection.execute(statement, values).rowcount == 1

    def redis(self) -> redis.Redis:
        """The farm's Redis, as its admin."""
        return self.farm.redis()

    def signer(self) -> Signer:
        """What signs the farm's links."""
        return Signer((self.farm.folder / "secrets" / "secret_key").read_text().strip().encode())

    def let_go(self) -> None:
        """End every fault, and wait for what it held."""
        for stand_in in self.stand_ins:
            stand_in.clear_faults()
        self.look_inside()

    def look_inside(self) -> Insides:
        """What there is now, once nothing is in work."""
        eventually(lambda: not self.ask("SELECT 1 FROM tasks WHERE status IN ('queued', 'running')"), "all is done")
        root = self.farm.folder / "files"
        with self.database() as connection:
            rows = tuple(
                int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  our own names
                for table in TABLES
            )
        with self.redis() as client:
            rings = frozenset(key.decode() for key in client.keys("rq:job:ring-*"))
            waiting = [client.lrange(f"rq:queue:{name}", 0, -1) for name in ("comfyui", "api")]
        return Insides(
            frozenset(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()),
            rows,
            rings | {entry.decode() for entries in waiting for entry in entries},
            sum(len(stand_in.log("submit")) for stand_in in self.stand_ins),
        )

    def log_size(self) -> int:
        """How long the farm's log is."""
        return (self.farm.folder / "up.log").stat().st_size

    def log_since(self, size: int) -> str:
        """What the farm has logged since."""
        with (self.farm.folder / "up.log").open("rb") as log:
            log.seek(size)
            return log.read().decode(errors="replace")

    def stored_photo(self, order_id: str) -> bytes:
        """The photo that the farm keeps of an order's first task."""
        [(path,)] = self.ask(
            "SELECT photos.path FROM photos JOIN orders ON orders.id = photos.order_id WHERE orders.order_id = ? "
            "ORDER BY photos.id LIMIT 1",
            order_id,
        )
        return (self.farm.folder / "files" / path).read_bytes()

    def sent_photos(self) -> list[bytes]:
        """Every photo that the ComfyUI stand-ins were sent."""
        return [
            photo.data
            for stand_in in self.stand_ins
            for path in stand_in.server.folders.listed("input")
            if (photo := stand_in.server.folders.get("input", path)) is not None
        ]

    def all_bytes(self) -> dict[str, bytes]:
        """Every file below DATA_DIR, the database and the log too."""
        return {
            str(path.relative_to(self.farm.folder)): path.read_bytes()
            for path in self.farm.folder.rglob("*")
            if path.is_file()
        }


def start_surface(folder: Path, *, servers: int = 2, **settings: str) -> Surface:
    """A farm with small styles of its own, once they can be ordered."""
    stand_ins = [
        StandIn(Settings(models={"checkpoints": [CHECKPOINT], "loras": [], "controlnet": [], "upscale_models": []}))
        for _ in range(servers)
    ]
    for stand_in in stand_ins:
        stand_in.start()
    urls = ",".join(stand_in.url for stand_in in stand_ins)
    styles = write_styles(folder / "styles")
    farm = FarmProcess(
        folder / "data", COMFYUI_URLS=urls, **({"STYLES_DIR": str(styles), "COMFYUI_WORKERS": "3"} | settings)
    )
    try:
        farm.start()
        surface = Surface(farm, stand_ins)
        eventually(lambda: _can_order(surface, "plain", "words"), "the styles can be ordered")
    except BaseException:
        stop_farm(farm, stand_ins)
        raise
    return surface


def stop_farm(farm: FarmProcess, stand_ins: list[StandIn]) -> None:
    """End the farm and its stand-ins."""
    if farm.process is not None and farm.process.poll() is None:
        farm.kill()
    for stand_in in stand_ins:
        stand_in.clear_faults()
        stand_in.stop()


def _can_order(surface: Surface, *names: str) -> bool:
    styles = surface.request("GET", "/api/v1/styles").json()["styles"]
    return set(names) <= {style["name"] for style in styles if style["available"]}

"""Small pieces that tests put together: a stocked farm, a booth, accepted orders, claims, the rows as they stand."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image as Pillow
from pydantic import SecretStr
from sqlalchemy import insert, select, update

from jobs.access.booths import BoothId, authenticate, create_booth
from jobs.admission import Submission
from jobs.comfyui import servers
from jobs.comfyui.models import Server
from jobs.database import Base
from jobs.database.migrate import migrate
from jobs.engine.claims import Claim
from jobs.engine.retries import REASONS
from jobs.farm import Farm
from jobs.media.images import prepare_picture
from jobs.orders import calls, moves
from jobs.orders.calls import OpenCall
from jobs.orders.models import Call, Event, Image, Order, Step, Task
from jobs.settings import Settings
from jobs.settings.providers import DEFAULTS
from jobs.styles.graph import Catalog
from scripts.simulators.photos import portrait

ONE_STEP, TWO_STEPS, CLOUD = "framed-print", "poster-framed", "watercolour-cloud"
SERVER = "http://comfy-1:8188"
OTHER_SERVER = "http://comfy-2:8188"
PORTRAIT_SIZE = (600, 800)


@contextmanager
def open_farm(settings: Settings, *, serves_web: bool = False, **changes: Any) -> Iterator[Farm]:
    """A migrated farm whose settings differ in a few values."""
    for provider in DEFAULTS:
        start = f"{provider}_"
        own = {name.removeprefix(start): changes.pop(name) for name in list(changes) if name.startswith(start)}
        settings = settings.with_provider(provider, **own)
    farm = Farm(settings.model_copy(update=changes), serves_web=serves_web)
    migrate(farm.database)
    try:
        yield farm
    finally:
        farm.close()


def with_key() -> dict[str, Any]:
    """Settings that make the cloud provider usable."""
    return {"openai_api_key": SecretStr("not a real key")}


def catalog_of(farm: Farm, *styles: str) -> Catalog:
    """A server's catalog that holds just the nodes that these styles need; of all styles when none is named."""
    catalog: Catalog = {}
    for style in farm.shelf.all().values():
        if styles and style.name not in styles:
            continue
        for step in (style.recipe or {"steps": []})["steps"]:
            catalog |= {node["class_type"]: {} for node in step.get("graph", {}).values()}
    return catalog


def stock(farm: Farm, *urls: str, styles: tuple[str, ...] = ()) -> None:
    """Give the farm healthy servers that can run these styles (all of them when none is named)."""
    named = urls or (SERVER,)
    with_these = {server.url for server in farm.database.read(servers.list_servers)} | set(named)
    farm.database.write(servers.sync_servers, tuple(sorted(with_these)))
    for url in named:
        farm.database.write(servers.bring_back, url, catalog_of(farm, *styles))


def make_booth(farm: Farm, name: str = "booth-1") -> BoothId:
    """A new booth."""
    return farm.database.read(authenticate, farm.database.write(create_booth, name))


def make_photo(number: int = 0) -> bytes:
    """A small photo; another number gives another one."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (64, 64), (number % 256, number // 256, 90)).save(buffer, "PNG")
    return buffer.getvalue()


def submit(
    farm: Farm,
    booth: BoothId,
    *,
    order_id: str = "order-1",
    photos: int = 1,
    first_photo: int = 0,
    style: str = ONE_STEP,
    options: dict[str, Any] | None = None,
) -> bool:
    """What a booth's POST does: whether anything was taken in."""
    taken = [make_photo(first_photo + number) for number in range(photos)]
    return farm.admission.admit(booth, Submission(order_id, style, options or {}, taken))


def accept(farm: Farm, tasks: int = 1, *, style: str = ONE_STEP, order_id: str = "order-1") -> list[int]:
    """An order with so many tasks, accepted; the row ids of its tasks in the order of admission."""
    booth = make_booth(farm, f"booth-of-{order_id}")
    if not farm.database.read(servers.list_servers):
        stock(farm)
    assert submit(farm, booth, order_id=order_id, photos=tasks, style=style)
    return farm.database.read(
        lambda session: list(
            session.scalars(select(Task.id).join(Order).where(Order.order_id == order_id).order_by(Task.id))
        )
    )


def claim(farm: Farm, worker: str = "worker-1", resource: str = "comfyui") -> Claim | None:
    """What a worker does once it sees room: S2."""
    return farm.database.write(farm.taker(resource).claims.claim, worker)


def must_claim(farm: Farm, worker: str = "worker-1", resource: str = "comfyui") -> Claim:
    """The same where there must be something to claim."""
    claimed = claim(farm, worker, resource)
    assert claimed is not None
    return claimed


def send(farm: Farm, claimed: Claim) -> OpenCall:
    """The claim's call is about to be sent."""
    return farm.database.write(calls.mark_sent, claimed.held.step_id, claimed.held.attempt, claimed.call)


def finish(farm: Farm, claimed: Claim, images: int = 1) -> bool:
    """S4, with pictures whose files are there."""
    held = claimed.held
    made = [picture_row(farm, position, held.attempt, order_id=held.order_id) for position in range(images)]
    return farm.database.write(moves.finish_step, claimed.held, claimed.call.id, made)


def picture_row(farm: Farm, position: int = 0, attempt: int = 1, *, order_id: int | None = None) -> dict[str, Any]:
    """A stored picture, as the runner hands it to S4."""
    return {
        "position": position,
        "path": farm.storage.write("images", b"picture", label=f"-a{attempt}", order_id=order_id),
        "thumbnail_path": farm.storage.write("images", b"small", label=f"-a{attempt}t", order_id=order_id),
        "content_type": "image/jpeg",
        "width": 64,
        "height": 64,
        "bytes": 7,
        "sha256": "0" * 64,
    }


def paint(farm: Farm, claimed: Claim | None = None, *, number: int = 7) -> Claim:
    """What a worker does: the claimed step, else the oldest, becomes a portrait that a browser can show."""
    claimed = claimed or must_claim(farm)
    send(farm, claimed)
    made = prepare_picture(portrait(number, PORTRAIT_SIZE))
    row = picture_row(farm) | {
        "path": farm.storage.write("images", made.full.data, label="-a1"),
        "thumbnail_path": farm.storage.write("images", made.thumbnail.data, label="-a1t"),
        "width": PORTRAIT_SIZE[0],
        "height": PORTRAIT_SIZE[1],
    }
    assert farm.database.write(moves.finish_step, claimed.held, claimed.call.id, [row])
    return claimed


def retry(farm: Farm, claimed: Claim, *, wait_s: float = 0.0, kind: str = "transient", outcome: str = "failed") -> None:
    """S5."""
    farm.database.write(
        moves.retry_step,
        claimed.held,
        claimed.call.id,
        kind=kind,
        detail="",
        wait_s=wait_s,
        counts=kind == "transient",
        outcome=outcome,
    )


def fail(farm: Farm, claimed: Claim, *, kind: str = "unavailable", outcome: str | None = "failed") -> None:
    """S6."""
    farm.database.write(
        moves.fail_step, claimed.held, claimed.call.id, kind=kind, reason=REASONS[kind], detail="", outcome=outcome
    )


def change(farm: Farm, table: type[Base], row_id: Any, **values: Any) -> None:
    """Write columns of one row, past every rule: to make a moment pass or a state stand."""
    key = next(iter(table.__table__.primary_key))
    farm.database.write(lambda session: session.execute(update(table).where(key == row_id).values(**values)))


def seconds_ago(seconds: float) -> datetime:
    """A moment in the past; a negative number is one in the future."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def get_step(farm: Farm, step_id: int) -> Step:
    """A step's row."""
    return farm.database.read(lambda session: session.get_one(Step, step_id))


def get_task(farm: Farm, task_id: int) -> Task:
    """A task's row."""
    return farm.database.read(lambda session: session.get_one(Task, task_id))


def get_server(farm: Farm, url: str = SERVER) -> Server:
    """A server's row."""
    return farm.database.read(lambda session: session.get_one(Server, url))


def find_order(farm: Farm, order_id: str) -> Order:
    """The row of an order, by the booth's own id."""
    return farm.database.read(lambda session: session.scalars(select(Order).where(Order.order_id == order_id)).one())


def guest_path(farm: Farm, order_id: str) -> str:
    """Where an order's guest looks."""
    order = find_order(farm, order_id)
    return f"/g/{farm.signer.guest_token(order.uid, order.link_number)}"


def list_steps(farm: Farm) -> list[Step]:
    """All steps, oldest first."""
    return farm.database.read(lambda session: list(session.scalars(select(Step).order_by(Step.id))))


def list_calls(farm: Farm) -> list[Call]:
    """All calls, oldest first."""
    return farm.database.read(lambda session: list(session.scalars(select(Call).order_by(Call.id))))


def list_images(farm: Farm) -> list[Image]:
    """All pictures' rows, oldest first."""
    return farm.database.read(lambda session: list(session.scalars(select(Image).order_by(Image.id))))


def list_moves(farm: Farm) -> list[str]:
    """The history's moves, oldest first."""
    return farm.database.read(lambda session: list(session.scalars(select(Event.move).order_by(Event.id))))


def read_everything(farm: Farm) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table: equal before and after means that nothing was changed."""
    return farm.database.read(
        lambda session: {
            table.name: sorted((tuple(row) for row in session.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
        }
    )


def list_files(farm: Farm) -> list[str]:
    """Every file in the storage."""
    return sorted(str(path.relative_to(farm.storage.root)) for path in farm.storage.root.rglob("*") if path.is_file())


def add_rows(farm: Farm, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert rows past every rule."""
    farm.database.write(lambda session: session.execute(insert(table), rows))

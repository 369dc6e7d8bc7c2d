"""What booths send, as models: paths, queries, headers, the order form, the heartbeat.

Calls validate with these, and the API's description is made from them. A model's `refusal` answers a misfit.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from werkzeug.datastructures import FileStorage

from jobs.errors import InvalidOrder, NotFound, OrderNotFound, RequestError, StyleUnknown, TooManyPhotos
from jobs.styles.options import clean_text

MAX_PHOTOS = 10
LONGEST_WAIT_SECONDS = 60.0
MAX_KEPT_CHARACTERS = 200


class Input(BaseModel):
    """What all of them share: unknown names are ignored, so that older farms take newer booths."""

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)

    refusal: ClassVar[type[RequestError]] = RequestError


OrderId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="The booth's own order id: 1 to 64 letters, digits, - or _, first a letter or digit.",
        examples=["booth1-0042"],
    ),
]
StyleName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9-]{1,64}$", description="The name of a style of GET /styles.", examples=["poster"]),
]


class OrderPath(Input):
    """An order in the path."""

    refusal = OrderNotFound

    order_id: OrderId


class TaskPath(Input):
    """A task in the path."""

    refusal = OrderNotFound

    task_id: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{32}$",
            description="The id of a task, from its order.",
            examples=["7b1f0c8e5a9d4e2f8a6b3c1d0e9f7a5b"],
        ),
    ]


class StylePath(Input):
    """A style in the path."""

    refusal = NotFound

    name: StyleName


class ImagePath(Input):
    """A signed token in the path."""

    refusal = NotFound

    token: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_-]{1,200}$",
            description="The signed, expiring token of a picture's or thumbnail's link, as an order shows it.",
            examples=["kD3v0w9gTn2QmZ4sYp8h1wAAB4mZ0m9c2dJ1r7l5q8tWvXyKbE1uFh"],
        ),
    ]


class ErrorPath(Input):
    """An error code in the path."""

    refusal = NotFound

    code: Annotated[
        str, Field(pattern=r"^[a-z_]{1,40}$", description="The `code` of a problem.", examples=["queue_full"])
    ]


class FollowQuery(Input):
    """Waiting for a change of an order. `wait` takes effect together with `after`."""

    wait: Annotated[
        float,
        Field(
            ge=0,
            allow_inf_nan=False,
            description=f"Seconds to wait for a change, held to {LONGEST_WAIT_SECONDS:.0f}.",
            examples=[25],
        ),
    ] = 0.0
    after: Annotated[
        int | None,
        Field(
            ge=0,
            description="The `version` already seen: the answer comes once the order's is above it.",
            examples=[7],
        ),
        WithJsonSchema({"type": "integer", "minimum": 0}),
    ] = None


class FollowHeaders(Input):
    """Where a broken event stream goes on."""

    last_event_id: Annotated[
        int,
        Field(
            ge=0,
            alias="Last-Event-ID",
            description="The `id` of the last `order` event seen; event sources of browsers send it by themselves.",
            examples=[7],
        ),
    ] = 0


def parse_json_object(raw: Any) -> dict[str, Any]:
    """JSON text as an object; empty text is an empty one. Raises ValueError, for a key that is there twice too."""
    if not raw:
        return {}
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw.encode("utf-8").decode("utf-8")
        if "\ufffd" in text:  # what the form parser puts in the place of bytes that are no UTF-8
            raise ValueError("not UTF-8")
        document = json.loads(text, object_pairs_hook=_refuse_twins)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


class OrderForm(Input):
    """The parts of a submission. All photos of one submission are taken, or none."""

    refusal = InvalidOrder
    sentences: ClassVar[dict[str, str]] = {
        "order_id": "The order id needs 1 to 64 letters, digits, - or _, and starts with a letter or digit.",
        "style": "The style is missing.",
        "options": "The options are not a JSON object.",
        "photo": "The photo is missing: send it as a file.",
    }
    special: ClassVar[dict[tuple[str, str], type[RequestError]]] = {
        ("style", "string_pattern_mismatch"): StyleUnknown,
        ("photo", "too_long"): TooManyPhotos,
    }
    """Misfits with an answer of their own: (field, pydantic's type of error)."""

    order_id: OrderId
    style: StyleName
    photo: Annotated[
        list[
            Annotated[
                FileStorage, WithJsonSchema({"type": "string", "contentMediaType": "image/jpeg", "format": "binary"})
            ]
        ],
        Field(
            min_length=1,
            max_length=MAX_PHOTOS,
            description="JPEG, PNG or WebP, each at most 25 MB and 50 megapixels, sides of 64 to 12000 pixels. "
            "Repeat the part for each further photo.",
        ),
    ]
    options: Annotated[
        dict[str, Any],
        BeforeValidator(parse_json_object),
        Field(description="What the guest chose, as JSON: see `options` of the style.", examples=[{"colours": 6}]),
    ] = {}


class Heartbeat(Input):
    """What a booth says of itself. Further fields may be sent; they are not kept yet."""

    model_config = ConfigDict(extra="allow")

    app_version: Annotated[Any, Field(description="The booth software's version.", examples=["2.4.1"])] = None
    printer: Annotated[Any, Field(description="The printer's state in a word.", examples=["ready"])] = None
    waiting_to_send: Annotated[Any, Field(description="Orders that wait in the booth to be sent.", examples=[2])] = None

    def to_keep(self) -> dict[str, str]:
        """The known fields that hold a plain value, as short text that every page can show."""
        known = {"app_version": self.app_version, "printer": self.printer, "waiting_to_send": self.waiting_to_send}
        return {
            name: clean_text(str(value))[:MAX_KEPT_CHARACTERS]
            for name, value in known.items()
            if isinstance(value, str | int | float)
        }


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key twice")
    return document

"""What a call of the booth API takes and answers, said once: the wrapper validates with it, openapi.py describes it.

A view gets the validated models by name (`booth`, `path`, `query`, `headers`, `form`, `body`) and answers with a model,
with (model, status) or (model, status, headers), or with a finished Response.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from flask import Response, g
from pydantic import BaseModel

from jobs.errors.codes import ErrorCode, Refusal, explain
from web.auth import authenticate_booth
from web.inputs import Heartbeat, Input, OrderForm
from web.reading import read_form, read_headers, read_json, read_path, read_query
from web.turnstile import Turnstile

JSON = "application/json"
FORMS_AT_ONCE = 2

_turnstile = Turnstile(FORMS_AT_ONCE)
"""Through which every form of this process goes, read and carried out."""


@dataclass(frozen=True)
class Answer:
    """One way a call can succeed. `model` None: bytes or text of that media type."""

    text: str
    model: type[BaseModel] | None = None
    media: str = JSON
    headers: tuple[str, ...] = ()
    example: Any = None
    """Of a model: the fields that differ from its usual example. Of anything else: the text itself."""


@dataclass(frozen=True)
class Call:
    """One call of the API."""

    tag: str
    answers: dict[int, Answer]
    refuses: tuple[ErrorCode, ...] = ()
    needs_key: bool = True
    path: type[Input] | None = None
    query: type[Input] | None = None
    headers: type[Input] | None = None
    form: type[OrderForm] | None = None
    body: type[Heartbeat] | None = None
    view: Callable[..., Any] = field(default=lambda: None)

    def read(self, values: dict[str, Any]) -> dict[str, Any]:
        """What the view is called with: the asking booth first, so that a stranger learns nothing of the rest."""
        given: dict[str, Any] = {}
        if self.needs_key:
            given["booth"] = authenticate_booth()
        if self.path:
            given["path"] = read_path(self.path, values)
        if self.query:
            given["query"] = read_query(self.query)
        if self.headers:
            given["headers"] = read_headers(self.headers)
        if self.form:
            given["form"] = read_form(self.form)
        if self.body:
            given["body"] = read_json(self.body)
        return given


def call(
    tag: str,
    *,
    answers: dict[int, Answer],
    refuses: tuple[Refusal | ErrorCode, ...] = (),
    needs_key: bool = True,
    **inputs: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Make a view of a function that takes and gives models."""

    def wrap(view: Callable[..., Any]) -> Callable[..., Response]:
        codes = tuple(one if isinstance(one, ErrorCode) else explain(one) for one in refuses)
        described = Call(tag, answers, codes, needs_key, view=view, **inputs)

        @functools.wraps(view)
        def answer(**values: Any) -> Response:
            if described.form is None:
                return _respond(view(**described.read(values)))
            with _turnstile.turn() as g.turn:
                return _respond(view(**described.read(values)))

        vars(answer)["call"] = described
        return answer

    return wrap


def call_of(view: Callable[..., Any]) -> Call | None:
    """The call that a view was made of, if it was."""
    return cast("Call | None", getattr(view, "call", None))


def _respond(result: Any) -> Response:
    if isinstance(result, Response):
        return result
    model, status, headers = (*result, {})[:3] if isinstance(result, tuple) else (result, 200, {})
    return Response(model.model_dump_json(), status, headers, mimetype=JSON)

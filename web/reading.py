"""Reading a request into the models of inputs.py. What does not fit becomes an error of the farm that names each field
and repeats no value.
"""

from __future__ import annotations

from typing import Any, TypeVar

from flask import request
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from jobs.errors import InvalidOrder, RequestError, UnsupportedMedia
from web.inputs import Input, OrderForm, parse_json_object

Model = TypeVar("Model", bound=Input)

MAX_FIELD_CHARACTERS = 64_000
MAX_JSON_BYTES = 1_000_000


def read_path(model: type[Model], values: dict[str, Any]) -> Model:
    """The path's parts. Raises the model's refusal: what cannot be an id is nowhere."""
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        raise model.refusal() from exc


def read_query(model: type[Model]) -> Model:
    """The query. Raises RequestError naming what cannot be read."""
    names = set(model.model_fields)
    twice = [name for name in sorted(names) if len(request.args.getlist(name)) > 1]
    if twice:
        raise RequestError(
            f"The parameter {twice[0]} is there more than once.", fields={name: "is there twice" for name in twice}
        )
    return _fit(model, {name: value for name, value in request.args.items() if name in names}, "parameter")


def read_headers(model: type[Model]) -> Model:
    """The headers that the model names. Raises RequestError naming what cannot be read."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    return _fit(model, {name: request.headers[name] for name in names if name in request.headers}, "header")


def read_json(model: type[Model]) -> Model:
    """A JSON body, which may be empty. Raises RequestError."""
    request.max_content_length = MAX_JSON_BYTES
    try:
        document = parse_json_object(request.get_data())
    except ValueError as exc:
        raise RequestError("The body is not a JSON object.") from exc
    return _fit(model, document, "field")


def read_form(model: type[OrderForm]) -> OrderForm:
    """The multipart form of a submission. Raises RequestError."""
    if request.mimetype != "multipart/form-data":
        if not request.mimetype and not request.content_length:
            raise InvalidOrder("The request is empty.")
        raise UnsupportedMedia()
    form, files = request.form, request.files
    if not form and not files:
        raise InvalidOrder("The request has no readable parts.")
    if any(len(value) > MAX_FIELD_CHARACTERS for values in form.listvalues() for value in values):
        raise RequestEntityTooLarge()
    _refuse_twins(form, [name for name in model.model_fields if name != "photo"])
    given: dict[str, Any] = {name: form[name] for name in model.model_fields if name in form and name != "photo"}
    if photos := files.getlist("photo"):
        given["photo"] = photos
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        raise _refuse_order(model, exc) from exc


def _fit(model: type[Model], given: dict[str, Any], what: str) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        fields = {str(error["loc"][0]): error["msg"] for error in _list_misfits(exc)}
        raise model.refusal(f"The {what} {next(iter(fields))} cannot be used.", fields=fields) from exc


def _refuse_twins(form: MultiDict[str, str], names: list[str]) -> None:
    twice = [name for name in names if len(form.getlist(name)) > 1]
    if twice:
        raise InvalidOrder(
            f"The field {twice[0]} is there more than once.", fields={name: "is there twice" for name in twice}
        )


def _refuse_order(model: type[OrderForm], exc: ValidationError) -> RequestError:
    """What is missing or cannot be read comes before what is merely not to be had."""
    misfits = [(str(error["loc"][0]), error["type"]) for error in _list_misfits(exc)]
    plain = {name: model.sentences[name] for name, kind in misfits if (name, kind) not in model.special}
    if plain:
        return model.refusal(next(iter(plain.values())), fields=plain)
    name, kind = misfits[0]
    special = model.special[name, kind]
    return special(fields={name: str(special())})


def _list_misfits(exc: ValidationError) -> list[Any]:
    return exc.errors(include_url=False, include_context=False, include_input=False)

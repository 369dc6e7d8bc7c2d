"""The API's description, OpenAPI 3.1, made from the calls themselves: their models, answers and refusals. Pure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, Literal

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from jobs.errors import DatabaseAway, NotAuthenticated, TooManyAttempts
from jobs.errors.codes import ErrorCode, explain
from web import errors, schemas
from web.calls import JSON, Answer, Call, call_of
from web.examples import curl_of, example_of
from web.inputs import Input

REFERENCE = "#/components/schemas/{model}"
PROBLEM = "application/problem+json"
PROBLEM_SHAPES: tuple[type[BaseModel], ...] = (schemas.Problem, schemas.FieldError)
ABOUT = """Booths submit guests' photos into orders and follow them until the pictures are there.

- Every call needs `Authorization: Bearer <key>`, except pictures (their links are signed) and this description.
- Every refusal is `application/problem+json`. Decide by `code`; show `detail` to staff; `type` leads to a page that \
explains the code. When `retryable` is true, send the same request again after `retry_after_s` seconds.
- Submitting is safe to repeat: keep the photo until a 2xx has come, and send the same order id again after any doubt.
- Times are RFC 3339 in UTC. Unknown fields are ignored in both directions.
"""
TAGS = {
    "Styles": "What guests may pick.",
    "Orders": "From the photo to the picture.",
    "Tasks": "One photo of an order in one style.",
    "Pictures": "The pictures themselves.",
    "Farm": "How the farm is doing.",
    "Description": "This description. Needs no key.",
}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {"description": "Names the request in the farm's logs.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "Location": {"description": "The order's address.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "How to authenticate: `Bearer`.", "schema": {"type": "string"}},
    "Content-Range": {"description": "Which bytes these are.", "schema": {"type": "string"}},
}
ALWAYS = (errors.HOST_NOT_ALLOWED, errors.DEFECT)
WITH_KEY = (explain(NotAuthenticated), explain(TooManyAttempts), explain(DatabaseAway))


def describe(app: Flask) -> dict[str, Any]:
    """The document of an app's booth API."""
    paths: dict[str, dict[str, Any]] = {}
    calls: list[Call] = []
    for rule in app.url_map.iter_rules():
        call = call_of(app.view_functions[rule.endpoint])
        if call is None:
            continue
        calls.append(call)
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _describe_call(call, path, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Photo farm: booth API", "version": "1", "description": ABOUT},
        "servers": [{"url": "/", "description": "This farm."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "security": [{"booth": []}],
        "paths": dict(sorted(paths.items(), key=_reading_order)),
        "components": {
            "securitySchemes": {
                "booth": {"type": "http", "scheme": "bearer", "description": "A booth's key, from the operators."}
            },
            "headers": HEADERS,
            "schemas": _schemas_of(calls),
        },
    }


def _reading_order(item: tuple[str, dict[str, Any]]) -> tuple[int, str]:
    tag = next(iter(item[1].values()))["tags"][0]
    return list(TAGS).index(tag), item[0]


def _describe_call(call: Call, path: str, method: str) -> dict[str, Any]:
    summary, _, text = inspect.cleandoc(call.view.__doc__ or "").partition("\n")
    described: dict[str, Any] = {
        "operationId": call.view.__name__,
        "tags": [call.tag],
        "summary": summary.rstrip("."),
        "description": " ".join(text.split()) or summary,
        "parameters": [
            *_parameters("path", call.path),
            *_parameters("query", call.query),
            *_parameters("header", call.headers),
        ],
    }
    if not call.needs_key:
        described["security"] = []
    if call.form:
        described["requestBody"] = {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"$ref": REFERENCE.format(model=call.form.__name__)},
                    "encoding": {
                        "photo": {"contentType": "image/jpeg, image/png, image/webp"},
                        "options": {"contentType": "application/json"},
                    },
                }
            },
        }
    if call.body:
        described["requestBody"] = {
            "required": False,
            "content": {"application/json": {"schema": {"$ref": REFERENCE.format(model=call.body.__name__)}}},
        }
    described["responses"] = {
        str(status): _describe_answer(answer) for status, answer in sorted(call.answers.items())
    } | _describe_refusals(call)
    described["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": curl_of(call, path, method)}]
    return described


def _parameters(place: str, model: type[Input] | None) -> Iterable[dict[str, Any]]:
    if model is None:
        return
    schema = model.model_json_schema(by_alias=True)
    for name, given in schema["properties"].items():
        rest = {key: value for key, value in _tidy(given).items() if key not in ("description", "examples")}
        described: dict[str, Any] = {"name": name, "in": place, "required": name in schema.get("required", ())}
        if "description" in given:
            described["description"] = given["description"]
        yield described | {"schema": rest, "example": given["examples"][0]}


def _describe_answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.text, "headers": _headers("X-Request-Id", *answer.headers)}
    if answer.model is not None:
        described["content"] = {
            answer.media: {
                "schema": {"$ref": REFERENCE.format(model=answer.model.__name__)},
                "example": example_of(answer.model, answer.example) if answer.media == JSON else answer.example,
            }
        }
    elif answer.media:
        kind: dict[str, Any] = {"type": "object" if answer.media == JSON else "string"}
        if answer.media.startswith("image/"):
            kind |= {"contentMediaType": answer.media}
        described["content"] = {
            answer.media: {"schema": kind} | ({"example": answer.example} if answer.example else {})
        }
    return described


def _describe_refusals(call: Call) -> dict[str, Any]:
    by_status: dict[int, dict[str, ErrorCode]] = {}
    for code in (*call.refuses, *(WITH_KEY if call.needs_key else ()), *_of_inputs(call), *ALWAYS):
        by_status.setdefault(code.status, {})[code.code] = code
    return {str(status): _describe_refusal(status, list(by_status[status].values())) for status in sorted(by_status)}


def _of_inputs(call: Call) -> Iterable[ErrorCode]:
    """What misfits of the call's models are answered with."""
    for model in (call.path, call.query, call.headers, call.form, call.body):
        if model is not None:
            yield explain(model.refusal)


def _describe_refusal(status: int, codes: list[ErrorCode]) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if any(code.retryable for code in codes):
        names.append("Retry-After")
    if status == 401:
        names.append("WWW-Authenticate")
    listed = {"properties": {"code": {"enum": [code.code for code in codes]}, "status": {"const": status}}}
    return {
        "description": " ".join(f"`{code.code}`: {code.meaning}" for code in codes),
        "headers": _headers(*names),
        "content": {
            PROBLEM: {
                "schema": {"allOf": [{"$ref": REFERENCE.format(model="Problem")}, listed]},
                "examples": {code.code: {"value": _example_problem(code)} for code in codes},
            }
        },
    }


def _example_problem(code: ErrorCode) -> dict[str, Any]:
    return schemas.Problem(
        type=f"/api/v1/errors/{code.code}",
        title=code.title,
        status=code.status,
        detail=code.meaning,
        code=code.code,
        retryable=code.retryable,
        retry_after_s=10 if code.retryable else None,
        request_id="5f0c2b7d9e1a4c38",
    ).model_dump()


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _schemas_of(calls: list[Call]) -> dict[str, Any]:
    given: list[type[BaseModel]] = [model for call in calls for model in (call.form, call.body) if model is not None]
    made = [answer.model for call in calls for answer in call.answers.values() if answer.model is not None]
    modes: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        (model, "validation") for model in dict.fromkeys(given)
    ]
    modes += [(model, "serialization") for model in dict.fromkeys([*made, *PROBLEM_SHAPES])]
    _, document = models_json_schema(modes, ref_template=REFERENCE)
    found: dict[str, Any] = document["$defs"]
    return {name: _tidy_all(schema) for name, schema in found.items()}


def _tidy_all(schema: dict[str, Any]) -> dict[str, Any]:
    """Pydantic titles every property with its own name, and defaults what may be left out to null: both mislead."""
    plain = {key: value for key, value in schema.items() if key != "title"}
    if "properties" in plain:
        plain["properties"] = {name: _tidy(one) for name, one in plain["properties"].items()}
    return plain


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != "title" and (name, value) != ("default", None)}

"""The API's description, which needs no key: as OpenAPI, as a page for programmers, and a page for every error code."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Blueprint, Response, current_app, render_template
from markupsafe import Markup, escape
from werkzeug.exceptions import NotFound as NoSuchPage

from jobs.engine.retries import REASONS
from jobs.errors import NotFound
from web.calls import Answer, call
from web.errors import CODES
from web.inputs import ErrorPath
from web.openapi import PROBLEM, describe

docs = Blueprint("docs", __name__, url_prefix="/api/v1")

PAGE = "text/html"
_TICKS = re.compile(r"`([^`]+)`")


@docs.get("/openapi.json")
@call("Description", needs_key=False, answers={200: Answer("The document.", media="application/json")})
def show_openapi() -> Response:
    """Read this as OpenAPI 3.1."""
    return Response(json.dumps(_document(), ensure_ascii=False), mimetype="application/json")


@docs.get("/docs")
@call("Description", needs_key=False, answers={200: Answer("The page.", media=PAGE)})
def show_docs() -> Response:
    """Read this as a page."""
    document = _document()
    page = render_template("api/docs.html", api=document, sections=_sections(document), codes=_codes(), reasons=REASONS)
    return Response(page, mimetype=PAGE)


@docs.get("/errors/<code>")
@call(
    "Description", needs_key=False, path=ErrorPath, answers={200: Answer("The page.", media=PAGE)}, refuses=(NotFound,)
)
def show_error(path: ErrorPath) -> Response:
    """Explain an error code.

    What it means and what to do about it. The `type` of a problem leads here.
    """
    code = CODES.get(path.code)
    if code is None:
        raise NoSuchPage()
    calls = [one for section in _sections(_document()) for one in section["calls"] if code.code in one["codes"]]
    return Response(render_template("api/error.html", code=code, calls=calls), mimetype=PAGE)


@docs.app_template_filter("ticks")
def mark_code(text: str) -> Markup:
    """Text whose `words in ticks` are shown as code."""
    return Markup(_TICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped just before


@docs.app_template_filter("kind")
def name_kind(schema: dict[str, Any]) -> str:
    """A schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if "allOf" in schema:
        return name_kind(schema["allOf"][0])
    if "anyOf" in schema:
        return " or ".join(name_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " · ".join(str(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {name_kind(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    words = {"string": "text", "object": "object", "boolean": "true or false"}
    named = schema.get("contentMediaType") or schema.get("format")
    return "file" if schema.get("format") == "binary" else f"{words.get(kind, kind)}{f' ({named})' if named else ''}"


@docs.app_template_filter("pretty")
def spell_json(value: Any) -> str:
    """JSON on several lines."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _document() -> dict[str, Any]:
    """Made once per process."""
    kept: dict[str, Any] = current_app.extensions.setdefault("openapi", {})
    if not kept:
        kept |= describe(current_app)
    return kept


def _codes() -> list[Any]:
    return sorted(CODES.values(), key=lambda code: (code.status, code.code))


def _sections(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The calls by tag, each with what the page shows of it."""
    sections = []
    for tag in document["tags"]:
        calls = [
            {"path": path, "method": method.upper(), "codes": _codes_of(one["responses"])} | one
            for path, methods in document["paths"].items()
            for method, one in methods.items()
            if tag["name"] in one["tags"]
        ]
        sections.append(tag | {"calls": calls})
    return sections


def _codes_of(responses: dict[str, Any]) -> list[str]:
    return [
        code for answer in responses.values() for code in answer.get("content", {}).get(PROBLEM, {}).get("examples", ())
    ]

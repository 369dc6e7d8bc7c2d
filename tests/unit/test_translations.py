"""Both languages are complete: every text of templates and web code is marked, in the catalog, and translated."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from scripts import translate
from web.languages import TRANSLATED

TEMPLATES = sorted(
    path for path in (translate.WEB / "templates").rglob("*.html") if path.parent.name != "api"
)  # the API's own pages are for programmers
JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
NAMED = re.compile(r"(?:alt|title|placeholder|aria-label|aria-description)=\"([^\"]*)\"")
TAG = re.compile(r"<[^>]*>")
ENTITY = re.compile(r"&\w+;")
WORD = re.compile(r"[^\W\d_]{2,}")
NAMES = {"ComfyUI", "RQ"}
"""What is called the same in every language."""


def ids(catalog: translate.Catalog) -> set[object]:
    return {message.id for message in catalog if message.id}


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_catalog_holds_every_message_and_no_other(language: str) -> None:
    wanted, there = ids(translate.extract()), ids(translate.read(language))
    assert wanted == there, "run ./scripts/translations, and translate what it names"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_is_translated_with_the_same_placeholders(language: str) -> None:
    assert [
        message.id for message in translate.read(language) if message.id and not translate.is_complete(message)
    ] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(translate.WEB / "templates")))
def test_no_template_holds_words_that_are_not_marked(path: Path) -> None:
    source = JINJA.sub("", path.read_text(encoding="utf-8"))
    texts = [*NAMED.findall(source), ENTITY.sub(" ", TAG.sub(" ", source))]
    assert {word for text in texts for word in WORD.findall(text)} - NAMES == set()


def test_no_view_flashes_words_that_are_not_marked() -> None:
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in translate.WEB.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "flash"
        and not (isinstance(node.args[0], ast.Call))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "translated"), [("a %(name)s", "a"), ("a", "a %(name)s"), ("%(a)s %(b)s", "%(a)s %(a)s"), ("a", "")]
)
def test_a_wrong_translation_would_be_seen(source: str, translated: str) -> None:
    assert not translate.is_complete(translate.Message(source, translated))

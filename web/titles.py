"""What a style is called in the page's language."""

from __future__ import annotations

from flask import Flask
from flask_babel import get_locale

from web.context import farm


def title_style(name: str) -> str:
    """The style's title; a style that is gone from the shelf keeps its name."""
    style = farm().shelf.get(name)
    if style is None:
        return name
    return style.title.get(str(get_locale())) or style.title.get("en") or name


def register(app: Flask) -> None:
    """Templates say `{{ task.style | title_of_style }}`."""
    app.add_template_filter(title_style, "title_of_style")

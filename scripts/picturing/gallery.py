"""The page on which all pictures are seen: README.md beside them, written anew with them."""

from __future__ import annotations

from pathlib import Path

HEAD = """# The pages

Taken by `./scripts/screenshots` from a simulated farm, in English and in Chinese. Written by it, too.
"""
FIRST = ("kiosk", "guest", "board")
"""Whose pictures come first: those of guests, then what operators see first."""


def write_gallery(folder: Path) -> None:
    """Show every picture of the folder, by page."""
    names = {path.stem.rpartition("-")[0] for path in folder.glob("*-*.png")}
    parts = [HEAD, *(_show(name, folder) for name in sorted(names, key=_place))]
    (folder / "README.md").write_text("\n".join(parts), encoding="utf-8")


def _place(name: str) -> tuple[int, str]:
    """In which order they are shown."""
    who = name.partition("-")[0]
    return (FIRST.index(who) if who in FIRST else len(FIRST), name)


def _show(name: str, folder: Path) -> str:
    title = name.replace("-", ": ", 1).replace("-", " ").capitalize()
    pictures = sorted(path.name for path in folder.glob(f"{name}-??.png"))
    cells = [f'<td><img src="{picture}" alt="{title}"></td>' for picture in pictures]
    return f"## {title}\n\n<table><tr>{''.join(cells)}</tr></table>\n"

"""Loading style folders: the built-in ones and STYLES_DIR's, which add to and override them. Reads files, writes none.

A changed, new or removed folder is seen within a second, without a restart. A broken style is listed with its problem
and hurts no other.
"""

from __future__ import annotations

import json
import logging
import re
import stat
import threading
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jobs.styles.options import schema_of
from jobs.styles.spec import StyleSpec, build_recipe, recipe_id

log = logging.getLogger(__name__)

BUILTIN = Path(__file__).resolve().parent / "builtin"
STYLE_NAME = re.compile(r"[a-z0-9-]{1,64}")
LOOK_AGAIN_SECONDS = 1.0
MAX_FILE_BYTES = 4_000_000


@dataclass(frozen=True)
class Style:
    """A style as loaded. With a `problem` it has no recipe and cannot be ordered."""

    name: str
    title: dict[str, str]
    description: dict[str, str]
    options: dict[str, Any]
    resources: tuple[str, ...]
    recipe: dict[str, Any] | None
    recipe_id: str
    preview: Path | None
    problem: str | None


Signature = tuple[tuple[str, int, int], ...]


class StyleShelf:
    """All styles of this machine, by name."""

    def __init__(self, *folders: Path) -> None:
        """Later folders override styles of the same name in earlier ones."""
        self._folders = folders
        self._lock = threading.Lock()
        self._looked_at = -LOOK_AGAIN_SECONDS
        self._loaded: dict[Path, tuple[Signature, Style]] = {}
        self._styles: dict[str, Style] = {}

    def all(self) -> dict[str, Style]:
        """The styles, broken ones included, in order of name."""
        with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS:
                self._look()
                self._looked_at = time.monotonic()
            return self._styles

    def get(self, name: str) -> Style | None:
        """One style, or None."""
        return self.all().get(name)

    def _look(self) -> None:
        found: dict[str, Style] = {}
        loaded: dict[Path, tuple[Signature, Style]] = {}
        for folder in self._folders:
            for path in _list(folder):
                try:
                    if not (path / "style.toml").is_file():
                        continue
                    signature = _sign(path)
                except OSError:
                    signature = ()  # gone meanwhile, or not ours to read: loading it says which
                before = self._loaded.get(path)
                style = before[1] if before and before[0] == signature else load_style(path)
                loaded[path] = (signature, style)
                found[style.name] = style
        self._loaded = loaded
        self._styles = dict(sorted(found.items()))


def load_style(path: Path) -> Style:
    """One folder as a style; whatever is wrong with it becomes its `problem`."""
    name = path.name
    preview = path / "preview.jpg"
    try:
        if not STYLE_NAME.fullmatch(name):
            raise ValueError("a folder's name may hold only a-z, 0-9 and -")
        spec = StyleSpec.model_validate(tomllib.loads(_read(path / "style.toml")))
        recipe = build_recipe(name, spec, lambda file: json.loads(_read(path / file)))
        identity = recipe_id(recipe)
    except (OSError, ValueError, RecursionError) as exc:
        name = _readable(name)
        return Style(name, {"en": name, "zh": name}, {}, schema_of({}), (), None, "", None, _readable(_explain(exc)))
    return Style(
        name=name,
        title=spec.title,
        description=spec.description,
        options=recipe["options"],
        resources=tuple(dict.fromkeys(step.resource for step in spec.steps)),
        recipe=recipe,
        recipe_id=identity,
        preview=preview if preview.is_file() else None,
        problem=None,
    )


def _explain(exc: Exception) -> str:
    if isinstance(exc, ValidationError):
        error = exc.errors()[0]
        return f"style.toml: {_name_place(error['loc'])}: {error['msg'].removeprefix('Value error, ')}"
    if isinstance(exc, FileNotFoundError):
        return f"the file {Path(exc.filename).name} is missing"
    if isinstance(exc, OSError):
        return f"the file {Path(str(exc.filename)).name} cannot be read"
    if isinstance(exc, json.JSONDecodeError):
        return f"a workflow is not JSON: {exc}"
    if isinstance(exc, tomllib.TOMLDecodeError):
        return f"style.toml is not TOML: {exc}"
    return str(exc) or type(exc).__name__


def _name_place(loc: tuple[int | str, ...]) -> str:
    """`step 1, alternative 2: prompt` for ("steps", 0, "api", "alternatives", 1, "api", "prompt")."""
    words, rest = list[str](), loc
    for table, word in (("steps", "step"), ("alternatives", "alternative")):
        if len(rest) > 1 and rest[0] == table and isinstance(rest[1], int):
            words.append(f"{word} {rest[1] + 1}")
            rest = rest[3:]  # after the number stands the table's resource
    field = ".".join(str(part) for part in rest)
    return ": ".join(part for part in (", ".join(words), field) if part)


def _readable(text: str) -> str:
    """The same as text that can be sent: a file's name or a workflow may hold halves of characters."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _list(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as exc:
        if not isinstance(exc, FileNotFoundError):
            log.warning("a folder of styles cannot be read", extra={"error": type(exc).__name__})
        return []


def _read(path: Path) -> str:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path.name} is no plain file")
    if status.st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_FILE_BYTES // 1_000_000} MB")
    return path.read_text(encoding="utf-8")


def _sign(path: Path) -> Signature:
    parts = []
    for file in sorted(path.iterdir()):
        try:
            status = file.stat()
        except FileNotFoundError:
            continue
        parts.append((file.name, status.st_mtime_ns, status.st_size))
    return tuple(parts)

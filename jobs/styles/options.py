"""What a guest or booth may choose in a style: the declared options, their JSON Schema, cleaning and checking values.

Pure. Values reach a graph or prompt only through declared bindings, so the checks here are about range and type.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any, Literal

from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobs.errors import OptionsRejected

MAX_TEXT = 2000
LARGEST = 2**63
JSON_TYPES = {"number": "number", "integer": "integer", "string": "string", "boolean": "boolean"}


class OptionSpec(BaseModel):
    """One `[options.<name>]` table of a style.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["number", "integer", "string", "boolean", "choice"]
    default: Any
    title: dict[str, str] | None = None
    minimum: float | None = Field(None, allow_inf_nan=False)
    maximum: float | None = Field(None, allow_inf_nan=False)
    max_length: int | None = Field(None, ge=1, le=MAX_TEXT)
    choices: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> OptionSpec:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("`choices` belong to type choice, and it needs them")
        if not _is_usable(self.default) or not Draft202012Validator(self.schema_of()).is_valid(self.default):
            raise ValueError("the default does not fit")
        return self

    def schema_of(self) -> dict[str, Any]:
        """This option as JSON Schema."""
        schema: dict[str, Any] = {"default": self.default}
        if self.title:
            schema["title"] = self.title.get("en", "")
            schema["x-title"] = self.title
        if self.type == "choice":
            return schema | {"enum": list(self.choices)}
        schema["type"] = JSON_TYPES[self.type]
        if self.type in ("number", "integer"):
            schema |= {"exclusiveMinimum": -LARGEST} if self.minimum is None else {"minimum": self.minimum}
            schema |= {"exclusiveMaximum": LARGEST} if self.maximum is None else {"maximum": self.maximum}
        if self.type == "string":
            schema["maxLength"] = self.max_length or MAX_TEXT
        return schema


def schema_of(options: dict[str, OptionSpec]) -> dict[str, Any]:
    """The JSON Schema of a style's options. Unknown names are allowed and ignored, as unknown form fields are."""
    return {"type": "object", "properties": {name: option.schema_of() for name, option in options.items()}}


def check_options(schema: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The chosen values of declared options, cleaned. Raises OptionsRejected, naming the option and not its value."""
    known = {
        name: clean_text(value) if isinstance(value, str) and "enum" not in schema["properties"][name] else value
        for name, value in given.items()
        if name in schema["properties"]
    }
    for name, value in known.items():
        wrong = ""
        if not _is_usable(value):
            wrong = "is not a number that can be used"
        elif not Draft202012Validator(schema["properties"][name]).is_valid(value):
            wrong = "is outside what the style allows"
        if wrong:
            raise OptionsRejected(f"The option {name} {wrong}.", fields={f"options.{name}": wrong})
    return known


def key_of(options: dict[str, Any]) -> str:
    """A digest of options as given: equal choices have equal keys, whatever their order."""
    canonical = json.dumps(options, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def with_defaults(schema: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """All declared options: the given value, else the default."""
    return {name: given.get(name, option["default"]) for name, option in schema["properties"].items()}


def _is_usable(value: Any) -> bool:
    """Numbers are held to what every JSON reader, database and server takes."""
    return not isinstance(value, int | float) or abs(value) < LARGEST


def clean_text(text: str) -> str:
    """Text without controls, bidirectional overrides, lone surrogates and private characters."""
    kept = (char for char in text if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"})
    return unicodedata.normalize("NFC", "".join(kept)).strip()

"""What is set for each cloud provider: the same few settings, named after it, such as OPENAI_API_KEY.

Limits, prices and time-outs are the operator's: what a provider's documents say holds for other accounts.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DEFAULTS: dict[str, dict[str, Any]] = {
    "openai": {"base_url": "https://api.openai.com/v1"},
    "ark": {"base_url": "https://ark.cn-beijing.volces.com/api/v3"},
    "siliconflow": {"base_url": "https://api.siliconflow.cn/v1"},
    "dashscope": {"base_url": "https://dashscope.aliyuncs.com/api/v1"},
    "replicate": {"base_url": "https://api.replicate.com/v1", "silence_s": 30.0},
    "gemini": {"base_url": "https://generativelanguage.googleapis.com/v1beta"},
    "fal": {"base_url": "https://queue.fal.run", "limit": 2, "silence_s": 30.0},
}
"""Each provider's name, and what holds for it unless the operator says otherwise."""

WITHOUT_SETTINGS = ("frame",)
"""Providers that work inside the farm: no key, no address, no price, and so nothing to set."""

Seconds = Annotated[float, Field(gt=0, le=30 * 86_400)]
Words = Annotated[tuple[str, ...], NoDecode]


def check_http_url(url: str) -> str:
    """The address without a trailing slash. Raises ValueError with a sentence."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is not an http:// or https:// address")
    return url.rstrip("/")


class ProviderSettings(BaseSettings):
    """One provider's. Read from variables that begin with its name."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    api_key: SecretStr | None = None
    api_token: SecretStr | None = None
    base_url: Annotated[str, AfterValidator(lambda url: check_http_url(url) if url else url)] = ""
    limit: int = Field(5, ge=0)
    per_minute: int | None = Field(None, ge=1)
    silence_s: Seconds = 180
    unknown: Literal["hold", "resubmit"] = "hold"
    prices: Annotated[dict[str, Annotated[float, Field(ge=0)]], NoDecode] = {}
    budget: float | None = Field(None, ge=0)
    result_hosts: Words = ()
    inline_bytes: int = Field(256_000, ge=0)
    """Where photos may be uploaded first: up to this size they go inside the request."""

    @field_validator("api_key", "api_token", "per_minute", "budget", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("prices", mode="before")
    @classmethod
    def _read_prices(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value or "{}")
        except ValueError:
            raise ValueError('must be JSON, such as {"gpt-image-1.5": 0.04, "*": 0.05}') from None

    @field_validator("result_hosts", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @property
    def key(self) -> str:
        """The key or token in clear; empty when there is none."""
        secret = self.api_key or self.api_token
        return secret.get_secret_value() if secret else ""

    def price_of(self, model: str) -> float | None:
        """What one call of a model costs, by the operator's list; `*` stands for all others."""
        return self.prices.get(model, self.prices.get("*"))


def free_of_settings() -> ProviderSettings:
    """What stands for a provider that has nothing to set. Reads no environment."""
    return ProviderSettings.model_construct(prices={"*": 0.0})


def load_provider(name: str, overrides: dict[str, Any], env_file: Any) -> ProviderSettings:
    """One provider's settings. `overrides` such as `openai_limit` win. Raises ValidationError, SettingsError."""
    start = f"{name}_"
    own = {key.removeprefix(start): value for key, value in overrides.items() if key.startswith(start)}
    settings = ProviderSettings(**{"_env_prefix": start, "_env_file": env_file} | own)
    given = settings.model_fields_set - (set() if settings.base_url else {"base_url"})
    return settings.model_copy(update={key: value for key, value in DEFAULTS[name].items() if key not in given})

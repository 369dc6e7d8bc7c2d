"""The only reader of the environment. Every setting of the farm, its default and its check.

`Settings.load()` answers with the settings or raises `SettingsError`, whose text names each bad setting.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.errors import SettingsError
from jobs.resources import RESOURCES
from jobs.settings.providers import (
    DEFAULTS,
    WITHOUT_SETTINGS,
    ProviderSettings,
    Seconds,
    Words,
    check_http_url,
    free_of_settings,
    load_provider,
)


class Settings(BaseSettings):
    """What operators may set, by environment variable or `.env` line of the same name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    data_dir: Path = Path("var")
    redis_url: str = ""
    database_url: str = ""
    storage_url: str = ""
    comfyui_urls: Words = ()

    comfyui_workers: int = Field(10, ge=0, le=500)
    api_workers: int = Field(5, ge=0, le=500)
    comfyui_limit: int | None = Field(None, ge=0)
    api_limit: int | None = Field(None, ge=0)
    queue_limit: int = Field(100, ge=0)
    booth_rate: int = Field(60, ge=1)
    comfyui_depth: int = Field(2, ge=1)

    styles_dir: Path | None = None
    secret_key: SecretStr | None = None
    admin_password: SecretStr | None = None
    public_url: str = ""
    allowed_hosts: Words = ()
    trusted_proxies: Words = ()
    metrics_token: SecretStr | None = None
    venue_timezone: str = ""
    database_pool_size: int = Field(10, ge=1)
    retention_days: int = Field(7, ge=1)
    disk_reserve_mb: int = Field(1024, ge=0)
    disk_warn_mb: int | None = Field(None, ge=0)
    sweeper_port: int | None = Field(None, ge=1, le=65535)
    sweeper_token: SecretStr | None = None
    copies_max_age_s: Seconds = 3600
    web_threads: int = Field(320, ge=8)
    simulate: bool = False

    task_deadline_s: Seconds = 21600
    order_open_s: Seconds = 43200
    claim_s: Seconds = 30
    sweep_s: Seconds = 2
    ring_s: Seconds = 3
    probe_s: Seconds = 5
    refused_s: Seconds = 15
    silent_s: Seconds = 60
    stall_s: Seconds = 90
    lookup_gap_s: Seconds = 2
    crash_wait_s: float = Field(10, ge=0, le=3600)
    fallback_pause_s: float = Field(30, ge=0, le=86_400)
    idle_s: Seconds = 30
    transfer_s: Seconds = 150
    brake_rate_s: Seconds = 120
    brake_breaker_s: Seconds = 60
    brake_quota_s: Seconds = 900
    brake_account_s: Seconds = 300

    _providers: dict[str, ProviderSettings] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read the environment and `.env`; `overrides` win. Raises SettingsError naming what is wrong."""
        starts = tuple(f"{name}_" for name in DEFAULTS)
        theirs = {name: overrides.pop(name) for name in list(overrides) if name.startswith(starts)}
        env_file = overrides.get("_env_file", cls.model_config.get("env_file"))
        wrong: list[str] = []
        settings, providers = None, {}
        try:
            settings = cls(**overrides)
        except ValidationError as exc:
            wrong += _explain(exc)
        for name in DEFAULTS:
            try:
                providers[name] = load_provider(name, theirs, env_file)
            except ValidationError as exc:
                wrong += _explain(exc, f"{name}_")
        if settings is None or wrong:
            raise SettingsError("; ".join(wrong))
        settings._providers = providers | {name: free_of_settings() for name in WITHOUT_SETTINGS}
        return settings

    @field_validator("comfyui_urls", "allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("comfyui_urls")
    @classmethod
    def _check_servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(check_http_url(url) for url in value))

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                ip_network(proxy, strict=False)
            except ValueError:
                raise ValueError(f"{proxy!r} is neither an address nor a network such as 10.0.0.0/8") from None
        return value

    @field_validator("venue_timezone")
    @classmethod
    def _check_zone(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key if value else value
        except (KeyError, ValueError, OSError):  # unknown; no name at all; the name of a folder of zones
            raise ValueError(f"{value!r} is no time zone; give a name such as Asia/Shanghai or Europe/Berlin") from None

    @field_validator("public_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return check_http_url(value) if value else value

    @field_validator(
        "styles_dir",
        "secret_key",
        "admin_password",
        "metrics_token",
        "disk_warn_mb",
        "sweeper_port",
        "sweeper_token",
        "comfyui_limit",
        "api_limit",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("storage_url")
    @classmethod
    def _check_storage(cls, value: str) -> str:
        if value.startswith("s3://"):
            raise ValueError("s3:// storage is not built yet; leave STORAGE_URL empty to keep files below DATA_DIR")
        if value:
            raise ValueError("only an empty value (files below DATA_DIR) is understood")
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: str) -> str:
        if value and not value.startswith(("postgresql+psycopg://", "sqlite:///")):
            raise ValueError(
                "must start with postgresql+psycopg:// or sqlite:///, or be empty for SQLite below DATA_DIR"
            )
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must start with redis://, rediss:// or unix://, or be empty")
        return value

    @model_validator(mode="after")
    def _check_times(self) -> Settings:
        if self.sweep_s >= self.claim_s:
            raise ValueError("SWEEP_S must be shorter than CLAIM_S")
        if self.sweeper_port is not None and self.sweeper_token is None:
            raise ValueError("SWEEPER_PORT needs SWEEPER_TOKEN: a sweeper does nothing for who does not know it")
        return self

    @property
    def database(self) -> str:
        """The database's URL: DATABASE_URL, or SQLite below DATA_DIR."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'farm.sqlite3'}"

    @property
    def redis_note(self) -> Path:
        """Where `./scripts/up` leaves the address of the Redis it started, for commands run beside it."""
        return self.data_dir / "redis" / "url"

    @property
    def redis(self) -> str:
        """Redis' URL: REDIS_URL, else that of the embedded server of this DATA_DIR, else the usual port."""
        if self.redis_url:
            return self.redis_url
        if self.redis_note.is_file():
            return self.redis_note.read_text().strip()
        return "redis://127.0.0.1:6379/0"

    @property
    def zone(self) -> ZoneInfo | None:
        """The venue's time zone; None for the machine's own, which `astimezone(None)` means too."""
        return ZoneInfo(self.venue_timezone) if self.venue_timezone else None

    @property
    def base_url(self) -> str:
        """What links start with: PUBLIC_URL, or the address that the web tier listens on."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def disk_warn(self) -> int:
        """Free MB below which operators are warned: DISK_WARN_MB, or five times the reserve."""
        return self.disk_reserve_mb * 5 if self.disk_warn_mb is None else self.disk_warn_mb

    def provider(self, name: str) -> ProviderSettings:
        """What is set for one cloud provider. Raises KeyError for a name that is none."""
        return self._providers[name]

    def with_provider(self, name: str, **changes: Any) -> Settings:
        """A copy in which one provider's settings differ."""
        copy = self.model_copy()
        copy._providers = self._providers | {name: self._providers[name].model_copy(update=changes)}
        return copy

    def limit_of(self, resource: str) -> int:
        """Calls of a resource that may be in flight over all machines."""
        limit = {"comfyui": self.comfyui_limit, "api": self.api_limit}[resource]
        return self.workers_of(resource) if limit is None else limit

    @property
    def limits(self) -> dict[str, int]:
        """Resource -> calls that may be in flight over all machines; an operator may have set less."""
        return {name: self.limit_of(name) for name in RESOURCES}

    def workers_of(self, resource: str) -> int:
        """Worker processes in this machine's pool of a resource."""
        return {"comfyui": self.comfyui_workers, "api": self.api_workers}[resource]


def _explain(error: ValidationError, start: str = "") -> list[str]:
    """One sentence for each wrong setting. `start`: what its name begins with outside."""
    lines = []
    for one in error.errors():
        name = f"{start}{one['loc'][0]}".upper() if one["loc"] else "settings"
        lines.append(f"{name}: {one['msg'].removeprefix('Value error, ')}")
    return lines

"""Settings: defaults, what is understood, and errors that name the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.errors import SettingsError
from jobs.settings import Settings
from jobs.settings.providers import DEFAULTS


def load(**given: Any) -> Settings:
    return Settings.load(_env_file=None, **given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "99999"),
        ("port", ""),
        ("comfyui_urls", "comfy:8188"),
        ("comfyui_urls", "http://a:8188, ftp://b"),
        ("redis_url", "http://localhost"),
        ("database_url", "mysql://localhost/farm"),
        ("database_url", "postgresql://localhost/farm"),
        ("storage_url", "s3://bucket"),
        ("storage_url", "/srv/files"),
        ("queue_limit", "-1"),
        ("queue_limit", "many"),
        ("claim_s", "0"),
        ("claim_s", "nan"),
        ("openai_unknown", "retry"),
        ("openai_base_url", "api.openai.com"),
        ("public_url", "javascript:alert(1)"),
        ("simulate", "perhaps"),
    ],
)
def test_an_error_names_the_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name.upper(), value)
    with pytest.raises(SettingsError, match=rf"\b{name.upper()}\b"):
        load()


def test_all_bad_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load(port=0, queue_limit=-5, redis_url="x")
    assert all(name in str(caught.value) for name in ("PORT", "QUEUE_LIMIT", "REDIS_URL"))


def test_a_sweep_that_is_longer_than_a_claim_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"SWEEP_S.*CLAIM_S"):
        load(sweep_s=30, claim_s=30)


def test_an_error_does_not_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2-hunter2")
    monkeypatch.setenv("PORT", "x")
    with pytest.raises(SettingsError) as caught:
        load()
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("PORT", "80")
    assert "hunter2" not in repr(load())


def test_empty_values_mean_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COMFYUI_URLS", "SECRET_KEY", "COMFYUI_LIMIT", "STYLES_DIR", "REDIS_URL", "DATABASE_URL"):
        monkeypatch.setenv(name, "")
    settings = load()
    assert settings.comfyui_urls == ()
    assert settings.secret_key is None and settings.styles_dir is None
    assert settings.limit_of("comfyui") == 10
    assert settings.limit_of("api") == 5


def test_lists_are_split_trimmed_and_without_doubles() -> None:
    settings = load(comfyui_urls=" http://a:1/ ,http://b:2,, http://a:1")
    assert settings.comfyui_urls == ("http://a:1", "http://b:2")


def test_limits_follow_the_workers_unless_they_are_set() -> None:
    assert load(comfyui_workers=3).limit_of("comfyui") == 3
    assert load(comfyui_workers=3, comfyui_limit=0).limit_of("comfyui") == 0
    assert load(api_workers=2, api_limit=7).limit_of("api") == 7


def test_the_database_lies_below_the_data_folder_unless_named(tmp_path: Path) -> None:
    assert load(data_dir=tmp_path).database == f"sqlite:///{tmp_path / 'farm.sqlite3'}"
    assert load(database_url="postgresql+psycopg://h/d").database == "postgresql+psycopg://h/d"


def test_redis_is_the_named_one_else_the_embedded_one_else_the_usual_port(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path)
    assert settings.redis == "redis://127.0.0.1:6379/0"
    settings.redis_note.parent.mkdir()
    settings.redis_note.write_text("redis://127.0.0.1:7777/0\n")
    assert settings.redis == "redis://127.0.0.1:7777/0"
    assert load(data_dir=tmp_path, redis_url="redis://h:1/0").redis == "redis://h:1/0"


def test_a_time_without_end_is_refused() -> None:
    with pytest.raises(SettingsError, match="CLAIM_S"):
        load(claim_s="inf")


def test_each_provider_has_its_own_defaults_and_the_operator_s_word_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_SILENCE_S", "12")
    monkeypatch.setenv("FAL_BASE_URL", "")
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8")
    monkeypatch.setenv("OPENAI_PRICES", '{"gpt-image-1": 0.04, "*": 0.05}')
    settings = load(openai_limit=3)
    fal, openai = settings.provider("fal"), settings.provider("openai")
    assert (fal.base_url, fal.limit, fal.silence_s, fal.key) == ("https://queue.fal.run", 2, 12, "")
    assert settings.provider("replicate").key == "r8"
    assert (openai.limit, openai.price_of("gpt-image-1"), openai.price_of("other")) == (3, 0.04, 0.05)


@pytest.mark.parametrize("value", ["0.05", "cheap", '{"*": -1}', '["*"]'])
def test_bad_prices_are_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ARK_PRICES", value)
    with pytest.raises(SettingsError, match=r"\bARK_PRICES\b"):
        load()


def test_the_example_names_every_setting_of_every_provider_as_it_is_by_default() -> None:
    lines = dict(
        line.split("=", 1)
        for line in (Path(__file__).parents[2] / ".env.example").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    settings = load()
    for name in DEFAULTS:
        own = settings.provider(name)
        start = f"{name}_".upper()
        assert lines[f"{start}BASE_URL"] == own.base_url
        assert (float(lines[f"{start}LIMIT"]), float(lines[f"{start}SILENCE_S"])) == (own.limit, own.silence_s)
        assert {start + key for key in ("PER_MINUTE", "PRICES", "BUDGET", "RESULT_HOSTS")} <= lines.keys()


@pytest.mark.parametrize("value", ["Mars/Olympus", "Asia", "../etc/passwd", "/etc/passwd", "UTC+8", "a\0b"])
def test_a_zone_that_nobody_knows_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"VENUE_TIMEZONE: .*Asia/Shanghai"):
        load(venue_timezone=value)


def test_the_venue_s_zone_is_the_machine_s_unless_named() -> None:
    assert load().zone is None
    assert str(load(venue_timezone="Europe/Berlin").zone) == "Europe/Berlin"

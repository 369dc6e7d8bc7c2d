"""The providers, one small file each, behind one protocol. A new one is its file and its line in PROVIDERS."""

from __future__ import annotations

from collections.abc import Callable

from jobs.cloud.provider import Provider
from jobs.cloud.providers import openai_images
from jobs.settings import Settings

PROVIDERS: dict[str, Callable[[Settings], Provider]] = {
    "openai": openai_images.from_settings,
}
"""Name, as styles use it -> how to make the provider from the settings."""

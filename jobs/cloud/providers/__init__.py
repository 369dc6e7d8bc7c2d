"""The providers, one small file each, behind one protocol. A new one is its file and its line in PROVIDERS."""

from __future__ import annotations

from collections.abc import Callable

from jobs.cloud.provider import Provider
from jobs.cloud.providers.ark_images import ArkImages, SiliconflowImages
from jobs.cloud.providers.dashscope import Dashscope
from jobs.cloud.providers.fal import Fal
from jobs.cloud.providers.frame import Frame
from jobs.cloud.providers.gemini import Gemini
from jobs.cloud.providers.openai_images import OpenaiImages
from jobs.cloud.providers.replicate import Replicate
from jobs.settings import Settings
from jobs.settings.providers import ProviderSettings

PROVIDERS: dict[str, Callable[[str, ProviderSettings], Provider]] = {
    "openai": OpenaiImages,
    "ark": ArkImages,
    "siliconflow": SiliconflowImages,
    "gemini": Gemini,
    "replicate": Replicate,
    "fal": Fal,
    "dashscope": Dashscope,
    "frame": Frame,
}
"""Name, as styles and settings use it -> how to make the provider from what is set for it."""


def make_providers(settings: Settings) -> dict[str, Provider]:
    """All providers by name, configured or not."""
    return {name: make(name, settings.provider(name)) for name, make in PROVIDERS.items()}

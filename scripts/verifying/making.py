"""How a check comes by a provider of the farm, and by the photo that it sends."""

from __future__ import annotations

import base64
from typing import Any

from jobs.cloud.provider import Done, ImageRequest, Pending, Provider
from jobs.cloud.providers import PROVIDERS
from jobs.cloud.results import DATA_URL
from jobs.errors.steps import StepError
from jobs.media.images import prepare_picture
from jobs.settings.providers import ProviderSettings
from scripts.simulators import photos
from scripts.verifying.sheet import Failed, expect

KEY = "key-of-the-proof"
PROMPT = "Paint this person as a sailor, 海边"
PHOTO = photos.portrait(0x5EA, size=(300, 400))
LARGE_PHOTO = photos.portrait(0x5EB, size=(1536, 2048), quality=95)
PICTURE = photos.portrait(0x5EC, size=(600, 800))
"""What the servers give back."""
PICTURE_URL = f"{DATA_URL}image/jpeg;base64,{base64.b64encode(PICTURE).decode()}"
SECONDS = 20.0


def provider_at(name: str, base_url: str, **settings: Any) -> Provider:
    """The farm's provider as operators set it, at this address."""
    given = {"api_key": KEY, "base_url": base_url, "silence_s": SECONDS} | settings
    return PROVIDERS[name](name, ProviderSettings(**{"_env_file": None, "_env_prefix": "nobody_"} | given))


def request_of(model: str, parameters: dict[str, Any], prompt: str = PROMPT, photo: bytes = PHOTO) -> ImageRequest:
    return ImageRequest(photo, prompt, model, dict(parameters), "key-1")


def submit(provider: Provider, request: ImageRequest, kept: list[str] | None = None) -> Done | Pending:
    """Buy a picture. Raises StepError."""
    return provider.submit(request, (kept if kept is not None else []).append, SECONDS)


def failure_of(provider: Provider, request: ImageRequest) -> StepError:
    """The error that a purchase ends with. Raises Failed when it has none."""
    try:
        found = submit(provider, request)
    except StepError as error:
        return error
    raise Failed(f"no error but {type(found).__name__}")


def expect_error(provider: Provider, request: ImageRequest, error: type[StepError], retry_after: float | None) -> str:
    """Buy in vain; what was read. Raises Failed when it was another error."""
    found = failure_of(provider, request)
    expect(type(found) is error, f"read as {type(found).__name__} ({found.detail})")
    waits = getattr(found, "retry_after", None)
    expect(retry_after is None or waits == retry_after, f"waits {waits} s instead of {retry_after}")
    return f"{error.__name__}, {found.detail}" + (f", after {waits:.0f} s" if waits else "")


def expect_picture(found: Done | Pending) -> str:
    """Raises Failed when it is not the one picture that the servers have."""
    expect(isinstance(found, Done), f"{type(found).__name__} instead of a picture")
    images = found.images if isinstance(found, Done) else ()
    expect(images == (PICTURE,), f"{len(images)} pictures, not the one that was served")
    prepare_picture(images[0])
    return f"one picture of {len(images[0]) // 1000} kB"

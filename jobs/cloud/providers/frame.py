"""No cloud at all: the photo itself with a paper border, as the last rung of a style's ladder. Costs nothing.

Parameters: `width` and `height` of the picture and `border` in px, each optional. Model and prompt are not looked at.
"""

from __future__ import annotations

from typing import Any, Literal

from jobs.cloud.provider import Done, ImageRequest, Keep, NotThere, Pending
from jobs.errors.steps import BadInput
from jobs.media.images import MIN_PICTURE_SIDE, STORED_SIDE, frame_photo
from jobs.settings.providers import ProviderSettings


class Frame:
    """Makes its picture within `submit`. To make it again costs nothing, so no call of it is ever in doubt."""

    on_unknown: Literal["hold", "resubmit"] = "resubmit"
    can_look_up = False
    takes_key = True

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self.limit = settings.limit
        self.silence_s = settings.silence_s

    def is_configured(self) -> bool:
        """Always."""
        return True

    def submit(self, request: ImageRequest, keep_remote_id: Keep, seconds: float) -> Done | Pending:
        """Frame the photo. Raises BadInput for a parameter that is no size."""
        width, height = (_read(request.parameters, name, MIN_PICTURE_SIDE) for name in ("width", "height"))
        return Done((frame_photo(request.photo, width, height, _read(request.parameters, "border", 0)),))

    def poll(self, model: str, remote_id: str, seconds: float) -> Done | Pending:
        """There is nothing to ask about. Raises NotThere."""
        raise NotThere("nothing is kept")

    def cancel(self, model: str, remote_id: str, seconds: float) -> None:
        """There is nothing to stop."""


def _read(parameters: dict[str, Any], name: str, least: int) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= STORED_SIDE:
        raise BadInput("A size of this style cannot be used.", detail=name)
    return value

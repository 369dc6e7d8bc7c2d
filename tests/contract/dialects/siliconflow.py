"""SiliconFlow's dialect: nearly Ark's question, an answer of its own, pictures by address."""

from __future__ import annotations

from typing import Any

from jobs.cloud.providers.ark_images import SiliconflowImages
from jobs.errors.steps import AccountRefused, BadAnswer, BadInput, Busy, ContentRefused, QuotaExhausted, Transient
from scripts.simulators.ark_images import SiliconflowStandIn
from tests.contract.dialects.dialect import KEY, Dialect, Said


def refusal(code: Any) -> dict[str, Any]:
    return {"code": code, "message": "words of a guest", "data": None}


DIALECT = Dialect(
    name="siliconflow",
    make=SiliconflowImages,
    stand_in=SiliconflowStandIn,
    model="Qwen/Qwen-Image-Edit-2509",
    parameters={"num_inference_steps": 20, "cfg": 4},
    submit_path="/v1/images",
    result_path="/results",
    key=("authorization", f"Bearer {KEY}"),
    rate=Said(429, {"message": "rate limiting, guest", "data": ""}),
    quota=Said(403, refusal(30001), {"Retry-After": "1"}),
    refused=Said(451, "guest"),
    others=(
        (Said(400, refusal(20012)), AccountRefused),
        (Said(400, refusal(20015)), BadInput),
        (Said(400, refusal(1)), BadInput),
        (Said(401, '"Invalid token, guest"'), AccountRefused),
        (Said(401, refusal(30014)), AccountRefused),
        (Said(402, refusal(30001)), QuotaExhausted),
        (Said(403, refusal(30003)), AccountRefused),
        (Said(404, "404 page not found, guest"), BadInput),
        (Said(451, refusal(1)), ContentRefused),
        (Said(503, refusal(50505)), Busy),
        (Said(504, '"guest"'), Transient),
        (Said(500, refusal(50000)), Transient),
        # A success by its status only.
        (Said(200, refusal(20015)), BadInput),
        (Said(200, refusal(30001)), QuotaExhausted),
        (Said(200, {"images": [], "data": []}), BadAnswer),
        # What no service should say.
        (Said(400, refusal("words of a guest")), BadInput),
        (Said(400, refusal(["guest"])), BadInput),
        (Said(200, {"images": {"guest": 1}}), BadAnswer),
        (Said(200, {"images": ["guest"]}), BadAnswer),
        (Said(200, {"images": [{"url": 7}]}), BadAnswer),
        (Said(200, {"images": [{"url": "http://127.0.0.1/guest.png"}]}), BadAnswer),
        (Said(307, "<html>elsewhere</html>"), BadAnswer),
    ),
)

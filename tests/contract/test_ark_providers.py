"""What Ark and SiliconFlow have of their own: what they are asked, and answers that hold a part of what was asked."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from scripts.simulators.ark_images import SiliconflowStandIn, StandIn
from tests.contract.dialects import ark, siliconflow
from tests.contract.fakes import MARK, mark_in


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as api:
        yield api


@pytest.fixture
def siliconflow_api() -> Iterator[SiliconflowStandIn]:
    with SiliconflowStandIn() as api:
        yield api


def say(api: StandIn, *items: Any) -> None:
    api.add_fault("body", path="/v3/images", body={"model": "m", "data": list(items)})


def test_ark_is_asked_for_what_the_style_names_and_for_the_picture_itself(api: StandIn) -> None:
    fetched = api.add_fault("drop", path="/results")
    ark.DIALECT.buy(ark.DIALECT.provider(api.base_url))
    [sent] = api.log("submit")
    assert sent["fields"] == ["image", "model", "prompt", "response_format", "size", "watermark"]
    assert (sent["size"], sent["watermark"]) == ("768x1200", False)
    assert fetched.hits == 0  # it came in the answer


def test_siliconflow_is_asked_for_what_the_style_names(siliconflow_api: SiliconflowStandIn) -> None:
    siliconflow.DIALECT.buy(siliconflow.DIALECT.provider(siliconflow_api.base_url))
    [sent] = siliconflow_api.log("submit")
    assert sent["fields"] == ["cfg", "image", "model", "num_inference_steps", "prompt"]


def test_style_cannot_take_the_place_of_photo_and_answer(api: StandIn) -> None:
    provider = ark.DIALECT.provider(api.base_url)
    request = ark.DIALECT.request()
    request.parameters.update({"response_format": "url", "image": "https://elsewhere.example/x.png"})
    bought = provider.submit(request, lambda remote_id: None, 10.0)
    assert [mark_in(data) for data in bought.images] == [MARK]  # type: ignore[union-attr]


def test_pictures_that_were_made_are_kept_though_another_was_not(api: StandIn) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG")
    picture = {"b64_json": base64.b64encode(file.getvalue()).decode()}
    lacking = {"error": {"code": "OutputImageSensitiveContentDetected", "message": "guest"}}
    say(api, lacking, picture)
    assert ark.DIALECT.buy(ark.DIALECT.provider(api.base_url)).images == (file.getvalue(),)


def test_newer_answers_of_siliconflow_name_pictures_in_data(siliconflow_api: SiliconflowStandIn) -> None:
    provider = siliconflow.DIALECT.provider(siliconflow_api.base_url)
    siliconflow.DIALECT.buy(provider)
    [sent] = siliconflow_api.log("submit")
    address = f"{siliconflow_api.url}/results/{sent['prompt_id']}/0"
    siliconflow_api.add_fault("body", path="/v1/images", body={"images": None, "data": [{"url": address}]})
    assert [mark_in(data) for data in siliconflow.DIALECT.buy(provider).images] == [MARK]

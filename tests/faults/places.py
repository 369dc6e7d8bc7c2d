"""What workers send their work to: ComfyUI or a cloud provider, and how its journal is read beside the rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.simulators.comfyui import StandIn as Comfyui
from scripts.simulators.openai_images import StandIn as Openai
from scripts.simulators.replicate import StandIn as Replicate
from tests.ladders import cloud_step, write_style

Row = dict[str, Any]
NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Place:
    """A stand-in of which the farm knows only the gate. Here ComfyUI, which takes the call's own id as the prompt's."""

    stand_in: Comfyui | Openai | Replicate
    resource: str = "comfyui"
    styles: tuple[str, ...] = ("framed-print", "poster-framed")
    """Offered once the farm is ready; the first is submitted unless a case says otherwise."""
    named_by: str = "external_id"
    """The column of `calls` that holds what the stand-in's journal calls it."""
    in_flight: str = "remaining"
    """The figure of the stand-in that is 0 when nothing is on its way there."""
    excuses: frozenset[str] = frozenset({"failed", "lost", "unknown"})
    """How a call may have ended that the stand-in saw, although the step was submitted again (I8)."""

    def settings(self, folder: Path, port: int, workers: int) -> dict[str, str]:
        """The farm's settings for it. `folder`: for what it needs on the disk. `port`: of the gate."""
        return {
            "COMFYUI_URLS": f"http://127.0.0.1:{port}",
            "COMFYUI_WORKERS": str(workers),
            "COMFYUI_LIMIT": str(workers),
            "COMFYUI_DEPTH": str(workers),
        }

    def match(self, submissions: list[Row], calls: list[Row], mark: int) -> list[tuple[Row, Row]]:
        """Those of the submissions that a step made, each with its call. `mark`: of the step's photo."""
        named = {call[self.named_by]: call for call in calls}
        return [(row, named[row["prompt_id"]]) for row in submissions if row["prompt_id"] in named]


@dataclass(frozen=True)
class CloudPlace(Place):
    """A provider: it gives a call an id of its own, which nobody has heard who did not live to hear the answer."""

    resource: str = "api"
    styles: tuple[str, ...] = ("cloud",)
    named_by: str = "remote_id"
    in_flight: str = "in_flight"
    excuses: frozenset[str] = frozenset({"unknown"})
    provider: str = ""
    step: str = ""
    unknown: str = "resubmit"
    key: str = "API_KEY"

    def settings(self, folder: Path, port: int, workers: int) -> dict[str, str]:
        """As the base class says; its style is written into the folder."""
        write_style(folder / "styles", self.styles[0], self.step + "timeout_s = 60\n")
        path = self.stand_in.server.BASE_PATH  # type: ignore[union-attr]  # one of the clouds
        name = self.provider.upper()
        return {
            "STYLES_DIR": str(folder / "styles"),
            "COMFYUI_URLS": NOBODY,  # a farm must have one
            "COMFYUI_WORKERS": "0",
            "API_WORKERS": str(workers),
            f"{name}_{self.key}": "simulated",
            f"{name}_BASE_URL": f"http://127.0.0.1:{port}{path}",
            f"{name}_UNKNOWN": self.unknown,
        }

    def match(self, submissions: list[Row], calls: list[Row], mark: int) -> list[tuple[Row, Row]]:
        """By the photo's mark. A submission whose answer nobody heard belongs to a sent call that knows no id."""
        named = {call["remote_id"]: call for call in calls if call["remote_id"]}
        nameless = [call for call in calls if call["sent_at"] and not call["remote_id"]]
        pairs = []
        for row in submissions:
            if int(row["inputs"][0]["mark"], 16) != mark:
                continue
            assert row["prompt_id"] in named or nameless, "a submission that no call accounts for"
            pairs.append((row, named.get(row["prompt_id"]) or nameless.pop(0)))
        return pairs


def replicate(stand_in: Replicate) -> Place:
    """Polled; results lie at the same host. What nobody can tell is bought once more, so that every task succeeds."""
    return CloudPlace(
        stand_in,
        provider="replicate",
        step=cloud_step("replicate", "black-forest-labs/flux-kontext-pro", aspect_ratio="2:3"),
        key="API_TOKEN",
    )


def openai(stand_in: Openai, unknown: str) -> Place:
    """The picture comes in the answer; nothing can be asked about later. `unknown`: `hold` or `resubmit`."""
    return CloudPlace(
        stand_in, provider="openai", step=cloud_step("openai", "gpt-image-1.5", size="1024x1536"), unknown=unknown
    )

"""The cloud services of a storm: a stand-in for each provider, every one a machine of its own, and their styles."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.styles.shelf import BUILTIN
from scripts.embedded_redis import free_port
from scripts.launch import KEY_OF, SIMULATED_PRICES, STAND_IN_NICE
from scripts.simulators.clouds import APIS
from scripts.storming.machines import Machine

JOURNAL = "clouds.jsonl"
LIMIT = 2
CHAIN = "comic-framed"


@dataclass(frozen=True)
class Dialect:
    """What differs between the providers. Paths as a fault of a stand-in names them, without what they begin with."""

    buys: str
    asks: str = ""
    """Where it is asked about a call; empty where the picture comes in the answer."""
    silence_s: float = 5.0
    """Long enough for an answer that draws the picture first, on a busy machine."""
    on_unknown: str = "hold"


DIALECTS = {
    "openai": Dialect("/v1/images", silence_s=10.0),
    "replicate": Dialect("/v1/models", "/v1/predictions", on_unknown="resubmit"),
    "dashscope": Dialect("/v1/services", "/v1/tasks"),
}
"""By the provider's name: one without ids, two that are asked; both policies for what nobody can tell."""


@dataclass(frozen=True)
class Cloud:
    """One provider's stand-in."""

    provider: str
    port: int
    machine: Machine

    @property
    def url(self) -> str:
        """Where it is steered."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def dialect(self) -> Dialect:
        return DIALECTS[self.provider]

    @property
    def environment(self) -> Mapping[str, str]:
        """What the farm is told of it."""
        name = self.provider.upper()
        return {
            f"{name}_BASE_URL": f"{self.url}{APIS[self.provider].BASE_PATH}",
            KEY_OF.get(self.provider, f"{name}_API_KEY"): "simulated",
            f"{name}_PRICES": SIMULATED_PRICES,
            f"{name}_LIMIT": str(LIMIT),
            f"{name}_SILENCE_S": str(self.dialect.silence_s),
            f"{name}_UNKNOWN": self.dialect.on_unknown,
        }

    @property
    def described(self) -> dict[str, object]:
        """What the checker must know of it."""
        return {"port": self.port, "limit": LIMIT, "unknown": self.dialect.on_unknown}


def make_clouds(folder: Path, *, seconds: float) -> dict[str, Cloud]:
    """A stand-in for each provider, not started yet; all write one journal. `seconds`: how long a call takes."""
    clouds = {}
    for provider in DIALECTS:
        port = free_port()
        options = ["--port", str(port), "--seconds", str(seconds), "--die-with-parent", str(os.getpid())]
        module = [APIS[provider].__module__, *options, "--log", str(folder / JOURNAL)]
        clouds[provider] = Cloud(
            provider, port, Machine(provider, module, log=folder / "stand-ins.log", nice=STAND_IN_NICE)
        )
    return clouds


def write_chain(folder: Path) -> Path:
    """A folder of styles with a chain from a polled provider to ComfyUI, which no built-in style is."""
    style = folder / "styles" / CHAIN
    style.mkdir(parents=True)
    first, second = (BUILTIN / name for name in ("comic-cloud", "framed-print"))
    steps = [part.joinpath("style.toml").read_text(encoding="utf-8") for part in (first, second)]
    framing = steps[1][steps[1].index("[[steps]]") :]
    style.joinpath("style.toml").write_text(f"{steps[0]}\n{framing}", encoding="utf-8")
    shutil.copy(second / "frame.json", style)
    return style.parent

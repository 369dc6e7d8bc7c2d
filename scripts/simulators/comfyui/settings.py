"""What one ComfyUI stand-in pretends to be: how fast it is, which models it has, which nodes it lacks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.simulators.comfyui.prepared import Prepared

MODEL_FOLDERS = ("checkpoints", "loras", "controlnet", "upscale_models")
MAX_UPLOAD_BYTES = 100 * 1024 * 1024


@dataclass
class Settings:
    """May be changed while the server runs; a prompt that has begun keeps its time."""

    seconds: float = 0.0  # how long a prompt with a photo or a sampler takes in all
    models: dict[str, list[str]] = field(default_factory=lambda: {folder: [] for folder in MODEL_FOLDERS})
    without: frozenset[str] = frozenset()  # node classes that this server does not know
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    prepared: Prepared | None = None  # what every prompt is answered with, instead of rendering

    def change(self, wishes: Mapping[str, Any]) -> None:
        """Takes over `seconds`, `without` and the model folders; ValueError for anything else."""
        unknown = sorted(set(wishes) - {"seconds", "without", *MODEL_FOLDERS})
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(unknown)}")
        if "seconds" in wishes:
            self.seconds = float(wishes["seconds"])
        if "without" in wishes:
            self.without = frozenset(wishes["without"])
        for folder in MODEL_FOLDERS:
            if folder in wishes:
                self.models[folder] = list(wishes[folder])

    def described(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "without": sorted(self.without), **self.models}

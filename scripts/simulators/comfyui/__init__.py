"""A stand-in for ComfyUI: answers as a measured server did, runs graphs with Pillow, and fails on demand.

`StandIn` lives inside a test; `python -m scripts.simulators.comfyui --port 8188` is a process of its own.
"""

from scripts.simulators.comfyui.settings import Settings
from scripts.simulators.comfyui.standin import StandIn

__all__ = ["Settings", "StandIn"]

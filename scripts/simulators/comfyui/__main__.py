"""Starts one or several ComfyUI stand-ins in one process: `python -m scripts.simulators.comfyui --port 8188`."""

import argparse
import os
from pathlib import Path

from scripts.simulators.comfyui.folders import Folders
from scripts.simulators.comfyui.prepared import Prepared, read_size
from scripts.simulators.comfyui.server import Server
from scripts.simulators.comfyui.settings import MODEL_FOLDERS, Settings
from scripts.simulators.comfyui.sweeping import serve_sweeper
from scripts.simulators.hosting import die_with_parent, run_until_ended
from worker_configs.comfyui_host.sweeper import read_token

STARTED_BY = os.getppid()  # asked before anything slow: the parent may be gone later


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.simulators.comfyui", description=__doc__)
    parser.add_argument("--port", type=int, action="append", help="repeat for several servers; 0 is any free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a prompt with a photo or a sampler takes")
    parser.add_argument("--log", type=Path, help="append what happens as JSON lines")
    for option, folder in zip(("checkpoint", "lora", "controlnet", "upscaler"), MODEL_FOLDERS, strict=True):
        parser.add_argument(f"--{option}", dest=folder, metavar="NAME", action="append", default=[])
    parser.add_argument("--without", metavar="NODECLASS", action="append", default=[], help="a node it does not know")
    parser.add_argument(
        "--prepared",
        metavar="WIDTHxHEIGHT",
        type=read_size,
        help="answer every prompt with one ready-made picture of this size, so that measuring costs no rendering",
    )
    parser.add_argument("--sweeper-port", type=int, help="run a sweeper for all of them too; its token: SWEEPER_TOKEN")
    parser.add_argument("--max-upload-size", metavar="MB", type=float, default=100.0)
    parser.add_argument(
        "--die-with-parent",
        metavar="PID",
        type=int,
        nargs="?",
        const=STARTED_BY,
        help="end when whoever started it ends",
    )
    return parser.parse_args(arguments)


def settings_from(options: argparse.Namespace, prepared: Prepared | None = None) -> Settings:
    return Settings(
        seconds=options.seconds,
        models={folder: list(getattr(options, folder)) for folder in MODEL_FOLDERS},
        without=frozenset(options.without),
        max_upload_bytes=round(options.max_upload_size * 1024 * 1024),
        prepared=prepared,
    )


def main() -> None:
    options = parse()
    if options.die_with_parent is not None:
        die_with_parent(options.die_with_parent)

    prepared = Prepared.draw(options.prepared) if options.prepared else None

    folders: list[Folders] = []

    async def open_all() -> None:
        for port in options.port or [8188]:
            server = Server(settings_from(options, prepared), options.log)
            await server.open(options.host, port)
            folders.append(server.folders)
            print(f"SIMULATED ComfyUI on http://{options.host}:{server.port}", flush=True)
        if options.sweeper_port is not None:
            sweeper = serve_sweeper(folders, read_token(), host=options.host, port=options.sweeper_port)
            print(f"SIMULATED sweeper on http://{options.host}:{sweeper.server_address[1]}", flush=True)

    run_until_ended(open_all)


if __name__ == "__main__":
    main()

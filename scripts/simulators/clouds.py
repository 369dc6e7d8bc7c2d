"""All cloud stand-ins in one process, each API on a port of its own: a process for each would cost much memory.

`python -m scripts.simulators.clouds --log-folder FOLDER` prints a line for each: the provider's name, what it is a
stand-in for, and last the base address. Each writes FOLDER/<name>.jsonl.
"""

from pathlib import Path

from scripts.simulators.ark_images import ImagesApi as ArkApi
from scripts.simulators.ark_images import SiliconflowApi
from scripts.simulators.cloud import CloudApi, make_parser, open_api, parse_options
from scripts.simulators.dashscope import DashscopeApi
from scripts.simulators.fal import FalApi
from scripts.simulators.gemini import GeminiApi
from scripts.simulators.hosting import run_until_ended
from scripts.simulators.openai_images import ImagesApi as OpenaiApi
from scripts.simulators.replicate import ReplicateApi

APIS: dict[str, type[CloudApi]] = {
    "openai": OpenaiApi,
    "ark": ArkApi,
    "siliconflow": SiliconflowApi,
    "gemini": GeminiApi,
    "replicate": ReplicateApi,
    "fal": FalApi,
    "dashscope": DashscopeApi,
}
"""The provider's name, as styles and settings use it -> its stand-in."""


def main() -> None:
    parser = make_parser("scripts.simulators.clouds", "Stand-ins for all cloud services, on free ports.")
    parser.add_argument("--log-folder", type=Path, required=True, help="append what happens to a file for each")
    options = parse_options(parser)

    async def open_all() -> None:
        for name, api_class in APIS.items():
            api = api_class(seconds=options.seconds, log=options.log_folder / f"{name}.jsonl")
            print(name, await open_api(api, options.host, 0), flush=True)

    run_until_ended(open_all)


if __name__ == "__main__":
    main()

"""The stand-ins as processes: they say where they listen, write their log, and end when they should."""

import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from PIL import Image

from jobs.cloud.providers import PROVIDERS
from jobs.settings.providers import DEFAULTS, WITHOUT_SETTINGS
from scripts.simulators import photos
from scripts.simulators.clouds import APIS

ROOT = Path(__file__).parents[2]
TIMEOUT = 20
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 5}},
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}
# A parent that starts a stand-in and waits to be killed.
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", *sys.argv[1:]], stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline().split()[-1], flush=True)
child.wait()
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_one_process_serves_several_servers_into_one_log(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    ports = ("--port", "0", "--port", "0")
    with start("-m", "scripts.simulators.comfyui", *ports, "--seconds", "0", "--log", str(log)) as process:
        urls = [line_of(process).split()[-1] for _ in range(2)]
        for number, url in enumerate(urls):
            body = {"prompt": GRAPH, "prompt_id": f"p{number}"}
            assert requests.post(f"{url}/prompt", json=body, timeout=TIMEOUT).json()["number"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert len({row["boot"] for row in rows}) == 2
    assert {row["prompt_id"]: row["port"] for row in rows if row["event"] == "submit"} == {
        f"p{number}": int(url.rpartition(":")[2]) for number, url in enumerate(urls)
    }
    assert all(isinstance(row["t"], float) for row in rows)


def test_every_provider_has_a_stand_in_in_the_one_process_that_hosts_all() -> None:
    assert APIS.keys() == PROVIDERS.keys() - set(WITHOUT_SETTINGS) == DEFAULTS.keys()


def test_one_process_hosts_every_cloud_api_on_a_port_and_with_a_log_of_its_own(tmp_path: Path) -> None:
    with start("-m", "scripts.simulators.clouds", "--seconds", "0", "--log-folder", str(tmp_path)) as process:
        told = dict(line_of(process).rstrip().split(" ", 1) for _ in APIS)
        for name, api in APIS.items():
            what, _, address = told[name].rpartition(" on ")
            assert what == f"SIMULATED {api.TITLE}"
            assert address.endswith(api.BASE_PATH)
            # Each refuses for want of a key in a way of its own, but none is without its routes.
            assert requests.get(f"{address}/nothing", timeout=TIMEOUT).status_code in (400, 401, 404, 405)
            stats = requests.get(f"{address.removesuffix(api.BASE_PATH)}/_standin/stats", timeout=TIMEOUT).json()
            assert f":{stats['port']}" in address
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
    for name in APIS:
        [boot] = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert f":{boot['port']}" in told[name]


@pytest.mark.parametrize("module", ["openai_images", "clouds"])
def test_stand_in_dies_with_the_parent_that_asked_for_it(module: str, tmp_path: Path) -> None:
    where = ("--log-folder", str(tmp_path)) if module == "clouds" else ("--port", "0")
    with start("-c", PARENT, f"scripts.simulators.{module}", *where, "--die-with-parent") as parent:
        pid, _url = line_of(parent).split()
        child = os.pidfd_open(int(pid))
        parent.kill()
        parent.wait(TIMEOUT)
    try:
        # A process that has ended makes its descriptor readable; whoever adopted it may still have to bury it.
        assert select.select([child], [], [], TIMEOUT)[0] == [child]
    finally:
        os.close(child)


def test_prepared_picture_is_handed_out_after_the_servers_seconds_whatever_the_photo(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    options = ("--port", "0", "--seconds", "0.3", "--prepared", "96x128", "--log", str(log))
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.jpg"}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "farm/p"}},
    }
    pictures = []
    with start("-m", "scripts.simulators.comfyui", *options) as process:
        url = line_of(process).split()[-1]
        for number in range(2):
            files = {"image": ("photo.jpg", photos.portrait(number))}
            requests.post(f"{url}/upload/image", files=files, data={"overwrite": "true"}, timeout=TIMEOUT)
            body = {"prompt": graph, "prompt_id": f"p{number}"}
            assert requests.post(f"{url}/prompt", json=body, timeout=TIMEOUT).json()["node_errors"] == {}
            until = time.monotonic() + TIMEOUT
            while not (history := requests.get(f"{url}/history/p{number}", timeout=TIMEOUT).json()):
                assert time.monotonic() < until, "the prompt did not end"
                time.sleep(0.02)
            (image,) = history[f"p{number}"]["outputs"]["3"]["images"]
            assert image["subfolder"] == "farm"
            pictures.append(requests.get(f"{url}/view", params=image, timeout=TIMEOUT).content)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
    assert pictures[0] == pictures[1]
    assert Image.open(io.BytesIO(pictures[0])).size == (96, 128)
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    begun, ended = ({row["prompt_id"]: row["t"] for row in rows if row["event"] == name} for name in ("start", "end"))
    assert all(ended[prompt_id] - begun[prompt_id] >= 0.3 for prompt_id in ("p0", "p1"))

"""nginx with the file of worker_configs/nginx in front of a farm: what booths and guests see through it, over TLS."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from scripts.simulators.comfyui import StandIn
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import ROOT, Booth, FarmProcess, eventually, free_port, small_portrait

FOLDER = ROOT / "worker_configs" / "nginx"
WRONG_KEYS = 20


@dataclass(frozen=True)
class Proxy:
    """nginx, as it stands before the farm."""

    url: str
    plain_url: str
    port: int
    authority: str


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A venue's certificate and its authority."""
    folder = tmp_path / "tls"
    made = subprocess.run(
        [FOLDER / "make-certificate", folder, "localhost", "127.0.0.1"], capture_output=True, text=True
    )
    assert made.returncode == 0 and "DNS:localhost, IP Address:127.0.0.1" in made.stdout, made.stderr
    assert (folder / "photos.key").stat().st_mode & 0o777 == 0o600
    return folder


@pytest.fixture
def behind_nginx(
    start_farm: StartFarm, certificates: Path, tmp_path: Path
) -> Iterator[tuple[Proxy, FarmProcess, Booth, StandIn]]:
    """A farm with nginx in front; the booth speaks to nginx."""
    port, plain_port = free_port(), free_port()
    url = f"https://localhost:{port}"
    farm, booth, (server,) = start_farm(servers=1, PUBLIC_URL=url, TRUSTED_PROXIES="127.0.0.1")
    site = (FOLDER / "photo-farm.conf").read_text()
    for theirs, ours in (
        ("listen 80;", f"listen 127.0.0.1:{plain_port};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{farm.port};"),
        ("photos.example", "localhost"),
        ("/etc/photo-farm/tls", str(certificates)),
    ):
        assert theirs in site
        site = site.replace(theirs, ours)
    folder = tmp_path / "nginx"
    folder.mkdir()
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log stderr; events {{}} "
        f"http {{ access_log {folder}/access.log; {temporary} include {folder}/site.conf; }}"
    )
    with (folder / "log").open("wb") as log:
        program = next(path for path in ("/usr/sbin/nginx", "/usr/bin/nginx") if Path(path).exists())
        nginx = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf"], stdout=log, stderr=log)
    try:
        proxy = Proxy(url, f"http://localhost:{plain_port}", port, str(certificates / "ca.crt"))
        eventually(lambda: answers(proxy), f"nginx is up; its log: {(folder / 'log').read_text()}", 15)
        yield proxy, farm, ProxiedBooth(farm, booth.key, proxy), server
    finally:
        nginx.terminate()
        nginx.wait(10)
    assert (folder / "access.log").read_text() == "", "links of guests stand in no log"


class ProxiedBooth(Booth):
    """A booth that knows the farm by its public address and trusts the venue's authority."""

    def __init__(self, farm: FarmProcess, key: str, proxy: Proxy) -> None:
        super().__init__(farm, key)
        self.proxy = proxy

    def request(self, method: str, path: str, **kwargs: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        url = f"{self.proxy.url}/api/v1{path}"
        return requests.request(method, url, headers=headers, timeout=70, verify=self.proxy.authority, **kwargs)  # type: ignore[arg-type]


class FromAddress(HTTPAdapter):
    """Requests from another address of loopback."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **kwargs)  # type: ignore[arg-type]


def answers(proxy: Proxy) -> bool:
    try:
        return requests.get(f"{proxy.url}/healthz", verify=proxy.authority, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_an_order_is_taken_followed_and_its_guest_link_opened(
    behind_nginx: tuple[Proxy, FarmProcess, Booth, StandIn],
) -> None:
    proxy, _, booth, server = behind_nginx
    hold = server.add_fault("hold", times=1)
    taken = booth.submit_until_taken("order", small_portrait(1), small_portrait(2), small_portrait(3))
    assert taken.status_code == 202
    assert hold.happened.wait(30)
    with booth.request("GET", "/orders/order/events", stream=True) as events:
        lines = events.iter_lines(decode_unicode=True, chunk_size=1)
        first = json.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))
        assert first["status"] == "running"  # it came while the prompt is held: nothing waited for the end
        server.clear_faults()
        *_, last = (line for line in lines if line.startswith("data: "))
        assert json.loads(last.removeprefix("data: "))["status"] == "succeeded"
    order = booth.follow("order")
    guest = order["guest"]["url"]
    assert guest.startswith(f"{proxy.url}/g/")
    assert requests.get(guest, verify=proxy.authority, timeout=10).status_code == 200
    picture = requests.get(proxy.url + order["tasks"][0]["images"][0]["url"], verify=proxy.authority, timeout=10)
    assert picture.headers["Content-Type"] == "image/jpeg"
    moved = requests.get(f"{proxy.plain_url}/g/x", allow_redirects=False, timeout=10)
    assert (moved.status_code, moved.headers["Location"]) == (308, "https://localhost/g/x")


def test_what_ends_at_the_proxy_is_told_in_the_farm_s_own_form(
    behind_nginx: tuple[Proxy, FarmProcess, Booth, StandIn],
) -> None:
    proxy, farm, booth, _ = behind_nginx
    context = ssl.create_default_context(cafile=proxy.authority)
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            head = f"POST /api/v1/orders HTTP/1.1\r\nHost: localhost:{proxy.port}\r\nContent-Length: 140000000\r\n\r\n"
            connection.sendall(head.encode())
            refusal = connection.recv(65536).decode()
    assert refusal.startswith("HTTP/1.1 413 ") and '"code":"too_large"' in refusal
    assert requests.get(f"{proxy.url}/metrics", verify=proxy.authority, timeout=10).status_code == 404
    farm.kill()
    away = booth.request("GET", "/queue")
    assert (away.status_code, away.json()["code"], away.headers["Retry-After"]) == (503, "farm_away", "5")


def test_each_client_is_counted_by_its_own_address(behind_nginx: tuple[Proxy, FarmProcess, Booth, StandIn]) -> None:
    proxy, _, _, _ = behind_nginx
    codes: dict[str, list[int]] = {}
    for address, tries in (("127.0.0.2", WRONG_KEYS + 1), ("127.0.0.3", 1)):
        with requests.Session() as session:
            session.mount("https://", FromAddress(address))
            headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": "127.0.0.3"}  # a lie, and thrown away
            url = f"https://127.0.0.1:{proxy.port}/api/v1/queue"
            answers_ = [session.get(url, headers=headers, verify=proxy.authority, timeout=10) for _ in range(tries)]
            codes[address] = [answer.status_code for answer in answers_]
    assert codes == {"127.0.0.2": [401] * WRONG_KEYS + [429], "127.0.0.3": [401]}

"""A forwarded address counts only when the peer is a proxy that TRUSTED_PROXIES names."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from jobs.errors import SettingsError
from jobs.settings import Settings
from web.proxies import TrustedProxies


@Request.application
def tell(request: Request) -> Response:
    return Response(f"{request.remote_addr} {request.scheme}")


def ask(peer: str, *proxies: str) -> str:
    client = Client(TrustedProxies(tell, proxies))
    headers: dict[str, Any] = {"X-Forwarded-For": "10.9.9.9, 192.0.2.7", "X-Forwarded-Proto": "https"}
    return client.get("/", headers=headers, environ_overrides={"REMOTE_ADDR": peer}).text


@pytest.mark.parametrize(
    ("peer", "proxies"),
    [
        ("127.0.0.1", ("127.0.0.1",)),
        ("10.0.3.4", ("192.0.2.1", "10.0.0.0/16")),
        ("::1", ("::1",)),
        ("::ffff:127.0.0.1", ("127.0.0.1",)),
    ],
)
def test_a_trusted_proxy_is_believed_about_the_last_hop(peer: str, proxies: tuple[str, ...]) -> None:
    assert ask(peer, *proxies) == "192.0.2.7 https"


@pytest.mark.parametrize("peer", ["127.0.0.2", "10.1.0.1", "::2", "", "unix"])
def test_nobody_else_is(peer: str) -> None:
    assert ask(peer, "127.0.0.1", "10.0.0.0/16", "::1") == f"{peer or None} http".replace("None", "")


def test_a_proxy_that_is_no_address_is_named_at_start() -> None:
    with pytest.raises(SettingsError, match=r"TRUSTED_PROXIES: 'nginx' is neither an address nor a network"):
        Settings.load(_env_file=None, trusted_proxies="127.0.0.1, nginx")

"""Whose forwarded address counts: only that of a peer which TRUSTED_PROXIES names. For all others it is a claim."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class TrustedProxies:
    """Takes the client's address and scheme from the headers of a trusted proxy, and from nobody else."""

    def __init__(self, app: WSGIApplication, proxies: tuple[str, ...]) -> None:
        """`proxies`: addresses and networks, as the setting has checked them."""
        self._direct = app
        self._forwarded = ProxyFix(app, x_for=1, x_proto=1)
        self._networks = [ip_network(proxy, strict=False) for proxy in proxies]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        app = self._forwarded if self._trusts(environ.get("REMOTE_ADDR", "")) else self._direct
        return app(environ, start_response)

    def _trusts(self, peer: str) -> bool:
        try:
            address: IPv4Address | IPv6Address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

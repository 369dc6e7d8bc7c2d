"""Getting a finished picture from where the provider says it lies. That address is untrusted, and never gets the key.

Only https and public addresses, besides the configured host itself and those that settings name. What counts is the
address that the connection really has, so a name that resolves otherwise a moment later opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import socket
import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

from jobs.errors.steps import BadAnswer
from jobs.wire import CutShort, TooLarge, TooSlow, read_body

RESULT_BYTES = 40_000_000
RESULT_SECONDS = 60.0
CONNECT_SECONDS = 10.0
REDIRECTS = 3
TRIES = 3
DATA_URL = "data:"


class ResultFetcher:
    """Downloads the results of one provider."""

    def __init__(self, base_url: str, hosts: tuple[str, ...] = ()) -> None:
        """`hosts`: names, with their ports where not the usual ones, that may be private and without https."""
        self._base = _origin(base_url)
        self._hosts = frozenset(hosts)

    def fetch(self, url: Any, seconds: float = RESULT_SECONDS) -> bytes:
        """The bytes of a result, unchecked; asked for up to three times (C5). Raises BadAnswer."""
        if not isinstance(url, str) or not url:
            raise BadAnswer("The provider's answer names no picture.")
        if url.startswith(DATA_URL):
            return decode_data_url(url)
        ends_at = time.monotonic() + min(seconds, RESULT_SECONDS)
        for _ in range(TRIES - 1):
            try:
                return self._get(url, ends_at)
            except _Damaged:
                continue
        try:
            return self._get(url, ends_at)
        except _Damaged as exc:
            raise BadAnswer("The provider's picture could not be fetched.", detail=str(exc)) from exc

    def is_trusted(self, url: str) -> bool:
        """May this address be private, or plain http? Only what the operator has set."""
        return _origin(url) == self._base or urlsplit(url).netloc in self._hosts

    def _get(self, url: str, ends_at: float) -> bytes:
        with requests.Session() as session:
            session.trust_env = False
            session.max_redirects = REDIRECTS
            adapter = _CarefulAdapter(self)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            left = max(ends_at - time.monotonic(), 1.0)
            try:
                with session.get(url, timeout=(min(CONNECT_SECONDS, left), left), stream=True) as response:
                    if response.status_code != 200:
                        raise _Damaged(f"status {response.status_code}")
                    return read_body(response, ends_at=ends_at, limit=RESULT_BYTES)
            except TooLarge as exc:
                raise BadAnswer("The provider's picture is too large.") from exc
            except (_Forbidden, requests.TooManyRedirects, requests.exceptions.InvalidURL) as exc:
                raise BadAnswer("The provider's picture lies where nothing is fetched from.") from exc
            except (CutShort, TooSlow, requests.RequestException, HTTPError, OSError, ValueError) as exc:
                raise _Damaged(type(exc).__name__) from exc


def decode_data_url(url: str) -> bytes:
    """The bytes of `data:…;base64,…`. Raises BadAnswer."""
    _, _, data = url.partition(";base64,")
    return decode_base64(data)


def decode_base64(data: Any) -> bytes:
    """A picture that came inside the answer. Raises BadAnswer."""
    try:
        decoded = base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error) as exc:
        raise BadAnswer("The provider's answer holds no picture.") from exc
    if not decoded:
        raise BadAnswer("The provider's answer holds no picture.")
    return decoded


class _Damaged(Exception):
    """This download went wrong; another may not."""


class _Forbidden(requests.RequestException):
    """An address from which nothing is fetched."""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


class _PublicConnection(HTTPSConnection):
    """Goes nowhere but to public addresses. The peer is looked at before the first byte."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if not ip_address(sock.getpeername()[0].partition("%")[0]).is_global:
            sock.close()
            raise NewConnectionError(self, "not a public address")
        return sock


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class _CarefulAdapter(HTTPAdapter):
    """Checks each hop of a download, redirects among them."""

    def __init__(self, fetcher: ResultFetcher) -> None:
        self._fetcher = fetcher
        self._open = HTTPAdapter(max_retries=0)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"https": _PublicPool}

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = str(request.url)
        if self._fetcher.is_trusted(url):
            return self._open.send(request, *args, **kwargs)
        if urlsplit(url).scheme != "https":
            raise _Forbidden("not https")
        return super().send(request, *args, **kwargs)

    def close(self) -> None:
        self._open.close()
        super().close()

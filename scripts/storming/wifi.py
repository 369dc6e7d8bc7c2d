"""A booth's bad Wi-Fi: uploads that break off, answers that never arrive, and patience that ends too early."""

from __future__ import annotations

import http.client
import random
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

SECONDS = (3.0, 20.0)  # to connect, to read
CUT_SECONDS = 5.0
MOODS = {"good": 84, "upload cut": 5, "answer lost": 6, "impatient": 5}


class LineCut(requests.ConnectionError):
    """The line broke; whoever sent does not know what arrived."""


@dataclass
class Wifi:
    """One booth's line. `chance` decides how each request fares; it is always good when `is_calm`."""

    chance: random.Random
    session: requests.Session
    is_calm: bool = False

    def send(self, request: requests.Request) -> requests.Response:
        """The answer, if it arrives. Raises requests' errors."""
        prepared = self.session.prepare_request(request)
        mood = "good" if self.is_calm else self.chance.choices(list(MOODS), list(MOODS.values()))[0]
        if mood in ("good", "impatient") or prepared.body is None:
            read = self.chance.uniform(0.05, 0.4) if mood == "impatient" else SECONDS[1]
            return self.session.send(prepared, timeout=(SECONDS[0], read))
        body = prepared.body if isinstance(prepared.body, bytes) else str(prepared.body).encode()
        sent = body[: self.chance.randrange(len(body))] if mood == "upload cut" else body
        try:
            self._send_and_close(prepared, sent)
        except OSError as error:
            raise LineCut(f"{mood}, and {type(error).__name__}") from error
        raise LineCut(mood)

    def _send_and_close(self, prepared: requests.PreparedRequest, body: bytes) -> None:
        parts = urlsplit(str(prepared.url))
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=CUT_SECONDS)
        try:
            connection.putrequest("POST", parts.path)
            for name, value in prepared.headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            connection.send(body)
            if self.chance.random() < 0.5:  # it arrives, or is torn out of the network with the rest
                connection.sock.shutdown(socket.SHUT_WR)
        finally:
            connection.close()

"""Connections that lead where `integrations.guard` lets them, and nowhere else.

A name is resolved once for a connection, every address that it has is judged, and the socket goes to an address that
was judged: a name that answers otherwise a moment later leads nowhere else. Host header, SNI and certificate are the
name's. `integrations.http` is what uses this.
"""

import contextlib
import functools
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from integrations import guard

#: How much of an answer is read; the rest is cut off.
MOST_READ = 65_536


def lead(session: requests.Session, *, total: float) -> None:
    """Lead everything that the session sends through the guard, past every proxy of the environment."""
    adapter = GuardedAdapter(total=total)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.trust_env = False
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    session.verify = bundle or True


def send(
    session: requests.Session, method: str, url: str, *, total: float, **sent: Any
) -> requests.Response:
    """Return the answer to one request of a guarded session, its beginning read into memory, and no more.

    Raises:
        requests.RequestException: no answer came, or not within `total` seconds.
    """
    started = time.monotonic()
    try:
        response = session.request(method, url, stream=True, **sent)
        _read_some(response)
    finally:
        session.close()  # the next request resolves and judges anew
    if time.monotonic() - started >= total:
        raise requests.ReadTimeout  # cut off, it looks as if it had ended
    return response


def _read_some(response: requests.Response) -> None:
    body = b""
    with response:
        for chunk in response.iter_content(8_192):
            body += chunk
            if len(body) >= MOST_READ:
                break
    response._content = body[:MOST_READ]  # noqa: SLF001  # requests has no other way to stop early


class _Guarded(HTTPConnection):
    """Connect to a judged address and nowhere else; end whatever comes of it when its time is over."""

    def __init__(self, *args: Any, total: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self._total = total
        self._end = contextlib.ExitStack()

    def _new_conn(self) -> socket.socket:
        guard.check_place(self.host, self.port, secure=isinstance(self, HTTPSConnection))
        try:
            addresses = guard.resolve(self.host, self.port)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        sock = self._first_open(addresses)
        self._end.callback(_cut_after(sock, self._total))
        return sock

    def _first_open(self, addresses: Sequence[str]) -> socket.socket:
        problem: Exception = OSError("the name has no address")
        for address in addresses:
            try:
                return create_connection(
                    (address, self.port), self.timeout, socket_options=self.socket_options
                )
            except TimeoutError:
                problem = ConnectTimeoutError(self, f"{self.host} did not answer in time")
            except OSError as error:
                problem = NewConnectionError(self, f"{self.host}: {error}")
        raise problem

    def close(self) -> None:
        self._end.close()
        super().close()


class _GuardedTLS(_Guarded, HTTPSConnection):
    """The same; the certificate is checked against the name, as ever."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _GuardedTLS


class GuardedAdapter(HTTPAdapter):
    """Lead a session's requests through the guard; none of them lasts longer than `total` seconds from connecting on."""

    def __init__(self, *, total: float) -> None:
        self._total = total
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Make the pools whose connections are guarded."""
        super().init_poolmanager(*args, **more)
        pools: Any = {"http": _Pool, "https": _PoolTLS}
        self.poolmanager.pool_classes_by_scheme = {
            scheme: functools.partial(pool, total=self._total) for scheme, pool in pools.items()
        }


def _cut_after(sock: socket.socket, seconds: float) -> Callable[[], None]:
    """Break the connection after a time, however slowly it goes on; return what calls that off."""
    twin = sock.dup()  # the same connection, also once TLS has taken the socket over

    def cut() -> None:
        with contextlib.suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    def call_off() -> None:
        timer.cancel()
        twin.close()

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    return call_off

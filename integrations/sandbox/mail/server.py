"""The mail server's thread: an event loop of its own, on a loopback port."""

import asyncio
import logging
import socket
import ssl
import threading
import weakref
from typing import Any

from aiosmtpd.smtp import SMTP

from integrations.sandbox.mail.handler import MailHandler, hang_up
from integrations.sandbox.state import SandboxState

# It logs every line of every session.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

NAME = "mail.sandbox.example"


class MailServer:
    """Serve SMTP on a socket that listens already.

    `tls` offers STARTTLS and insists on it; with `implicit`, the connection begins with TLS.
    """

    def __init__(
        self,
        state: SandboxState,
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
    ) -> None:
        self._state, self._listener = state, listener
        self._tls, self._implicit = tls, implicit
        self._handler = MailHandler(state)
        self._loop = asyncio.new_event_loop()
        self._connections: weakref.WeakSet[SMTP] = weakref.WeakSet()
        self._thread = threading.Thread(target=self._run, name="sandbox-mail", daemon=True)
        self._ready = threading.Event()

    def start(self) -> None:
        """Serve in a thread, and return once it answers."""
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        """Cut every connection and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        made = self._loop.create_server(
            self._session, sock=self._listener, ssl=self._tls if self._implicit else None
        )
        server = self._loop.run_until_complete(made)
        self._ready.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    def _session(self) -> SMTP:
        starttls: dict[str, Any] = (
            {"tls_context": self._tls, "require_starttls": True} if self._tls and not self._implicit else {}
        )  # fmt: skip
        made = SMTP(
            self._handler, hostname=NAME, ident="Calsync sandbox", loop=self._loop, enable_SMTPUTF8=False,
            data_size_limit=self._state.config.mail_size_limit, auth_require_tls=bool(starttls), authenticator=self._handler.authenticate, **starttls,
        )  # fmt: skip
        self._connections.add(made)
        return made

    def _end(self) -> None:
        self._handler.stopping.set()
        for connection in list(self._connections):
            hang_up(connection)
        self._loop.stop()

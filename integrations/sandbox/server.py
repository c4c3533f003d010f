"""The sandbox's server: loopback only, in threads, a port for everything and one for mail."""

import functools
import ipaddress
import socket
import ssl
import threading
from types import TracebackType
from typing import Any, Self

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from integrations.sandbox.app import SandboxApp
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.control_client import SandboxControl
from integrations.sandbox.log import RequestEntry
from integrations.sandbox.mail.server import MailServer
from integrations.sandbox.state import SandboxState


class SandboxUnavailable(RuntimeError):
    """The sandbox cannot be started; the message says what to do."""


class QuietHandler(WSGIRequestHandler):
    """Speak HTTP/1.1, one request a connection, and write no access log.

    werkzeug closes every connection, and reads what is left on it, after an answer.
    Source: https://werkzeug.palletsprojects.com/en/stable/serving/
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Write nothing: the sandbox has a request log of its own."""


class SandboxServer:
    """Run a sandbox in a thread; also a context manager.

    `port=0` takes a free port, and so does `mail_port=0`, where mail is taken; `mail_tls` offers STARTTLS there, or begins
    with TLS (`mail_tls_at_once`). Raises SandboxUnavailable for a host that is not loopback.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        config: SandboxConfig | None = None,
        mail_port: int = 0,
        mail_tls: ssl.SSLContext | None = None,
        mail_tls_at_once: bool = False,
    ) -> None:
        self.host = loopback(host)
        self.port = port
        self.mail_port = mail_port
        self._mail_tls = (mail_tls, mail_tls_at_once)
        self._mail: MailServer | None = None
        self.state = SandboxState(config or SandboxConfig())
        self._app = SandboxApp(self.state)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Return the address without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @functools.cached_property
    def control(self) -> SandboxControl:
        """Return a client of the control API; `stop` closes it."""
        return SandboxControl(self.url)

    def start(self) -> Self:
        """Listen and serve in a thread. Raises SandboxUnavailable if the port is taken."""
        with _listen(self.host, self.port) as listener:
            self.port = listener.getsockname()[1]
            self._server = make_server(
                self.host,
                self.port,
                self._app,
                threaded=True,
                request_handler=QuietHandler,
                fd=listener.fileno(),
            )
        try:
            self._start_mail()
        except SandboxUnavailable:
            self._server.server_close()
            raise
        self.state.calendly.sender.start()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="sandbox", daemon=True
        )
        self._thread.start()
        return self

    def _start_mail(self) -> None:
        listener = _listen(self.host, self.mail_port, option="--mail-port")
        self.mail_port = listener.getsockname()[1]
        tls, at_once = self._mail_tls
        self._mail = MailServer(self.state, listener, tls=tls, implicit=at_once)
        self._mail.start()

    def stop(self) -> None:
        """Stop serving and sending webhooks. Safe to repeat."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        self._app.stopping.set()
        server.shutdown()
        self._thread.join()
        server.server_close()
        if self._mail:
            self._mail.stop()
        self.state.calendly.sender.stop()
        if "control" in vars(self):
            self.control.close()

    def requests(
        self,
        *,
        service: str | None = None,
        method: str | None = None,
        path_contains: str | None = None,
        since: int = 0,
    ) -> list[RequestEntry]:
        """Return the logged requests that match every given filter, oldest first."""
        return self.state.log.find(
            service=service, method=method, path_contains=path_contains, since=since
        )

    def reset(self) -> None:
        """Bring back the seeds, clear faults and logs, restore the settings."""
        self.state.reset()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def loopback(host: str) -> str:
    """Return the address if it is loopback. Raises SandboxUnavailable otherwise."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise SandboxUnavailable(f"The sandbox binds to loopback only, not to {host!r}.")


def _listen(host: str, port: int, *, option: str = "--port") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise SandboxUnavailable(
            f"Cannot listen on {host}:{port} ({error.strerror}). Choose another {option}."
        ) from error
    return listener

"""The WSGI application: finds the service, applies faults, keeps the log."""

import logging
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from integrations.sandbox import page, spoil, web
from integrations.sandbox.clock import micro
from integrations.sandbox.control import Control
from integrations.sandbox.faults import Fault
from integrations.sandbox.service import Service
from integrations.sandbox.state import SandboxState

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

DROPPED = "dropped"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
SERVER_ERROR_PAGE = (
    "<!DOCTYPE html><html><head><title>{0}</title></head>"
    "<body><h1>{0}</h1><p>The server could not answer.</p></body></html>"
)


@dataclass(frozen=True)
class Outcome:
    """What became of a request; no response means that the connection is cut."""

    response: Response | None
    fault: str | None = None


class SandboxApp:
    """Serve the three services, the control API and the page on one port."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self.stopping = threading.Event()
        self._control = Control(state)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request. Raises ConnectionAbortedError after cutting the connection."""
        request = Request(environ)
        request.get_data()
        outcome = self._answer(request)
        if outcome.response is None:
            _hang_up(environ)
            raise ConnectionAbortedError("a fault switch cut the connection")
        return outcome.response(environ, start_response)

    def _answer(self, request: Request) -> Outcome:
        origin = request.headers.get("Origin")
        if not is_local(request.host) or (origin and not is_local(urlsplit(origin).netloc)):
            return Outcome(web.text("The sandbox answers to this machine only.", status=403))
        prefix, _, rest = request.path.lstrip("/").partition("/")
        service = self.state.services.get(prefix)
        if service is not None:
            return self._logged(request, prefix=prefix, service=service, path="/" + rest)
        if prefix == "sandbox":
            return Outcome(self._control.handle(request, path="/" + rest))
        return Outcome(page.serve(request.path))

    def _logged(self, request: Request, *, prefix: str, service: Service, path: str) -> Outcome:
        name = prefix.replace("-", "_")
        at, started = micro(self.state.clock.now()), time.perf_counter()
        outcome = self._guarded(request, name=name, service=service, path=path)
        self.state.log.add(
            request,
            at=at,
            service=name,
            status=DROPPED if outcome.response is None else outcome.response.status_code,
            fault=outcome.fault,
            duration_ms=(time.perf_counter() - started) * 1000,
        )
        return outcome

    def _guarded(self, request: Request, *, name: str, service: Service, path: str) -> Outcome:
        try:
            return self._serve(request, name=name, service=service, path=path)
        except Exception:
            logger.exception("the sandbox failed at %s %s", request.method, request.path)
            return Outcome(service.error(request, path=path, status=500), fault="sandbox bug")

    def _serve(self, request: Request, *, name: str, service: Service, path: str) -> Outcome:
        body = request.get_data(as_text=True)
        faults = self.state.faults.take(
            service=name,
            method=request.method,
            path=request.path,
            query=request.query_string.decode(errors="replace"),
            body=body,
        )
        for fault in faults:
            if fault.kind == "latency":
                self._wait(fault, default=1)
        last = next((fault for fault in faults if fault.kind != "latency"), None)
        label = "+".join(fault.kind for fault in faults) or None
        if last is None:
            return Outcome(self._perform(request, service=service, path=path), label)
        response = self._spoil(request, fault=last, service=service, path=path)
        return Outcome(response, label)

    def _perform(self, request: Request, *, service: Service, path: str) -> Response:
        base = request.host_url.rstrip("/")
        with service.lock:
            return service.handle(request, path=path, base=base)

    def _spoil(
        self, request: Request, *, fault: Fault, service: Service, path: str
    ) -> Response | None:
        params = fault.params
        match fault.kind:
            case "rate_limited":
                seconds = params.get("retry_after")
                return service.rate_limited(request, path=path, retry_after=seconds)
            case "error":
                return _error(request, params, service=service, path=path)
            case "calendly_error" | "rest_error" | "salesforce_error" | "slack_error":
                return service.injected(request, params)
            case "timeout":
                if params.get("take_effect"):
                    self._perform(request, service=service, path=path)
                self._wait(fault, default=60)
                return None
            case "drop_before":
                return None
            case _:
                return self._take_effect(request, fault=fault, service=service, path=path)

    def _take_effect(
        self, request: Request, *, fault: Fault, service: Service, path: str
    ) -> Response | None:
        if fault.kind == "token_expired" and (refused := service.expire_tokens(request)):
            return refused
        if fault.kind == "page_token_expired":
            self.state.calendly.expire_page_tokens()
        response = self._perform(request, service=service, path=path)
        match fault.kind:
            case "drop_after":
                return None
            case "broken_json":
                return spoil.unreadable(response)
            case "broken_object":
                return spoil.broken_object(response, fault.params)
            case _:
                return response

    def _wait(self, fault: Fault, *, default: float) -> None:
        self.stopping.wait(float(fault.params.get("seconds", default)))


def is_local(host: str) -> bool:
    """Tell whether a Host header names this machine (a guard against DNS rebinding)."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name in LOCAL_HOSTS or name.startswith("127.") or name.endswith(".localhost")


def _error(request: Request, params: dict[str, Any], *, service: Service, path: str) -> Response:
    status = int(params.get("status", 500))
    if params.get("body", "json") == "html":
        return web.html(SERVER_ERROR_PAGE.format(status), status=status)
    return service.error(request, path=path, status=status)


def _hang_up(environ: "WSGIEnvironment") -> None:
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("the client had already gone")

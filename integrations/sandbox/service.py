"""What the application asks of each of the services that it hosts."""

import threading
from typing import Protocol

from werkzeug.wrappers import Request, Response

from integrations.sandbox.web import Json


class Service(Protocol):
    """One hosted service; `lock` is held around `handle`."""

    lock: threading.RLock

    def handle(self, request: Request, *, path: str, base: str) -> Response:
        """Answer a request for `path`, below the service's prefix at `base`."""

    def rate_limited(self, request: Request, *, path: str, retry_after: float | None) -> Response:
        """Return the service's own 429."""

    def error(self, request: Request, *, path: str, status: int) -> Response:
        """Return the service's own JSON error for a status."""

    def injected(self, request: Request, params: Json) -> Response:
        """Return an error chosen by a fault switch."""

    def expire_tokens(self, request: Request) -> Response | None:
        """End every access token; return an answer if the token used cannot expire."""


class Fake(Service, Protocol):
    """A service that holds its own things; see `state.FAKES`."""

    def reset(self) -> None:
        """Forget everything."""

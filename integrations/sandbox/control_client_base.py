"""The connection to the control API that the parts of its client share."""

from typing import Any, Self

import requests

Json = dict[str, Any]
PATIENCE = 130


class SandboxControlError(RuntimeError):
    """The sandbox refused a control request; the message says why."""


class ControlConnection:
    """Call the control API of a sandbox that runs at a URL."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def call(self, method: str, path: str, data: Json | None = None) -> Any:
        """Call the control API, leaving out what is None. Raises SandboxControlError."""
        sent = {name: value for name, value in (data or {}).items() if value is not None}
        given: Json = {"params": sent} if method == "GET" else {"json": sent}
        response = self._session.request(
            method, f"{self.url}/sandbox{path}", timeout=PATIENCE, **given
        )
        answer = response.json()
        if not response.ok:
            raise SandboxControlError(answer.get("error", response.text))
        return answer

"""A running sandbox, and what a test needs to talk to it."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.sandbox import SandboxConfig, SandboxControl, SandboxServer

PAT = "sandbox-calendly-pat"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A sandbox of the test's own, on a free port."""
    with SandboxServer(config=SandboxConfig(webhook_retry_base=0.02)) as server:
        yield server


@pytest.fixture
def control(sandbox: SandboxServer) -> SandboxControl:
    return sandbox.control


class Api:
    """Calls one service of a sandbox with a bearer token."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, self.base + path, timeout=10, **more)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self("GET", path, params=params)

    def post(self, path: str, **body: Any) -> requests.Response:
        return self("POST", path, json=body)

    def patch(self, path: str, **body: Any) -> requests.Response:
        return self("PATCH", path, json=body)

    def delete(self, path: str) -> requests.Response:
        return self("DELETE", path)


@pytest.fixture
def calendly(sandbox: SandboxServer) -> Iterator[Api]:
    api = Api(f"{sandbox.url}/calendly", PAT)
    yield api
    api.session.close()


@pytest.fixture
def calendly_as(sandbox: SandboxServer) -> Iterator[Callable[[str], Api]]:
    """Call Calendly with another token."""
    made: list[Api] = []

    def make(token: str) -> Api:
        made.append(Api(f"{sandbox.url}/calendly", token))
        return made[-1]

    yield make
    for api in made:
        api.session.close()


@pytest.fixture
def organization(calendly: Api) -> str:
    return str(calendly.get("/users/me").json()["resource"]["current_organization"])


def salesforce_token(sandbox: SandboxServer) -> dict[str, str]:
    answer: dict[str, str] = requests.post(
        f"{sandbox.url}/salesforce/services/oauth2/token",
        data={
            "grant_type": "client_credentials",
            "client_id": "sandbox-salesforce-client",
            "client_secret": "sandbox-salesforce-secret",
        },
        timeout=10,
    ).json()
    return answer


@pytest.fixture
def salesforce(sandbox: SandboxServer) -> Iterator[Api]:
    token = salesforce_token(sandbox)
    api = Api(token["instance_url"] + "/services/data/v66.0", token["access_token"])
    yield api
    api.session.close()


class Receiver:
    """Takes webhooks, and answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers.items()), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture
def subscribe(calendly: Api, organization: str, receiver: Receiver) -> Callable[..., Any]:
    """Subscribe the receiver to every invitee event, or as told."""

    def make(**more: Any) -> Any:
        body = {
            "url": receiver.url,
            "events": [
                "invitee.created",
                "invitee.canceled",
                "invitee_no_show.created",
                "invitee_no_show.deleted",
            ],
            "organization": organization,
            "scope": "organization",
            "signing_key": "a-key",
            **more,
        }
        answer = calendly.post("/webhook_subscriptions", **body)
        assert answer.status_code == 201, answer.text
        return answer.json()["resource"]

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here: none asks the database anything."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.db_independent)

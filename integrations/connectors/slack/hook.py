"""Speak to an incoming webhook: no retries, every exchange recorded without the address, every failure named.

The address is the secret: whoever knows it may post. It stands in no record, no error and no log.
"""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from slack_sdk.webhook import WebhookClient
from slack_sdk.webhook.webhook_response import WebhookResponse

from integrations.connectors.slack import turns
from integrations.connectors.slack.client import NO_ANSWER, no_answer, quiet
from integrations.connectors.slack.errors import Answer
from integrations.connectors.slack.hook_errors import ALIVE, HOOK_PAYLOAD, as_hook_error
from integrations.errors import ConfigurationError
from integrations.http import Recorder, require_allowed, retry_after_seconds

HOOK_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
_PATH = re.compile(r"/services/(?P<team>T\w+)/(?P<bot>B\w+)/[\w-]+/?$", re.ASCII)
_METHOD = "the webhook"


def problem(url: str) -> str:
    """Return why an address cannot be an incoming webhook's, in words that do not repeat it; nothing when it may be."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        if host not in HOOK_HOSTS:
            require_allowed(url.strip())
    except (ValueError, ConfigurationError):
        return "A webhook's URL begins with https://hooks.slack.com/services/: copy it from the app's page, Incoming Webhooks."
    if host in HOOK_HOSTS and parts.scheme != "https":
        return "A webhook's URL begins with https://: without it anybody on the way could read it."
    if not _PATH.search(parts.path) or parts.query or parts.username:
        return "The URL is not whole: it ends with /services/T.../B.../ and the webhook's own key."
    return ""


class HookClient:
    """Post to one webhook of a connection. `timeout` is in seconds."""

    def __init__(
        self, *, url: str, recorder: Recorder, timeout: int, connection_id: int, dry_run: bool = False
    ) -> None:  # fmt: skip
        require_allowed(url)
        if problem(url):
            raise ConfigurationError(
                "The connection's webhook URL cannot be used.", hint=problem(url)
            )
        self._recorder = recorder
        self._connection_id = connection_id
        self._dry_run = dry_run
        self._shown = _shown(url)
        found = _PATH.search(urlsplit(url).path)
        #: The workspace and the webhook, which are no secrets.
        self.team, self.bot = (found["team"], found["bot"]) if found else ("", "")
        self._hook = WebhookClient(url.strip(), timeout=timeout, logger=quiet, retry_handlers=[])

    def post(self, *, text: str, blocks: list[Mapping[str, Any]]) -> None:
        """Post a message in its turn; refused for its layout, its words alone.

        Raises:
            PostponedError: its turn is too far away.
            TemporaryError: no answer came; ambiguous unless the connection was never made.
            IntegrationError: see `hook_errors`.
        """
        quietly = {"unfurl_links": False, "unfurl_media": False, "link_names": False}
        answer = self._post({"text": text, "blocks": blocks, **quietly})
        if answer.code in HOOK_PAYLOAD:
            answer = self._post({"text": text, **quietly})
        if answer.code:
            raise as_hook_error(answer)

    def check(self) -> None:
        """Ask whether the webhook is alive, with a message that it refuses; nothing is posted.

        Raises:
            IntegrationError: it is gone, or does not answer.
        """
        answer = self._send({"text": ""}, write=False)
        if answer.code and answer.code not in ALIVE:
            raise as_hook_error(answer)

    def _post(self, body: Mapping[str, Any]) -> Answer:
        if self._dry_run:
            self._recorder.record_not_sent(method="POST", url=self._shown, request=body)
            return Answer(method=_METHOD, status=200, body={"ok": True}, write=True)
        turns.wait_to_post(self._connection_id, place="webhook")
        return self._send(body, write=True)

    def _send(self, body: Mapping[str, Any], *, write: bool) -> Answer:
        started = time.monotonic()
        try:
            response = self._hook.send_dict(dict(body))
        except NO_ANSWER as error:
            self._record(body, started, error=type(error).__name__)
            failure = no_answer(_METHOD, error, write=write)
            raise failure from None  # what is behind it may quote the address
        self._record(body, started, status=response.status_code, response=response.body[:2_000])
        return _read(response, write=write)

    def _record(self, body: Mapping[str, Any], started: float, **outcome: Any) -> None:
        seconds = time.monotonic() - started
        self._recorder.record(
            method="POST", url=self._shown, request=body, seconds=seconds, **outcome
        )


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/services/[secret]"


def _read(response: WebhookResponse, *, write: bool) -> Answer:
    """Return an answer in words as one of the Web API's shape."""
    said = response.body.strip()
    fine = response.status_code == 200 and said == "ok"
    return Answer(
        method=_METHOD,
        status=response.status_code,
        body={"ok": True} if fine else {"ok": False, "error": said},
        retry_after=retry_after_seconds(response.headers, now=datetime.now(UTC)),
        write=write,
    )

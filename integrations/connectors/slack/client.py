"""Speak to Slack's Web API through its own SDK: no retries, every exchange recorded, every failure named."""

import logging
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from django.conf import settings
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from integrations.connectors.slack import turns
from integrations.connectors.slack.errors import Answer
from integrations.connectors.slack.scopes import split_scopes
from integrations.errors import ConfigurationError, TemporaryError
from integrations.http import Recorder, require_allowed, retry_after_seconds

#: The SDK logs bodies: that stays out of our logs.
quiet = logging.getLogger(f"{__name__}.sdk")
quiet.setLevel(logging.CRITICAL)

#: What the SDK lets through when no answer came; all but the second are what urllib raises.
NO_ANSWER = (OSError, SlackClientError, HTTPException, UnicodeDecodeError)
#: The connection was never made, so nothing can have been written.
_NEVER_SENT = (ConnectionRefusedError, socket.gaierror, ssl.SSLError)


class SlackClient:
    """Call methods as the bot of a connection. `timeout` is in seconds."""

    def __init__(
        self,
        *,
        token: str,
        recorder: Recorder,
        timeout: int,
        connection_id: int,
        dry_run: bool = False,
    ) -> None:
        if not token:
            raise ConfigurationError(
                "The Slack connection has neither a bot token nor a webhook URL.",
                hint="Enter the Bot User OAuth Token of the app, which begins with xoxb-; or the URL of an incoming webhook.",
            )
        self._connection_id = connection_id
        self._base = f"{settings.SLACK_API_URL.rstrip('/')}/"
        require_allowed(self._base)
        self._recorder = recorder
        self._dry_run = dry_run
        # The SDK's own retry would post a second time after a dropped connection.
        # Source: https://docs.slack.dev/tools/python-slack-sdk/web#retryhandler
        self._web = WebClient(
            token=token, base_url=self._base, timeout=timeout, retry_handlers=[], logger=quiet
        )

    def read(self, method: str, **arguments: Any) -> Answer:
        """Ask, with form arguments: not every method that reads takes JSON.

        Raises:
            TemporaryError: no answer came.
        """
        return self._call(method, arguments, params=arguments, write=False)

    def post(self, *, place: str, **arguments: Any) -> Answer:
        """Post a message in its turn; `place` is what the turns of a channel are counted by.

        Raises:
            PostponedError: its turn is too far away.
            TemporaryError: as `write`.
        """
        if not self._dry_run:
            turns.wait_to_post(self._connection_id, place=place)
        return self.write("chat.postMessage", **arguments)

    def change(self, **arguments: Any) -> Answer:
        """Change a message in its turn.

        Raises:
            PostponedError: its turn is too far away.
            TemporaryError: as `write`.
        """
        if not self._dry_run:
            turns.wait_to_change(self._connection_id)
        return self.write("chat.update", **arguments)

    def write(self, method: str, **arguments: Any) -> Answer:
        """Write, with a JSON body.

        Raises:
            TemporaryError: no answer came; ambiguous unless the connection was never made.
        """
        if self._dry_run:
            self._recorder.record_not_sent(
                method="POST", url=self._base + method, request=arguments
            )
            pretended = {"ok": True, "ts": "dry run", "channel": arguments.get("channel", "")}
            return Answer(method=method, status=200, body=pretended, retry_after=None, write=True)
        return self._call(method, arguments, json=arguments, write=True)

    def _call(
        self, method: str, arguments: Mapping[str, Any], *, write: bool, **sent: Any
    ) -> Answer:
        started = time.monotonic()
        try:
            response = self._answer(method, **sent)
        except NO_ANSWER as error:
            self._record(method, arguments, started, error=type(error).__name__)
            raise no_answer(method, error, write=write) from error
        body = response.data if isinstance(response.data, dict) else {}
        self._record(method, arguments, started, status=response.status_code, response=body)
        return Answer(
            method=method,
            status=response.status_code,
            body=body,
            retry_after=retry_after_seconds(response.headers, now=datetime.now(UTC)),
            write=write,
            scopes=_scopes(response.headers),
        )

    def _answer(self, method: str, **sent: Any) -> SlackResponse:
        try:
            return self._web.api_call(method, **sent)
        except SlackApiError as error:
            answer: SlackResponse = error.response
            return answer

    def _record(
        self, method: str, arguments: Mapping[str, Any], started: float, **outcome: Any
    ) -> None:
        self._recorder.record(
            method="POST",
            url=self._base + method,
            request=arguments,
            seconds=time.monotonic() - started,
            **outcome,
        )


def _scopes(headers: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return what the token may do, which Slack says in a header of its answers."""
    told = {name.lower(): value for name, value in headers.items()}.get("x-oauth-scopes")
    return None if told is None else split_scopes(told)


def no_answer(method: str, error: Exception, *, write: bool) -> TemporaryError:
    """Return what it means that no answer came: ambiguous unless the connection was never made, or nothing was written."""
    reason = error.reason if isinstance(error, URLError) else error
    return TemporaryError(
        f"Slack did not answer {method}: {type(reason).__name__}.",
        hint="Nothing to do: it is tried again. If it lasts, see https://slack-status.com and the network.",
        # urllib wraps what went wrong before the request was out, and nothing else.
        ambiguous=write and (reason is error or not isinstance(reason, _NEVER_SENT)),
    )

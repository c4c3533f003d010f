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

from integrations.connectors.slack.errors import Answer
from integrations.errors import ConfigurationError, TemporaryError
from integrations.http import Recorder, require_allowed, retry_after_seconds

#: The SDK logs bodies: that stays out of our logs.
_quiet = logging.getLogger(f"{__name__}.sdk")
_quiet.setLevel(logging.CRITICAL)

#: What the SDK lets through when no answer came; all but the second are what urllib raises.
_NO_ANSWER = (OSError, SlackClientError, HTTPException, UnicodeDecodeError)
#: The connection was never made, so nothing can have been written.
_NEVER_SENT = (ConnectionRefusedError, socket.gaierror, ssl.SSLError)


class SlackClient:
    """Call methods as the bot. `timeout` is in seconds."""

    def __init__(self, *, token: str, recorder: Recorder, timeout: int) -> None:
        if not token:
            raise ConfigurationError(
                "The Slack connection has no bot token.",
                hint="Enter the Bot User OAuth Token of the app, which begins with xoxb-.",
            )
        self._base = f"{settings.SLACK_API_URL.rstrip('/')}/"
        require_allowed(self._base)
        self._recorder = recorder
        # The SDK's own retry would post a second time after a dropped connection.
        # Source: https://docs.slack.dev/tools/python-slack-sdk/web#retryhandler
        self._web = WebClient(
            token=token, base_url=self._base, timeout=timeout, retry_handlers=[], logger=_quiet
        )

    def read(self, method: str, **arguments: Any) -> Answer:
        """Ask, with form arguments: not every method that reads takes JSON.

        Raises:
            TemporaryError: no answer came.
        """
        return self._call(method, arguments, params=arguments, write=False)

    def write(self, method: str, **arguments: Any) -> Answer:
        """Write, with a JSON body.

        Raises:
            TemporaryError: no answer came; ambiguous unless the connection was never made.
        """
        return self._call(method, arguments, json=arguments, write=True)

    def _call(
        self, method: str, arguments: Mapping[str, Any], *, write: bool, **sent: Any
    ) -> Answer:
        started = time.monotonic()
        try:
            response = self._answer(method, **sent)
        except _NO_ANSWER as error:
            self._record(method, arguments, started, error=type(error).__name__)
            raise _no_answer(method, error, write=write) from error
        body = response.data if isinstance(response.data, dict) else {}
        self._record(method, arguments, started, status=response.status_code, response=body)
        return Answer(
            method=method,
            status=response.status_code,
            body=body,
            retry_after=retry_after_seconds(response.headers, now=datetime.now(UTC)),
            write=write,
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


def _no_answer(method: str, error: Exception, *, write: bool) -> TemporaryError:
    reason = error.reason if isinstance(error, URLError) else error
    return TemporaryError(
        f"Slack did not answer {method}: {type(reason).__name__}.",
        hint="Nothing to do: it is tried again. If it lasts, see https://slack-status.com and the network.",
        ambiguous=write and not isinstance(reason, _NEVER_SENT),
    )

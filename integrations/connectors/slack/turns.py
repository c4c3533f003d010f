"""Wait for a turn before something is written: how often Slack takes what.

Source: https://docs.slack.dev/apis/web-api/rate-limits - about one message a second and channel; changing messages is
of tier 3, 50 and more a minute and workspace.
"""

import time

from django.conf import settings

from integrations import pacing
from integrations.errors import PostponedError

#: Twenty changes at once and one every two seconds are never more than fifty in a minute.
_CHANGE_EVERY, _CHANGES_AT_ONCE = 2.0, 20


def wait_to_post(connection_id: int, *, place: str) -> None:
    """Wait until the next message may go to a place.

    Raises:
        PostponedError: many wait before us; it says when to come back.
    """
    every: float = settings.SLACK_MESSAGE_SECONDS
    wait = pacing.take(f"slack:{connection_id}:{place}", every)
    _wait(wait, "Slack takes about one message a second and channel, and others wait before this one.")  # fmt: skip


def wait_to_change(connection_id: int) -> None:
    """Wait until the next message may be changed.

    Raises:
        PostponedError: many wait before us; it says when to come back.
    """
    wait = pacing.take(f"slack:{connection_id}:chat.update", _CHANGE_EVERY, burst=_CHANGES_AT_ONCE)
    _wait(wait, "Slack takes about fifty changes of messages a minute, and others wait before this one.")  # fmt: skip


def _wait(seconds: float, why: str) -> None:
    if seconds > pacing.PATIENCE:
        raise PostponedError(
            why, hint="Nothing to do: it goes when its turn comes.", retry_after=seconds
        )
    time.sleep(seconds)

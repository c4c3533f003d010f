"""Put messages into one channel, and find again those whose answer never came."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from integrations.connectors.slack.card import Message
from integrations.connectors.slack.client import SlackClient
from integrations.connectors.slack.errors import GONE, PAYLOAD, Answer, as_error
from integrations.errors import IntegrationError, RuleError, TemporaryError

EVENT_TYPE = "calsync_meeting"
#: How far back a lost message is looked for: longer than a delivery is retried, in seconds.
LOOK_BACK = 4 * 24 * 3600
_PAGES = 5
_METADATA = {"include_all_metadata": True, "limit": 200}
#: Nothing is pinged and nothing is unfurled, whatever the text holds; `parse` stays unset.
_SAFE = {"link_names": False, "unfurl_links": False, "unfurl_media": False}

Payload = Mapping[str, str | int]


class Channel:
    """Post, update and look up in one channel, given by id or by #name, or in a direct message given by its id."""

    def __init__(self, client: SlackClient, *, name: str, channel_id: str = "") -> None:
        self._client = client
        self._name = name
        #: Empty until a message or a look-up told it.
        self.channel_id = channel_id or ("" if name.startswith("#") else name)
        self._joined = False

    def post(
        self, message: Message, *, payload: Payload, thread_ts: str = "", broadcast: bool = False
    ) -> str:
        """Return the `ts` of a new message, which is never turned into a number.

        `broadcast` shows a thread's line in the channel too.

        Raises:
            IntegrationError: see `errors`.
        """
        thread = {"thread_ts": thread_ts} if thread_ts else {}
        loud = {"reply_broadcast": True} if thread_ts and broadcast else {}
        where = {"channel": self.channel_id or self._name, **thread, **loud, **_SAFE}
        body = self._write(
            lambda content: self._client.post(place=self._name, **where, **content),
            message,
            payload,
        ).require()
        self.channel_id = str(body["channel"])
        return str(body["ts"])

    def update(self, message: Message, *, payload: Payload, ts: str) -> bool:
        """Change a message; False if it is gone and a new one has to take its place.

        Raises:
            IntegrationError: see `errors`.
        """
        where = {"channel": self._find_id(), "ts": ts}
        answer = self._write(
            lambda content: self._client.change(**where, **content), message, payload
        )
        if answer.code in GONE:
            return False
        answer.require()
        return True

    def permalink(self, ts: str) -> str:
        """Return a message's address for people, or nothing: it is a convenience."""
        try:
            answer = self._client.read("chat.getPermalink", channel=self.channel_id, message_ts=ts)
        except TemporaryError:
            return ""
        return str(answer.body.get("permalink") or "")

    def find(self, *, wanted: Payload, thread_ts: str = "", but: str = "") -> str:
        """Return the `ts` of the message that carries this payload, or nothing.

        Source: https://docs.slack.dev/messaging/message-metadata

        Raises:
            IntegrationError: the look-up failed, which is never "not found".
        """
        messages = self._replies(thread_ts) if thread_ts else self._history()
        found = (
            str(message["ts"])
            for message in messages
            if _carries(message, wanted) and message["ts"] != but
        )
        return next(found, "")

    def _write(
        self, send: Callable[[dict[str, Any]], Answer], message: Message, payload: Payload
    ) -> Answer:
        """Write the message; refused for its layout, write its words alone."""
        found_by = {"metadata": {"event_type": EVENT_TYPE, "event_payload": dict(payload)}}
        layout = {"text": message.text, "blocks": list(message.blocks)}
        answer = self._joining(lambda: send({**layout, **found_by}))
        if answer.code not in PAYLOAD:
            return answer
        kept = {} if answer.code == "invalid_metadata_format" else found_by
        return send({"text": message.text, "blocks": [], **kept})

    def _joining(self, call: Callable[[], Answer]) -> Answer:
        """Call; outside the channel, join it once (public channels only) and call again."""
        answer = call()
        if answer.code != "not_in_channel" or self._joined:
            return answer
        self._joined = True
        joined = self._client.read("conversations.join", channel=self._find_id())
        if not joined.code:
            return call()
        refused = as_error(joined)
        if isinstance(refused, TemporaryError):
            raise refused
        return answer

    def _history(self) -> Iterator[Mapping[str, Any]]:
        oldest = f"{time.time() - LOOK_BACK:.6f}"
        yield from self._pages(
            "conversations.history", "messages", channel=self._find_id(), oldest=oldest, **_METADATA
        )

    def _replies(self, thread_ts: str) -> Iterator[Mapping[str, Any]]:
        yield from self._pages(
            "conversations.replies", "messages", channel=self._find_id(), ts=thread_ts, **_METADATA
        )

    def _find_id(self) -> str:
        """Return the channel's id, looked up by name if no message told it yet."""
        if not self.channel_id:
            listed = self._pages("conversations.list", "channels", exclude_archived=True, limit=999)
            named = (str(item["id"]) for item in listed if item.get("name") == self._name[1:])
            self.channel_id = next(named, "")
        if not self.channel_id:
            raise _no_such_channel(self._name)
        return self.channel_id

    def _pages(self, method: str, key: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        cursor: dict[str, str] = {}
        for _ in range(_PAGES):
            body = self._page(method, **arguments, **cursor)
            yield from body.get(key) or ()
            following = (body.get("response_metadata") or {}).get("next_cursor")
            if not following:
                return
            cursor = {"cursor": following}

    def _page(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        return self._joining(lambda: self._client.read(method, **arguments)).require()


def _carries(message: Mapping[str, Any], wanted: Payload) -> bool:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return metadata.get("event_type") == EVENT_TYPE and wanted.items() <= payload.items()


def _no_such_channel(name: str) -> IntegrationError:
    return RuleError(
        f"Slack lists no public channel {name}.",
        hint="Check the rule's channel. A private one needs its id instead of its name, and the bot as a member.",
    )

"""Post what belongs to no meeting, and find it again where its answer never came."""

from integrations.connectors.base import Notice, Record
from integrations.connectors.slack.client import SlackClient
from integrations.connectors.slack.hook import HookClient
from integrations.connectors.slack.hooking import REMARK
from integrations.connectors.slack.notice import Button, draw_notice
from integrations.connectors.slack.posting import Channel
from integrations.connectors.slack.text import marked


def post_notice(
    client: SlackClient,
    notice: Notice,
    *,
    channel: str,
    look_first: bool,
    button: Button | None = None,
) -> Record:
    """Post the notice, or return the one that a lost answer left; `button` acknowledges a line's failures.

    Raises:
        IntegrationError: see `errors`.
    """
    place, payload = Channel(client, name=channel), {"notice": notice.key}
    found = place.find(wanted=payload) if look_first else ""
    ts = found or place.post(draw_notice(notice, button=button), payload=payload)
    return Record(object_type="message", remote_id=ts, key=channel, url=place.permalink(ts))


def post_by_hook(client: HookClient, notice: Notice, *, channel: str, look_first: bool) -> Record:
    """Post the notice through a webhook, which tells no id, knows no buttons and finds nothing again.

    Where one has to look first, the notice says that it may be there twice.

    Raises:
        IntegrationError: see `hook_errors`.
    """
    message = draw_notice(notice)
    remark = [{"type": "context", "elements": [marked(REMARK)]}] if look_first else []
    client.post(text=message.text, blocks=[*message.blocks, *remark])
    return Record(object_type="message", remote_id=notice.key, key=channel)

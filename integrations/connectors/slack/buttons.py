"""The buttons below a card, and that of a failed sync. Pure: ids in, blocks out, and back.

A button carries ids and nothing else; whoever reads them on the way back trusts none of it.

Limits: https://docs.slack.dev/reference/block-kit/block-elements/button-element - an action_id of 255 characters, a
value of 2,000, a URL of 3,000; https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bookings.meeting import Meeting
from integrations.connectors.base import PressAction
from integrations.connectors.slack.text import plain

MAX_VALUE = 2_000
MAX_URL = 3_000

_PREFIX = "calsync:"
_IDS = re.compile(r"[0-9]{1,18}(,[0-9]{1,18})*", re.ASCII)

Element = dict[str, Any]


def draw_buttons(meeting: Meeting, *, booking_url: str) -> list[Element]:
    """Return the block with what can be done about the meeting as it is; none where there is nothing."""
    elements = [*_open(booking_url), *_about_no_show(meeting)]
    return [{"type": "actions", "elements": elements}] if elements else []


def acknowledge_button(delivery_ids: Iterable[int]) -> Element:
    """Return a button that acknowledges failed deliveries: as many of them as fit into it."""
    ids = list(delivery_ids)
    value = ""
    for number in ids:
        longer = f"{value},{number}" if value else str(number)
        if len(longer) > MAX_VALUE:
            break
        value = longer
    count = value.count(",") + 1
    label = f"Acknowledge {count}" if count > 1 else "Acknowledge"
    # Two of one message must differ.
    action = f"{PressAction.ACKNOWLEDGE}:{ids[0] if ids else ''}"
    return _button(label, action, value=value)


def read_button(pressed: Mapping[str, Any]) -> tuple[str, tuple[int, ...]] | None:
    """Return what a pressed button of ours asks for, and what it names; None for one of somebody else's, or a link."""
    name, value = pressed.get("action_id"), pressed.get("value")
    if not isinstance(name, str) or not name.startswith(_PREFIX) or not isinstance(value, str):
        return None
    action = name.removeprefix(_PREFIX).partition(":")[0]
    if len(value) > MAX_VALUE or not _IDS.fullmatch(value):
        return action, ()
    return action, tuple(map(int, value.split(",")))


def _open(booking_url: str) -> Iterator[Element]:
    if booking_url.startswith(("https://", "http://")) and len(booking_url) <= MAX_URL:
        yield {**_button("Open in Calsync", "open"), "url": booking_url}


def _about_no_show(meeting: Meeting) -> Iterator[Element]:
    value = str(meeting.chain_id)
    if meeting.is_canceled:
        return
    if meeting.is_no_show:
        yield _button("Undo no-show", PressAction.UNMARK_NO_SHOW, value=value)
        return
    confirm = {
        "title": plain("Mark as no-show?"),
        "text": plain("Calendly is told that the invitee did not come, and so is everything that follows it."),
        "confirm": plain("Mark as no-show"),
        "deny": plain("Cancel"),
    }  # fmt: skip
    yield {
        **_button("Mark as no-show", PressAction.MARK_NO_SHOW, value=value),
        "confirm": confirm,
    }


def _button(label: str, action: str, *, value: str = "") -> Element:
    made: Element = {"type": "button", "text": plain(label), "action_id": f"{_PREFIX}{action}"}
    return {**made, "value": value} if value else made

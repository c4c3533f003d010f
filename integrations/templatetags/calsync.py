"""Filters of the admin's own pages: values in, plain text out; Django escapes what they return."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

from bookings.covering import cover
from bookings.discretion import Discretion
from integrations import holds
from integrations.models import Delivery

register = template.Library()

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")

_TONES: Mapping[str, str] = {
    "create": "success", "update": "success", "act": "success", "fail": "danger", "left": "warning",
    "active": "success", "healthy": "success", "synced": "success", "delivered": "success", "processed": "success", "done": "success",
    "waiting": "info", "sending": "info", "received": "info", "running": "info", "dry": "info", "rescheduled": "info", "booked": "success",
    "retrying": "warning", "paused": "warning", "degraded": "warning", "temporary": "warning", "lost": "warning",
    "open": "warning", "answered": "success", "partial": "warning", "stopped": "warning", "stopping": "warning", "missing": "danger",
    "failed": "danger", "no-show": "danger", "no_show": "danger", "disabled": "danger",
}  # fmt: skip

_ICONS: Mapping[str, str] = {
    "synced": "check", "waiting": "schedule", "retrying": "autorenew", "paused": "pause", "failed": "close",
}  # fmt: skip

#: Kinds of place whose name at Calendly is no word of ours.
_PLACES: Mapping[str, str] = {
    "google_conference": "Google Meet", "microsoft_teams_conference": "Microsoft Teams", "physical": "In person",
    "inbound_call": "The invitee calls", "outbound_call": "The host calls", "ask_invitee": "As the invitee said",
    "custom": "As the host said", "gotomeeting": "GoTo Meeting", "gotomeeting_conference": "GoTo Meeting",
}  # fmt: skip
#: How it stands with the link of a conference, where it is not there.
_LINKS: Mapping[str, str] = {
    "initiated": "the link is being made", "processing": "the link is being made", "failed": "the link could not be made",
}  # fmt: skip


@register.filter
def tone(state: str) -> str:
    """Return the badge colour of a state; what needs nobody stays grey."""
    return _TONES.get(state, "default")


@register.filter
def icon(state: str) -> str:
    """Return the symbol of a destination's state, for who does not tell colours apart."""
    return _ICONS.get(state, "remove")


@register.filter
def place(kind: str) -> str:
    """Return what a kind of place is called: "Google Meet" for "google_conference"."""
    return _PLACES.get(kind) or kind.removesuffix("_conference").replace("_", " ").capitalize()


@register.filter
def link_state(status: str) -> str:
    """Return why a conference has no link; nothing where it has one."""
    return _LINKS.get(status, "")


@register.filter
def initials(name: str) -> str:
    """Return two letters that stand for a connection where there is little room."""
    return "".join(letter for letter in name if letter.isalnum())[:2]


@register.filter
def pretty(value: object) -> str:
    """Return JSON over several lines; text that is no JSON as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def texts(value: object) -> list[tuple[str, str]]:
    """Return the texts of several lines in what was sent, such as a message's words, by name: JSON makes one line of them."""
    rows = value.items() if isinstance(value, dict) else ()
    return [
        (str(name), text) for name, text in rows if isinstance(text, str) and "\n" in text.strip()
    ]


@register.filter
def without_texts(value: object) -> object:
    """Return what was sent without its texts of several lines."""
    apart = dict(texts(value))
    return (
        {name: item for name, item in value.items() if name not in apart}
        if isinstance(value, dict)
        else value
    )


@register.filter
def body(content: bytes | memoryview) -> str:
    """Return bytes that came in as readable text; bytes that are no UTF-8 are shown by their number."""
    return pretty(bytes(content).decode("utf-8", errors="backslashreplace"))


@register.filter
def moment(when: datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return f"{when.astimezone(UTC):%a %d %b %Y, %H:%M:%S} UTC" if when else "-"


@register.filter
def held(value: object) -> str:
    """Return what a field over there holds, for people: moments as we write them, nothing as "(empty)"."""
    if value in (None, ""):
        return "(empty)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if not _MOMENT.fullmatch(text):
        return text
    when = datetime.fromisoformat(text).astimezone(UTC)
    return f"{when:%a %d %b %Y, %H:%M}{f':{when:%S}' if when.second else ''} UTC"


@register.filter
def ago(when: datetime | None) -> str:
    """Say how far away a time is: "in 5 minutes" or "2 days ago"."""
    if when is None:
        return "never"
    now = timezone.now()
    return (
        f"in {timeuntil(when, now, depth=1)}"
        if when > now
        else f"{timesince(when, now, depth=1)} ago"
    )


@register.filter
def due(when: datetime) -> str:
    """Say when something is due: "in 5 minutes", or as soon as a worker is free."""
    return ago(when) if when > timezone.now() else "as soon as a worker is free"


@register.filter
def why_held(delivery: Delivery, discretion: Discretion) -> str:
    """Say why a delivery waits on purpose now; nothing where it does not."""
    cover(delivery.rule, discretion)
    return holds.explain(delivery, now=timezone.now())


@register.filter
def is_web(url: str) -> bool:
    """Tell whether a URL may become a link: another scheme could run a script."""
    return url.lower().startswith(("https://", "http://"))


@register.filter
def milliseconds(attempt: object) -> int | None:
    """Return how long an attempt took."""
    started, finished = getattr(attempt, "started_at", None), getattr(attempt, "finished_at", None)
    return round((finished - started).total_seconds() * 1000) if started and finished else None


@register.filter
def grouped(number: int) -> str:
    """Return a number with its thousands apart: "1,200,000"."""
    return f"{number:,}"

"""What several Calendly objects have inside: a status, a place, hosts, guests, answers, a no-show."""

import hashlib
from typing import Any

from bookings.snapshots import (
    UNSET,
    Answer,
    Cancellation,
    HostSnapshot,
    Location,
    NoShow,
    Unset,
)
from integrations.sources.calendly.payloads.reading import Fields, as_text

ACTIVE = "active"
CANCELED = "canceled"
_SYNTHETIC = "urn:calsync:"
_CANCELED_SPELLINGS = frozenset({CANCELED, "cancelled"})
#: Event types name a conference by its `kind`, scheduled events by its `type`; the latter is kept.
_LOCATION_TYPES = {"zoom_conference": "zoom", "gotomeeting_conference": "gotomeeting"}


def synthetic_uri(kind: str, *parts: str) -> str:
    """Return a name for an object that came without one; the same facts give the same name."""
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{_SYNTHETIC}{kind}:{digest}"


def is_synthetic(uri: str) -> bool:
    """Tell whether the name was made up here."""
    return uri.startswith(_SYNTHETIC)


def read_no_show(item: Fields) -> NoShow:
    """Return a no-show; without a URI of its own it is named by its invitee."""
    uri = item.uri("uri") or synthetic_uri("no_show", item.uri("invitee"))
    return NoShow(uri=uri, created_at=item.moment("created_at"))


def read_location(value: Any) -> Location:
    """Return where it takes place; a bare text is a custom place, null is nowhere yet."""
    if isinstance(value, str):
        return Location(type="custom" if value.strip() else "", text=value.strip())
    place = Fields.of(value)
    kind = place.text("type", 64) or place.text("kind", 64)
    text = place.text("location") or place.text("phone_number")
    return Location(
        type=_LOCATION_TYPES.get(kind, kind),
        status=place.text("status", 32),
        join_url=place.link("join_url", 2048),
        text="" if text == "null" else text,  # a real answer said so of a custom place left empty
    )


def read_status(item: Fields, *, default: str) -> str:
    """Return active or canceled: from `status`, else from older keys, else the default."""
    status = item.text("status").lower()
    if status in _CANCELED_SPELLINGS:
        return CANCELED
    if status == ACTIVE:
        return ACTIVE
    if item.flag("canceled") or item.child("canceled") or item.child("cancellation"):
        return CANCELED
    return ACTIVE if item.get("canceled") is False else default


def read_cancellation(item: Fields, *, status: str) -> Cancellation | None:
    """Return who canceled and why, of what is canceled."""
    found = item.child("cancellation") or item.child("canceled")
    if status != CANCELED or not found:
        return None
    return Cancellation(
        canceled_by=found.text("canceled_by", 255),
        reason=found.text("reason"),
        canceler_type=found.text("canceler_type", 32),
        created_at=found.moment("created_at"),
    )


def no_show_of(invitee: Fields, *, kind: str, invitee_uri: str) -> NoShow | Unset | None:
    """Return the invitee's no-show, None when denied, UNSET when the body does not speak of it."""
    if kind == "invitee_no_show.deleted":
        return None
    if "no_show" not in invitee and kind != "invitee_no_show.created":
        return UNSET
    value = invitee.get("no_show") if "no_show" in invitee else True
    if value is None or value is False:
        return None
    if value is True:
        return NoShow(uri=synthetic_uri("no_show", invitee_uri))
    if isinstance(value, dict) and value:
        return read_no_show(Fields({**value, "invitee": invitee_uri}))
    return UNSET


def read_event_type(event: Fields) -> tuple[str, str]:
    """Return the URI and name; a tutorial in circulation has an object where Calendly has the URI."""
    found = event.child("event_type")
    return found.uri("uri") or event.uri("event_type"), found.text("name", 255)


def read_hosts(event: Fields) -> tuple[HostSnapshot, ...]:
    """Return the hosts in Calendly's order, each once; without a URI one is named by e-mail address."""
    hosts: dict[str, HostSnapshot] = {}
    for member in event.children("event_memberships"):
        email = member.text("user_email", 320)
        uri = member.uri("user") or member.child("user").uri("uri")
        uri = uri or (f"mailto:{email.casefold()}" if email else "")
        if uri:
            name = member.text("user_name", 255)
            hosts.setdefault(uri, HostSnapshot(uri=uri, name=name, email=email))
    return tuple(hosts.values())


def read_guests(event: Fields) -> tuple[str, ...]:
    """Return the guests' e-mail addresses, each once."""
    emails = (guest.text("email", 320) for guest in event.children("event_guests"))
    return tuple(dict.fromkeys(email for email in emails if email))


def read_answers(item: Fields) -> tuple[Answer, ...]:
    """Return the answered questions in their order."""
    entries = enumerate(item.children("questions_and_answers"))
    return tuple(_read_answer(entry, index=index) for index, entry in entries if entry)


def _read_answer(entry: Fields, *, index: int) -> Answer:
    position = entry.count("position")
    return Answer(
        question=entry.text("question"),
        answer=_answer_text(entry.get("answer")),
        position=index if position is None else position,
    )


def _answer_text(value: Any) -> str:
    """Return the answer; several choices stand on lines of their own, as Calendly writes them."""
    return "\n".join(map(as_text, value)) if isinstance(value, list) else as_text(value)

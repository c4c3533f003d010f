"""What a booking's page shows, gathered from the mirror and the road."""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from bookings.admin import relative, status_of
from bookings.discretion import Discretion
from bookings.models import Booking, Invitee
from bookings.standing import Mark, marks
from integrations import at_source
from integrations.admin.chain_line import lines
from integrations.admin.sight import sight
from integrations.admin.zones import LocalTime, local, local_times
from integrations.destinations import Destination, Standing, every_destination
from integrations.templatetags.discreet import called
from integrations.timeline import MOST, TOLD, Entry, EventEntry, Withheld, timeline

#: Invitees that the page shows; a large group event has hundreds.
INVITEES_SHOWN = 100
#: Destinations that it shows, the most pressing first: each of these invitees has one for every rule.
PLACES_SHOWN = 100
_URGENCY = list(Standing)


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteeRow:
    """Hold one invitee, the start in their own zone, what to know, and what can be done about their no-show."""

    invitee: Invitee
    starts: LocalTime | None
    marks: tuple[Mark, ...] = ()
    can_mark: bool = False
    can_unmark: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Hold how the booking stands at a destination, and whether sending it again makes sense."""

    destination: Destination
    can_retry: bool
    can_send_again: bool


def page(booking: Booking, *, request: HttpRequest) -> dict[str, Any]:
    """Return the template context of a booking's page, as far as its reader may see and do things."""
    user, now, seen = request.user, timezone.now(), sight(request.user)
    discretion = seen["discretion"]
    invitees, entries = list(booking.invitees.all()), timeline(booking)
    places = list(_places(booking))
    hosts = [row.host for row in booking.booking_hosts.all()]
    return {
        **seen, **headings(booking, discretion),
        "booking": booking,
        "status": status_of(booking), "relative": relative(booking), "hosts": hosts,
        "local_times": local_times(booking, hosts=hosts, invitees=invitees),
        "lines": lines(booking, invitees[:INVITEES_SHOWN]),
        "invitees": [_invitee_row(invitee, booking, now=now) for invitee in invitees[:INVITEES_SHOWN]],
        "invitees_left_out": max(len(invitees) - INVITEES_SHOWN, 0),
        "places": places[:PLACES_SHOWN], "places_left_out": max(len(places) - PLACES_SHOWN, 0), "idle": _idle(entries),
        "older": entries[:-TOLD], "newest": entries[-TOLD:], "most": MOST if len(entries) >= MOST else 0,
        "may_retry": user.has_perm("integrations.change_delivery"),
        "may_operate": user.has_perm("bookings.change_booking"),
        "may_cancel": user.has_perm("bookings.cancel_booking")
        and not at_source.why_not_canceled(booking, now=now),
        "can_send_again": any(place.can_send_again for place in places),
    }  # fmt: skip


def headings(booking: Booking, discretion: Discretion) -> dict[str, Any]:
    """Return what a page's head and the way to it call the booking: by a name that its reader may see."""
    shown = copy(booking)
    shown.name = called(booking, discretion)
    return {"title": shown.name, "subtitle": "", "original": shown, "object": shown}


def _invitee_row(invitee: Invitee, booking: Booking, *, now: datetime) -> InviteeRow:
    """Offer to mark who is expected at a meeting that has begun, and to take back what is marked."""
    known = invitee.chain_id is not None and invitee.erased_at is None
    has_begun = booking.start_at <= now and not invitee.is_canceled
    return InviteeRow(
        invitee=invitee,
        starts=local(booking, invitee.timezone),
        marks=tuple(marks(invitee)),
        can_mark=known and has_begun and not invitee.is_no_show,
        can_unmark=known and invitee.is_no_show,
    )


def _places(booking: Booking) -> Iterator[Place]:
    found = every_destination([booking])[booking.pk]
    for destination in sorted(found, key=lambda row: _URGENCY.index(row.standing)):
        delivery = destination.delivery
        in_force = delivery.rule is not None and delivery.rule.enabled
        yield Place(
            destination=destination,
            can_retry=destination.can_retry,
            can_send_again=in_force and delivery.state not in delivery.UNSETTLED,
        )


def _idle(entries: Iterable[Entry]) -> list[Withheld]:
    """Return the rules in force that sent nothing of this booking, each with why it left the last event alone."""
    left: dict[int, Withheld] = {}
    acted: set[int | None] = set()
    for entry in entries:
        if isinstance(entry, EventEntry):
            left |= {item.rule.pk: item for item in entry.withheld if item.rule}
            acted |= {row.delivery.rule_id for row in entry.deliveries}
    return [
        item for pk, item in left.items() if pk not in acted and item.rule and item.rule.enabled
    ]

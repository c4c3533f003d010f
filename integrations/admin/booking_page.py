"""What a booking's page shows, gathered from the mirror and the road."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q

from bookings.admin import relative, status_of
from bookings.models import Booking, Invitee
from bookings.standing import Mark, marks
from integrations.destinations import every_destination
from integrations.timeline import timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteeRow:
    """Hold one invitee, the start in their own zone, the bookings they came from and went to, and what to know."""

    invitee: Invitee
    local_start: str
    previous: Booking | None
    following: Booking | None
    marks: tuple[Mark, ...] = ()


def page(booking: Booking, *, user: AbstractBaseUser | AnonymousUser) -> dict[str, Any]:
    """Return the template context of a booking's page."""
    entries = timeline(booking)
    return {
        "booking": booking,
        "title": booking.name or "Booking",
        "status": status_of(booking),
        "relative": relative(booking),
        "hosts": [row.host for row in booking.booking_hosts.all()],
        "invitees": list(_rows(booking)),
        "destinations": every_destination([booking])[booking.pk],
        "entries": entries,
        "may_retry": user.has_perm("integrations.change_delivery"),  # type: ignore[union-attr]
    }


def _rows(booking: Booking) -> list[InviteeRow]:
    invitees = list(booking.invitees.all())
    neighbours = _neighbours(invitees)
    return [
        InviteeRow(
            invitee=invitee,
            local_start=_local(booking.start_at, invitee.timezone),
            previous=next((n.booking for n in neighbours if _moved(n, invitee)), None),
            following=next((n.booking for n in neighbours if _moved(invitee, n)), None),
            marks=tuple(marks(invitee)),
        )
        for invitee in invitees
    ]


def _neighbours(invitees: Collection[Invitee]) -> list[Invitee]:
    named = {uri for i in invitees for uri in (i.old_invitee_uri, i.new_invitee_uri) if uri}
    mine = {invitee.uri for invitee in invitees}
    asked = Q(uri__in=named) | Q(old_invitee_uri__in=mine)
    return list(Invitee.objects.filter(asked).select_related("booking"))


def _moved(old: Invitee, new: Invitee) -> bool:
    return old.uri == new.old_invitee_uri or new.uri == old.new_invitee_uri


def _local(moment: datetime, zone: str) -> str:
    try:
        return f"{moment.astimezone(ZoneInfo(zone)):%a %d %b %Y, %H:%M}" if zone else ""
    except (KeyError, ValueError, OSError):
        return ""

"""Filters that show personal data, or what stands in its place for who may not see it: `{{ text|words:discretion }}`.

A page that forgets to say what its reader may see fails, rather than show it.
"""

from django import template

from bookings.discretion import Discretion
from bookings.models import Booking, Host, Invitee
from integrations.models import RemoteRecord

register = template.Library()


def called(booking: Booking, discretion: Discretion) -> str:
    """Return a booking's name; it may hold an invitee's, so that its event type stands for it."""
    if discretion.is_clear:
        return booking.name or "Booking"
    return booking.event_type.name if booking.event_type else "Booking"


@register.filter
def words(text: object, discretion: Discretion) -> str:
    """Return what somebody wrote, or may name somebody."""
    return discretion.text(str(text or ""))


@register.filter
def person(who: Invitee | Host | str, discretion: Discretion) -> str:
    """Return a person's name, or their initials; who has none is not called by their URI."""
    if isinstance(who, str):
        return discretion.name(who)
    if who.erased_at is not None:
        return "somebody erased"
    return discretion.name(who.name) or discretion.email(who.email) or "somebody"


@register.filter
def address(email: str, discretion: Discretion) -> str:
    """Return an e-mail address, or one that cannot be written to."""
    return discretion.email(email)


@register.filter
def meeting(booking: Booking, discretion: Discretion) -> str:
    """Return what a booking is called, and when it starts."""
    return f"{called(booking, discretion)} {booking.start_at:%Y-%m-%d %H:%M} UTC"


@register.filter
def record(row: RemoteRecord, discretion: Discretion) -> str:
    """Return what something over there is called; its id may hold an address."""
    return str(row) if discretion.is_clear else row.object_type

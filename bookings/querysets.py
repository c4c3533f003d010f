"""Chainable filters over the mirror, one per question that staff or stations ask."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from bookings.models import Booking, Invitee  # noqa: F401  # named in strings below


class BookingQuerySet(models.QuerySet["Booking"]):
    """Filters over bookings."""

    def with_no_show(self) -> "BookingQuerySet":
        """Keep bookings with at least one invitee marked as a no-show."""
        return self.filter(invitees__no_show_uri__gt="").distinct()


class InviteeQuerySet(models.QuerySet["Invitee"]):
    """Filters over invitees."""

    def no_show(self) -> "InviteeQuerySet":
        """Keep invitees that are marked as a no-show now."""
        return self.exclude(no_show_uri="")

    def successors_of(self, uri: str) -> "InviteeQuerySet":
        """Keep the invitees that were rescheduled from the invitee with this URI."""
        return self.filter(old_invitee_uri=uri)

    def of_chain(self, chain_id: int) -> "InviteeQuerySet":
        """Keep a chain's members, oldest first; the last is the meeting as it stands."""
        return self.filter(chain_id=chain_id).order_by("created_at", "id")

"""Chainable filters over the mirror, one per question that staff or stations ask."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from bookings.models import Booking, Invitee  # noqa: F401  # named in strings below


class BookingQuerySet(models.QuerySet["Booking"]):
    """Filters over bookings."""

    def with_no_show(self) -> "BookingQuerySet":
        """Keep bookings with at least one invitee marked as a no-show."""
        from bookings.models import Invitee

        return self.filter(pk__in=Invitee.objects.no_show().order_by().values("booking"))


class InviteeQuerySet(models.QuerySet["Invitee"]):
    """Filters over invitees."""

    def no_show(self) -> "InviteeQuerySet":
        """Keep invitees that are marked as a no-show now."""
        return self.filter(no_show_uri__gt="")

    def of_chains(self, chain_ids: Collection[int]) -> "InviteeQuerySet":
        """Keep the members of chains, the oldest of each first; the last is the meeting as it stands."""
        return self.filter(chain_id__in=chain_ids).order_by("created_at", "id")

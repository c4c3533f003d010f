"""Presses of buttons: who pressed what at another system, and what became of it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from bookings.browsing import ReadOnlyAdmin, display, links
from bookings.covering import cover
from bookings.discretion import Discretion
from bookings.models import Invitee
from integrations.admin.words import TONES, booking_link, short
from integrations.connectors.base import PressAction
from integrations.models import Delivery, Interaction

LABELS: Mapping[str, str] = {
    PressAction.MARK_NO_SHOW: "Mark as no-show",
    PressAction.UNMARK_NO_SHOW: "Undo no-show",
    PressAction.ACKNOWLEDGE: "Acknowledge failed syncs",
}


@admin.register(Interaction)
class InteractionAdmin(ReadOnlyAdmin):
    """Every press that its provider signed, newest first."""

    when_empty = (
        "Who presses a button of a card in Slack is listed here. Cards have buttons once the signing secret of the Slack "
        "app is entered at its connection."
    )
    list_display = ("received", "asked", "who", "badge", "what_became", "connection")
    list_filter = ("state", "connection")
    list_select_related = ("connection",)
    search_fields = ("=id", "presser_email__iexact", "acted_as")
    ordering = ("-id",)
    fields: ClassVar[Any] = (
        "received_at", "connection", "asked", "about", "who", "presser_id", "presser_email", "acted_as", "organization",
        "state", "result", "error", "attempts", "finished_at", "answered_at", "due_at",
    )  # fmt: skip
    readonly_fields: ClassVar[Any] = ("asked", "about", "who")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Interaction]:
        """Return the presses without where to answer them, which is nobody's business."""
        rows: QuerySet[Interaction] = super().get_queryset(request)
        return rows.defer("sealed_reply")

    @display(description="received", ordering="id")
    def received(self, press: Interaction) -> str:
        """Show when it came."""
        return f"{press.received_at:%d %b %Y, %H:%M:%S} UTC"

    @display(description="button")
    def asked(self, press: Interaction) -> str:
        """Show what the button asks for."""
        return LABELS.get(press.action, press.action)

    @display(description="about")
    def about(self, press: Interaction) -> str:
        """Link to the booking, or the deliveries, that the button names."""
        if press.action == PressAction.ACKNOWLEDGE:
            return links((row, row) for row in Delivery.objects.filter(pk__in=press.ids[:50]))
        members = Invitee.objects.filter(chain_id__in=press.ids[:1])
        named = members.select_related("booking__event_type").order_by("created_at", "id")
        newest = named.last()
        cover(newest, Discretion(is_clear=False))  # nobody's name is needed to know the meeting
        return booking_link(newest.booking if newest else None)

    @display(description="pressed by")
    def who(self, press: Interaction) -> str:
        """Show who it was, as far as the provider told."""
        return press.presser_name or press.presser_email or press.presser_id or "-"

    @display(description="state", ordering="state", label=TONES)
    def badge(self, press: Interaction) -> tuple[str, str]:
        """Show the state."""
        return press.state, press.get_state_display()

    @display(description="what was told")
    def what_became(self, press: Interaction) -> str:
        """Show what the person was told, or why it is tried again."""
        return short(press.result or press.error)

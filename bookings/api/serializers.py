"""What the API tells of the mirror, in Calendly's words. Every field is documented: the text is part of the contract."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bookings.api.fields import (
    AdminUrlField,
    DiscreetField,
    EmailField,
    LinkField,
    NameField,
    PrivateLinkField,
)
from bookings.discretion import HIDDEN
from bookings.models import Booking, BookingEvent, Invitee, Status

_ID = "Id in Calsync; it never changes."
_URI = "URI at Calendly."
_CHANGED = "When Calsync last changed it."
_VERSION = "Calendly's `updated_at`; null for what others name and nobody described."
_VANISHED = "Since when Calendly does not know it any more; null while it does."
_ERASED = "When the personal data in it was erased; null if it was not."
_CHAIN = (
    "Id of the meeting: all invitees of a chain of reschedules share it; null until it is known."
)
#: What an event's changes may tell of anybody.
_NAMELESS = frozenset({"start_at", "end_at", "status", "no_show", "location_type", "timezone"})

Row = serializers.Serializer[Any]


class Mirrored(Row):
    """Carry what every mirrored object has."""

    id = serializers.IntegerField(help_text=_ID)
    uri = serializers.CharField(help_text=_URI)
    updated_at = serializers.DateTimeField(source="mirrored_at", help_text=_CHANGED)
    calendly_updated_at = serializers.DateTimeField(
        source="source_updated_at", allow_null=True, help_text=_VERSION
    )
    vanished_at = serializers.DateTimeField(allow_null=True, help_text=_VANISHED)


class HostSerializer(Mirrored):
    """A Calendly user who takes meetings."""

    name = NameField(help_text="Name.")
    email = EmailField(help_text="E-mail address.")
    timezone = serializers.CharField(help_text="IANA name of the time zone, or empty.")
    erased_at = serializers.DateTimeField(allow_null=True, help_text=_ERASED)


class EventTypeSerializer(Mirrored):
    """The template that bookings are made from."""

    name = serializers.CharField(help_text="Name.")
    slug = serializers.CharField(help_text="Its part of the booking page's address.")
    kind = serializers.CharField(help_text="solo or group.")
    pooling_type = serializers.CharField(help_text="round_robin, collective, multi_pool, or empty.")
    active = serializers.BooleanField(help_text="Whether it can be booked.")
    duration = serializers.IntegerField(
        source="duration_minutes", allow_null=True, help_text="Minutes."
    )
    scheduling_url = PrivateLinkField(help_text="Address of the booking page.")
    deleted_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was deleted at Calendly; null if it was not."
    )


class NamedHostSerializer(Row):
    """A host, as a booking names them."""

    id = serializers.IntegerField(source="host.pk", help_text=_ID)
    uri = serializers.CharField(source="host.uri", help_text=_URI)
    name = NameField(source="host.name", help_text="Name.")
    email = EmailField(source="host.email", help_text="E-mail address.")


class NamedEventTypeSerializer(Row):
    """An event type, as a booking names it."""

    id = serializers.IntegerField(help_text=_ID)
    uri = serializers.CharField(help_text=_URI)
    name = serializers.CharField(help_text="Name.")


class LocationSerializer(Row):
    """Where a meeting takes place."""

    type = serializers.CharField(source="location_type", help_text="Calendly's name of the kind: zoom, physical, ask_invitee, ...")  # fmt: skip
    status = serializers.CharField(
        source="location_status",
        help_text="How far the conference link is: initiated, processing, pushed, failed, or empty.",
    )
    location = DiscreetField(source="location_text", help_text="The place or number in words.")
    join_url = PrivateLinkField(help_text="Link to join by; null where there is none.")


class CancellationSerializer(Row):
    """Who canceled, and why."""

    canceled_by = NameField(help_text="Name of who canceled.")
    reason = DiscreetField(source="cancel_reason", help_text="What they wrote.")
    canceler_type = serializers.CharField(help_text="host or invitee.")
    created_at = serializers.DateTimeField(
        source="canceled_at", allow_null=True, help_text="When it was canceled."
    )


class CounterSerializer(Row):
    """How many invitees there are."""

    total = serializers.IntegerField(source="invitees_total", allow_null=True, help_text="All, canceled ones too.")  # fmt: skip
    active = serializers.IntegerField(source="invitees_active", allow_null=True, help_text="Those who are not canceled.")  # fmt: skip
    limit = serializers.IntegerField(source="invitees_limit", allow_null=True, help_text="How many may come.")  # fmt: skip


class GuestSerializer(Row):
    """Somebody whom the invitee brings."""

    email = EmailField(source="*", help_text="E-mail address.")


class AnswerSerializer(Row):
    """A question of the booking page, and what the invitee answered."""

    question = serializers.CharField(help_text="The question.")
    answer = DiscreetField(help_text="The answer.")
    position = serializers.IntegerField(help_text="Its place on the page.")


class NoShowSerializer(Row):
    """The mark that an invitee did not come."""

    uri = serializers.CharField(source="no_show_uri", help_text=_URI)
    created_at = serializers.DateTimeField(
        source="no_show_at", allow_null=True, help_text="When it was marked."
    )


class NeighbourSerializer(Row):
    """The booking before or after this one in a chain of reschedules."""

    booking_id = serializers.IntegerField(help_text="Id of the booking.")
    invitee_id = serializers.IntegerField(source="pk", help_text="Id of the invitee.")
    invitee_uri = serializers.CharField(source="uri", help_text="URI of the invitee at Calendly.")


class InviteeSerializer(Mirrored):
    """One person's place in a booking; a reschedule cancels it and makes another, in the same chain."""

    booking_id = serializers.IntegerField(help_text="Id of the booking.")
    chain = serializers.IntegerField(source="chain_id", allow_null=True, help_text=_CHAIN)
    previous = serializers.SerializerMethodField(help_text="What it was rescheduled from; null if nothing.")  # fmt: skip
    next = serializers.SerializerMethodField(help_text="What it was rescheduled to; null if nothing.")  # fmt: skip
    status = serializers.ChoiceField(Status.choices, help_text="Whether the place stands; rescheduled is canceled, too.")  # fmt: skip
    rescheduled = serializers.BooleanField(help_text="Whether it was canceled by being rescheduled.")  # fmt: skip
    name = NameField(help_text="Name.")
    first_name = NameField(help_text="First name, where the page asks for it.")
    last_name = NameField(help_text="Last name, where the page asks for it.")
    email = EmailField(help_text="E-mail address.")
    timezone = serializers.CharField(help_text="IANA name of the time zone, or empty.")
    text_reminder_number = DiscreetField(help_text="Number for text reminders, or empty.")
    questions_and_answers = AnswerSerializer(
        source="answers", many=True, help_text="What the booking page asked."
    )
    tracking = serializers.SerializerMethodField(help_text="UTM values and salesforce_uuid, as far as the booking link had them.")  # fmt: skip
    cancellation = serializers.SerializerMethodField(help_text="Who canceled, and why; null while it stands.")  # fmt: skip
    no_show = serializers.SerializerMethodField(help_text="The mark that they did not come; null without one.")  # fmt: skip
    cancel_url = PrivateLinkField(help_text="Where the invitee can cancel.")
    reschedule_url = PrivateLinkField(help_text="Where the invitee can reschedule.")
    routing_form_submission = LinkField(source="routing_submission_uri", help_text="URI of the routing form submission that led here; null without one.")  # fmt: skip
    created_at = serializers.DateTimeField(help_text="When it was booked.")
    erased_at = serializers.DateTimeField(allow_null=True, help_text=_ERASED)

    @extend_schema_field(NeighbourSerializer(allow_null=True))
    def get_previous(self, invitee: Invitee) -> Any:
        """Return the place before it in its chain."""
        return _neighbour(invitee, -1)

    @extend_schema_field(NeighbourSerializer(allow_null=True))
    def get_next(self, invitee: Invitee) -> Any:
        """Return the place after it in its chain."""
        return _neighbour(invitee, 1)

    def get_tracking(self, invitee: Invitee) -> dict[str, str]:
        """Return the tracking values, or that they are hidden."""
        discretion = self.context["discretion"]
        return {key: discretion.text(str(value)) for key, value in invitee.tracking.items()}

    @extend_schema_field(CancellationSerializer(allow_null=True))
    def get_cancellation(self, invitee: Invitee) -> Any:
        """Return the cancellation."""
        return CancellationSerializer(invitee, context=self.context).data if invitee.is_canceled else None  # fmt: skip

    @extend_schema_field(NoShowSerializer(allow_null=True))
    def get_no_show(self, invitee: Invitee) -> Any:
        """Return the no-show."""
        return NoShowSerializer(invitee).data if invitee.is_no_show else None


class BookingSerializer(Mirrored):
    """A Calendly scheduled event with everyone in it.

    `chain`, `previous` and `next` are its invitee's; null where several come, each with a chain of their own.
    """

    name = DiscreetField(help_text="What the event is called.")
    status = serializers.ChoiceField(Status.choices, help_text="Whether it stands; rescheduled is canceled, too.")  # fmt: skip
    start_time = serializers.DateTimeField(source="start_at", help_text="When it begins.")
    end_time = serializers.DateTimeField(source="end_at", help_text="When it ends.")
    created_at = serializers.DateTimeField(help_text="When it was booked.")
    updated_at = serializers.SerializerMethodField(help_text="When Calsync last changed it, or an invitee of it.")  # type: ignore[assignment]  # fmt: skip
    event_type = NamedEventTypeSerializer(allow_null=True, help_text="What it was booked as; null where it was not booked by a page.")  # fmt: skip
    hosts = NamedHostSerializer(source="booking_hosts", many=True, help_text="Who hosts it, in Calendly's order.")  # fmt: skip
    location = LocationSerializer(source="*", help_text="Where it takes place.")
    event_guests = GuestSerializer(source="guests", many=True, help_text="Whom the invitee brings.")
    invitees_counter = CounterSerializer(source="*", help_text="How many come.")
    cancellation = serializers.SerializerMethodField(help_text="Who canceled, and why; null while it stands.")  # fmt: skip
    chain = serializers.SerializerMethodField(help_text=_CHAIN)
    previous = serializers.SerializerMethodField(help_text="What it was rescheduled from; null if nothing.")  # fmt: skip
    next = serializers.SerializerMethodField(help_text="What it was rescheduled to; null if nothing.")  # fmt: skip
    no_show = serializers.SerializerMethodField(help_text="Whether an invitee is marked as a no-show.")  # fmt: skip
    invitees = InviteeSerializer(many=True, help_text="Who comes, canceled ones too.")
    erased_at = serializers.DateTimeField(allow_null=True, help_text=_ERASED)
    admin_url = AdminUrlField()

    @extend_schema_field(serializers.DateTimeField())
    def get_updated_at(self, booking: Booking) -> Any:
        """Return the latest change of the booking and of its invitees."""
        latest = max(row.mirrored_at for row in (booking, *booking.invitees.all()))
        return serializers.DateTimeField().to_representation(latest)

    @extend_schema_field(CancellationSerializer(allow_null=True))
    def get_cancellation(self, booking: Booking) -> Any:
        """Return the cancellation."""
        is_canceled = booking.status == Status.CANCELED
        return CancellationSerializer(booking, context=self.context).data if is_canceled else None

    def get_chain(self, booking: Booking) -> int | None:
        """Return the chain of its only invitee."""
        only = _only(booking)
        return only.chain_id if only else None

    @extend_schema_field(NeighbourSerializer(allow_null=True))
    def get_previous(self, booking: Booking) -> Any:
        """Return what its only invitee was rescheduled from."""
        return _neighbour(_only(booking), -1)

    @extend_schema_field(NeighbourSerializer(allow_null=True))
    def get_next(self, booking: Booking) -> Any:
        """Return what its only invitee was rescheduled to."""
        return _neighbour(_only(booking), 1)

    def get_no_show(self, booking: Booking) -> bool:
        """Tell whether anyone is marked."""
        return any(invitee.is_no_show for invitee in booking.invitees.all())


class BookingEventSerializer(Row):
    """A change of a meeting; it never changes itself."""

    id = serializers.IntegerField(help_text="Id in Calsync; later events have greater ones.")
    kind = serializers.ChoiceField(BookingEvent.Kind.choices, help_text="What happened.")
    booking_id = serializers.IntegerField(allow_null=True, help_text="Id of the booking; null for a form submission.")  # fmt: skip
    booking_uri = serializers.CharField(source="booking.uri", default=None, allow_null=True, help_text="URI of the booking at Calendly.")  # fmt: skip
    invitee_id = serializers.IntegerField(allow_null=True, help_text="Id of the invitee; null for a form submission.")  # fmt: skip
    invitee_uri = serializers.CharField(source="invitee.uri", default=None, allow_null=True, help_text="URI of the invitee at Calendly.")  # fmt: skip
    chain = serializers.IntegerField(source="chain_id", allow_null=True, help_text=_CHAIN)
    changes = serializers.SerializerMethodField(help_text="What is different: field -> [before, after].")  # fmt: skip
    cause = serializers.ChoiceField(BookingEvent.Cause.choices, help_text="How Calsync came to know.")  # fmt: skip
    silent = serializers.BooleanField(help_text="Whether only a backfill told of it, so that only rules that ask for such act on it.")  # fmt: skip
    occurred_at = serializers.DateTimeField(help_text="When it happened, by Calendly's clock.")
    created_at = serializers.DateTimeField(help_text="When Calsync noted it.")

    def get_changes(self, event: BookingEvent) -> dict[str, list[Any]]:
        """Return the changes, without what may name a person to who may not see people."""
        is_clear = self.context["discretion"].is_clear
        return {
            name: pair if is_clear or name in _NAMELESS else [HIDDEN, HIDDEN]
            for name, pair in event.changes.items()
        }


def _only(booking: Booking) -> Invitee | None:
    invitees = list(booking.invitees.all())
    return invitees[0] if len(invitees) == 1 else None


def _neighbour(invitee: Invitee | None, step: int) -> Any:
    """Return the place so many steps from it in its chain; the members are read for the whole page."""
    if invitee is None or invitee.chain is None:
        return None
    members = list(invitee.chain.chain_members.all())
    places = {member.pk: place for place, member in enumerate(members)}
    place = places[invitee.pk] + step if invitee.pk in places else -1
    return NeighbourSerializer(members[place]).data if 0 <= place < len(members) else None

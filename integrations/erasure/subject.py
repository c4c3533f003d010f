"""Who is erased, and which rows are theirs: found by the address, and by what hangs together with it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Q, QuerySet

from bookings.erasure import names_of
from bookings.models import Booking, BookingEvent, Invitee, RoutingSubmission
from bookings.personal import Wording
from integrations.models import (
    Delivery,
    DeliveryAttempt,
    InboundWebhook,
    MatchReview,
    RemoteRecord,
)
from integrations.outbox import person_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Hold the folded address, and until when what was made is erased; what came later is a new beginning."""

    address: str
    until: datetime

    def invitees(self) -> QuerySet[Invitee]:
        """Return the person's places that are not erased yet, the oldest first."""
        rows = Invitee.objects.filter(
            email_folded=self.address, created_at__lt=self.until, erased_at=None
        )
        return rows.order_by("id")

    def is_theirs(self, invitee: Invitee) -> bool:
        """Tell whether a place is erased, or is to be."""
        theirs = invitee.email_folded == self.address and invitee.created_at < self.until
        return theirs or invitee.erased_at is not None


@dataclass(frozen=True)
class Circle:
    """Hold some of the person's places, and find what the road made of them."""

    subject: Subject
    invitees: Collection[Invitee]

    @cached_property
    def wording(self) -> Wording:
        """Return how the person is written in the rows about these places."""
        names = frozenset(name for invitee in self.invitees for name in names_of(invitee))
        return Wording(frozenset({self.subject.address}), names)

    @property
    def pks(self) -> set[int]:
        """Return the places' ids."""
        return {invitee.pk for invitee in self.invitees}

    @property
    def uris(self) -> set[str]:
        """Return what names the places and their bookings at the source."""
        return {uri for i in self.invitees for uri in (i.uri, i.booking.uri)}

    @property
    def chains(self) -> set[int]:
        """Return the reschedule chains that the places belong to."""
        return {invitee.chain_id for invitee in self.invitees if invitee.chain_id}

    @property
    def booking_ids(self) -> set[int]:
        """Return the bookings' ids."""
        return {invitee.booking_id for invitee in self.invitees}

    @cached_property
    def ended_chains(self) -> set[int]:
        """Return the chains whose newest place is erased too: nobody else carries them on."""
        members = Invitee.objects.filter(chain_id__in=self.chains).order_by("created_at", "id")
        heads = {member.chain_id: member for member in members.defer("raw")}
        return {pk for pk, head in heads.items() if pk and self.subject.is_theirs(head)}

    @cached_property
    def shared_bookings(self) -> set[int]:
        """Return the bookings with a place of somebody else: a group event."""
        members = Invitee.objects.filter(booking_id__in=self.booking_ids).defer("raw")
        return {member.booking_id for member in members if not self.subject.is_theirs(member)}

    def events(self) -> QuerySet[BookingEvent]:
        """Return what was announced of the places and their chains."""
        whose = Q(invitee__in=self.pks) | Q(chain__in=self.chains)
        return BookingEvent.objects.filter(whose)

    def deliveries(self) -> QuerySet[Delivery]:
        """Return what was planned: of a chain that others carry on, only what was planned before."""
        ended = Q(chain__in=self.ended_chains)
        return Delivery.objects.filter(
            ended | Q(chain__in=self.chains, created_at__lt=self.subject.until)
        )

    def attempts(self) -> QuerySet[DeliveryAttempt]:
        """Return every try at those deliveries."""
        return DeliveryAttempt.objects.filter(delivery__in=self.deliveries())

    def records(self) -> QuerySet[RemoteRecord]:
        """Return what exists of the chains at other systems."""
        return RemoteRecord.objects.filter(chain__in=self.chains).select_related("connection")

    def reviews(self) -> QuerySet[MatchReview]:
        """Return what staff were asked, and answered, about the person."""
        key = person_key(self.subject.address)
        theirs = Q(serial_key=key, created_at__lt=self.subject.until)
        return MatchReview.objects.filter(theirs | Q(chain__in=self.ended_chains))

    def webhooks(self) -> QuerySet[InboundWebhook]:
        """Return what came in about the bookings, and what caused the events; not what is still to be read."""
        causes = self.events().filter(
            cause=BookingEvent.Cause.WEBHOOK, created_at__lt=self.subject.until
        )
        whose = Q(booking__in=self.booking_ids) | Q(pk__in=causes.values("cause_id"))
        rows = InboundWebhook.objects.exclude(state=InboundWebhook.State.RECEIVED)
        return rows.filter(whose).exclude(body=b"")

    def submissions(self) -> QuerySet[RoutingSubmission]:
        """Return the routing forms that led to the places."""
        named = {i.routing_submission_uri for i in self.invitees} - {""}
        uris = {invitee.uri for invitee in self.invitees}
        whose = Q(uri__in=named) | Q(submitter_uri__in=uris)
        return RoutingSubmission.objects.filter(whose, erased_at=None)

    def bookings(self) -> QuerySet[Booking]:
        """Return the bookings, in the order in which the mirror locks them."""
        return Booking.objects.filter(pk__in=self.booking_ids).order_by("uri")

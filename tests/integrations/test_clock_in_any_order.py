"""Whatever happens to meetings, and whenever somebody looks at the clock: each moment is decided once, and acted on in time."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.models import Booking, BookingEvent, Invitee
from integrations import clock
from integrations.models import ClockEntry, Delivery, Rule
from tests.factories import (
    NOW,
    BookingEventFactory,
    BookingFactory,
    ConnectionFactory,
    InviteeFactory,
    RuleFactory,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=60)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("book"), st.integers(1, 60)),
        st.tuples(st.sampled_from(["move", "shift"]), st.integers(1, 60)),
        st.tuples(st.sampled_from(["cancel", "miss"]), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from([1, 20, 59, 90, 600, 1500])),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("look"), st.just(0)),
    ),
    min_size=5,
    max_size=25,
)


class World:
    """Meetings that come, move and go, and three rules that ask the clock."""

    def __init__(self):
        self.now = NOW
        here = ConnectionFactory.create()
        for kind, minutes, policy in (
            ("starting", 1440, "send"),
            ("starting", 60, "skip"),
            ("ended", 30, "send"),
        ):
            rule = RuleFactory.create(
                connection=here, kinds=[kind], offset_minutes=minutes, late_policy=policy
            )
            Rule.objects.filter(pk=rule.pk).update(clock_since=NOW - HOUR)

    def book(self, hours, chain=...):
        booking = BookingFactory.create(start_at=self.now + hours * HOUR, hosts=[])
        invitee = InviteeFactory.create(
            booking=booking, created_at=self.now, announced_at=self.now, chain=chain
        )
        BookingEventFactory.create(
            invitee=invitee, kind="booked" if chain is ... else "rescheduled", occurred_at=self.now
        )

    def move(self, hours):
        old = self.any_active()
        if old:
            Invitee.objects.filter(pk=old.pk).update(status="canceled", rescheduled=True)
            self.now += timedelta(seconds=1)
            self.book(hours, chain=old.chain)

    def shift(self, hours):
        """Move a meeting in place."""
        row = self.any_active()
        if row:
            start = self.now + hours * HOUR
            Booking.objects.filter(pk=row.booking_id).update(
                start_at=start, end_at=start + HOUR / 2
            )
            BookingEventFactory.create(
                invitee=row, kind="rescheduled", changes={"start_at": ["a", "b"]},
                occurred_at=self.now,
            )  # fmt: skip

    def cancel(self, _):
        row = self.any_active()
        if row:
            Invitee.objects.filter(pk=row.pk).update(
                status="canceled", cancel_announced_at=self.now
            )

    def miss(self, _):
        row = self.any_active()
        if row:
            Invitee.objects.filter(pk=row.pk).update(no_show_uri="https://example.com/missed")

    def any_active(self):
        return Invitee.objects.filter(status="active").order_by("-pk").first()

    def wait(self, minutes):
        self.now += timedelta(minutes=minutes)

    def look(self, _):
        known = set(ClockEntry.objects.values_list("pk", flat=True))
        clock.drain(until=self.now + HOUR, clock=lambda: self.now)
        for entry in ClockEntry.objects.exclude(pk__in=known).select_related("event__invitee"):
            self.check(entry)

    def check(self, entry):
        """What was decided just now is so of the meeting as it is just now."""
        head = Invitee.objects.filter(chain=entry.chain_id).order_by("created_at", "pk").last()
        assert head is not None
        assert head.status == "active"
        if entry.state == "skipped":
            return
        assert entry.event is not None
        assert entry.event.invitee == head
        assert entry.due_at <= self.now
        if not entry.reason:  # at its moment
            assert self.now <= entry.due_at + GRACE
        if entry.kind == "starting":
            assert head.booking.start_at > self.now
        else:
            assert not head.no_show_uri


@given(steps=STEPS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_moment_is_decided_once_and_acted_on_in_time(steps):
    with transaction.atomic():
        world = World()
        for name, argument in [*steps, ("look", 0)]:
            getattr(world, name)(argument)
        moments = list(ClockEntry.objects.values_list("rule", "chain", "kind", "anchor_at"))
        fired = ClockEntry.objects.filter(state="fired")
        told = sorted(fired.values_list("rule_id", "event_id"))
        sent = sorted(Delivery.objects.values_list("rule_id", "event_id"))
        events = BookingEvent.objects.filter(cause="clock").count()
        transaction.set_rollback(True)

    assert len(moments) == len(set(moments))
    assert told == sent
    assert events == len(told)

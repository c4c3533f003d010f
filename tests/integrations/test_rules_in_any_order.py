"""Whatever happens to meetings, rules, their destinations and the clock: each event ends once for each rule that asks for it."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.meeting import load_meetings
from bookings.models import BookingEvent
from bookings.reconcile import reconcile
from integrations import breaker, clock, ordering, outbox, rules
from integrations.connectors.base import Applied, Send, Skip
from integrations.deliver import deliver, deliver_many
from integrations.errors import (
    BusyTargetError,
    ConfigurationError,
    DeadTargetError,
    IntegrationError,
    PermanentError,
    PostponedError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import ClockEntry, Connection, Delivery, EventPlan, Rule
from tests.bookings.histories import Account, origin
from tests.factories import NOW, ConnectionFactory, RuleFactory
from tests.integrations.scripted import ScriptedConnector

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
KINDS = ["booked", "rescheduled", "canceled", "no_show", "no_show_removed", "updated"]
Cause = BookingEvent.Cause

CONDITIONS = [
    {},
    {"fact": "booking.duration", "op": ">", "value": 0},
    {"fact": "booking.duration", "op": ">", "value": 600},
    {"fact": "answer", "argument": "Budget", "op": "is", "value": "none"},  # nobody told
    {"fact": "booking.hours_ahead", "op": ">", "value": 5},
    {"fact": "booking.reschedule_count", "op": "<", "value": 1},
    {"nonsense": True},
]
MOODS: dict[str, type[Exception] | None] = {
    "well": None,
    "down": TemporaryError,
    "busy": BusyTargetError,
    "throttled": ThrottledError,
    "elsewhere": PostponedError,
    "refuses": PermanentError,
    "gone": DeadTargetError,
    "locked": ConfigurationError,
    "crashes": ZeroDivisionError,
}
RULE = st.fixed_dictionaries(
    {
        "kinds": st.sampled_from(
            [KINDS, ["rescheduled", "canceled", "updated"], ["starting"], ["ended"], ["starting", "ended"],
             [*KINDS, "starting"], [*KINDS, "ended"]]
        ),
        "conditions": st.sampled_from([*CONDITIONS, {}, {}, {}]),
        "stops": st.sampled_from([False, False, False, True]),
        "debounce_seconds": st.sampled_from([0, 0, 60, 600]),
        "waits": st.sampled_from([None, 0, 1, 2, 3]),
        "late": st.sampled_from([None, None, 0, 1, 2]),
        "waits_at_most": st.sampled_from([120, 3600]),
        "offset_minutes": st.sampled_from([0, 30, 120, 1440]),
        "late_policy": st.sampled_from(["send", "skip", "other"]),
        "grace_minutes": st.sampled_from([10, 60, 1440]),
        "action": st.sampled_from(["write", "state"]),
        "acts_on_backfill": st.booleans(),
        "backfill_max_age_days": st.sampled_from([None, 1]),
        "there": st.booleans(),
        "enabled": st.sampled_from([True, True, True, False]),
    }
)  # fmt: skip
HEARD = st.sampled_from(["told", "told", "told", "missed", "late"])
HAPPENS = st.tuples(
    st.sampled_from(["book", "move", "move", "shift", "rename", "cancel", "mark", "unmark"]),
    st.tuples(st.sampled_from([1, 2, 5, 25, 27, 60]), HEARD),
)
WAITS = st.tuples(st.just("wait"), st.sampled_from([1, 61, 200, 3600, 90_000]))
PASSES = st.tuples(
    st.just("pass_by"),
    st.tuples(st.integers(1, 8), st.sampled_from([5, 20, 50, 300]), st.booleans()),
)
LOOKS = st.tuples(st.sampled_from(["look", "backfill", "mail", "release"]), st.none())
AGAIN = st.tuples(st.sampled_from(["again", "replan"]), st.integers(0, 9))
SENDS = st.tuples(st.just("send"), st.tuples(st.booleans(), st.sampled_from([1, 8]), st.booleans()))
DIES = st.tuples(st.just("die"), st.booleans())
MOOD = st.tuples(st.just("mood"), st.tuples(st.booleans(), st.sampled_from(sorted(MOODS))))
CHANGES = st.tuples(st.just("change"), st.tuples(st.integers(0, 4), RULE))
SWITCHES = st.tuples(st.just("switch"), st.tuples(st.integers(0, 4), st.booleans()))
MENDS = st.tuples(st.sampled_from(["mend", "retry"]), st.integers(0, 9))
STEPS = st.lists(
    st.one_of(
        HAPPENS, HAPPENS, HAPPENS, WAITS, PASSES, PASSES, PASSES, LOOKS, AGAIN, SENDS, SENDS, DIES, MOOD,
        MOOD, CHANGES, SWITCHES, MENDS,
    ),
    min_size=10, max_size=40,
)  # fmt: skip


class Fickle(ScriptedConnector):
    """End by the mood of its connection, keep which delivery was written, and what was written last of each meeting."""

    actions: ClassVar[dict[str, str]] = {"write": "Write", "state": "Write how it stands"}
    coalescing_actions: ClassVar[frozenset[str]] = frozenset({"state"})
    batch_size: ClassVar[int] = 8
    moods: ClassVar[dict[int, str]] = {}
    written: ClassVar[Counter[int]] = Counter()
    states: ClassVar[dict[tuple[int | None, str], object]] = {}

    def plan(self, task):
        """Skip what stands there already."""
        if task.action == "state" and self.states.get(self._key(task)) == state_of(task.meeting):
            return Skip(reason="Already equal.")
        return Send(summary="Write it.", payload=None)

    def apply(self, task, decision, *, remember, forget):
        """Write, unless the mood is another."""
        self.recorder.record(method="POST", url="https://fickle.example/", request={}, status=200)
        mood = self.moods.get(self.account.connection_id, "well")
        error = MOODS[mood]
        if error is not None:
            raise error(mood)
        self.written[task.delivery_id] += 1
        if task.action == "state":
            self.states[self._key(task)] = state_of(task.meeting)
        return Applied(summary="Written.")

    def apply_many(self, jobs):
        """Each by itself."""
        return [self._one(job) for job in jobs]

    def _one(self, job):
        self.recorder = job.recorder
        try:
            return self.apply(job.task, job.decision, remember=job.remember, forget=job.forget)
        except IntegrationError as error:
            return error

    def _key(self, task):
        return self.account.connection_id, task.meeting.key


def state_of(meeting):
    return (meeting.name, meeting.start_at, meeting.is_canceled, meeting.is_no_show)


@dataclass
class Calendar(Account):
    """An account whose meetings begin as many hours from now as is asked."""

    hours: int = 1

    def _new_booking(self, *, limit):
        start = self.now + self.hours * HOUR
        return replace(super()._new_booking(limit=limit), start_at=start, end_at=start + HOUR / 2)


class World:
    """Meetings, rules at two destinations, and a clock; `asked` holds each event with the rules that were asked about it."""

    def __init__(self, drawn):
        self.now = NOW
        self.calendar = Calendar(now=NOW)
        self.late, self.heard = [], []
        self.asked = set()
        self.connections = [ConnectionFactory.create(provider="fickle") for _ in range(2)]
        Fickle.moods, Fickle.written, Fickle.states = {}, Counter(), {}
        # The first keeps what stands there equal to the mirror: nothing withholds it, and nobody changes it.
        self.keeper = RuleFactory.create(
            connection=self.connections[0], kinds=KINDS, action="state", acts_on_backfill=True,
            debounce_seconds=drawn[0]["debounce_seconds"],
        )  # fmt: skip
        self.rules: list[Rule] = []
        for values in drawn:
            self.rules.append(self._save(Rule(name=f"R{len(self.rules)}"), values))

    def _save(self, rule, values):
        values = dict(values)
        others = [self.keeper, *(other for other in self.rules if other.pk != rule.pk)]
        place = self.rules.index(rule) if rule.pk else len(self.rules)
        waits, late = values.pop("waits"), values.pop("late")
        earlier = [self.keeper, *self.rules[:place]]  # so that none waits in a circle
        rule.waits_for = None if waits is None else earlier[waits % len(earlier)]
        rule.late_rule = None if late is None else others[late % len(others)]
        there = values.pop("there")
        rule.connection = self.connections[1 if there or values["action"] == "state" else 0]
        for name, value in values.items():
            setattr(rule, name, value)
        rule.save()
        return self._since(rule)

    def _since(self, rule):
        """Put our clock in the place of the machine's."""
        Rule.objects.filter(pk=rule.pk, clock_since__gt=self.now + HOUR).update(
            clock_since=self.now
        )
        rule.refresh_from_db()
        return rule

    # What happens to meetings

    def book(self, how):
        self._happens(how, self.calendar.book)

    def move(self, how):
        self._to_one(how, self.calendar.reschedule)

    def cancel(self, how):
        self._to_one(how, self.calendar.cancel)

    def mark(self, how):
        self._to_one(how, self.calendar.mark_no_show, missed=False)

    def unmark(self, how):
        self._to_one(how, self.calendar.unmark_no_show, missed=True)

    def shift(self, how):
        start = self.now + how[0] * HOUR
        self._to_one(how, lambda uri: self._edit(uri, start_at=start, end_at=start + HOUR / 2))

    def rename(self, how):
        self._to_one(how, lambda uri: self._edit(uri, name=f"Call {how[0]}"))

    def _edit(self, uri, **values):
        calendar = self.calendar
        calendar.now += timedelta(seconds=7)
        booking = calendar.bookings[calendar.invitees[uri].booking_uri]
        calendar.bookings[booking.uri] = replace(booking, updated_at=calendar.now, **values)
        return [calendar.tell(uri)]

    def _to_one(self, how, change, *, missed=None):
        there = [
            invitee
            for invitee in self.calendar.invitees.values()
            if invitee.status == "active" and (missed is None or bool(invitee.no_show) is missed)
        ]
        if there:
            self._happens(how, lambda: change(there[how[0] % len(there)].uri))
        else:
            self.book(how)

    def _happens(self, how, change):
        hours, heard = how
        self.calendar.now = max(self.calendar.now, self.now)
        self.calendar.hours = hours
        told = change()
        if heard == "told":
            self._hear(told)
        elif heard == "late":
            self.late += told

    def _hear(self, snapshots, **kwargs):
        self.heard += [] if kwargs else snapshots
        for snapshot in snapshots:
            found = reconcile(snapshot, origin=origin(now=self.now, **kwargs))
            self._plan(found.events)

    def _plan(self, events):
        enabled = list(Rule.objects.filter(enabled=True))
        self.asked |= {(e.pk, r.pk) for e in events for r in enabled if e.kind in r.kinds}
        rules.plan(events, now=self.now)

    # What is read and looked at

    def mail(self, _):
        late, self.late = self.late, []
        self._hear(late[::-1])

    def again(self, which):
        if self.heard:
            self._hear([self.heard[which % len(self.heard)]])

    def replan(self, which):
        """Plan what was planned once more, as when a worker died in between."""
        events = BookingEvent.objects.exclude(cause=Cause.CLOCK).filter(chain__isnull=False)
        self._plan(list(events.select_related("invitee").order_by("id")[which : which + 3]))

    def backfill(self, _):
        for uri in self.calendar.bookings:
            self._hear([self.calendar.fetch(uri)], cause=Cause.BACKFILL, silent=True)

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    def pass_by(self, how):
        """Let time pass as it does in a machine that is well: somebody looks at the clock, and may send, again and again."""
        times, minutes, sends = how
        for _ in range(times):
            self.wait(60 * minutes)
            self.look(None)
            if sends:
                self.send((False, 8, False))
                self.send((True, 8, False))

    def look(self, _):
        return clock.drain(until=self.now + HOUR, clock=lambda: self.now).decided

    # What becomes of deliveries

    def send(self, how):
        there, many, single = how
        due = outbox.due(self.connections[there].pk, now=self.now, limit=many)
        if single:
            for delivery_id in due:
                deliver(delivery_id, clock=lambda: self.now, probe=True)
        else:
            deliver_many(due, clock=lambda: self.now)
        return len(due)

    def die(self, there):
        """Let a worker take a delivery, and never be heard of again."""
        due = outbox.due(self.connections[there].pk, now=self.now, limit=1)
        for delivery_id in due:
            outbox.claim(delivery_id, now=self.now)

    def release(self, _):
        outbox.release_expired(now=self.now)

    def mood(self, how):
        there, mood = how
        Fickle.moods[self.connections[there].pk] = mood

    def retry(self, which):
        rows = Delivery.objects.order_by("id").values_list("pk", flat=True)[which : which + 1]
        outbox.retry(Delivery.objects.filter(pk__in=list(rows)), now=self.now, by="ann")

    def mend(self, _):
        for row in Connection.objects.filter(pk__in=[c.pk for c in self.connections]):
            breaker.resume(row, now=self.now)
        for rule in Rule.objects.all():
            rules.resume(rule, now=self.now)

    # What staff change

    def change(self, how):
        which, values = how
        rule = self.rules[which % len(self.rules)]
        rule.refresh_from_db()
        self._save(rule, values)

    def switch(self, how):
        which, on = how
        rule = self.rules[which % len(self.rules)]
        rule.refresh_from_db()
        ordering.switch(rule, on=on)
        self._since(rule)

    def finish(self):
        """Hear and read all there is, and go on until nothing is left to do, with every destination well."""
        Fickle.moods.clear()
        self.mail(None)
        self.backfill(None)
        for _ in range(100):
            self.mend(None)
            self.release(None)
            looked = self.look(None)
            sent = sum(self.send((there, 8, True)) for there in (False, True))
            waits = Delivery.objects.filter(state__in=Delivery.UNSETTLED).exists()
            if not (looked or sent or waits):
                break
            if not sent:
                self.wait(7200)
        else:
            raise AssertionError("something waits for ever")
        assert self.look(None) == 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(RULE, min_size=3, max_size=5), steps=STEPS)
def test_each_event_ends_once_for_each_rule_that_asks_for_it(everywhere, drawn, steps):
    with _undone():
        world = World(drawn)
        world.book((26, "told"))
        for name, how in steps:
            getattr(world, name)(how)
        world.finish()
        seen = Seen(world)
        transaction.set_rollback(True)

    seen.check()


@pytest.fixture
def everywhere(settings):
    """Make the fickle destination known."""
    settings.CONNECTORS = {**settings.CONNECTORS, "fickle": f"{__name__}.Fickle"}


def _undone() -> transaction.Atomic:
    """Return a transaction that is no transaction to the code in it, as those around a test are none."""
    around = transaction.atomic()
    around._from_testcase = True  # type: ignore[attr-defined]
    return around


class Seen:
    """What is there in the end."""

    def __init__(self, world):
        self.asked = world.asked
        self.keeper = world.keeper
        self.deliveries = list(Delivery.objects.order_by("id"))
        self.plans = list(EventPlan.objects.all())
        self.entries = list(ClockEntry.objects.select_related("event"))
        brought = BookingEvent.objects.filter(cause=Cause.CLOCK)
        self.brought = set(brought.values_list("pk", flat=True))
        self.meetings = load_meetings({row.chain_id for row in self.deliveries})
        self.written, self.states = Fickle.written, dict(Fickle.states)
        self.paused = Rule.objects.filter(paused_at__isnull=False).count()

    def check(self):
        assert self.paused == 0
        self._each_ended()
        self._each_once()
        self._clock()
        self._superseded()
        self._equal()

    def _each_ended(self):
        for row in self.deliveries:
            assert row.state in {"delivered", "skipped", "failed"}
            assert row.error if row.state == "failed" else row.result
            assert self.written[row.pk] == (row.state == "delivered")

    def _each_once(self):
        """Each was sent, or withheld with a reason, and never both; and so was nobody who was not asked."""
        withheld = [(plan.pk, entry) for plan in self.plans for entry in plan.withheld]
        assert all(entry["reason"] for _, entry in withheld)
        ended = [(row.event_id, row.rule_id) for row in self.deliveries]
        ended += [(event, entry["rule"]) for event, entry in withheld]
        assert max(Counter(ended).values(), default=1) == 1
        assert {pair for pair in ended if pair[0] not in self.brought} == self.asked
        brought = [event for event, _ in ended if event in self.brought]
        assert Counter(brought) == Counter(self.brought)

    def _clock(self):
        moments = [(e.rule_id, e.chain_id, e.kind, e.anchor_at) for e in self.entries]
        assert len(moments) == len(set(moments))
        fired = [entry.event_id for entry in self.entries if entry.state == "fired"]
        assert Counter(fired) == Counter(self.brought)
        assert all(entry.reason for entry in self.entries if entry.state == "skipped")

    def _superseded(self):
        """What was superseded names a later event of its meeting and rule, which no clock makes too late."""
        by_pair = {(row.event_id, row.rule_id): row for row in self.deliveries}
        for row in self.deliveries:
            if "superseded" in row.result:
                later = by_pair[int(row.result.rsplit("#", 1)[1].rstrip(".")), row.rule_id]
                assert later.chain_id == row.chain_id
                assert later.event_id > row.event_id
                assert later.event_id not in self.brought

    def _equal(self):
        """What stands there is how the meeting is, unless the last word about it failed."""
        last = {row.chain_id: row for row in self.deliveries if row.rule_id == self.keeper.pk}
        for chain, row in last.items():
            if row.state != "failed":
                meeting = self.meetings[chain]
                assert self.states[self.keeper.connection_id, meeting.key] == state_of(meeting)

"""Whatever the order of events, looks at the queue, endings and mends: every event and rule ends, once, and in order."""

from collections import defaultdict
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations import deliver, endings, outbox, rules
from integrations.connectors.base import Applied, Send, Skip
from integrations.endings import Written
from integrations.errors import DeadTargetError, PermanentError, TemporaryError
from integrations.models import Delivery, Rule
from tests.factories import NOW, BookingEventFactory, ConnectionFactory, InviteeFactory, RuleFactory

pytestmark = pytest.mark.django_db

KINDS = ["updated", "no_show"]
OUTCOMES: dict[str, endings.Outcome | None] = {
    "written": Written(decision=Send(summary="", payload=None), applied=Applied(summary="Done.")),
    "skip": Skip(reason="Already equal."),
    "later": TemporaryError("later"),
    "never": PermanentError("never"),
    "gone": DeadTargetError("gone"),
    "lost": None,
}
EVENTS = st.tuples(st.just("event"), st.sampled_from(["loud", "loud", "alone", "silent"]))
WAITS = st.tuples(st.just("wait"), st.sampled_from([1, 30, 61, 200, 400]))
CLAIMS = st.tuples(st.just("claim"), st.sampled_from([(0, 1), (1, 1), (0, 9), (1, 9)]))
ENDS = st.tuples(st.just("end"), st.sampled_from(sorted(OUTCOMES)))
MENDS = st.tuples(st.sampled_from(["resume", "hurry"]), st.integers(0, 5))
STEPS = st.lists(
    st.one_of(EVENTS, EVENTS, WAITS, WAITS, CLAIMS, CLAIMS, ENDS, MENDS), min_size=6, max_size=25
)


class Machine:
    """One meeting, four rules at two connections: one debounces, one follows it, one writes what is, one does neither."""

    def __init__(self, *, debounce):
        self.now = NOW
        self.person = InviteeFactory.create()
        here, there = (ConnectionFactory.create() for _ in range(2))
        plain = RuleFactory.create(connection=here, kinds=KINDS, acts_on_backfill=True)
        patient = RuleFactory.create(
            connection=here, kinds=["updated"], debounce_seconds=60, acts_on_backfill=True
        )
        follower = RuleFactory.create(
            connection=there, kinds=KINDS, debounce_seconds=debounce, waits_for=patient,
            acts_on_backfill=True,
        )  # fmt: skip
        writer = RuleFactory.create(
            connection=there, kinds=KINDS, action="post_card", acts_on_backfill=True
        )
        self.rules, self.connections = [plain, patient, follower, writer], [here, there]
        self.flying = []
        self.written = defaultdict(list)
        self.expected = 0

    def event(self, how):
        """Let something happen; `alone` is a kind that the rule which is waited for does not act on."""
        kind = "no_show" if how == "alone" else "updated"
        event = BookingEventFactory.create(
            invitee=self.person, kind=kind, silent=how == "silent", occurred_at=self.now
        )
        self.expected += 3 if how == "alone" else 4
        rules.plan([event], now=self.now)

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)
        outbox.release_expired(now=self.now)
        self.flying = [c for c in self.flying if self._is_ours(c)]

    def claim(self, how):
        which, many = how
        due = outbox.due(self.connections[which].pk, now=self.now, limit=many)
        claims = (
            outbox.claim_many(due, now=self.now)
            if many > 1
            else [outbox.claim(delivery_id, now=self.now) for delivery_id in due]
        )
        for claim in filter(None, claims):
            assert claim.delivery.pk not in {other.delivery.pk for other in self.flying}
            self.flying.append(claim)

    def end(self, how):
        if not self.flying:
            return
        claim = self.flying.pop(0)
        outcome = OUTCOMES[how]
        if outcome is None:
            return  # its worker died: the lease runs out
        settlement = endings.settlement_of(
            claim.delivery, outcome, now=self.now, throttled_until=None
        )
        with transaction.atomic():
            deliver.settle(claim, settlement, now=self.now, exchanges=[])
            endings.pause_rule(claim.delivery, outcome, now=self.now)
        if how == "written":
            delivery = claim.delivery
            self.written[delivery.chain_id, delivery.rule_id].append(delivery.pk)

    def resume(self, which):
        rules.resume(self.rules[which % 4], now=self.now)

    def hurry(self, which):
        rows = Delivery.objects.order_by("id")[which : which + 1].values_list("pk", flat=True)
        waiting = Delivery.objects.filter(pk__in=list(rows), state="waiting")
        outbox.retry(waiting, now=self.now, by="ann")

    def finish(self):
        """Go on until nothing is left to do, with every attempt a success."""
        for _ in range(200):
            while self.flying:
                self.end("written")
            for rule in self.rules:
                rules.resume(rule, now=self.now)
            for which in range(2):
                self.claim((which, 9))
            if (
                not self.flying
                and not Delivery.objects.filter(state__in=Delivery.UNSETTLED).exists()
            ):
                return
            if not self.flying:
                self.wait(3600)
        raise AssertionError("something waits for ever")

    def _is_ours(self, claim):
        return Delivery.objects.filter(
            pk=claim.delivery.pk, state="sending", attempt_count=claim.delivery.attempt_count
        ).exists()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, debounce=st.sampled_from([0, 30]))
def test_every_event_and_rule_ends_once_and_in_order(steps, debounce):
    with transaction.atomic():
        machine = Machine(debounce=debounce)
        for name, how in steps:
            getattr(machine, name)(how)
        machine.finish()
        deliveries = list(Delivery.objects.select_related("rule"))
        paused = Rule.objects.filter(paused_at__isnull=False).count()
        expected = machine.expected
        transaction.set_rollback(True)

    assert paused == 0
    assert len({(row.event_id, row.rule_id) for row in deliveries}) == len(deliveries)
    assert len(deliveries) == expected
    for delivery in deliveries:
        assert delivery.state in {"delivered", "skipped", "failed"}
        assert delivery.result or delivery.error
    for sent in machine.written.values():
        assert sent == sorted(set(sent))
    _only_the_last_survives(deliveries)


def _only_the_last_survives(deliveries):
    """What was superseded names a later event of its meeting and rule, which was told or superseded itself."""
    by_event = {(row.event_id, row.rule_id): row for row in deliveries}
    for row in deliveries:
        if "superseded" not in row.result:
            continue
        later = int(row.result.rsplit("#", 1)[1].rstrip("."))
        successor = by_event[later, row.rule_id]
        assert successor.chain_id == row.chain_id
        assert successor.event_id > row.event_id
        if row.action != "post_card":
            assert row.rule.debounce_seconds
            assert row.attempt_count == 0
            assert row.not_before > successor.created_at

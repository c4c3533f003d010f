"""A rule tried out before it goes live does in the end what it said, and nothing before."""

import pytest
from django.db import transaction
from django.utils import timezone

from bookings.models import BookingEvent, Invitee
from integrations import bulk, outbox, rehearsing, rules, tasks
from integrations.deliver import deliver
from integrations.models import (
    BulkOperation,
    Delivery,
    DeliveryAttempt,
    RemoteRecord,
    Rule,
    SimulationResult,
)
from tests.connectors.harnesses.rest import HARNESS as REST
from tests.factories import ConnectionFactory, RuleFactory
from tests.integrations.bodies import envelope, invitee

pytestmark = pytest.mark.django_db


@pytest.fixture
def booked(road, sandbox):
    """Two people booked while every rule was off."""
    Rule.objects.update(enabled=False)
    for number, name in ((1, "Ann Lee"), (2, "Bob Ray")):
        body = invitee(booking=f"E{number}", number=f"I{number}", name=name, email=f"{name[:3].lower()}@example.com")  # fmt: skip
        road.receive(envelope("invitee.created", body))
    road.work()
    return list(Invitee.objects.order_by("pk"))


@pytest.fixture
def rest(road, sandbox_server):
    connection = ConnectionFactory.create(
        provider="rest", name="Things", settings=REST.settings(sandbox_server),
        secrets=REST.secrets(sandbox_server.state.config),
    )  # fmt: skip
    return RuleFactory.create(
        connection=connection, action="call", kinds=["booked"], options=REST.options, enabled=False
    )


def _rule(name, road, rest):
    if name == "rest":
        return rest
    connection = {"salesforce": road.salesforce, "slack": road.slack}[name]
    return Rule.objects.select_related("connection").get(connection=connection)


def _try(rule, people):
    return rehearsing.rehearse(
        rule, [person.pk for person in people], clock=timezone.now, asks=True
    )


def _world(sandbox):
    return (
        sandbox.salesforce_history(), sandbox.salesforce_records("Lead"), sandbox.salesforce_records("Event"),
        sandbox.slack_messages(), sandbox.rest_state(),
    )  # fmt: skip


def _is_read(request):
    path = request["path"]
    if path.endswith("/token") or request["method"] == "GET":
        return True
    if path.endswith("/composite"):
        return all(part["method"] == "GET" for part in request["body"]["compositeRequest"])
    method = path.rpartition("/")[2]
    reads = method == "chat.getPermalink" or not method.startswith("chat.")
    return request["service"] == "slack" and reads


@pytest.mark.parametrize("name", ["salesforce", "slack", "rest"])
def test_nothing_is_written_anywhere_and_switched_on_the_rule_does_what_was_foreseen(
    name, road, rest, booked, sandbox
):
    rule = _rule(name, road, rest)
    before = _world(sandbox)

    foreseen = _try(rule, booked)

    assert _world(sandbox) == before
    assert [r["path"] for r in sandbox.requests() if not _is_read(r)] == []
    assert not Delivery.objects.exists()
    assert not RemoteRecord.objects.exists()
    assert [rehearsing.verdict_of(item) for item in foreseen.found] == ["create", "create"]
    expected = [item.preview.settlement for item in foreseen.found]
    rule.enabled = True
    rule.save()
    with transaction.atomic():
        rules.plan(BookingEvent.objects.order_by("id"), now=timezone.now())
    for pk in outbox.due(rule.connection_id, now=timezone.now(), limit=9):
        deliver(pk, clock=timezone.now)
    done = Delivery.objects.order_by("chain_id")
    assert [row.state for row in done] == [settled.state for settled in expected]
    attempts = DeliveryAttempt.objects.order_by("delivery__chain_id")
    written = [
        (set(a.changes), {n for f in a.changes.values() for n in f}, [s["name"] for s in a.steps])
        for a in attempts
    ]
    said = [{name for fields in s.changes.values() for name in fields} for s in expected]
    assert [names for _, names, _ in written] == said
    assert [rehearsing.verdict_of(item) for item in _try(rule, booked).found] == ["equal", "equal"]


def test_a_simulation_counts_each_booking_and_twice_is_the_same(road, booked, sandbox):
    rule = _rule("salesforce", road, None)
    rule.conditions = {"fact": "invitee.email", "op": "is", "value": "ann@example.com"}
    rule.save()
    before = _world(sandbox)

    found = []
    for _ in range(2):
        choice, options = rehearsing.asked_for(rule, last=10, conditions_only=False)
        started = bulk.start(
            bulk.KINDS["simulate"], choice, label="Simulate", by="ann", now=timezone.now(), options=options
        )  # fmt: skip
        tasks.drain_bulk()
        assert started.operation is not None
        operation = BulkOperation.objects.get(pk=started.operation.pk)
        assert (operation.state, operation.total, operation.done, operation.changed) == ("done", 2, 2, 1)  # fmt: skip
        results = SimulationResult.objects.filter(operation=operation)
        found.append(list(results.values_list("chain", "kind", "verdict", "reason", "changes")))

    assert found[0] == found[1]
    assert [(row[2], bool(row[4])) for row in found[0]] == [("create", True), ("left", False)]
    assert "is not what the rule asks for" in found[0][1][3]
    assert _world(sandbox) == before


def test_conditions_only_asks_nobody(road, booked, sandbox):
    rule = _rule("slack", road, None)
    asked = len(sandbox.requests())
    choice, options = rehearsing.asked_for(rule, last=10, conditions_only=True)

    bulk.start(bulk.KINDS["simulate"], choice, label="S", by="ann", now=timezone.now(), options=options)  # fmt: skip
    tasks.drain_bulk()

    assert set(SimulationResult.objects.values_list("verdict", flat=True)) == {"act"}
    assert len(sandbox.requests()) == asked


def test_what_is_only_made_is_no_change_of_what_is_there(road):
    road.receive(envelope("invitee.created", invitee(email="ann@example.com")))
    road.work()
    case = RuleFactory.create(
        connection=road.salesforce, action="file_case", kinds=["booked"], options={}, enabled=False
    )

    (found,) = _try(case, Invitee.objects.all()).found

    assert RemoteRecord.objects.filter(connection=road.salesforce).exists()
    assert rehearsing.verdict_of(found) == "create"

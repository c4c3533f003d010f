from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from integrations import outbox
from integrations.failures import grouped, newest_of
from integrations.models import Delivery
from tests.factories import NOW, ConnectionFactory, DeliveryFactory, RuleFactory

pytestmark = pytest.mark.django_db


def _fail(error="No such channel: C123456789012.", *, rule=None, minutes=0, **given):
    rule = rule or RuleFactory.create()
    at = NOW + timedelta(minutes=minutes)
    return DeliveryFactory.create(rule=rule, failed=True, error=error, settled_at=at, **given)


def test_failures_are_grouped_by_connection_class_and_cause_biggest_first():
    rule = RuleFactory.create()
    first = _fail("“Ann Lee” is locked, ann@example.com", rule=rule, hint="An older hint.")
    last = _fail("“Bob Roe” is locked, bob@example.com", rule=rule, minutes=5, hint="Unlock it.")
    other = _fail("“Ann Lee” is locked, ann@example.com", rule=RuleFactory.create(), minutes=9)
    crashed = _fail("“Ann Lee” is locked, ann@example.com", rule=rule, failure_class="crashed")

    groups = grouped(Delivery.objects.filter(state="failed"))

    largest = groups[0]
    assert [group.count for group in groups] == [2, 1, 1]
    assert largest.cause == "(…) is locked, (address)"
    assert (largest.oldest, largest.newest, largest.hint) == (first.pk, last.pk, "Unlock it.")
    assert (largest.first_at, largest.last_at) == (first.settled_at, last.settled_at)
    assert {group.newest for group in groups[1:]} == {other.pk, crashed.pk}


def test_grouping_takes_two_queries_however_many_fail():
    for _ in range(4):
        _fail()

    with CaptureQueriesContext(database) as captured:
        assert len(grouped(outbox.unseen_failures())) == 4

    assert len(captured) == 2


def test_the_newest_of_each_cause_are_found_in_one_query(django_assert_num_queries):
    rule = RuleFactory.create()
    rows = [_fail(rule=rule) for _ in range(3)]
    other = _fail("Quite another thing.", rule=rule)

    with django_assert_num_queries(1):
        found = newest_of(Delivery.objects.filter(state="failed"), each=2)

    assert found == {
        (rule.connection_id, "permanent", rows[0].cause): (rows[2].pk, rows[1].pk),
        (rule.connection_id, "permanent", "Quite another thing."): (other.pk,),
    }


def test_the_grouping_reads_an_index_and_no_table():
    if database.vendor != "sqlite":
        pytest.skip("PostgreSQL reads a table as small as this one whole.")
    connection = ConnectionFactory.create()
    unseen = Delivery.objects.filter(state="failed", acknowledged_at=None, connection=connection)

    plan = unseen.filter(failure_class="permanent", cause="No.").order_by("-id").explain()

    assert "delivery_by_cause" in plan


def test_a_retry_forgets_the_cause_and_why_it_was_ignored():
    delivery = _fail()
    rows = Delivery.objects.filter(pk=delivery.pk)
    outbox.acknowledge(rows, by="ann", now=NOW, reason="The channel is gone for good.")
    delivery.refresh_from_db()
    ignored = delivery.acknowledged_reason

    outbox.retry(rows, now=NOW, by="ann")

    delivery.refresh_from_db()
    assert ignored == "The channel is gone for good."
    assert (delivery.cause, delivery.acknowledged_reason, delivery.acknowledged_at) == (
        "",
        "",
        None,
    )

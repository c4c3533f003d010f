"""Sending a meeting again: the newest delivery of each rule in force, and what may be written though we believe it equal."""

import pytest

from integrations import resync
from integrations.models import Delivery, RemoteRecord, Rule
from tests.factories import (
    NOW,
    BookingEventFactory,
    ConnectionFactory,
    DeliveryFactory,
    RemoteRecordFactory,
    RuleFactory,
)

pytestmark = pytest.mark.django_db


def _again(*deliveries: Delivery) -> int:
    return resync.send_again(deliveries, now=NOW, by="ida")


@pytest.mark.parametrize(
    ("delivery", "rule", "is_sent"),
    [
        ({"delivered": True}, {}, True),
        ({"skipped": True}, {}, True),
        ({"failed": True}, {}, True),
        ({}, {}, False),
        ({"delivered": True}, {"enabled": False}, False),
    ],
)
def test_what_has_ended_under_a_rule_in_force_is_sent_again(delivery, rule, is_sent):
    made = DeliveryFactory.create(rule=RuleFactory.create(**rule), **delivery)

    found = list(resync.sendable([made.chain_id]))

    assert found == ([made] if is_sent else [])
    assert _again(*found) == len(found)


def test_of_a_deleted_rule_nothing_is_sent_again():
    made = DeliveryFactory.create(delivered=True)
    Rule.objects.all().delete()

    assert not resync.sendable([made.chain_id]).exists()


def test_the_newest_of_each_rule_is_sent_and_no_other():
    first = DeliveryFactory.create(delivered=True)
    later = BookingEventFactory.create(kind="updated", invitee=first.event.invitee)
    newest = DeliveryFactory.create(event=later, rule=first.rule, skipped=True)
    other = DeliveryFactory.create(event=first.event, delivered=True)

    assert set(resync.sendable([first.chain_id])) == {newest, other}


def test_asked_for_twice_it_is_sent_once():
    made = DeliveryFactory.create(delivered=True, attempt_count=1)

    counts = [_again(made), _again(made)]

    made.refresh_from_db()
    assert counts == [1, 0]
    assert (made.state, made.result, made.retry_count) == ("waiting", "Retried by ida.", 0)


@pytest.mark.parametrize(("provider", "forgotten"), [("salesforce", True), ("slack", False)])
def test_what_can_be_read_back_is_written_though_we_believe_it_equal(provider, forgotten):
    rule = RuleFactory.create(connection=ConnectionFactory.create(provider=provider))
    made = DeliveryFactory.create(rule=rule, delivered=True)
    for chain in (made.chain, DeliveryFactory.create(rule=rule).chain):
        RemoteRecordFactory.create(connection=rule.connection, chain=chain, content_hash="known")

    _again(made)

    hashes = dict(RemoteRecord.objects.values_list("chain", "content_hash"))
    assert hashes.pop(made.chain_id) == ("" if forgotten else "known")
    assert set(hashes.values()) == {"known"}

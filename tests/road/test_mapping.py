"""A field mapping on the road: rows in the database decide what a webhook writes to Salesforce."""

import pytest
import redis

from integrations.models import Delivery, DeliveryAttempt, FieldMapping
from tests.integrations.bodies import envelope, invitee
from tests.road.test_road import canceled

pytestmark = pytest.mark.django_db


def mapped(road, field, source, argument="", mode="if_empty", object_type="Lead"):
    FieldMapping.objects.create(
        connection=road.salesforce, object_type=object_type, field=field, source=source, argument=argument,
        write_mode=mode,
    )  # fmt: skip


def lead_of_ann(sandbox):
    (lead,) = [x for x in sandbox.salesforce_records("Lead") if x["Email"] == "ann@example.com"]
    return lead


def test_what_staff_mapped_reaches_a_person_and_follows_the_meeting(road, sandbox):
    mapped(road, "Title", "constant", "Guest")
    mapped(road, "Description", "template", "{{ booking.status }}", "append")
    mapped(road, "Status", "constant", "Working - Contacted", "on_create")
    body = invitee()
    road.receive(envelope("invitee.created", body))
    road.work()
    sandbox.salesforce_change("Lead", lead_of_ann(sandbox)["Id"], Title="CEO", Status="Open - Not Contacted")  # fmt: skip

    road.receive(canceled(body))
    road.work()

    lead = lead_of_ann(sandbox)
    assert lead["Title"] == "CEO"
    assert lead["Status"] == "Open - Not Contacted"
    assert lead["Description"] == "booked\ncanceled"
    assert lead["Company"] == "Northwind"
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_a_mapping_that_cannot_be_followed_fails_the_delivery_and_says_what_to_mend(road, sandbox):
    mapped(road, "Gone__c", "invitee.name")
    road.receive(envelope("invitee.created", invitee()))

    road.work()

    delivery = Delivery.objects.get(connection=road.salesforce)
    assert (delivery.state, delivery.failure_class) == ("failed", "configuration")
    assert "Lead has no field Gone__c" in delivery.error
    assert "Field mapping" in delivery.hint
    road.salesforce.refresh_from_db()
    assert road.salesforce.state == "healthy"


def test_what_does_not_fit_is_told_at_the_attempt(road, sandbox):
    mapped(road, "NumberOfEmployees", "invitee.name")
    road.receive(envelope("invitee.created", invitee()))

    road.work()

    attempt = DeliveryAttempt.objects.get(delivery__connection=road.salesforce)
    assert any("is no whole number" in step["detail"] for step in attempt.steps)


def test_what_salesforce_described_lies_where_every_process_finds_it(road, sandbox, broker_url):
    mapped(road, "Title", "invitee.name")
    road.receive(envelope("invitee.created", invitee()))
    road.work()

    with redis.from_url(broker_url) as client:
        assert len(client.keys("*describe*")) == 1

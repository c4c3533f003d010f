"""What an earlier version left in the database is taken up: written once more, and then as it should be."""

import pytest
from django.utils import timezone

from integrations import outbox
from integrations.models import Delivery, RemoteRecord
from tests.integrations.bodies import envelope, invitee
from tests.road.test_drift import compare

pytestmark = pytest.mark.django_db


def send_again(road):
    delivery = Delivery.objects.get(connection=road.salesforce)
    assert outbox.repeat(delivery, now=timezone.now(), reason="Asked by olivia.")
    road.work()
    delivery.refresh_from_db()
    return delivery.state


@pytest.mark.parametrize("known", [True, False])
def test_records_without_what_is_kept_true_are_written_once_and_compared_from_then_on(
    road, sandbox, known
):
    if known:
        sandbox.salesforce_insert("Contact", LastName="Li", Email="ann@example.com")
    road.receive(envelope("invitee.created", invitee()))
    road.work()
    records = RemoteRecord.objects.filter(connection=road.salesforce)
    before = set(records.values_list("object_type", "remote_id"))
    records.update(data={}, content_hash="")
    records.filter(object_type="Event").update(content_hash="of an earlier form")
    assert compare(road).compared == 0

    assert send_again(road) == "delivered"
    asked = len(sandbox.requests(service="salesforce"))
    assert send_again(road) == "skipped"

    assert len(sandbox.requests(service="salesforce")) == asked
    assert set(records.values_list("object_type", "remote_id")) == before
    (event,) = sandbox.salesforce_records("Event")
    assert ("Event", event["Id"]) in before
    run = compare(road)
    assert (run.compared, run.differing, run.missing) == (1, 0, 0)

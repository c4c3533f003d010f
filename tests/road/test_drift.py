"""Our own writes changed by hand in Salesforce: found, shown, written again or accepted."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations import drift, erasure
from integrations.models import (
    Delivery,
    DeliveryAttempt,
    DriftFinding,
    DriftRun,
    ErasureRequest,
    FieldMapping,
    RemoteRecord,
)
from tests.factories import StaffUserFactory
from tests.integrations.bodies import envelope, invitee
from tests.road.test_road import canceled

pytestmark = pytest.mark.django_db


@pytest.fixture
def body(road):
    """A meeting of Ann that stands in Salesforce."""
    body = invitee()
    road.receive(envelope("invitee.created", body))
    road.work()
    return body


@pytest.fixture
def event(sandbox, body):
    """Her Event."""
    (event,) = sandbox.salesforce_records("Event")
    return event


def compare(road):
    run = drift.start(road.salesforce, now=timezone.now())
    drift.drain(road.salesforce.pk, until=timezone.now() + timedelta(minutes=1), clock=timezone.now)
    run.refresh_from_db()
    return run


def decide(act, run, **more):
    return act(run.findings.select_related("run"), by="olivia", **more)


def test_what_is_true_is_not_told(road, event):
    run = compare(road)

    assert (run.state, run.compared, run.differing, run.missing) == ("done", 1, 0, 0)


def test_a_change_is_reported_and_repaired(road, sandbox, event):
    sandbox.salesforce_change("Event", event["Id"], Subject="Theirs", Location=None)
    run = compare(road)
    (finding,) = run.findings.all()
    assert finding.fields == {
        "Subject": [event["Subject"], "Theirs"],
        "Location": [event["Location"], None],
    }

    assert decide(drift.repair, run, now=timezone.now()) == 1
    road.work()

    newest = DeliveryAttempt.objects.filter(delivery__connection=road.salesforce).latest("pk")
    assert newest.changes == {
        f"Event {event['Id']}": {
            "Subject": ["Theirs", event["Subject"]],
            "Location": [None, event["Location"]],
        }
    }
    (again,) = sandbox.salesforce_records("Event")
    assert again["Id"] == event["Id"]
    assert (again["Subject"], again["Location"]) == (event["Subject"], event["Location"])
    assert compare(road).differing == 0


def test_a_deleted_event_is_made_again_for_the_same_person(road, sandbox, event):
    sandbox.salesforce_delete("Event", event["Id"])
    run = compare(road)
    assert (run.differing, run.missing) == (0, 1)

    decide(drift.repair, run, now=timezone.now())
    road.work()

    (again,) = sandbox.salesforce_records("Event")
    assert (again["Subject"], again["WhoId"]) == (event["Subject"], event["WhoId"])
    assert compare(road).missing == 0


def test_what_is_accepted_is_not_told_again_until_the_meeting_changes(road, sandbox, event, body):
    sandbox.salesforce_change("Event", event["Id"], Subject="Theirs")
    decide(drift.accept, compare(road))
    assert compare(road).differing == 0
    (held,) = sandbox.salesforce_records("Event")
    assert held["Subject"] == "Theirs"

    road.receive(canceled(body))
    road.work()

    (held,) = sandbox.salesforce_records("Event")
    assert held["Subject"].startswith("Canceled: ")
    assert compare(road).differing == 0


def test_what_staff_mapped_of_a_person_is_kept_true_too(road, sandbox):
    FieldMapping.objects.create(
        connection=road.salesforce, object_type="Contact", field="Title", source="constant", argument="Guest",
        write_mode="always",
    )  # fmt: skip
    contact = sandbox.salesforce_insert("Contact", LastName="Li", Email="ann@example.com")
    road.receive(envelope("invitee.created", invitee()))
    road.work()
    sandbox.salesforce_change("Contact", contact, Title="CEO")

    run = compare(road)
    assert [(row.object_type, row.fields) for row in run.findings.all()] == [
        ("Contact", {"Title": ["Guest", "CEO"]})
    ]
    decide(drift.repair, run, now=timezone.now())
    road.work()

    held = {row["Id"]: row for row in sandbox.salesforce_records("Contact")}
    assert held[contact]["Title"] == "Guest"
    assert compare(road).differing == 0


def test_the_connection_may_repair_each_night(road, sandbox, event):
    road.salesforce.settings = {"drift": "repair"}
    road.salesforce.created_at = timezone.now() - timedelta(days=3)
    road.salesforce.save()
    sandbox.salesforce_change("Event", event["Id"], Subject="Theirs")

    (run,) = drift.start_nightly(now=timezone.now())
    drift.drain(road.salesforce.pk, until=timezone.now() + timedelta(minutes=1), clock=timezone.now)
    road.work()

    assert run.findings.get().decided_by == "the connection's settings"
    (again,) = sandbox.salesforce_records("Event")
    assert again["Subject"] == event["Subject"]


def test_a_connection_that_wants_none_is_left_alone_at_night(road, event):
    road.salesforce.settings = {"drift": "off"}
    road.salesforce.created_at = timezone.now() - timedelta(days=3)
    road.salesforce.save()

    assert drift.start_nightly(now=timezone.now()) == []


def test_the_run_says_which_mapping_is_to_be_mended(road, sandbox):
    sandbox.salesforce_add_field("Event", "Calls__c", length=80)
    FieldMapping.objects.create(
        connection=road.salesforce, object_type="Event", field="Calls__c", source="constant", argument="One",
        write_mode="always",
    )  # fmt: skip
    road.receive(envelope("invitee.created", invitee()))
    road.work()
    sandbox.salesforce_remove_field("Event", "Calls__c")

    run = compare(road)

    assert run.state == DriftRun.State.FAILED
    assert "Event has no field Calls__c" in run.error
    assert "Field mapping" in run.hint


def test_an_erased_person_is_never_compared(road, sandbox, event):
    sandbox.salesforce_change("Event", event["Id"], Subject="Their Ann")
    decide(drift.repair, compare(road), now=timezone.now())
    assert "Their Ann" in str(RemoteRecord.objects.get(object_type="Event").data)
    request = erasure.request("ann@example.com", requested_by="olivia", now=timezone.now())
    assert erasure.carry_out(request, now=timezone.now())
    sandbox.salesforce_change("Event", event["Id"], Subject="Theirs")
    asked = len(sandbox.requests(service="salesforce"))

    run = compare(road)

    assert (run.state, run.compared) == ("done", 0)
    assert len(sandbox.requests(service="salesforce")) == asked
    assert not DriftFinding.objects.exists()
    assert not any(row.data.keys() & {"kept", "found"} for row in RemoteRecord.objects.all())


def test_the_difference_is_on_the_screens(road, sandbox, event, client):
    sandbox.salesforce_change(
        "Event",
        event["Id"],
        Subject="Theirs",
        EndDateTime="2030-01-07T11:00:00Z",
        StartDateTime="2030-01-07T10:00:00Z",
        Location=None,
    )
    run = compare(road)
    client.force_login(StaffUserFactory.create(is_superuser=True))

    page = client.get(reverse("admin:integrations_driftfinding_changelist")).content.decode()

    assert f"<strong>Subject</strong>: {event['Subject']} &rarr; Theirs" in page
    assert "&rarr; Mon 07 Jan 2030, 10:00 UTC" in page
    assert f"<strong>Location</strong>: {event['Location']} &rarr; (empty)" in page
    assert run.findings.get().url in page
    assert Delivery.objects.filter(state="waiting").count() == 0


def test_who_is_erased_while_salesforce_is_asked_is_not_written_down(road, sandbox, event):
    sandbox.salesforce_change("Event", event["Id"], Subject="Ann Li, by hand")
    before = len(sandbox.requests(service="salesforce"))
    drift.start(road.salesforce, now=timezone.now())
    asked: list[ErasureRequest] = []

    def clock():
        """Tell the time; the person is erased when Salesforce has just answered."""
        if not asked and len(sandbox.requests(service="salesforce")) > before:
            asked.append(
                erasure.request("ann@example.com", requested_by="olivia", now=timezone.now())
            )
            assert erasure.carry_out(asked[0], now=timezone.now())
        return timezone.now()

    drift.drain(road.salesforce.pk, until=timezone.now() + timedelta(minutes=1), clock=clock)

    assert asked
    assert DriftRun.objects.get().state == DriftRun.State.DONE
    assert not DriftFinding.objects.exists()

"""Ready-made actions along the whole road: several rules act on one meeting, each once, for one person."""

import pytest
from django.utils import timezone

from integrations import reviews
from integrations.errors import Candidate
from integrations.models import Delivery, MatchReview, RemoteRecord
from tests.factories import RuleFactory
from tests.integrations.bodies import envelope, invitee
from tests.road.conftest import EVERY_KIND
from tests.road.test_road import canceled, moved

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"


def add_rule(road, action, *, kinds=EVERY_KIND, **options):
    return RuleFactory.create(
        connection=road.salesforce, action=action, kinds=kinds, options=options
    )


def results(rule):
    found = Delivery.objects.filter(rule=rule).order_by("id")
    return [(delivery.event.kind, delivery.state) for delivery in found]


def test_every_action_follows_the_meeting_for_one_person(road, sandbox):
    case = add_rule(road, "file_case", origin="Web")
    tasks = [
        add_rule(road, "create_task", subject=subject, kinds=["booked", "rescheduled"])
        for subject in ("Prepare", "Minutes")
    ]
    add_rule(road, "add_to_campaign", campaign="Autumn Webinar", status_canceled="Sent")
    add_rule(road, "set_lead_status", status="Working - Contacted", kinds=["booked"])
    booked = invitee(email=ANN)
    gone, new = moved(booked)
    story = [envelope("invitee.created", booked), gone, new, canceled(new["payload"])]

    for body in story:
        assert road.receive(body) == 200
        road.work()

    (lead,) = [row for row in sandbox.salesforce_records("Lead") if row["Email"] == ANN]
    assert lead["Status"] == "Working - Contacted"
    (filed,) = sandbox.salesforce_records("Case")
    assert (filed["SuppliedEmail"], filed["IsClosed"]) == (ANN, True)
    made = sandbox.salesforce_records("Task")
    assert sorted((task["Subject"], task["WhoId"]) for task in made) == [
        ("Minutes", lead["Id"]),
        ("Prepare", lead["Id"]),
    ]
    assert {task["ActivityDate"] for task in made} == {"2026-12-04"}
    (member,) = sandbox.salesforce_records("CampaignMember")
    assert (member["LeadId"], member["Status"]) == (lead["Id"], "Sent")
    assert results(case) == [
        ("booked", "delivered"),
        ("rescheduled", "delivered"),
        ("canceled", "delivered"),
    ]
    assert [len(results(rule)) for rule in tasks] == [2, 2]
    kept = RemoteRecord.objects.filter(connection=road.salesforce).values_list("object_type", "key")
    rules = {f"rule-{rule.pk}" for rule in tasks}
    assert {key for kind, key in kept if kind == "Task"} == rules


def test_a_rule_that_cannot_work_stops_no_other(road, sandbox):
    wrong = add_rule(road, "add_to_campaign", campaign="Nothing")

    road.receive(envelope("invitee.created", invitee(email=ANN)))
    road.work()

    failed = Delivery.objects.get(rule=wrong)
    assert (failed.state, failed.failure_class) == ("failed", "configuration")
    assert "option campaign is wrong" in failed.error
    assert len(sandbox.salesforce_records("Event")) == 1
    road.salesforce.refresh_from_db()
    assert road.salesforce.state == "healthy"


def test_another_pick_moves_the_event_and_what_other_rules_made(road, sandbox):
    twins = [sandbox.salesforce_insert("Contact", LastName=name, Email=ANN) for name in ("Li", "Lee")]  # fmt: skip
    add_rule(road, "create_task", kinds=["booked"])
    road.receive(envelope("invitee.created", invitee(email=ANN)))
    road.work()

    for picked in twins:
        review = MatchReview.objects.get()
        listed = {row["remote_id"]: Candidate(**row) for row in review.candidates}
        reviews.answer(
            review, verdict="use", candidate=listed[picked], seen=review.decided_at, by="olivia",
            now=timezone.now(),
        )  # fmt: skip
        road.work()
        assert [event["WhoId"] for event in sandbox.salesforce_records("Event")] == [picked]
        assert [task["WhoId"] for task in sandbox.salesforce_records("Task")] == [picked]

"""Where Salesforce holds a person twice: from the webhook to the question, to the answer, to the next meeting."""

import pytest
from django.utils import timezone

from integrations import reviews
from integrations.errors import Candidate
from integrations.models import Delivery, MatchReview
from tests.integrations.bodies import envelope, invitee

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"


@pytest.fixture
def twins(sandbox):
    """Two contacts with Ann's address."""
    return [sandbox.salesforce_insert("Contact", LastName=name, Email=ANN) for name in ("Li", "Lee")]  # fmt: skip


def receive(road, *, number="1"):
    person = invitee(booking=f"E{number}", number=f"I{number}", email=ANN)
    assert road.receive(envelope("invitee.created", person)) == 200
    road.work()


def answer(verdict, remote_id="", *, review=None):
    review = review or MatchReview.objects.get(state="open")
    listed = {row["remote_id"]: Candidate(**row) for row in review.candidates}
    return reviews.answer(
        review, verdict=verdict, candidate=listed.get(remote_id), seen=review.decided_at, by="olivia",
        now=timezone.now(),
    )  # fmt: skip


def whose(sandbox):
    return [event["WhoId"] for event in sandbox.salesforce_records("Event")]


def looked_up(sandbox):
    return len(sandbox.requests(service="salesforce", path_contains="/composite"))


def test_a_person_picks_and_the_next_meeting_goes_there_without_asking(road, sandbox, twins):
    receive(road)
    delivery = Delivery.objects.get(connection=road.salesforce)
    assert (delivery.state, delivery.failure_class) == ("failed", "review")
    assert whose(sandbox) == []
    asked = looked_up(sandbox)

    answer("use", twins[1])
    road.work()
    receive(road, number="2")

    assert whose(sandbox) == [twins[1]] * 2
    assert looked_up(sandbox) == asked
    assert not MatchReview.objects.filter(state="open").exists()


def test_another_pick_moves_both_meetings(road, sandbox, twins):
    receive(road)
    answer("use", twins[0])
    road.work()
    receive(road, number="2")
    assert whose(sandbox) == [twins[0]] * 2

    assert answer("use", twins[1], review=MatchReview.objects.get()) == 2
    road.work()

    assert whose(sandbox) == [twins[1]] * 2


def test_a_new_record_is_made_once_for_all_their_meetings(road, sandbox, twins):
    receive(road)
    answer("create")
    road.work()
    receive(road, number="2")

    (lead,) = [row for row in sandbox.salesforce_records("Lead") if row["Email"] == ANN]
    assert whose(sandbox) == [lead["Id"]] * 2


def test_nobody_is_remembered_too(road, sandbox, twins):
    receive(road)
    answer("nobody")
    road.work()
    receive(road, number="2")

    assert whose(sandbox) == [None, None]


def test_a_pick_that_is_deleted_over_there_is_asked_about_again(road, sandbox, twins):
    receive(road)
    answer("use", twins[0])
    road.work()
    sandbox.salesforce_delete("Contact", twins[0])

    receive(road, number="2")

    review = MatchReview.objects.get(state="open")
    assert [row["remote_id"] for row in review.candidates] == [twins[1]]
    assert Delivery.objects.filter(failure_class="review").count() == 1
    answer("use", twins[1])
    road.work()
    assert whose(sandbox)[-1] == twins[1]


def test_records_that_were_merged_need_no_answer(road, sandbox, twins):
    receive(road)
    sandbox.salesforce_merge("Contact", kept=twins[0], merged=twins[1])

    reviews.look_again(MatchReview.objects.get(), by="olivia", now=timezone.now())
    road.work()
    reviews.withdraw_idle()

    assert whose(sandbox) == [twins[0]]
    assert MatchReview.objects.get().state == "withdrawn"

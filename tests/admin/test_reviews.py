"""The pages where staff say who an invitee is: who may, in which steps, and what two of them at once see."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from integrations.admin.home import home
from integrations.admin.navigation import sidebar
from integrations.errors import Candidate, TemporaryError
from integrations.models import Delivery, MatchReview
from tests.admin.fake_connector import FakeConnector
from tests.factories import (
    NOW,
    BookingEventFactory,
    ConnectionFactory,
    DeliveryFactory,
    InviteeFactory,
    RuleFactory,
    StaffUserFactory,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/integrations/matchreview/"
FOUND = Candidate(object_type="Lead", remote_id="00QFOUND", label="Found by hand")


class FindingConnector(FakeConnector):
    """Find one record by its id, or the way that leads to it, and refuse to be asked about another."""

    def find(self, remote_id: str) -> Candidate | None:
        if remote_id == "00QAWAY":
            raise TemporaryError("Salesforce is away.", hint="Try again.")
        return FOUND if remote_id in {"00QFOUND", "https://x.example/00QFOUND"} else None


@pytest.fixture
def review(settings):
    settings.CONNECTORS = {**settings.CONNECTORS, "finding": "tests.admin.test_reviews.FindingConnector"}  # fmt: skip
    connection = ConnectionFactory.create(provider="finding", name="Our CRM")
    invitee = InviteeFactory.create(
        name="Maria Lopez", email="maria@acme.example", booking__name="Product demo",
        answers=[{"question": "Company", "answer": "Acme GmbH", "position": 0}],
    )  # fmt: skip
    event = BookingEventFactory.create(invitee=invitee)
    rule = RuleFactory.create(connection=connection)
    DeliveryFactory.create(event=event, rule=rule, serial_key="maria", failed=True, failure_class="review")  # fmt: skip
    return MatchReview.objects.create(
        connection=connection, chain=invitee, serial_key="maria", created_at=NOW, question="2 records have this e-mail address.",
        candidates=[
            {"object_type": "Contact", "remote_id": "003A", "label": "Maria Lopez", "detail": "Acme · owner Adam", "url": "https://x.example/003A"},
            {"object_type": "Lead", "remote_id": "00QB", "label": "M. Lopez", "detail": "<b>Acme</b>", "url": "javascript:alert(1)"},
        ],
    )  # fmt: skip


def staff(*verbs):
    client = Client()
    names = [f"integrations.{verb}_matchreview" for verb in verbs]
    seen = "bookings.view_personal_data"
    client.force_login(StaffUserFactory.create(permissions=[*names, seen]))
    return client


@pytest.fixture
def judge():
    return staff("view", "change")


def url(review, rest="change/"):
    return f"{LIST}{review.pk}/{rest}"


def decide(client, review, verdict="use", *, follow=True, **more):
    return client.post(
        url(review, "decide/"), {"verdict": verdict, "seen": "", **more}, follow=follow
    )


def test_the_page_shows_the_invitee_beside_what_fits(judge, review):
    page = judge.get(url(review)).content.decode()

    for text in ("Maria Lopez", "maria@acme.example", "Product demo", "Acme GmbH", "owner Adam", "2 records have this e-mail address."):  # fmt: skip
        assert text in page
    assert 'href="https://x.example/003A"' in page
    assert "javascript:" not in page
    assert "<b>Acme</b>" not in page


def test_who_may_only_look_is_offered_nothing_and_refused(review):
    viewer = staff("view")

    page = viewer.get(url(review))

    assert page.status_code == 200
    assert b"Use this one" not in page.content
    assert decide(viewer, review, remote_id="003A", confirmed="1").status_code == 403
    review.refresh_from_db()
    assert review.state == "open"


def test_an_answer_is_confirmed_first_then_sent_remembered_and_logged(judge, review):
    shown = decide(judge, review, remote_id="003A")
    review.refresh_from_db()
    assert b"Use this record?" in shown.content
    assert review.state == "open"

    page = decide(judge, review, remote_id="003A", confirmed="1")

    review.refresh_from_db()
    assert (review.state, review.verdict, review.remote_id) == ("answered", "use", "003A")
    assert review.url == "https://x.example/003A"
    assert b"1 delivery is sent now." in page.content
    assert Delivery.objects.get().state == "waiting"
    entry = LogEntry.objects.get()
    assert entry.change_message == "Answered: use this record Contact 003A."
    assert "Maria" not in entry.change_message + entry.object_repr


@pytest.mark.parametrize(
    ("verdict", "words"), [("create", b"Create a new record?"), ("nobody", b"without a person?")]
)
def test_a_new_record_or_nobody_are_answers_too(judge, review, verdict, words):
    assert words in decide(judge, review, verdict).content

    decide(judge, review, verdict, confirmed="1")

    review.refresh_from_db()
    assert (review.verdict, review.remote_id) == (verdict, "")


@pytest.mark.parametrize("typed", ["00QFOUND", " https://x.example/00QFOUND "])
def test_any_record_may_be_named_by_hand_and_is_looked_up_first(judge, review, typed):
    assert b"Found by hand" in decide(judge, review, remote_id=typed).content

    decide(judge, review, remote_id="00QFOUND", confirmed="1")

    review.refresh_from_db()
    assert (review.object_type, review.remote_id) == ("Lead", "00QFOUND")


@pytest.mark.parametrize(
    ("typed", "words"), [("00QNONE", b"knows no such person"), ("00QAWAY", b"Salesforce is away.")]
)
def test_what_cannot_be_found_is_no_answer(judge, review, typed, words):
    assert words in decide(judge, review, remote_id=typed, confirmed="1").content

    review.refresh_from_db()
    assert review.state == "open"


def test_who_answers_second_is_told_and_changes_nothing(judge, review):
    decide(judge, review, remote_id="003A", confirmed="1")

    late = decide(staff("view", "change"), review, remote_id="00QB", confirmed="1")

    review.refresh_from_db()
    assert b"Somebody answered in the meantime" in late.content
    assert review.remote_id == "003A"


def test_an_answer_may_be_changed_and_forgotten(judge, review):
    decide(judge, review, remote_id="003A", confirmed="1")
    review.refresh_from_db()
    seen = review.decided_at.isoformat()

    decide(judge, review, remote_id="00QB", confirmed="1", seen=seen)
    review.refresh_from_db()
    assert review.remote_id == "00QB"

    page = judge.post(url(review, "operate/forget/"), follow=True)
    review.refresh_from_db()
    assert review.state == "withdrawn"
    assert b"Forgotten." in page.content


def test_looking_again_sends_what_waits(judge, review):
    judge.post(url(review, "operate/look_again/"), follow=True)

    review.refresh_from_db()
    assert review.state == "open"
    assert Delivery.objects.get().state == "waiting"


@pytest.mark.parametrize("verdict", ["", "guess"])
def test_an_unknown_answer_is_none(judge, review, verdict):
    assert decide(judge, review, verdict).status_code == 404
    assert judge.get(url(review, "decide/")).status_code == 405


def test_a_withdrawn_review_offers_nothing(judge, review):
    MatchReview.objects.update(state="withdrawn")

    assert b"Use this one" not in judge.get(url(review)).content
    decide(judge, review, remote_id="003A", confirmed="1")
    review.refresh_from_db()
    assert review.state == "withdrawn"


def test_the_list_shows_the_open_ones_first(judge, review):
    MatchReview.objects.create(
        connection=review.connection, chain=InviteeFactory.create(name="Later Lee"), serial_key="lee", state="answered",
        verdict="nobody", decided_by="oscar", decided_at=NOW, question="?", created_at=NOW,
    )  # fmt: skip

    page = judge.get(LIST).content.decode()

    assert page.index("Maria Lopez") < page.index("Later Lee")
    assert "Our CRM" in page
    assert "write the meeting without a person, by oscar" in page


def test_a_delivery_leads_to_its_question(judge, review):
    delivery = Delivery.objects.get()
    admin = Client()
    admin.force_login(StaffUserFactory.create(is_superuser=True))
    link = f"{LIST}of/{delivery.pk}/"

    for page in (
        f"/admin/integrations/delivery/{delivery.pk}/change/", f"/admin/bookings/booking/{review.chain.booking_id}/change/",
    ):  # fmt: skip
        assert link in admin.get(page).content.decode()
    assert judge.get(link).url == url(review)
    MatchReview.objects.all().delete()
    assert judge.get(link).url == LIST


def test_the_navigation_counts_the_open_ones(rf, review):
    request = rf.get("/admin/")
    request.user = StaffUserFactory.create(permissions=["integrations.view_matchreview"])

    def numbers():
        items = [item for group in sidebar(request) for item in group["items"]]
        needs = home(request, {})["needs"]
        return [item.get("badge") for item in items], [row.need.title for row in needs]

    assert numbers() == (["1"], ["1 match review to answer"])
    MatchReview.objects.update(state="withdrawn")
    assert numbers() == ([None], [])

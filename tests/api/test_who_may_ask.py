"""Tokens, permissions, what is hidden, and how often."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from integrations import tokens
from integrations.models import ApiToken
from tests.api.conftest import PEOPLE, SERVED, asking, token_of
from tests.factories import (
    NOW,
    BookingEventFactory,
    DeliveryFactory,
    HostFactory,
    InviteeFactory,
    RemoteRecordFactory,
    StaffUserFactory,
)

pytestmark = pytest.mark.django_db

LISTS = ("bookings", "invitees", "events", "hosts", "event_types", "deliveries")
MARK = "Zeppelin"


def get(path, key):
    return Client().get(f"/api/v1/{path}", headers={"Authorization": key})


def marked():
    """Make a meeting with a mark in everything that may name a person."""
    host = HostFactory.create(name=f"Host {MARK}", email=f"{MARK}@example.com")
    told = f"{MARK} said so"
    invitee = InviteeFactory.create(
        canceled=True, name=f"Ines {MARK}", first_name=MARK, last_name=MARK, email=f"{MARK}@example.org",
        canceled_by=f"Ines {MARK}", cancel_reason=told, text_reminder_number=told, tracking={"utm_term": told},
        answers=[{"question": "Who?", "answer": told, "position": 0}],
        cancel_url=f"https://calendly.com/c/{MARK}", reschedule_url=f"https://calendly.com/r/{MARK}",
        booking__hosts=[host], booking__name=told, booking__location_text=told, booking__status="canceled",
        booking__canceled_by=f"Ines {MARK}", booking__cancel_reason=told, booking__guests=[f"{MARK}@example.net"],
        booking__join_url=f"https://zoom.example.com/my/{MARK}",
        booking__event_type__scheduling_url=f"https://calendly.com/{MARK}/intro",
    )  # fmt: skip
    event = BookingEventFactory.create(invitee=invitee, changes={"name": [MARK, told], "status": ["active", "canceled"]})  # fmt: skip
    delivery = DeliveryFactory.create(event=event, failed=True, error=told, hint=told, result=told)
    RemoteRecordFactory.create(
        connection=delivery.connection, chain=invitee, remote_id=f"{MARK}@example.org", key=MARK,
        url=f"https://crm.example.com/{MARK}", data={"kept": MARK},
    )  # fmt: skip
    return invitee


@pytest.mark.parametrize("path", LISTS)
def test_who_may_not_see_people_sees_none_of_them_and_the_same_fields(ask, hold, path):
    marked()
    discreet = asking(*SERVED)

    clear, masked = ask(path).json(), discreet(path).json()

    assert MARK in str(clear)
    assert MARK not in str(masked)
    assert MARK not in str(discreet(f"{path}/{masked['results'][0]['id']}").json())
    name = {"bookings": "Booking", "invitees": "Invitee", "events": "BookingEvent", "hosts": "Host", "event_types": "EventType", "deliveries": "Delivery"}[path]  # fmt: skip
    hold(f"Paginated{name}List", masked)


def test_what_stands_in_the_place_of_people_tells_them_apart():
    marked()

    row = asking(*SERVED)("invitees").json()["results"][0]

    assert (row["name"], row["email"]) == ("I. Z.", "Z***@example.org")
    assert row["questions_and_answers"][0]["answer"] == "(hidden)"
    assert row["cancel_url"] is None
    assert row["tracking"] == {"utm_term": "(hidden)"}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("bookings", {"invitee_email": "a@example.com"}),
        ("bookings", {"host_email": "a@example.com"}),
        ("invitees", {"email": "a@example.com"}),
        ("hosts", {"email": "a@example.com"}),
    ],
)
def test_who_may_not_see_addresses_cannot_ask_whether_one_is_known(hold, path, query):
    response = asking(*SERVED)(path, **query)

    assert response.status_code == 403
    hold("Problem", response.json())


@pytest.mark.parametrize("served", SERVED)
def test_each_list_wants_the_permission_to_view_its_rows(served):
    marked()
    ask = asking(served)

    answered = [path for path in LISTS if ask(path).status_code == 200]
    refused = [ask(path).status_code for path in LISTS if path not in answered]

    assert len(answered) == 1
    assert set(refused) == {403}


def test_destinations_are_for_who_may_see_deliveries():
    marked()
    ask = asking("bookings.view_booking")

    assert ask("bookings").json()["results"][0]["sync"] is None
    assert ask("bookings", sync="failed").status_code == 403
    assert ask("bookings", connection=1).status_code == 403


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "credentials were not provided"),
        ("Bearer nonsense", "There is no such token."),
        ("Bearer ", "Send the header Authorization"),
        ("Bearer é", "Send the header Authorization"),
        ("Basic YTpi", "credentials were not provided"),
    ],
)
def test_who_is_not_known_is_told_how_to_be(hold, header, words):
    response = get("bookings", header)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="Calsync"'
    hold("Problem", response.json())
    assert words in response.json()["detail"]


def test_a_token_that_ended_lets_nobody_in():
    user = StaffUserFactory.create(permissions=SERVED)
    gone = StaffUserFactory.create(permissions=SERVED, is_active=False)
    revoked = token_of(user)
    tokens.revoke(ApiToken.objects.get(), now=NOW)
    keys = [revoked, token_of(user, expires_at=NOW), token_of(gone)]

    answers = [get("bookings", f"Bearer {key}") for key in keys]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    told = [answer.json()["detail"] for answer in answers]
    assert [w in t for w, t in zip(("revoked", "expired", "may not sign in"), told, strict=True)] == [True] * 3  # fmt: skip


def test_the_use_of_a_token_is_noted_once_a_minute():
    key = token_of(StaffUserFactory.create(permissions=SERVED))
    used = []

    for seconds in (0, 59, 60):
        tokens.check(key, now=NOW + timedelta(seconds=seconds))
        used.append(ApiToken.objects.get().last_used_at)

    assert used == [NOW, NOW, NOW + timedelta(seconds=60)]


def test_a_token_is_kept_as_a_hash():
    key = token_of(StaffUserFactory.create())

    [row] = ApiToken.objects.values()

    assert key.removeprefix(row["prefix"]) not in str(row)
    assert len(row["prefix"]) < len(key) / 2


def test_somebody_who_is_signed_in_needs_no_token():
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=SERVED))

    assert client.get("/api/v1/bookings").status_code == 200


def test_nothing_can_be_written(ask):
    invitee = InviteeFactory.create()

    for path in ("bookings", f"bookings/{invitee.booking_id}"):
        answers = {verb: ask(path, verb).status_code for verb in ("post", "put", "patch", "delete")}
        assert set(answers.values()) == {405}, answers
    assert ask("bookings", "head").status_code == 200
    assert ask("bookings", "options").status_code == 200


@pytest.mark.parametrize("path", ["bookings/99", "bookings/999999999999999999", "bookings/x", "nothing", "v2"])  # fmt: skip
def test_what_is_not_there_is_told_in_the_same_way(ask, hold, path):
    response = ask(path)

    assert response.status_code == 404
    hold("Problem", response.json())
    assert get(path, "").status_code == 401


def test_who_asks_too_often_is_told_to_wait(broker_url, settings, hold):
    settings.API_REQUESTS_PER_MINUTE = 2
    ask, other = asking(*SERVED, PEOPLE), asking(*SERVED, PEOPLE)

    answers = [ask("hosts") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    hold("Problem", answers[-1].json())
    assert other("hosts").status_code == 200


def test_without_redis_nobody_is_refused(settings):
    settings.API_REQUESTS_PER_MINUTE = 0

    assert asking(*SERVED)("hosts").status_code == 200


def test_a_token_is_refused_from_the_second_on_that_it_expires():
    now = timezone.now()
    token = ApiToken(name="reports", expires_at=now)

    assert token.state_at(now - timedelta(seconds=1)) == "active"
    assert token.state_at(now) == "expired"

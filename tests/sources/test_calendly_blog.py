"""Bodies and habits of a widely read article on Calendly's API, and the real ones: both become the same facts."""

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as project
from django.test import Client

from bookings.models import Booking, Invitee
from bookings.reconcile import reconcile
from bookings.snapshots import Location
from integrations import inbox
from integrations.models import Account
from integrations.sources.base import SignatureOutcome, Understood
from integrations.sources.calendly.oauth import CalendlyOAuth
from integrations.sources.calendly.payloads import parse_api
from integrations.sources.calendly.signature import HEADER
from integrations.sources.calendly.source import CalendlySource
from integrations.sources.reading import Window
from tests.bookings.histories import origin
from tests.factories import NOW, WebhookSubscriptionFactory
from tests.sources.loading import meeting, parse

API = "https://api.calendly.com"
EVENT = f"{API}/scheduled_events/ABC123"
START, END = "2026-12-09T13:00:00Z", "2026-12-09T13:45:00Z"
KEY = "webhook_signing_secret"

ARTICLES_EVENT = {
    "uri": EVENT, "status": "active", "start_time": START, "end_time": END,
    "event_type": f"{API}/event_types/ETC123", "created_at": "2026-11-20T10:00:00Z", "updated_at": "2026-11-20T10:00:00Z",
    "tracking": {"utm_campaign": "spring_sale", "utm_source": "email", "utm_medium": "newsletter"},
    "invitees_counter": {"active": 1, "limit": 1, "total": 1},
    "location": {"type": "zoom", "join_url": "https://zoom.example/j/123456789"},
}  # fmt: skip
ARTICLES_INVITEE = {
    "uri": f"{API}/scheduled_event_invitees/INV123", "event": EVENT, "email": "Jane@Example.com", "name": "Jane Smith",
    "status": "active", "timezone": "America/New_York", "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-20T10:00:00Z", "new_invitee": None, "old_invitee": None, "canceled": None,
    "tracking": {"utm_campaign": None, "utm_source": None},
}  # fmt: skip
REAL_INVITEE = {
    **ARTICLES_INVITEE, "uri": f"{EVENT}/invitees/INV123", "rescheduled": False,
    "tracking": ARTICLES_EVENT["tracking"],
    "scheduled_event": {
        **{key: value for key, value in ARTICLES_EVENT.items() if key != "tracking"},
        "start_time": "2026-12-09T13:00:00.000000Z", "end_time": "2026-12-09T13:45:00.000000Z",
        "location": {"type": "zoom", "status": "pushed", "join_url": "https://zoom.example/j/123456789", "data": {}},
    },
}  # fmt: skip
ARTICLES_TYPE = {
    "uri": f"{API}/event_types/ETC123", "active": True, "kind": "solo", "name": "30 Min Consultation", "slug": "30min",
    "duration": 30, "pooling_type": None, "created_at": "2026-11-20T10:00:00Z", "scheduling_url": "https://calendly.com/jd/30min",
    "profile": {"name": "John Doe", "type": "User", "owner": f"{API}/users/ABC123"},
}  # fmt: skip


def webhook(kind, payload, at="2026-11-20T10:00:01Z"):
    return {"event": kind, "created_at": at, "payload": payload}


def articles(kind="invitee.created", *, event=None, **fields):
    """Return a webhook as the article has it: the meeting is an object under `event`."""
    return webhook(kind, {**ARTICLES_INVITEE, "event": {**ARTICLES_EVENT, **(event or {})}, **fields})  # fmt: skip


def answers(value):
    parsed = parse_api(json.dumps(value).encode(), observed_at=NOW)
    assert isinstance(parsed, Understood), parsed
    return parsed.snapshots


@pytest.mark.db_independent
def test_a_webhook_of_the_article_and_a_real_one_tell_the_same():
    article, real = meeting(articles()), meeting(webhook("invitee.created", REAL_INVITEE))

    facts = [
        (
            found.booking.uri, found.booking.start_at, found.booking.end_at, found.booking.location.join_url,
            found.booking.event_type_uri, found.invitees[0].email, found.invitees[0].tracking,
        )
        for found in (article, real)
    ]  # fmt: skip
    assert facts[0] == facts[1]
    assert facts[0][1] == datetime(2026, 12, 9, 13, tzinfo=UTC)


@pytest.mark.db_independent
@pytest.mark.parametrize("key", ["resource", "collection"])
@pytest.mark.parametrize("many", [False, True])
def test_lists_are_read_under_either_key_with_one_object_or_several(key, many):
    for item, name in ((ARTICLES_TYPE, "30 Min Consultation"), (ARTICLES_EVENT, None)):
        answer = {key: [item] if many else item, "pagination": {"count": 1, "next_page": None}}

        (found,) = answers(answer)

        assert name is None or found.name == name
        assert name or found.booking.uri == EVENT


@pytest.mark.db_independent
def test_invitees_of_the_article_are_read_by_their_old_address():
    (found,) = answers({"resource": [ARTICLES_INVITEE]})

    invitee = found.invitees[0]
    assert (invitee.uri, invitee.booking_uri) == (ARTICLES_INVITEE["uri"], EVENT)


@pytest.mark.db_independent
def test_tracking_is_taken_from_the_event_where_the_invitee_has_none():
    on_event, on_both = meeting(articles()), meeting(articles(tracking={"utm_source": "invitee"}))

    assert on_event.invitees[0].tracking == ARTICLES_EVENT["tracking"]
    assert on_both.invitees[0].tracking == {"utm_source": "invitee"}


@pytest.mark.db_independent
@pytest.mark.parametrize(
    ("fields", "status", "by"),
    [
        ({"canceled": None}, "active", None),
        ({"canceled": False}, "active", None),
        ({"status": None, "canceled": True}, "canceled", None),
        ({"status": None, "canceled": {"canceled_by": "Jane"}}, "canceled", "Jane"),
        ({"status": "cancelled"}, "canceled", None),
        ({"status": "canceled", "cancellation": {"canceled_by": "Jane"}}, "canceled", "Jane"),
    ],
)
def test_every_way_to_say_canceled_is_understood(fields, status, by):
    invitee = meeting(articles(**fields)).invitees[0]

    assert invitee.status == status
    assert by is None or invitee.cancellation.canceled_by == by


@pytest.mark.db_independent
@pytest.mark.parametrize(
    ("location", "found"),
    [
        ({"type": "zoom", "join_url": "https://z.example/1"}, Location(type="zoom", join_url="https://z.example/1")),
        ({"type": "zoom", "status": "pushed", "join_url": "https://z.example/1", "data": {"id": 1}},
         Location(type="zoom", status="pushed", join_url="https://z.example/1")),
        ({"type": "google_conference", "status": "processing", "join_url": None},
         Location(type="google_conference", status="processing")),
        (None, Location()),
    ],
)  # fmt: skip
def test_a_place_is_read_with_and_without_its_status(location, found):
    assert meeting(articles(event={"location": location})).booking.location == found


@pytest.mark.db_independent
@pytest.mark.parametrize("digits", range(7))
def test_times_may_have_any_precision(digits):
    fraction = f".{'123456'[:digits]}" if digits else ""

    found = meeting(articles(event={"start_time": f"2026-12-09T13:00:00{fraction}Z"}))

    microseconds = int("123456"[:digits].ljust(6, "0"))
    assert found.booking.start_at == datetime(2026, 12, 9, 13, 0, 0, microseconds, tzinfo=UTC)


@pytest.mark.db_independent
def test_a_type_may_be_an_object_with_a_name_and_the_event_without_one():
    mock = {"start_time": START, "end_time": END, "event_type": {"name": "30 Min Consultation"}}
    body = webhook("invitee.created", {"email": "test@example.com", "name": "Test User", "event": mock})  # fmt: skip

    found = meeting(body)

    assert found.booking.name == "30 Min Consultation"
    assert found.invitees[0].booking_uri == found.booking.uri


@pytest.mark.db_independent
def test_the_event_that_does_not_exist_is_read_by_what_it_says():
    moved = articles("invitee.rescheduled", event={"start_time": "2026-12-10T13:00:00Z", "end_time": "2026-12-10T13:45:00Z"})  # fmt: skip

    found = meeting(moved)

    assert (found.booking.uri, found.booking.status) == (EVENT, "active")
    assert found.booking.start_at == datetime(2026, 12, 10, 13, tzinfo=UTC)
    assert found.invitees[0].rescheduled is False


@pytest.mark.django_db
def test_a_move_told_in_the_articles_way_moves_the_booking():
    at = "2026-11-21T10:00:00Z"
    times = {"start_time": "2026-12-10T13:00:00Z", "end_time": "2026-12-10T13:45:00Z", "updated_at": at}  # fmt: skip
    for body in (articles(), articles("invitee.rescheduled", event=times, updated_at=at)):
        parsed = parse(body)
        assert isinstance(parsed, Understood)
        reconcile(parsed.snapshots[0], origin=origin())

    assert Booking.objects.get().start_at == datetime(2026, 12, 10, 13, tzinfo=UTC)
    assert Invitee.objects.get().status == "active"


def signed(raw, key=KEY):
    """Sign as the article's own code does: hex of HMAC-SHA256 over the timestamp, a dot and the body."""
    stamp = str(int(datetime.now(UTC).timestamp()))
    digest = hmac.new(key.encode(), stamp.encode() + b"." + raw, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


@pytest.mark.db_independent
@pytest.mark.parametrize(
    ("raw", "again"),
    [
        ('{"name":"Zo\\u00eb"}', '{"name":"Zoë"}'),
        ('{"a": 1, "b":2}', '{"a":1,"b":2}'),
        ('{"url":"https:\\/\\/x"}', '{"url":"https://x"}'),
        ('{"amount":10.0}', '{"amount":10}'),
    ],
)
def test_the_bytes_as_they_came_are_what_is_signed(raw, again):
    def outcome(body):
        headers = {HEADER.lower(): signed(raw.encode())}
        found = CalendlySource().verify(
            body=body.encode(), headers=headers, keys={"current": KEY}, now=datetime.now(UTC)
        )
        return found.outcome

    assert json.loads(raw) == json.loads(again)
    assert outcome(raw) is SignatureOutcome.VALID
    assert outcome(again) is SignatureOutcome.WRONG


@pytest.mark.db_independent
@pytest.mark.parametrize("header", ["t=1,v1=ab", "v1=ab", "", "t,v1", "t=1", "t=1,v1=" + "é" * 64])
def test_a_signature_of_another_length_is_refused_without_an_error(header):
    found = CalendlySource().verify(
        body=b"{}", headers={HEADER: header}, keys={"current": KEY}, now=datetime.now(UTC)
    )

    assert not found.outcome.accepted


@pytest.mark.django_db
def test_a_body_of_the_article_signed_its_way_reaches_the_mirror():
    subscription = WebhookSubscriptionFactory.create(signing_key=KEY)
    raw = json.dumps(articles(name="Zoë"), indent=2).encode()

    response = Client().post(
        f"/webhooks/calendly/{subscription.token}", raw, content_type="application/json",
        headers={"calendly-webhook-signature": signed(raw)},
    )  # fmt: skip
    _drain()

    assert response.status_code == 200
    assert Invitee.objects.get().name == "Zoë"


def _drain():
    now = datetime.now(UTC) + timedelta(seconds=1)
    inbox.drain(until=now + timedelta(seconds=30), clock=lambda: now)


def _recipe() -> str:
    page = (Path(project.BASE_DIR) / "docs" / "connectors" / "calendly.md").read_text()
    found = re.search(r"### Send one by hand.*?```sh\n(.*?)```", page, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.django_db(transaction=True)
def test_the_recipe_of_the_manual_puts_a_webhook_into_the_mirror(live_server, tmp_path):
    subscription = WebhookSubscriptionFactory.create(signing_key=KEY)
    (tmp_path / "body.json").write_text(json.dumps(articles()))
    recipe = re.sub(r"^(URL|KEY)=.*\n", "", _recipe(), flags=re.MULTILINE)
    url = f"{live_server.url}/webhooks/calendly/{subscription.token}"

    sent = subprocess.run(
        ["bash", "-euc", recipe], cwd=tmp_path, capture_output=True, text=True, timeout=30,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "URL": url, "KEY": KEY, "NO_PROXY": "*"},
    )  # fmt: skip
    _drain()

    assert sent.returncode == 0, sent.stderr
    assert Booking.objects.get().uri == EVENT


@pytest.mark.db_independent
@pytest.mark.parametrize("name", ["CALENDLY_WEBHOOK_SIGNING_KEY", "CALENDLY_WEBHOOK_SECRET"])
def test_the_articles_names_in_the_environment_are_taken(name):
    given = {"CALENDLY_CLIENT_ID": "abc123", "CALENDLY_CLIENT_SECRET": "xyz789", name: "secret"}
    program = (
        "from django.conf import settings as s;"
        "print(s.CALENDLY_CLIENT_ID, s.CALENDLY_CLIENT_SECRET, s.CALENDLY_WEBHOOK_SIGNING_KEY)"
    )

    kept = {"PATH": os.environ["PATH"], "PYTEST_VERSION": pytest.__version__}
    kept["DJANGO_SETTINGS_MODULE"] = "config.settings"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project.BASE_DIR, env=kept | given, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip

    assert done.stdout.split() == ["abc123", "xyz789", "secret"], done.stderr


@pytest.fixture
def sandbox(server, settings):
    server.reset()
    settings.CALENDLY_API_URL = f"{server.url}/calendly"
    return server.control


@pytest.fixture
def account(sandbox):
    """Return an account as it is after it was asked who it is."""
    bare = Account(connection_id=1, name="Harbor", settings={}, secrets={"access_token": sandbox.make_token()})  # fmt: skip
    profile = asdict(CalendlySource().describe(bare))
    return Account(
        connection_id=1, name="Harbor", settings={}, profile=profile, secrets=bare.secrets
    )


def queries(sandbox, path):
    """Return the queries of what was asked for at exactly this path."""
    found = sandbox.requests(service="calendly", method="GET", path_contains=path)
    return [request["query"] for request in found if request["path"].endswith(path)]


@pytest.mark.db_independent
def test_the_role_is_found_without_the_address_that_does_not_exist(sandbox, account):
    assert account.profile["role"] == "owner"
    assert not sandbox.requests(service="calendly", path_contains="/organization_memberships/me")
    assert all("user" in query for query in queries(sandbox, "/organization_memberships"))


@pytest.mark.db_independent
def test_bookings_are_never_listed_without_saying_whose(sandbox, account):
    sandbox.book(name="Ann", email="ann@example.com")
    now = datetime.now(UTC)
    window = Window(start=now - timedelta(days=90), end=now + timedelta(days=90))

    with CalendlySource().open_reader(account) as reader:
        page = reader.read_bookings(window, cursor={})

    assert len(page.meetings) == 1
    asked = queries(sandbox, "/scheduled_events")
    assert asked
    assert all({"organization", "user", "group"} & query.keys() for query in asked)


@pytest.mark.db_independent
def test_the_signing_key_is_ours_and_never_comes_back(sandbox, account):
    subscriptions = CalendlySource().subscriptions
    wanted = subscriptions.wanted(account)[0]
    key = subscriptions.new_signing_key(account)

    made = subscriptions.create(account, wanted, url="https://calsync.example.com/a", signing_key=key)  # fmt: skip

    (sent,) = sandbox.requests(service="calendly", method="POST", path_contains="/webhook_subscriptions")  # fmt: skip
    assert "signing_key" in sent["body"]
    assert "invitee.rescheduled" not in sent["body"]["events"]
    assert key not in str([made, *subscriptions.listed(account)])
    assert len(key) >= 32


@pytest.mark.db_independent
def test_subscriptions_are_never_listed_without_a_scope(sandbox, account):
    CalendlySource().subscriptions.listed(account)

    asked = queries(sandbox, "/webhook_subscriptions")
    assert asked
    assert all({"organization", "scope"} <= query.keys() for query in asked)


@pytest.mark.db_independent
def test_the_browser_is_sent_with_state_scopes_and_pkce(settings):
    settings.CALENDLY_CLIENT_ID = "abc123"

    url = CalendlyOAuth().authorize_url(
        redirect_uri="https://calsync.example.com/back", state="s1", code_challenge="c1"
    )

    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert (parts.netloc, parts.path) == ("auth.calendly.com", "/oauth/authorize")
    assert (query["state"], query["code_challenge"], query["code_challenge_method"]) == ("s1", "c1", "S256")  # fmt: skip
    assert {"webhooks:write", "scheduled_events:read"} <= set(query["scope"].split())

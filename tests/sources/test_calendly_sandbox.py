"""The source against the sandbox's Calendly: bookings made there, read here, and its faults."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from integrations import scripts
from integrations.errors import (
    AccessError,
    ConfigurationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from integrations.http import HttpClient
from integrations.models import Account
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.client import (
    CalendlyClient,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PlanError,
    Priority,
    RoleError,
    ScopeError,
)
from integrations.sources.calendly.source import CalendlySource

pytestmark = pytest.mark.db_independent


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    settings.CALENDLY_API_URL = f"{server.url}/calendly"
    return server


def fetch(sandbox, invitee, token=None):
    account = Account(
        connection_id=1,
        name="Harbor",
        settings={},
        secrets={"access_token": token or sandbox.control.make_token()},
    )
    return CalendlySource().fetch(account, uri=invitee["event"])


@pytest.fixture
def invitee(sandbox):
    return sandbox.control.book(name="Ann Lee", email="ann@example.com")


def test_a_booking_comes_with_its_invitee(sandbox, invitee):
    found = fetch(sandbox, invitee)

    assert found.booking.uri == invitee["event"]
    assert found.booking.status == "active"
    assert len(found.booking.hosts) == 1
    assert [(person.uri, person.email) for person in found.invitees] == [
        (invitee["uri"], "ann@example.com")
    ]


def test_a_cancel_is_seen(sandbox, invitee):
    sandbox.control.cancel(invitee["uri"], reason="Ill", canceler_type="host")

    found = fetch(sandbox, invitee)

    assert found.booking.status == found.invitees[0].status == "canceled"
    assert found.invitees[0].cancellation.reason == "Ill"
    assert found.invitees[0].rescheduled is False


def test_both_halves_of_a_reschedule_name_each_other(sandbox, invitee):
    moved = sandbox.control.reschedule(invitee["uri"], start_time="2031-03-03T10:00:00Z")

    old, new = (fetch(sandbox, item).invitees[0] for item in (invitee, moved))

    assert (old.rescheduled, old.new_invitee_uri) == (True, moved["uri"])
    assert (new.rescheduled, new.old_invitee_uri) == (False, invitee["uri"])


def test_a_no_show_is_seen_and_its_end_too(sandbox, invitee):
    mark = sandbox.control.mark_no_show(invitee["uri"])
    marked = fetch(sandbox, invitee).invitees[0].no_show
    sandbox.control.unmark_no_show(invitee["uri"])

    assert marked.uri == mark["uri"]
    assert fetch(sandbox, invitee).invitees[0].no_show is None


def test_a_booking_that_does_not_exist_is_none(sandbox):
    assert fetch(sandbox, {"event": "https://api.calendly.com/scheduled_events/none"}) is None


@pytest.mark.parametrize(
    ("kind", "params", "error"),
    [
        ("rate_limited", {"retry_after": 7}, ThrottledError),
        ("error", {"status": 503, "body": "html"}, TemporaryError),
        ("error", {"status": 500}, TemporaryError),
        ("drop_before", {}, TemporaryError),
        ("drop_after", {}, TemporaryError),
    ],
)
def test_a_passing_fault_is_temporary_and_then_gone(sandbox, invitee, kind, params, error):
    token = sandbox.control.make_token()
    sandbox.control.add_fault("calendly", kind, **params)

    with pytest.raises(error) as caught:
        fetch(sandbox, invitee, token)

    assert caught.value.retry_after == params.get("retry_after")
    assert fetch(sandbox, invitee, token).booking.uri == invitee["event"]


def test_an_unknown_token_and_a_missing_scope_need_a_person(sandbox, invitee):
    narrow = sandbox.control.make_token(scopes=["users:read"])

    with pytest.raises(ConfigurationError, match="401"):
        fetch(sandbox, invitee, "unknown")
    with pytest.raises(ConfigurationError) as caught:
        fetch(sandbox, invitee, narrow)

    assert "scheduled_events:read" in caught.value.hint


OWNER, MEMBER = "sandbox-calendly-pat", "sandbox-calendly-pat-user"


@pytest.fixture
def ask(sandbox) -> Iterator[CalendlyClient]:
    """A client of the organization's owner."""
    with closing(HttpClient()) as http:
        yield client(http)


def client(http: HttpClient, token: str = OWNER, **more: Priority) -> CalendlyClient:
    account = Account(connection_id=1, name="Harbor", settings={}, secrets={"access_token": token})
    return CalendlyClient.for_account(account, http=http, **more)


def subscription(organization: str, **more: object) -> dict[str, object]:
    wanted = {"url": "http://127.0.0.1:9/hook", "events": ["invitee.created"], "scope": "organization"}  # fmt: skip
    return {**wanted, "organization": organization, "signing_key": "key", **more}


def test_a_list_comes_in_pages_of_a_hundred(sandbox, ask):
    sandbox.control.seed_bookings(130)
    organization = ask.me().text("current_organization")

    found = ask.collect("/scheduled_events", {"organization": organization})

    assert len(found) == len({item.text("uri") for item in found}) > 100
    assert ask.requests == 1 + -(-len(found) // 100)


def test_a_page_token_that_ran_out_is_a_refused_parameter(sandbox, ask):
    sandbox.control.seed_bookings(130)
    place = {"organization": ask.me().text("current_organization")}
    token = ask.page("/scheduled_events", place).next_token
    sandbox.control.add_fault("calendly", "page_token_expired")

    with pytest.raises(InvalidArgumentError) as caught:
        ask.page("/scheduled_events", place, token=token)

    assert caught.value.parameters == ("page_token",)


def test_each_refusal_has_its_class(sandbox, ask):
    organization = ask.me().text("current_organization")
    with closing(HttpClient()) as http:
        member = client(http, MEMBER)
        refused = [
            (RoleError, lambda: member.page("/scheduled_events", {"organization": organization})),
            (RoleError, lambda: member.page("/routing_forms", {"organization": organization})),
            (InvalidArgumentError, lambda: ask.page("/scheduled_events")),
            (NotFoundError, lambda: ask.get("/users/nobody")),
            (PermanentError, lambda: ask.page("/event_types", {"user": "https://api.calendly.com/users/X"})),
        ]  # fmt: skip
        for error, call in refused:
            with pytest.raises(error):
                call()


def test_a_scope_that_was_not_granted_is_told_apart(sandbox):
    token = sandbox.control.make_token(scopes=["users:read", "webhooks:write"])
    with closing(HttpClient()) as http:
        narrow = client(http, token)
        place = narrow.me().text("current_organization")

        with pytest.raises(AccessError) as read:
            narrow.page("/routing_forms", {"organization": place})
        with pytest.raises(InvalidArgumentError) as subscribed:
            narrow.post("/webhook_subscriptions", subscription(place))

    assert isinstance(read.value, ScopeError)
    assert read.value.required == ("routing_forms:read",)
    assert "scheduled_events:read" in subscribed.value.hint


def test_a_plan_without_webhooks_is_told_apart(sandbox, ask):
    sandbox.control.settings(calendly_plan_allows_webhooks=False)

    with pytest.raises(PlanError, match="upgrade"):
        ask.post("/webhook_subscriptions", subscription(ask.me().text("current_organization")))


def test_a_subscription_is_made_once_and_deleted_twice(ask):
    wanted = subscription(ask.me().text("current_organization"))
    made = ask.post("/webhook_subscriptions", wanted)

    with pytest.raises(ConflictError, match="already exists"):
        ask.post("/webhook_subscriptions", wanted)
    path = f"/webhook_subscriptions/{made.text('uri').rpartition('/')[2]}"
    ask.delete(path)
    ask.delete(path)

    with pytest.raises(NotFoundError):
        ask.get(path)


def test_background_is_held_back_before_it_is_sent_and_live_traffic_is_not(sandbox, broker_url):
    scripts.wake()
    sandbox.control.settings(calendly_requests_per_minute=12)
    with closing(HttpClient()) as http:
        backfill, live = client(http, priority=Priority.BACKGROUND), client(http)
        sent = _until_throttled(backfill)
        seen = len(sandbox.requests(service="calendly"))
        sent_live = _until_throttled(live)

    assert sent == seen == backfill.requests == 7
    assert sent_live == live.requests == 5
    assert {entry.status for entry in sandbox.requests(service="calendly")} == {200}


def test_a_429_holds_back_everybody_until_it_is_over(sandbox, broker_url, ask):
    scripts.wake()
    sandbox.control.add_fault("calendly", "rate_limited", retry_after=9)

    waits = []
    for _ in range(2):
        with pytest.raises(ThrottledError) as caught:
            ask.me()
        waits.append(caught.value.retry_after)

    assert waits == [9, 9]
    assert len(sandbox.requests(service="calendly")) == ask.requests == 1


def _until_throttled(asking: CalendlyClient) -> int:
    for sent in range(50):
        try:
            asking.me()
        except ThrottledError:
            return sent
    return 50

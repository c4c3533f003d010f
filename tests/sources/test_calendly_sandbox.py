"""The source against the sandbox's Calendly: bookings made there, read here, and its faults."""

from collections.abc import Iterator

import pytest

from integrations.errors import ConfigurationError, TemporaryError, ThrottledError
from integrations.models import Account
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.source import CalendlySource

pytestmark = pytest.mark.db_independent


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as running:
        yield running


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
    return CalendlySource().fetch_booking(account, booking_uri=invitee["event"])


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

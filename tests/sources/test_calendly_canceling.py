"""Canceling a meeting at Calendly: what is canceled already is fine, and every refusal says what to do."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations.errors import PermanentError, TemporaryError
from integrations.models import Account
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.client import NotFoundError, RoleError, ScopeError
from integrations.sources.calendly.source import CalendlySource

pytestmark = pytest.mark.db_independent


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    settings.CALENDLY_API_URL = f"{server.url}/calendly"
    return server


def book(sandbox, *, days=2):
    start = datetime.now(UTC) + timedelta(days=days)
    now = start - timedelta(days=9)
    return sandbox.control.book(
        name="Ann Lee", email="ann@example.com", start_time=start.isoformat(), now=now.isoformat(), silently=True,
    )["event"]  # fmt: skip


def cancel(sandbox, uri, *, reason="The room is flooded", **token):
    secrets = {"access_token": sandbox.control.make_token(**token)}
    account = Account(connection_id=1, name="Harbor", settings={}, secrets=secrets)
    CalendlySource().cancel(account, booking_uri=uri, reason=reason)


def meeting(sandbox, uri):
    return next(row for row in sandbox.control.calendly()["events"] if row["uri"] == uri)


def posts(sandbox):
    return [call for call in sandbox.requests(service="calendly") if call.method == "POST"]


@pytest.mark.parametrize("reason", ["The room is flooded", ""])
def test_a_meeting_is_canceled_with_the_reason_in_one_call(sandbox, reason):
    uri = book(sandbox)

    cancel(sandbox, uri, reason=reason)

    held = meeting(sandbox, uri)
    assert (held["status"], held["cancellation"]["reason"] or "") == ("canceled", reason)
    assert len(sandbox.requests(service="calendly")) == 1


def test_what_is_canceled_already_is_fine(sandbox):
    uri = book(sandbox)

    for reason in ("first", "second"):
        cancel(sandbox, uri, reason=reason)

    assert meeting(sandbox, uri)["cancellation"]["reason"] == "first"


def test_a_lost_answer_is_ambiguous_and_safe_to_repeat(sandbox):
    uri = book(sandbox)
    sandbox.control.add_fault("calendly", "drop_after", match={"method": "POST"})

    with pytest.raises(TemporaryError) as caught:
        cancel(sandbox, uri)
    cancel(sandbox, uri)

    assert caught.value.ambiguous
    assert meeting(sandbox, uri)["status"] == "canceled"


def test_a_meeting_that_has_begun_stays(sandbox):
    uri = book(sandbox, days=-1)

    with pytest.raises(PermanentError, match="Event in the past") as caught:
        cancel(sandbox, uri)

    assert "no-show" in caught.value.hint
    assert meeting(sandbox, uri)["status"] == "active"


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFoundError), (403, RoleError), (409, PermanentError), (503, TemporaryError)]
)  # fmt: skip
def test_refusals_keep_their_names(sandbox, status, error):
    uri = book(sandbox)
    sandbox.control.add_fault("calendly", "error", match={"method": "POST"}, status=status)

    with pytest.raises(error):
        cancel(sandbox, uri)


def test_a_token_without_the_scope_names_it(sandbox):
    with pytest.raises(ScopeError) as caught:
        cancel(sandbox, book(sandbox), scopes=["scheduled_events:read"])

    assert caught.value.required == ("scheduled_events:write",)


@pytest.mark.parametrize("uri", ["", "https://api.calendly.com/scheduled_events/A/invitees/B"])
def test_a_uri_that_names_no_meeting_is_asked_of_nobody(sandbox, uri):
    with pytest.raises(PermanentError, match="names nothing"):
        cancel(sandbox, uri)

    assert posts(sandbox) == []

"""Marking a no-show at Calendly and taking it back: what is so already is fine, and nothing is marked twice."""

import pytest

from integrations.errors import PermanentError, TemporaryError, ThrottledError
from integrations.models import Account
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.client import ConflictError, NotFoundError, RoleError, ScopeError
from integrations.sources.calendly.source import CalendlySource

pytestmark = pytest.mark.db_independent


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    settings.CALENDLY_API_URL = f"{server.url}/calendly"
    return server


@pytest.fixture
def invitee(sandbox):
    return sandbox.control.book(name="Ann Lee", email="ann@example.com", silently=True)


def account(sandbox, **token):
    secrets = {"access_token": sandbox.control.make_token(**token)}
    return Account(connection_id=1, name="Harbor", settings={}, secrets=secrets)


def mark(sandbox, invitee, **more):
    uri = invitee if isinstance(invitee, str) else invitee["uri"]
    return CalendlySource().mark_no_show(account(sandbox), invitee_uri=uri, **more)


def marks(sandbox):
    return [row["uri"] for row in sandbox.control.calendly()["no_shows"]]


def calls(sandbox):
    return [f"{r.method} {r.path.partition('/calendly')[2].split('/')[1]}" for r in sandbox.requests(service="calendly")]  # fmt: skip


def test_a_mark_is_made_and_taken_back(sandbox, invitee):
    uri = mark(sandbox, invitee)
    assert marks(sandbox) == [uri]

    CalendlySource().unmark_no_show(account(sandbox), no_show_uri=uri)

    assert marks(sandbox) == []


def test_a_mark_costs_one_call(sandbox, invitee):
    mark(sandbox, invitee)

    assert calls(sandbox) == ["POST invitee_no_shows"]


def test_what_is_marked_already_is_found(sandbox, invitee):
    known = sandbox.control.mark_no_show(invitee["uri"], silently=True)["uri"]

    assert mark(sandbox, invitee) == known
    assert marks(sandbox) == [known]


def test_a_second_try_looks_before_it_marks(sandbox, invitee):
    known = sandbox.control.mark_no_show(invitee["uri"], silently=True)["uri"]

    assert mark(sandbox, invitee, look_first=True) == known
    assert calls(sandbox) == ["GET scheduled_events"]


def test_a_second_try_marks_what_is_not(sandbox, invitee):
    assert mark(sandbox, invitee, look_first=True) in marks(sandbox)


def test_what_is_taken_back_already_is_fine(sandbox, invitee):
    uri = mark(sandbox, invitee)
    for _ in range(2):
        CalendlySource().unmark_no_show(account(sandbox), no_show_uri=uri)

    assert marks(sandbox) == []


@pytest.mark.parametrize("uri", ["", "mailto:ann@example.com", "https://api.calendly.com/users/me"])
def test_a_uri_that_names_no_invitee_is_asked_of_nobody(sandbox, uri):
    with pytest.raises(PermanentError, match="names nothing"):
        mark(sandbox, uri)
    with pytest.raises(PermanentError, match="names nothing"):
        CalendlySource().unmark_no_show(account(sandbox), no_show_uri=uri)

    assert calls(sandbox) == []


def test_the_host_of_a_uri_is_never_asked(sandbox, invitee):
    elsewhere = invitee["uri"].replace("api.calendly.com", "evil.example")

    mark(sandbox, elsewhere)

    assert len(marks(sandbox)) == 1


def test_a_conflict_that_is_no_mark_stays_one(sandbox, invitee):
    sandbox.control.add_fault("calendly", "calendly_error", match={"method": "POST"}, status=409)

    with pytest.raises(ConflictError):
        mark(sandbox, invitee)


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFoundError), (403, RoleError), (503, TemporaryError)]
)
def test_refusals_keep_their_names(sandbox, invitee, status, error):
    sandbox.control.add_fault("calendly", "error", match={"method": "POST"}, status=status)

    with pytest.raises(error):
        mark(sandbox, invitee)


def test_a_token_without_the_scope_names_it(sandbox, invitee):
    weak = account(sandbox, scopes=["scheduled_events:read"])

    with pytest.raises(ScopeError) as caught:
        CalendlySource().mark_no_show(weak, invitee_uri=invitee["uri"])

    assert caught.value.required == ("scheduled_events:write",)


@pytest.mark.parametrize("kind", ["drop_after", "broken_json"])
def test_a_lost_answer_is_ambiguous(sandbox, invitee, kind):
    sandbox.control.add_fault("calendly", kind, match={"method": "POST"})

    with pytest.raises(TemporaryError) as caught:
        mark(sandbox, invitee)

    assert caught.value.ambiguous
    assert mark(sandbox, invitee, look_first=True) in marks(sandbox)


def test_being_asked_to_wait_says_how_long(sandbox, invitee):
    sandbox.control.add_fault("calendly", "rate_limited", retry_after=7)

    with pytest.raises(ThrottledError) as caught:
        mark(sandbox, invitee)

    assert caught.value.retry_after

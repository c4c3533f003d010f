"""Calendly's subscriptions through the source: what is wanted, and each call against the sandbox."""

import json
from datetime import UTC, datetime

import pytest

from integrations.errors import AccessError, ConfigurationError, TemporaryError
from integrations.models import Account
from integrations.sources.base import NotUnderstood, SignatureOutcome
from integrations.sources.calendly.source import CalendlySource
from integrations.sources.subscribing import TakenError, Wanted

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
USER = "https://api.calendly.com/users/U1"
ORGANIZATION = "https://api.calendly.com/organizations/O1"
GROUP = "https://api.calendly.com/groups/G1"
URL = "https://calsync.example/webhooks/calendly/one"
SOURCE = CalendlySource()


def account(*, settings=None, secrets=None, **profile):
    told = {"user_uri": USER, "organization_uri": ORGANIZATION, "role": "owner", "granted": None}
    return Account(
        connection_id=1, name="Harbor", settings=settings or {}, profile=told | profile, secrets=secrets or {}
    )  # fmt: skip


def scopes(account):
    return {
        item.purpose: (item.scope, item.target) for item in SOURCE.subscriptions.wanted(account)
    }


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_who_leads_the_organization_wants_all_of_it(role):
    assert scopes(account(role=role)) == {
        "meetings": ("organization", ORGANIZATION),
        "event_types": ("organization", ORGANIZATION),
        "routing_forms": ("organization", ORGANIZATION),
    }


@pytest.mark.parametrize("role", ["user", ""])
def test_anybody_else_wants_their_own(role):
    assert scopes(account(role=role)) == {"meetings": ("user", USER), "event_types": ("user", USER)}


@pytest.mark.parametrize(
    ("chosen", "purposes"),
    [
        ({"scope": "user"}, {"meetings": ("user", USER), "event_types": ("user", USER), "routing_forms": ("organization", ORGANIZATION)}),
        ({"scope": "group", "group": GROUP, "routing_forms": False}, {"meetings": ("group", GROUP), "event_types": ("group", GROUP)}),
        ({"routing_forms": False}, {"meetings": ("organization", ORGANIZATION), "event_types": ("organization", ORGANIZATION)}),
    ],
)  # fmt: skip
def test_the_settings_choose_what_is_wanted(chosen, purposes):
    assert scopes(account(settings=chosen)) == purposes


@pytest.mark.parametrize(
    ("granted", "purposes"),
    [
        (["scheduled_events:read", "webhooks:write"], {"meetings"}),
        (["event_types:write", "webhooks:write"], {"meetings", "event_types"}),
        (["routing_forms:read"], {"meetings", "routing_forms"}),
    ],
)
def test_what_was_not_granted_is_not_asked_for(granted, purposes):
    assert set(scopes(account(granted=granted))) == purposes


def test_events_of_different_scopes_are_never_mixed_and_only_meetings_must_be():
    wanted = SOURCE.subscriptions.wanted(account())

    kinds = [{event.partition(".")[0] for event in item.events} for item in wanted]
    assert kinds == [{"invitee", "invitee_no_show"}, {"event_type"}, {"routing_form_submission"}]
    assert [item.optional for item in wanted] == [False, True, True]


def test_an_account_that_was_never_asked_who_it_is_says_what_to_do():
    with pytest.raises(ConfigurationError) as caught:
        SOURCE.subscriptions.wanted(account(user_uri="", organization_uri="", role=""))

    assert "Test the connection" in caught.value.hint


def test_a_personal_token_gets_a_fresh_key_each_time():
    personal = account(secrets={"access_token": "t"})

    keys = {SOURCE.subscriptions.new_signing_key(personal) for _ in range(3)}

    assert len(keys) == 3
    assert min(map(len, keys)) >= 40
    assert not SOURCE.subscriptions.shares_key(personal)


def test_an_oauth_connection_uses_the_apps_key(settings):
    settings.CALENDLY_WEBHOOK_SIGNING_KEY = "the-apps-key"
    granted = account(secrets={"access_token": "t", "refresh_token": "r"})

    assert SOURCE.subscriptions.shares_key(granted)
    assert SOURCE.subscriptions.new_signing_key(granted) == "the-apps-key"


def test_what_is_signed_here_is_verified_here():
    body = '{"event":"calsync.probe","name":"Zoë"}'.encode()

    headers = SOURCE.subscriptions.sign(body, key="k", now=NOW)

    found = SOURCE.verify(body=body, headers=headers, keys={"current": "k"}, now=NOW)
    assert found.outcome == SignatureOutcome.VALID


def test_a_probe_is_understood_as_one_and_becomes_nothing():
    parsed = SOURCE.parse(b'{"event": "calsync.probe", "payload": {"probe": "1"}}', received_at=NOW)

    assert isinstance(parsed, NotUnderstood)
    assert parsed.kind == "calsync.probe"
    assert parsed.reason.startswith("A probe of Calsync's own")


# --- over HTTP ---


@pytest.fixture
def sandbox(server, settings, db):
    server.reset()
    settings.CALENDLY_API_URL = f"{server.url}/calendly"
    return server.control


@pytest.fixture
def owner(sandbox):
    return who(sandbox, "owner")


def who(sandbox, role, **settings):
    state = sandbox.calendly()
    user = next(row for row in state["users"] if row["role"] == role)
    return account(
        user_uri=user["uri"], organization_uri=state["organization"]["uri"], role=role, settings=settings,
        secrets={"access_token": sandbox.make_token(user=role)},
    )  # fmt: skip


def make(account, *, url=URL, purpose=0):
    wanted = SOURCE.subscriptions.wanted(account)[purpose]
    return SOURCE.subscriptions.create(account, wanted, url=url, signing_key="k" * 32)


@pytest.mark.parametrize("role", ["owner", "admin", "user"])
def test_what_is_made_is_listed_and_gone_when_deleted(sandbox, role):
    someone = who(sandbox, role)

    made = make(someone)
    listed = SOURCE.subscriptions.listed(someone)
    SOURCE.subscriptions.delete(someone, uri=made.uri)
    SOURCE.subscriptions.delete(someone, uri=made.uri)

    assert listed == [made]
    assert (made.url, made.state, made.retry_started_at) == (URL, "active", None)
    assert SOURCE.subscriptions.listed(someone) == []


def test_a_group_is_subscribed_and_listed(sandbox):
    group = next(row["uri"] for row in sandbox.calendly()["groups"] if row["name"] == "Sales")
    leader = who(sandbox, "admin", scope="group", group=group)

    made = make(leader)

    assert (made.scope, made.target) == ("group", group)
    assert SOURCE.subscriptions.listed(leader) == [made]


def test_each_scope_that_may_hold_one_of_ours_is_listed(owner):
    make(owner)
    wanted = Wanted(purpose="meetings", scope="user", target=owner.profile["user_uri"], events=("invitee.created",))  # fmt: skip
    SOURCE.subscriptions.create(owner, wanted, url=f"{URL}/2", signing_key="k")

    assert {remote.scope for remote in SOURCE.subscriptions.listed(owner)} == {"organization", "user"}  # fmt: skip


def test_one_is_found_in_a_scope_that_is_not_listed(sandbox):
    group = next(row["uri"] for row in sandbox.calendly()["groups"] if row["name"] == "Sales")
    made = make(who(sandbox, "admin", scope="group", group=group))
    by_themselves = who(sandbox, "admin")

    found = SOURCE.subscriptions.find(by_themselves, uri=made.uri)
    SOURCE.subscriptions.delete(by_themselves, uri=made.uri)

    assert found == made
    assert SOURCE.subscriptions.listed(by_themselves) == []
    assert SOURCE.subscriptions.find(by_themselves, uri=made.uri) is None


def test_what_is_not_for_this_account_to_see_is_not_found(sandbox, owner):
    made = make(owner)

    assert SOURCE.subscriptions.find(who(sandbox, "user"), uri=made.uri) is None


def test_a_url_that_was_taken_by_what_cannot_be_seen_is_told(sandbox, owner):
    make(owner)

    with pytest.raises(TakenError):
        make(who(sandbox, "user"))


def test_many_pages_are_listed(owner, sandbox):
    wanted = SOURCE.subscriptions.wanted(owner)[0]
    for number in range(101):
        SOURCE.subscriptions.create(owner, wanted, url=f"{URL}/{number}", signing_key="k")

    assert len(SOURCE.subscriptions.listed(owner)) == 101


def test_a_url_that_is_subscribed_already_is_returned_as_it_is(owner):
    first, second = make(owner), make(owner)

    assert first == second


def test_a_key_of_ours_is_sent_for_a_personal_token(sandbox, owner):
    make(owner)

    (sent,) = sandbox.requests(method="POST", path_contains="/webhook_subscriptions")
    assert "signing_key" in sent["body"]


def test_a_lost_answer_is_ambiguous(owner, sandbox):
    sandbox.add_fault("calendly", "drop_after", match={"method": "POST"})

    with pytest.raises(TemporaryError) as caught:
        make(owner)

    assert caught.value.ambiguous


def test_a_plan_that_does_not_allow_it_is_told_from_a_refused_token(owner, sandbox):
    sandbox.settings(calendly_plan_allows_webhooks=False)

    with pytest.raises(AccessError):
        make(owner)


def test_a_sample_is_of_the_accounts_own_data_and_put_into_words(owner, sandbox):
    wanted = SOURCE.subscriptions.wanted(owner)[0]
    before = SOURCE.subscriptions.sample(owner, wanted)
    sandbox.book(name="Ann Lee", email="ann@example.com")

    body = SOURCE.subscriptions.sample(owner, wanted)

    assert before is None
    assert body
    assert json.loads(body)["event"] == "invitee.created"
    assert "invitee Ann Lee active" in SOURCE.subscriptions.explain(body, now=NOW)

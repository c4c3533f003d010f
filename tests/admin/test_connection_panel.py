from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations import budget
from integrations.admin.connection_panel import panel
from integrations.models import Connection, SignatureTally
from integrations.sandbox import SandboxServer
from tests.factories import (
    NOW,
    BackfillRunFactory,
    ConnectionFactory,
    InboundWebhookFactory,
    SignatureTallyFactory,
    WebhookSubscriptionFactory,
)

pytestmark = pytest.mark.django_db

NEEDED = ["users:read", "scheduled_events:read", "webhooks:write"]
EVIL = "<script>alert(1)</script>"


def _profile(**given: Any) -> dict[str, Any]:
    profile = {
        "user_uri": "https://api.calendly.com/users/OLIVIA",
        "user_name": "Olivia Owens",
        "user_email": "olivia@harbor.example",
        "organization_uri": "https://api.calendly.com/organizations/HARBOR",
        "organization_name": "Harbor Consulting",
        "plan": "standard",
        "role": "owner",
        "granted": NEEDED,
        "needed": NEEDED,
    }
    return {**profile, **given}


def _connection(**given: Any) -> Connection:
    return ConnectionFactory.create(
        **{"provider": "calendly", "name": "Calendly", "profile": _profile(), **given}
    )


def _page(connection: Connection) -> str:
    return reverse("admin:integrations_connection_change", args=[connection.pk])


def _html(client: Client, connection: Connection) -> str:
    response = client.get(_page(connection))
    assert response.status_code == 200
    return response.content.decode()


def _steps(connection: Connection) -> dict[str, tuple[str, str]]:
    found = panel(connection, now=timezone.now()).steps
    return {step.title: (step.state, step.operation) for step in found}


def test_it_tells_who_is_connected(viewer):
    html = _html(viewer, _connection())

    for told in ("Connected as Olivia Owens", "olivia@harbor.example", "Harbor Consulting", "owner", "standard"):  # fmt: skip
        assert told in html


@pytest.mark.parametrize(
    ("secrets", "ends", "told"),
    [
        ({"access_token": "a"}, None, "Personal access token, which does not expire"),
        ({"access_token": "a", "refresh_token": "b"}, timedelta(hours=1), "and is renewed by itself"),
        ({"access_token": "a", "refresh_token": "b"}, timedelta(hours=-1), "is renewed when it is next used"),
    ],
)  # fmt: skip
def test_it_tells_which_kind_of_token_is_used(viewer, secrets, ends, told):
    connection = _connection(secrets=secrets, token_expires_at=ends and timezone.now() + ends)

    assert told in _html(viewer, connection)


def test_without_a_token_connecting_comes_next(operator):
    connection = _connection(secrets={}, profile={})

    assert _steps(connection) == {
        "Connected": ("next", "connect"),
        "Subscribed": ("later", ""),
        "Backfilled": ("later", ""),
    }
    assert "Not connected yet" in _html(operator, connection)


def test_a_stored_token_that_was_never_used_is_to_be_tested(operator):
    connection = _connection(profile={})

    html = _html(operator, connection)

    assert _steps(connection)["Connected"] == ("next", "test")
    assert "A token is stored" in html


def test_after_connecting_subscribing_comes_next(operator):
    connection = _connection()

    assert _steps(connection) == {
        "Connected": ("done", ""),
        "Scopes granted": ("done", ""),
        "Subscribed": ("next", "subscribe"),
        "Backfilled": ("later", ""),
    }


def test_after_subscribing_a_backfill_comes_next(operator):
    connection = _connection()
    WebhookSubscriptionFactory.create(connection=connection)
    BackfillRunFactory.create(connection=connection, ended=True, dry_run=True)

    assert _steps(connection)["Subscribed"] == ("done", "")
    assert _steps(connection)["Backfilled"] == ("next", "backfill")
    assert f"{reverse('admin:integrations_backfillrun_add')}?connection={connection.pk}" in _html(
        operator, connection
    )


@pytest.mark.parametrize(
    ("state", "step"),
    [("done", "done"), ("partial", "trouble"), ("failed", "trouble"), ("running", "later")],
)
def test_the_last_backfill_tells_whether_that_step_is_done(state, step):
    connection = _connection()
    WebhookSubscriptionFactory.create(connection=connection)
    BackfillRunFactory.create(connection=connection, state=state)

    assert _steps(connection)["Backfilled"] == (step, "")


def test_a_paused_connection_says_why_and_what_to_do(viewer):
    connection = _connection(
        state="paused", state_reason="The token was revoked.", state_hint="Connect it again."
    )

    html = _html(viewer, connection)

    assert _steps(connection)["Connected"][0] == "trouble"
    assert "The token was revoked." in html
    assert "Connect it again." in html


def test_a_missing_scope_is_told_with_what_it_is_for(viewer):
    connection = _connection(profile=_profile(granted=["users:read", "webhooks:write"]))

    rows = {row.name: row for row in panel(connection, now=NOW).scopes}
    html = _html(viewer, connection)

    assert {name: row.is_granted for name, row in rows.items()} == {
        "users:read": True, "scheduled_events:read": False, "webhooks:write": True,
    }  # fmt: skip
    assert rows["scheduled_events:read"].purpose in html
    assert "1 missing" in html
    assert _steps(connection)["Scopes granted"] == ("trouble", "")


def test_scopes_that_the_provider_does_not_tell_are_not_called_missing(viewer):
    connection = _connection(profile=_profile(granted=None))

    assert {row.is_granted for row in panel(connection, now=NOW).scopes} == {None}
    assert "Scopes granted" not in _steps(connection)
    assert "missing" not in _html(viewer, connection)


def test_a_person_who_is_no_admin_is_told_what_that_means(viewer):
    assert "their own bookings alone" in _html(viewer, _connection(profile=_profile(role="user")))


def test_the_request_budget_is_shown_as_it_was_last_told(viewer, broker_url):
    connection = _connection()
    ticket = budget.spend(connection.pk, priority=budget.Priority.LIVE)
    told = budget.Told(limit=500, remaining=380, resets_in=30)
    budget.settle(connection.pk, ticket, told=told)

    gauge = panel(connection, now=NOW).gauge

    assert gauge is not None
    assert (gauge.spent, gauge.spent_percent, gauge.reserve_percent) == (120, 24, 20)
    assert "120 of 500 a minute" in _html(viewer, connection)


def test_a_budget_that_nobody_told_of_is_left_out(viewer):
    assert panel(_connection(), now=NOW).gauge is None


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({}, "active"),
        ({"state": "disabled"}, "disabled"),
        ({"state": "missing"}, "not there"),
        ({"retry_started_at": NOW - timedelta(hours=3)}, "failing"),
        ({"problem": "The plan has no webhooks."}, "problem"),
    ],
)
def test_the_health_of_a_subscription_is_named(viewer, given, label):
    connection = _connection()
    WebhookSubscriptionFactory.create(connection=connection, **given)

    row = panel(connection, now=NOW).subscriptions[0]

    assert row.label == label
    assert row.words == given.get("problem", row.words)
    assert _steps(connection)["Subscribed"][0] == ("done" if label == "active" else "trouble")
    assert row.url in _html(viewer, connection)


def test_a_subscription_that_fails_says_for_how_long(viewer):
    connection = _connection()
    WebhookSubscriptionFactory.create(
        connection=connection, retry_started_at=timezone.now() - timedelta(hours=3, minutes=1)
    )

    assert "3\xa0hours" in _html(viewer, connection)


def test_a_subscription_tells_what_came_last_and_what_was_refused(viewer):
    subscription = WebhookSubscriptionFactory.create(connection=_connection())
    InboundWebhookFactory.create(subscription=subscription, last_seen_at=NOW)
    InboundWebhookFactory.create(subscription=subscription, last_seen_at=NOW - timedelta(days=1))
    SignatureTallyFactory.create(
        subscription=subscription, outcome=SignatureTally.Outcome.WRONG, count=3
    )

    row = panel(subscription.connection, now=NOW).subscriptions[0]

    assert row.last_at == NOW
    assert "wrong signature: 3 times" in _html(viewer, subscription.connection)


def test_a_retired_subscription_is_only_counted(viewer):
    connection = _connection()
    WebhookSubscriptionFactory.create(connection=connection, state="missing", retired_at=NOW)

    found = panel(connection, now=NOW)

    assert (found.subscriptions, found.retired) == ((), 1)
    assert "1 retired" in _html(viewer, connection)


def test_backfills_are_listed_the_newest_first(viewer):
    connection = _connection()
    BackfillRunFactory.create_batch(6, connection=connection, ended=True)
    running = BackfillRunFactory.create(connection=connection, state="running", phase="bookings")

    rows = panel(connection, now=NOW).runs

    assert len(rows) == 5
    assert rows[0].run == running
    assert rows[0].percent is not None
    assert rows[1].percent is None


def test_only_who_may_start_a_backfill_sees_its_button(viewer, operator):
    connection = _connection()
    start = reverse("admin:integrations_backfillrun_add")

    assert start in _html(operator, connection)
    assert start not in _html(viewer, connection)


def test_a_target_has_no_panel(viewer):
    connection = ConnectionFactory.create(provider="slack", state="paused", state_reason="Why.")

    html = _html(viewer, connection)

    assert "Backfilled" not in html
    assert "Why." in html


def test_adding_says_what_comes_next(operator):
    url = reverse("admin:integrations_connection_add")

    html = operator.get(url).content.decode()
    response = operator.post(url, {"provider": "calendly", "name": "Harbor"}, follow=True)

    assert "Where bookings come from" in html
    assert "?provider=calendly" in html
    assert "Harbor was added. Now connect it." in response.content.decode()


def test_what_the_provider_says_is_escaped(operator):
    profile = _profile(user_name=EVIL, organization_name=EVIL, plan=EVIL, needed=[EVIL])
    connection = _connection(profile=profile, last_error=EVIL, last_error_at=NOW)
    WebhookSubscriptionFactory.create(connection=connection, problem=EVIL)

    assert EVIL not in _html(operator, connection)


@pytest.mark.parametrize("stored", [{}, {"granted": ["a"]}, {"unknown": 1}, _profile(more="new")])
def test_a_profile_of_another_version_is_no_fault(viewer, stored):
    assert _html(viewer, _connection(profile=stored))


def test_the_page_takes_as_many_queries_for_many_subscriptions_as_for_one(viewer):
    connection = _connection()

    def subscribe() -> None:
        subscription = WebhookSubscriptionFactory.create(connection=connection)
        InboundWebhookFactory.create(subscription=subscription)
        SignatureTallyFactory.create(subscription=subscription)

    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            _html(viewer, connection)
        return len(captured)

    subscribe()
    queries()
    few = queries()
    for _ in range(4):
        subscribe()

    assert queries() == few


@pytest.mark.parametrize(
    ("token", "told", "kept"),
    [
        ("sandbox-calendly-pat", "Connected as Olivia Owens.", "sandbox-calendly-pat"),
        ("wrong", "The token was not stored.", "a-very-secret-token"),
    ],
)
def test_a_personal_token_is_stored_only_if_the_provider_takes_it(
    operator, settings, token, told, kept
):
    connection = _connection(profile={})
    form = {"name": "Calendly", "settings": "{}", "parallelism": "8", "secret_access_token": token}
    with SandboxServer() as server:
        settings.CALENDLY_API_URL = f"{server.url}/calendly"

        response = operator.post(_page(connection), form, follow=True)

    connection.refresh_from_db()
    assert told in response.content.decode()
    assert "was changed successfully" not in response.content.decode()
    assert connection.secrets == {"access_token": kept}
    assert response.redirect_chain[-1][0] == _page(connection)


def test_a_token_is_not_taken_with_a_form_that_has_errors(operator, settings):
    connection = _connection(profile={})
    settings.CALENDLY_API_URL = "http://127.0.0.1:1/nobody"
    form = {"name": "", "settings": "{}", "parallelism": "8", "secret_access_token": "new"}

    response = operator.post(_page(connection), form)

    connection.refresh_from_db()
    assert response.status_code == 200
    assert connection.secrets == {"access_token": "a-very-secret-token"}

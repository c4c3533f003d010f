"""Subscribing from the admin, and what a subscription's page tells and refuses."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.urls import reverse

from integrations.models import WebhookSubscription
from tests.factories import (
    NOW,
    ConnectionFactory,
    InboundWebhookFactory,
    WebhookSubscriptionFactory,
)
from tests.integrations.subscribing import PUBLIC, There, connect, meetings

pytestmark = pytest.mark.django_db


@pytest.fixture
def sandbox(server, settings):
    server.reset()
    settings.CALENDLY_API_URL = f"{server.url}/calendly"
    settings.CALSYNC_PUBLIC_URL = PUBLIC
    return server.control


@pytest.fixture
def connection(sandbox):
    return connect(sandbox, name="Harbor")


def press(client, row, name, **form):
    """Press a button on a row's page; return the page that follows."""
    model = row._meta.label_lower.replace(".", "_")
    url = reverse(f"admin:{model}_operate", args=[row.pk, name])
    return client.post(url, form, follow=True).content.decode()


def page(client, row):
    model = row._meta.label_lower.replace(".", "_")
    return client.get(reverse(f"admin:{model}_change", args=[row.pk])).content.decode()


def notes():
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]


def test_subscribing_rotating_and_unsubscribing_are_buttons(operator, connection, sandbox):
    there = There(sandbox)

    subscribed = press(operator, connection, "subscribe")
    count = len(there.all())
    rotated = press(operator, connection, "rotate_key")
    ended = press(operator, connection, "unsubscribe", confirmed="1")

    assert "bookings, cancels and no-shows: subscribed" in subscribed
    assert count == 3
    assert "bookings, cancels and no-shows: has a new key" in rotated
    assert "bookings, cancels and no-shows: deleted" in ended
    assert there.all() == []
    assert notes() == ["Subscribed.", "Signing key rotated.", "Unsubscribed."]


@pytest.mark.parametrize("name", ["subscribe", "rotate_key", "unsubscribe"])
def test_who_may_only_look_subscribes_nothing(viewer, connection, sandbox, name):
    url = reverse("admin:integrations_connection_operate", args=[connection.pk, name])

    assert viewer.post(url).status_code == 403
    assert There(sandbox).all() == []


def test_a_refusal_is_shown_with_what_to_do(operator, connection, sandbox):
    sandbox.settings(calendly_plan_allows_webhooks=False)

    shown = press(operator, connection, "subscribe")

    assert "Please upgrade your Calendly account" in shown
    assert "needs another Calendly plan" in shown
    assert notes() == []


def test_an_optional_one_that_was_refused_is_shown(operator, sandbox):
    scopes = "users:read organizations:read scheduled_events:read webhooks:write"
    connection = connect(sandbox, scopes=scopes.split())

    shown = press(operator, connection, "subscribe")

    assert "event types: refused." in shown


def test_only_what_makes_sense_is_offered(operator, connection):
    slack = ConnectionFactory.create()

    def offered(row):
        found = page(operator, row)
        return [name for name in ("/subscribe/", "/rotate_key/", "/unsubscribe/") if name in found]

    assert offered(slack) == []
    assert offered(connection) == ["/subscribe/"]
    press(operator, connection, "subscribe")
    assert offered(connection) == ["/subscribe/", "/rotate_key/", "/unsubscribe/"]


def test_a_failing_subscription_tells_since_when_and_what_to_do(viewer):
    row = WebhookSubscriptionFactory.create(
        managed=True, retry_started_at=NOW, checked_at=NOW, problem="Calendly has failed. Run the self-test."
    )  # fmt: skip
    InboundWebhookFactory.create(subscription=row, kind="invitee.created")
    InboundWebhookFactory.create(subscription=row, kind="calsync.probe", last_seen_at=NOW.replace(year=2027))  # fmt: skip

    shown = page(viewer, row)
    listed = viewer.get(reverse("admin:integrations_webhooksubscription_changelist")).content.decode()  # fmt: skip

    assert "Calendly has been failing to deliver since 20 Nov 2026, 09:00 UTC." in shown
    assert "Run the self-test." in shown
    assert "Run the self-test." in listed
    assert "20 Nov 2026, 09:00 UTC" in listed
    assert "2027" not in listed


def test_what_the_provider_says_of_a_managed_one_cannot_be_edited(operator):
    row = WebhookSubscriptionFactory.create(managed=True)
    uri = row.uri
    form = {"connection": row.connection_id, "state": "disabled", "uri": "https://x.example", "scope": "user"}  # fmt: skip
    url = reverse("admin:integrations_webhooksubscription_change", args=[row.pk])

    operator.post(url, form)

    row.refresh_from_db()
    assert (row.state, row.uri, row.scope) == ("active", uri, "organization")


def test_one_of_several_is_deleted_and_retired(operator, connection, sandbox):
    press(operator, connection, "subscribe")
    row = connection.subscriptions.get(purpose="routing_forms")

    shown = press(operator, row, "delete_there", confirmed="1")

    row.refresh_from_db()
    assert "Deleted." in shown
    assert row.retired_at
    assert There(sandbox).purposes() == {"invitee": 1, "event_type": 1}
    assert "operate/delete_there" not in page(operator, row)


@pytest.mark.parametrize("name", ["unsubscribe", "disconnect"])
def test_what_no_other_button_takes_back_is_asked_for_twice(operator, connection, sandbox, name):
    press(operator, connection, "subscribe")

    asked = press(operator, connection, name)

    assert "a backfill then reads what was missed" in asked
    assert 'name="confirmed"' in asked
    assert reverse("admin:integrations_connection_change", args=[connection.pk]) in asked
    assert len(There(sandbox).all()) == 3
    connection.refresh_from_db()
    assert connection.sealed_secrets


def test_one_is_not_deleted_before_that_is_confirmed(operator, connection, sandbox):
    press(operator, connection, "subscribe")
    row = connection.subscriptions.get(purpose="routing_forms")

    asked = press(operator, row, "delete_there")

    assert "nothing arrives through it any more" in asked
    assert len(There(sandbox).all()) == 3


def test_one_that_is_being_replaced_is_in_no_trouble(operator, connection, sandbox, capsys):
    press(operator, connection, "subscribe")
    press(operator, connection, "rotate_key")

    shown = page(operator, connection)
    listed = operator.get(reverse("admin:integrations_webhooksubscription_changelist"))
    told = run(capsys, "subscriptions", "Harbor")

    assert shown.count("Another has taken its place.") == 3
    assert "Bookings arrive by webhook." in shown
    assert listed.content.decode().count("being replaced") == 3
    assert told.count("being replaced") == 3
    assert "Subscriptions in trouble" not in operator.get(reverse("admin:index")).content.decode()


def test_the_self_test_tells_each_check(operator, connection, sandbox, settings):
    press(operator, connection, "subscribe")
    settings.CALSYNC_PUBLIC_URL = "http://127.0.0.1:1"

    shown = press(operator, meetings(connection)[0], "self_test")

    assert "State: Calendly delivers to another address" in shown
    assert "Sample: Calendly has none" in shown
    assert "Probe: 127.0.0.1 did not answer" in shown


# --- by command ---


def run(capsys, *arguments):
    call_command("calendly", *arguments)
    return capsys.readouterr().out


def test_the_commands_do_the_same(connection, sandbox, capsys):
    made = run(capsys, "subscribe", "Harbor")
    listed = run(capsys, "subscriptions", "Harbor")
    rotated = run(capsys, "rotate-key", "Harbor")
    ended = run(capsys, "unsubscribe", "Harbor")

    assert "event types: subscribed" in made
    row = WebhookSubscription.objects.earliest("id")
    assert f"{PUBLIC}/webhooks/calendly/{row.token}" in listed
    assert "organization: invitee.created" in listed
    assert "event types: has a new key" in rotated
    assert "event types: deleted" in ended
    assert There(sandbox).all() == []


def test_the_commands_fail_with_words(connection, sandbox, capsys):
    with pytest.raises(CommandError, match="There are: “Harbor”"):
        run(capsys, "subscribe", "Nobody")
    for name in ("subscriptions", "test", "rotate-key"):
        with pytest.raises(CommandError, match="Nothing is subscribed"):
            run(capsys, name, "Harbor")
    sandbox.settings(calendly_plan_allows_webhooks=False)
    with pytest.raises(CommandError, match="upgrade"):
        run(capsys, "subscribe", "Harbor")


def test_trouble_is_a_failure_of_the_commands(connection, sandbox, settings, capsys):
    run(capsys, "subscribe", "Harbor")
    sandbox.disable_subscriptions()
    settings.CALSYNC_PUBLIC_URL = PUBLIC

    with pytest.raises(CommandError, match="in trouble"):
        run(capsys, "subscriptions", "Harbor")
    settings.CALSYNC_PUBLIC_URL = "http://127.0.0.1:1"
    with pytest.raises(CommandError, match="self-test found trouble"):
        run(capsys, "test", "Harbor")

    said = capsys.readouterr().out
    assert "problem: Calendly has disabled it" in said
    assert "FAILED  Probe" in said

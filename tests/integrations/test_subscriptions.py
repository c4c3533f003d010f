"""Subscribing, watching and rotating, against the sandbox over HTTP and with its faults on."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from integrations import backfill, profiles, subscriptions
from integrations.errors import ConfigurationError, TemporaryError
from integrations.models import BackfillRun, Connection, WebhookSubscription
from integrations.subscriptions import BusyError, Outcome, ensure, rotate, unsubscribe, watch
from integrations.subscriptions.lease import LEASE, alone
from tests.factories import WebhookSubscriptionFactory
from tests.integrations.subscribing import (
    PUBLIC,
    There,
    connect,
    connect_by_oauth,
    later,
    live,
    meetings,
)

ALL = ["event_types", "meetings", "routing_forms"]


@pytest.fixture
def sandbox(server, settings):
    server.reset()
    settings.CALENDLY_API_URL = f"{server.url}/calendly"
    settings.CALENDLY_AUTH_URL = f"{server.url}/calendly-auth"
    settings.CALENDLY_CLIENT_ID, settings.CALENDLY_CLIENT_SECRET = "sandbox-client", "sandbox-secret"  # fmt: skip
    settings.CALSYNC_PUBLIC_URL = PUBLIC
    return server.control


@pytest.fixture
def there(sandbox):
    return There(sandbox)


@pytest.fixture
def connection(db, sandbox):
    return connect(sandbox)


@pytest.fixture
def subscribed(connection):
    ensure(connection, now=timezone.now())
    return connection


def outcomes(found):
    return {item.subscription.purpose: item.outcome for item in found}


# --- subscribing ---


def test_each_purpose_gets_a_url_and_a_key_of_its_own(connection, there):
    found = ensure(connection, now=timezone.now())

    assert outcomes(found) == dict.fromkeys(("meetings", *ALL), Outcome.MADE)
    rows = connection.subscriptions.all()
    assert there.urls() == {f"{PUBLIC}/webhooks/calendly/{row.token}" for row in rows}
    assert len({row.signing_keys["current"] for row in rows}) == 3
    assert {row["scope"] for row in there.all()} == {"organization"}
    assert {row.state for row in rows} == {"active"}
    assert all(row.managed and row.uri for row in rows)


def test_subscribing_again_changes_nothing(subscribed, there):
    before = there.all()

    found = ensure(subscribed, now=timezone.now())

    assert set(outcomes(found).values()) == {Outcome.KEPT}
    assert there.all() == before
    assert there.posts() == 3


def test_a_subscription_whose_answer_got_lost_is_adopted(connection, sandbox, there):
    sandbox.add_fault("calendly", "drop_after", match={"method": "POST"})
    with pytest.raises(TemporaryError):
        ensure(connection, now=timezone.now())
    (row,) = meetings(connection)

    found = ensure(connection, now=timezone.now())

    assert row.uri == ""
    assert outcomes(found)["meetings"] == Outcome.ADOPTED
    assert [adopted.pk for adopted in meetings(connection)] == [row.pk]
    assert there.purposes() == {"invitee": 1, "event_type": 1, "routing_form_submission": 1}


def test_a_subscription_that_was_never_made_is_made_at_its_url(connection, sandbox, there):
    sandbox.add_fault("calendly", "drop_before", match={"method": "POST"})
    with pytest.raises(TemporaryError):
        ensure(connection, now=timezone.now())
    (row,) = meetings(connection)

    ensure(connection, now=timezone.now())

    assert subscriptions.webhook_url(row) in there.urls()
    assert len(meetings(connection)) == 1


def test_who_is_no_admin_subscribes_for_themselves(db, sandbox, there):
    connection = connect(sandbox, user="user")

    ensure(connection, now=timezone.now())

    assert live(connection) == ["event_types", "meetings"]
    assert {row["scope"] for row in there.all()} == {"user"}
    assert meetings(connection)[0].target == connection.profile["user_uri"]


def test_an_admin_of_a_group_subscribes_for_the_group(db, sandbox, there):
    group = next(row for row in sandbox.calendly()["groups"] if row["name"] == "Sales")
    connection = connect(sandbox, user="admin", settings={"scope": "group", "group": group["uri"]})

    ensure(connection, now=timezone.now())
    again = ensure(connection, now=timezone.now())

    scopes = {row["events"][0].partition(".")[0]: row["scope"] for row in there.all()}
    assert scopes == {
        "invitee": "group",
        "event_type": "group",
        "routing_form_submission": "organization",
    }
    assert set(outcomes(again).values()) == {Outcome.KEPT}


def test_an_optional_one_that_is_refused_is_no_error_but_said(db, sandbox, there):
    scopes = "users:read organizations:read scheduled_events:read webhooks:write"
    connection = connect(sandbox, scopes=scopes.split())

    found = ensure(connection, now=timezone.now())

    refused = outcomes(found)
    assert refused["meetings"] == Outcome.MADE
    assert {refused["event_types"], refused["routing_forms"]} == {Outcome.REFUSED}
    problem = connection.subscriptions.get(purpose="event_types").problem
    assert "read scope" in problem
    assert len(there.all()) == 1


def test_what_was_refused_is_tried_again_by_a_person_only(db, sandbox, there):
    scopes = "users:read organizations:read scheduled_events:read webhooks:write"
    connection = connect(sandbox, scopes=scopes.split())
    ensure(connection, now=timezone.now())

    watch(connection, now=later())
    after_watching = there.posts()
    ensure(connection, now=later(minutes=6))

    assert after_watching == 3
    assert there.posts() == 5
    assert connection.subscriptions.count() == 3


def test_a_plan_without_webhooks_is_told_with_what_to_do(connection, sandbox):
    sandbox.settings(calendly_plan_allows_webhooks=False)

    with pytest.raises(ConfigurationError, match="upgrade") as caught:
        ensure(connection, now=timezone.now())

    assert "plan" in caught.value.hint
    assert "upgrade" in meetings(connection)[0].problem


def test_one_whose_url_somebody_has_gets_another_url(connection, sandbox, there):
    sandbox.add_fault("calendly", "drop_before", match={"method": "POST"})
    with pytest.raises(TemporaryError):
        ensure(connection, now=timezone.now())
    sandbox.add_fault("calendly", "error", status=409, match={"method": "POST"})

    found = ensure(connection, now=timezone.now())

    taken, made = meetings(connection)
    assert outcomes(found)["meetings"] == Outcome.MADE
    assert (taken.uri, made.retired_at) == ("", None)
    assert taken.retired_at
    assert subscriptions.webhook_url(made) in there.urls()


def test_the_watchdog_does_what_subscribing_left_undone(connection, sandbox, there):
    sandbox.add_fault("calendly", "error", status=503, match={"method": "POST", "body_contains": "event_type"})  # fmt: skip
    with pytest.raises(TemporaryError):
        ensure(connection, now=timezone.now())
    begun = there.purposes()

    watched = watch(connection, now=later())

    assert begun == {"invitee": 1}
    assert watched.made == 2
    assert there.purposes() == {"invitee": 1, "event_type": 1, "routing_form_submission": 1}
    assert live(connection) == ALL
    assert not BackfillRun.objects.exists()


def test_what_was_left_undone_is_done_after_a_refusal_of_the_look_too(connection, sandbox, there):
    sandbox.add_fault("calendly", "error", status=503, match={"method": "POST", "body_contains": "event_type"})  # fmt: skip
    with pytest.raises(TemporaryError):
        ensure(connection, now=timezone.now())
    sandbox.add_fault("calendly", "error", status=403, match={"path_contains": "/webhook_subscriptions"})  # fmt: skip

    refused = watch(connection, now=later())
    watched = watch(connection, now=later(minutes=10))

    assert "403" in refused.problem
    assert watched.made == 2
    assert live(connection) == ALL
    assert {row.problem for row in connection.subscriptions.all()} == {""}


def test_what_is_there_stays_while_its_successor_is_refused(subscribed, sandbox, there):
    subscribed.settings = {"scope": "user"}
    subscribed.save(update_fields=["settings"])
    sandbox.add_fault("calendly", "error", status=403, times=0, match={"method": "POST", "body_contains": "event_type"})  # fmt: skip

    for minutes in (0, 3, 6):
        found = ensure(subscribed, now=later(minutes=minutes))
    watch(subscribed, now=later(minutes=10))

    assert outcomes(found)["event_types"] == Outcome.REFUSED
    scopes = {row["events"][0].partition(".")[0]: row["scope"] for row in there.all()}
    assert scopes["event_type"] == "organization"
    assert scopes["invitee"] == "user"
    assert not BackfillRun.objects.exists()


def test_one_of_a_group_is_deleted_when_the_scope_changes(db, sandbox, there):
    group = next(row for row in sandbox.calendly()["groups"] if row["name"] == "Sales")
    connection = connect(sandbox, user="admin", settings={"scope": "group", "group": group["uri"]})
    ensure(connection, now=timezone.now())
    connection.settings = {}
    connection.save(update_fields=["settings"])

    watch(connection, now=later())
    told = meetings(connection)[0].problem
    ensure(connection, now=timezone.now())
    watch(connection, now=later(minutes=10))

    assert "Press Subscribe" in told
    assert {row["scope"] for row in there.all()} == {"organization"}
    assert there.purposes() == {"invitee": 1, "event_type": 1, "routing_form_submission": 1}
    assert not BackfillRun.objects.exists()


def test_who_leads_no_longer_is_told_and_subscribes_for_themselves(subscribed, sandbox, there):
    subscribed.set_secrets({"access_token": sandbox.make_token(user="user")})
    subscribed.save()

    watched = watch(subscribed, now=later())
    profiles.refresh(subscribed, now=later())
    found = ensure(subscribed, now=later())

    subscribed.refresh_from_db()
    assert "403" in watched.problem
    assert subscribed.state == Connection.State.HEALTHY
    assert outcomes(found)["meetings"] == Outcome.REPLACED
    assert meetings(subscribed)[-1].scope == "user"
    left = meetings(subscribed)[0]
    assert "delete it there" in left.problem
    assert subscriptions.webhook_url(left) in there.urls()


def test_another_scope_is_subscribed_before_the_old_one_ends(subscribed, there):
    (old,) = meetings(subscribed)
    subscribed.settings = {"scope": "user", "routing_forms": False}
    subscribed.save(update_fields=["settings"])

    found = ensure(subscribed, now=timezone.now())
    beside = there.urls()
    watch(subscribed, now=later())

    assert outcomes(found) == {
        "meetings": Outcome.REPLACED,
        "event_types": Outcome.REPLACED,
        "routing_forms": Outcome.ENDED,
    }
    assert subscriptions.webhook_url(old) in beside
    assert {row["scope"] for row in there.all()} == {"user"}
    assert live(subscribed) == ["event_types", "meetings"]
    assert not BackfillRun.objects.exists()


def test_two_at_once_subscribe_once(transactional_db, sandbox, there):
    connection = connect(sandbox)
    sandbox.add_fault("calendly", "latency", times=0, seconds=0.1)

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda _: _ended(ensure, connection), range(2)))

    assert sorted(ends) == ["BusyError", "list"]
    assert there.purposes() == {"invitee": 1, "event_type": 1, "routing_form_submission": 1}


def _ended(act, connection):
    try:
        return type(act(connection, now=timezone.now())).__name__
    except BusyError:
        return "BusyError"
    finally:
        connections.close_all()


def test_a_process_that_died_holds_up_nobody_for_long(connection):
    now = timezone.now()
    Connection.objects.update(subscribing_until=now + LEASE)

    with pytest.raises(BusyError):
        ensure(connection, now=now)
    with alone(connection, now=now + LEASE):
        pass

    connection.refresh_from_db()
    assert connection.subscribing_until is None


# --- watching ---


def test_a_healthy_subscription_is_only_looked_at(subscribed, there):
    before, now = there.all(), later()

    watched = watch(subscribed, now=now)

    assert (watched.made, watched.retired, watched.strays, watched.problem) == (0, 0, 0, "")
    assert there.all() == before
    assert {row.checked_at for row in subscribed.subscriptions.all()} == {now}
    assert not BackfillRun.objects.exists()


def test_one_whose_state_is_not_told_is_left_alone(subscribed, sandbox, there):
    before = there.all()
    fault = {"path_contains": "/webhook_subscriptions", "query_contains": "scope=organization"}
    sandbox.add_fault("calendly", "broken_object", key="state", match=fault)

    watched = watch(subscribed, now=later())

    assert (watched.made, watched.retired) == (0, 0)
    assert there.all() == before


def test_a_disabled_one_is_replaced_and_its_gap_is_read(subscribed, sandbox, there):
    (old,) = meetings(subscribed)
    sandbox.disable_subscriptions()
    now = later()

    watched = watch(subscribed, now=now)

    old.refresh_from_db()
    new = meetings(subscribed)[-1]
    assert (watched.made, watched.retired) == (3, 3)
    assert {row["state"] for row in there.all()} == {"active"}
    assert there.urls() == {
        subscriptions.webhook_url(row) for row in subscribed.subscriptions.filter(retired_at=None)
    }
    assert new.token != old.token
    assert new.signing_keys["current"] != old.signing_keys["current"]
    assert (old.retired_at, old.problem) == (now, "")
    run = BackfillRun.objects.get()
    assert (run.trigger, run.connection) == ("gap", subscribed)
    assert run.window_from <= now - timedelta(days=30)
    assert run.window_to >= now + timedelta(days=365)
    assert watched.backfill == run


def test_one_that_somebody_deleted_at_calendly_is_replaced(subscribed, there):
    (old,) = meetings(subscribed)
    there.delete(old.uri)

    watched = watch(subscribed, now=later())

    assert (watched.made, watched.retired) == (1, 1)
    assert subscriptions.webhook_url(meetings(subscribed)[-1]) in there.urls()
    assert BackfillRun.objects.get().trigger == "gap"


def test_a_gap_is_read_although_the_old_one_cannot_be_deleted(subscribed, sandbox, there):
    (old,) = meetings(subscribed)
    sandbox.disable_subscriptions(url_contains=str(old.token))
    sandbox.add_fault("calendly", "error", status=403, times=2, match={"method": "DELETE"})

    first = watch(subscribed, now=later())
    beside = there.purposes()
    told = meetings(subscribed)[0].problem
    second = watch(subscribed, now=later(minutes=10))

    assert (first.made, first.backfill) == (1, BackfillRun.objects.get())
    assert beside["invitee"] == 2
    assert f"Delete it at Calendly: {old.uri}" in told
    assert second.strays == 1
    assert there.purposes()["invitee"] == 1


def test_one_that_was_deleted_before_it_could_be_noted_is_asked_for_once(
    subscribed, sandbox, there
):
    (old,) = meetings(subscribed)
    sandbox.disable_subscriptions(url_contains=str(old.token))
    watch(subscribed, now=later())
    WebhookSubscription.objects.filter(pk=old.pk).update(state="disabled")  # killed after DELETE

    for minutes in (10, 15):
        watch(subscribed, now=later(minutes=minutes))

    name = old.uri.rpartition("/")[2]
    asked = sandbox.requests(method="GET", path_contains=f"/webhook_subscriptions/{name}")
    assert len(asked) == 1
    assert there.purposes()["invitee"] == 1


def test_a_gap_reaches_back_to_when_all_was_well(subscribed, sandbox):
    well = later()
    watch(subscribed, now=well)
    sandbox.disable_subscriptions()
    sandbox.add_fault("calendly", "error", status=503, match={"method": "POST"})
    now = later(days=60)

    watch(subscribed, now=now)  # sees it dead, and cannot mend it
    run = watch(subscribed, now=now + timedelta(minutes=5)).backfill

    assert run
    assert run.window_from == well - timedelta(days=30)
    assert run.window_to > now + timedelta(days=365)


def test_failing_deliveries_belong_to_the_gap(subscribed, sandbox):
    well = later()
    watch(subscribed, now=well)
    sandbox.settings(webhook_retry_base=600)
    sandbox.book(name="Ann Lee", email="ann@example.com")
    sandbox.wait_idle(ignore_retries=True)
    watch(subscribed, now=later(hours=5))
    sandbox.disable_subscriptions()

    run = watch(subscribed, now=later(hours=24)).backfill

    assert run
    # Event types and forms were well five hours later; the meetings' gap is the longer one.
    assert run.window_from == well - timedelta(days=30)


def test_a_waiting_backfill_is_widened_rather_than_doubled(subscribed, sandbox):
    now = later(days=60)
    waiting = backfill.start_usual(subscribed, trigger="gap", now=now)
    sandbox.disable_subscriptions()

    watch(subscribed, now=now)

    run = BackfillRun.objects.get()
    assert run == waiting
    assert run.window_from < now - timedelta(days=80)


def test_a_gap_is_read_although_another_cannot_be_replaced_yet(subscribed, sandbox, there):
    (old,) = meetings(subscribed)
    sandbox.disable_subscriptions()
    sandbox.add_fault("calendly", "error", status=503, times=0, match={"method": "POST", "body_contains": "event_type"})  # fmt: skip

    watched = watch(subscribed, now=later())

    old.refresh_from_db()
    assert "503" in watched.problem
    assert old.retired_at
    assert there.purposes()["invitee"] == 1
    assert BackfillRun.objects.get().trigger == "gap"


def test_one_that_is_refused_holds_up_no_other(subscribed, sandbox, there):
    sandbox.disable_subscriptions()
    fault = sandbox.add_fault("calendly", "error", status=400, times=0, match={"method": "POST", "body_contains": "invitee.created"})  # fmt: skip

    watched = [watch(subscribed, now=later(minutes=minutes)) for minutes in (5, 10)]
    refused, posts = meetings(subscribed), there.posts()
    sandbox.clear_faults()
    mended = watch(subscribed, now=later(minutes=15))

    assert fault
    assert [seen.made for seen in watched] == [2, 0]
    assert all("400" in seen.problem for seen in watched)
    assert len(refused) == 2
    assert posts == 3 + 3 + 1
    assert mended.made == 1
    assert {row["state"] for row in there.all()} == {"active"}
    assert live(subscribed) == ALL


def test_what_does_not_last_is_made_at_growing_intervals(subscribed, there, caplog):
    made = []
    for minutes in range(0, 60, 5):
        for row in there.all():
            if row["events"][0].startswith("invitee."):
                there.delete(row["uri"])
        if watch(subscribed, now=later(minutes=minutes)).made:
            made.append(minutes)

    subscriptions.refresh(subscribed, now=later(minutes=55))
    waiting = meetings(subscribed)[-1]
    assert made == [0, 5, 10, 20, 40]
    assert "6 died within a day" in waiting.problem
    assert waiting.retired_at is None
    told = [record for record in caplog.records if "do not last" in record.getMessage()]
    assert len(told) == 3
    assert set(outcomes(ensure(subscribed, now=later(hours=1)))) == {"meetings", *ALL}
    assert there.purposes()["invitee"] == 1


def test_keys_that_were_rotated_delay_no_replacement(subscribed, sandbox):
    for minutes in (2, 4, 6):
        rotate(subscribed, now=later(minutes=minutes))
        watch(subscribed, now=later(minutes=minutes + 1))
    sandbox.disable_subscriptions()

    assert watch(subscribed, now=later(minutes=12)).made == 3


def test_the_next_watch_finishes_what_broke_between_making_and_deleting(subscribed, sandbox, there):
    sandbox.disable_subscriptions()
    sandbox.add_fault("calendly", "drop_before", match={"method": "DELETE"})
    first = watch(subscribed, now=later())
    broken = there.purposes()

    second = watch(subscribed, now=later(minutes=10))

    assert first.problem
    assert broken["invitee"] == 2
    assert second.problem == ""
    assert there.purposes() == {"invitee": 1, "event_type": 1, "routing_form_submission": 1}
    assert {row["state"] for row in there.all()} == {"active"}
    assert live(subscribed) == ALL
    assert BackfillRun.objects.count() == 1


def test_the_newest_healthy_of_two_stays(subscribed, there):
    (old,) = meetings(subscribed)
    twin = WebhookSubscriptionFactory.create(
        connection=subscribed, managed=True, scope=old.scope, target=old.target, events=old.events
    )
    there.subscribe(subscriptions.webhook_url(twin), events=old.events)

    soon = watch(subscribed, now=timezone.now())
    still = there.purposes()["invitee"]
    watched = watch(subscribed, now=later())

    assert (soon.retired, still) == (0, 2)
    assert watched.retired == 1
    assert subscriptions.webhook_url(twin) in there.urls()
    assert subscriptions.webhook_url(old) not in there.urls()
    assert not BackfillRun.objects.exists()


STRANGERS = [
    "https://other.example/webhooks/calendly/7b0f8ec2-1c5e-4c53-9d35-1f0f2f3c5b11",
    "https://calsync.example.evil.example/webhooks/calendly/7b0f8ec2-1c5e-4c53-9d35-1f0f2f3c5b11",
    f"{PUBLIC}:8443/webhooks/calendly/7b0f8ec2-1c5e-4c53-9d35-1f0f2f3c5b11",
    f"{PUBLIC}/webhooks/other/7b0f8ec2-1c5e-4c53-9d35-1f0f2f3c5b11",
    f"{PUBLIC}/staging/webhooks/calendly/7b0f8ec2-1c5e-4c53-9d35-1f0f2f3c5b11",
    f"{PUBLIC}/webhooks/calendly/report",
    "https://hooks.example/somebody-else",
]


def test_strays_go_and_strangers_stay(subscribed, there):
    """One whose token is not known here may be another installation's: this public URL leads nowhere."""
    unknown = f"{PUBLIC}/webhooks/calendly/7b0f8ec2-1c5e-4c53-9d35-1f0f2f3c5b11"
    (row,) = meetings(subscribed)
    retired = WebhookSubscriptionFactory.create(connection=subscribed, managed=True, retired_at=row.created_at)  # fmt: skip
    for url in (unknown, subscriptions.webhook_url(retired), *STRANGERS):
        there.subscribe(url)

    watched = watch(subscribed, now=later())

    assert watched.strays == 1
    ours = {subscriptions.webhook_url(row) for row in subscribed.subscriptions.filter(retired_at=None)}  # fmt: skip
    assert there.urls() == ours | {unknown, *STRANGERS}


def test_two_connections_of_one_organization_leave_each_other_alone(subscribed, sandbox, there):
    other = connect(sandbox)
    ensure(other, now=timezone.now())
    both = there.urls()

    watched = [watch(connection, now=later()) for connection in (subscribed, other)]
    untouched = there.urls()
    unsubscribe(other, now=later())

    assert [(seen.made, seen.retired, seen.strays) for seen in watched] == [(0, 0, 0)] * 2
    assert untouched == both
    assert len(both) == 6
    assert there.urls() == {
        subscriptions.webhook_url(row) for row in subscribed.subscriptions.all()
    }


def test_one_that_was_entered_by_hand_is_checked_and_left_alone(subscribed, sandbox, there):
    by_hand = WebhookSubscriptionFactory.create(connection=subscribed)
    there.subscribe(subscriptions.webhook_url(by_hand))
    sandbox.disable_subscriptions(url_contains=str(by_hand.token))

    watch(subscribed, now=later())

    by_hand.refresh_from_db()
    assert (by_hand.state, by_hand.retired_at) == ("disabled", None)
    assert "press Subscribe" in by_hand.problem
    assert subscriptions.webhook_url(by_hand) in there.urls()
    assert live(subscribed) == sorted([*ALL, "meetings"])


def test_a_copy_of_another_installation_touches_nothing(subscribed, settings, there):
    before = there.all()
    settings.CALSYNC_PUBLIC_URL = "https://staging.example"

    watched = watch(subscribed, now=later())

    assert (watched.made, watched.retired, watched.strays) == (0, 0, 0)
    assert there.all() == before
    assert "another address" in meetings(subscribed)[0].problem


def test_a_copy_touches_nothing_when_the_original_replaces_its_own(subscribed, settings, there):
    for row in there.all():
        there.delete(row["uri"])
    settings.CALSYNC_PUBLIC_URL = "https://staging.example"

    watched = [watch(subscribed, now=later(minutes=minutes)) for minutes in (5, 10)]

    assert [seen.made for seen in watched] == [0, 0]
    assert there.all() == []
    assert "another address" in meetings(subscribed)[0].problem


def test_a_person_subscribes_the_new_address_after_a_move(subscribed, settings, there):
    settings.CALSYNC_PUBLIC_URL = "https://moved.example"

    found = ensure(subscribed, now=timezone.now())

    assert set(outcomes(found).values()) == {Outcome.REPLACED}
    assert sum(url.startswith("https://moved.example/") for url in there.urls()) == 3
    old, new = meetings(subscribed)
    assert "delete it there" in old.problem
    assert (new.retired_at, BackfillRun.objects.count()) == (None, 1)


def test_a_refusal_pauses_the_connection(subscribed, sandbox):
    sandbox.add_fault("calendly", "token_revoked")

    watched = watch(subscribed, now=later())

    subscribed.refresh_from_db()
    assert watched.problem
    assert subscribed.state == Connection.State.PAUSED
    assert "Connect" in subscribed.state_hint
    assert subscriptions.due(now=later(minutes=10)) == []


def test_what_the_account_may_no_longer_see_is_said_and_pauses_nothing(subscribed, sandbox):
    subscribed.set_secrets({"access_token": sandbox.make_token(scopes=["users:read"])})
    subscribed.save()

    watched = watch(subscribed, now=later())

    subscribed.refresh_from_db()
    assert subscribed.state == Connection.State.HEALTHY
    assert "webhooks:" in watched.problem + meetings(subscribed)[0].problem
    assert live(subscribed) == ALL


@pytest.mark.parametrize(
    ("kind", "params"),
    [("error", {"status": 503}), ("drop_before", {}), ("rate_limited", {"retry_after": 1})],
)
def test_a_passing_fault_is_noted_and_waits_for_the_next_watch(subscribed, sandbox, kind, params):
    sandbox.disable_subscriptions()
    sandbox.add_fault("calendly", kind, **params)
    now = later()

    first = watch(subscribed, now=now)

    subscribed.refresh_from_db()
    assert first.problem
    assert (subscribed.state, subscribed.last_error_at) == (Connection.State.HEALTHY, now)
    assert subscriptions.due(now=later(minutes=10)) == [subscribed.pk]


def test_a_provider_that_does_not_answer_is_told_after_an_hour(subscribed, sandbox):
    sandbox.add_fault("calendly", "error", status=503, times=2)

    watch(subscribed, now=later(minutes=30))
    soon = meetings(subscribed)[0].problem
    watch(subscribed, now=later(minutes=90))
    late = meetings(subscribed)[0].problem
    watch(subscribed, now=later(minutes=95))

    assert soon == ""
    assert "could not be looked at" in late
    assert "503" in late
    assert meetings(subscribed)[0].problem == ""


def test_two_watchdogs_at_once_replace_once(transactional_db, sandbox, there):
    connection = connect(sandbox)
    ensure(connection, now=timezone.now())
    sandbox.disable_subscriptions()
    sandbox.add_fault("calendly", "latency", times=0, seconds=0.1)

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: _watched(connection), range(2)))

    assert sorted(made) == [0, 3]
    assert there.purposes() == {"invitee": 1, "event_type": 1, "routing_form_submission": 1}
    assert BackfillRun.objects.count() == 1


def test_a_watchdog_that_finds_another_at_work_notes_no_error(subscribed):
    now = timezone.now()

    with alone(subscribed, now=now):
        watched = watch(subscribed, now=now)

    subscribed.refresh_from_db()
    assert "being looked after" in watched.problem
    assert (subscribed.last_error, subscribed.last_error_at) == ("", None)


def _watched(connection):
    try:
        return watch(connection, now=later()).made
    finally:
        connections.close_all()


def test_only_those_are_due_that_somebody_subscribed_and_nobody_just_looked_at(sandbox, subscribed):
    connect(sandbox)
    WebhookSubscriptionFactory.create()

    assert subscriptions.due(now=timezone.now()) == []
    assert subscriptions.due(now=later()) == [subscribed.pk]
    unsubscribe(subscribed, now=later())
    assert subscriptions.due(now=later(minutes=10)) == []


def test_failing_deliveries_are_warned_of_once(subscribed, sandbox, settings, caplog):
    (row,) = meetings(subscribed)
    sandbox.settings(webhook_retry_base=600)
    sandbox.book(name="Ann Lee", email="ann@example.com")
    sandbox.wait_idle(ignore_retries=True)

    with caplog.at_level(logging.WARNING):
        for minutes in (5, 10, 15):
            watch(subscribed, now=later(minutes=minutes))

    row.refresh_from_db()
    told = [record for record in caplog.records if "fails to deliver" in record.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"]
    assert row.retry_started_at
    assert "has failed to deliver since" in row.problem
    assert row.retired_at is None


# --- keys ---


def test_a_personal_token_gets_new_keys_at_new_urls(subscribed, there):
    old = {row.pk: row.signing_keys for row in subscribed.subscriptions.all()}

    found = rotate(subscribed, now=timezone.now())
    beside = there.purposes()
    watch(subscribed, now=later())

    assert set(outcomes(found).values()) == {Outcome.NEW_KEY}
    assert beside == {"invitee": 2, "event_type": 2, "routing_form_submission": 2}
    assert there.purposes() == {"invitee": 1, "event_type": 1, "routing_form_submission": 1}
    retired = subscribed.subscriptions.exclude(retired_at=None)
    assert {row.pk: row.signing_keys for row in retired} == old
    assert not BackfillRun.objects.exists()


def test_an_app_key_that_changed_is_taken_beside_the_one_before(db, sandbox, settings, there):
    settings.CALENDLY_WEBHOOK_SIGNING_KEY = "sandbox-app-signing-key"
    connection = connect_by_oauth(sandbox)
    ensure(connection, now=timezone.now())
    posts = there.posts()

    same = rotate(connection, now=timezone.now())
    settings.CALENDLY_WEBHOOK_SIGNING_KEY = "another-key"
    changed = rotate(connection, now=timezone.now())

    assert set(outcomes(same).values()) == {Outcome.SAME_KEY}
    assert set(outcomes(changed).values()) == {Outcome.NEW_KEY}
    assert there.posts() == posts
    keys = meetings(connection)[0].signing_keys
    assert keys == {"current": "another-key", "previous": "sandbox-app-signing-key"}


def test_an_oauth_connection_without_the_apps_key_is_told_its_name(db, sandbox, settings, there):
    settings.CALENDLY_WEBHOOK_SIGNING_KEY = ""
    connection = connect_by_oauth(sandbox)

    with pytest.raises(ConfigurationError) as caught:
        ensure(connection, now=timezone.now())

    assert "CALENDLY_WEBHOOK_SIGNING_KEY" in caught.value.hint
    assert there.all() == []
    assert not WebhookSubscription.objects.exists()


# --- unsubscribing ---


def test_unsubscribing_deletes_ours_and_keeps_the_keys(subscribed, there):
    stranger = "https://hooks.example/somebody-else"
    there.subscribe(stranger)

    found = unsubscribe(subscribed, now=timezone.now())

    assert set(outcomes(found).values()) == {Outcome.ENDED}
    assert there.urls() == {stranger}
    assert live(subscribed) == []
    assert all(row.signing_keys for row in subscribed.subscriptions.all())

"""The sandbox's webhooks: signed, retried, disabled, and disturbed on purpose."""

import hashlib
import hmac
import json
import time

import pytest


def events(receiver):
    return [json.loads(body)["event"] for _, body in receiver.got]


def test_a_booking_is_delivered_signed_over_the_raw_bytes(control, receiver, subscribe):
    subscribe()
    invitee = control.book(name="Zoë <b>", email="zoe@x.example", now="2026-01-01T10:00:00Z")
    assert control.wait_idle()

    headers, body = receiver.got[0]
    parts = dict(part.split("=", 1) for part in headers["Calendly-Webhook-Signature"].split(","))
    signed = parts["t"].encode() + b"." + body
    assert parts["v1"] == hmac.new(b"a-key", signed, hashlib.sha256).hexdigest()
    message = json.loads(body)
    assert message["created_at"] == "2026-01-01T10:00:00.000000Z"
    assert message["payload"]["uri"] == invitee["uri"]
    meeting = message["payload"]["scheduled_event"]
    assert "calendar_event" not in meeting
    assert set(meeting["event_memberships"][0]) == {"user", "user_email", "user_name"}


def test_without_a_key_there_is_no_signature(control, receiver, subscribe):
    subscribe(signing_key=None)
    control.book(name="A", email="a@x.example")
    assert control.wait_idle()

    assert "Calendly-Webhook-Signature" not in receiver.got[0][0]


def test_a_reschedule_is_two_webhooks(control, receiver, subscribe):
    subscribe()
    old = control.book(name="A", email="a@x.example")
    new = control.reschedule(old["uri"], start_time="2099-01-01T10:00:00Z")
    assert control.wait_idle()

    canceled, created = (json.loads(body)["payload"] for _, body in receiver.got[1:])
    assert events(receiver) == ["invitee.created", "invitee.canceled", "invitee.created"]
    assert (canceled["rescheduled"], canceled["new_invitee"]) == (True, new["uri"])
    assert (created["rescheduled"], created["old_invitee"]) == (False, old["uri"])


def test_a_no_show_sends_the_whole_invitee(control, receiver, subscribe):
    subscribe()
    invitee = control.book(name="A", email="a@x.example")
    control.mark_no_show(invitee["uri"])
    control.unmark_no_show(invitee["uri"])
    assert control.wait_idle()

    assert events(receiver)[1:] == ["invitee_no_show.created", "invitee_no_show.deleted"]
    marked = json.loads(receiver.got[1][1])["payload"]
    assert marked["no_show"]["uri"]
    assert marked["scheduled_event"]["uri"] == invitee["event"]


def test_only_what_was_asked_for_is_sent(control, receiver, subscribe):
    people = {row["role"]: row["uri"] for row in control.calendly()["users"]}
    subscribe(scope="user", user=people["user"], events=["invitee.created"])

    theirs = control.book(name="A", email="a@x.example", event_type="interview")
    control.book(name="B", email="b@x.example", event_type="consulting-session")
    control.cancel(theirs["uri"])
    assert control.wait_idle()

    assert events(receiver) == ["invitee.created"]


def test_submissions_go_to_the_organization_only(control, receiver, subscribe):
    subscribe(events=["routing_form_submission.created"])
    control.submit_form({"Email": "a@x.example"})
    assert control.wait_idle()

    assert events(receiver) == ["routing_form_submission.created"]


def test_a_failure_is_retried_and_noted(control, receiver, subscribe):
    subscribe()
    receiver.statuses = [500, 302]
    control.book(name="A", email="a@x.example")
    assert control.wait_idle()

    attempts = control.deliveries()
    assert [row["outcome"] for row in attempts] == ["failed", "failed", "delivered"]
    assert [row["status"] for row in attempts] == [500, 302, 200]
    assert control.webhooks()["subscriptions"][0]["retry_started_at"] is None


def test_one_failing_message_does_not_hold_the_others(control, receiver, subscribe):
    subscribe()
    control.settings(webhook_retry_base=30)
    receiver.statuses = [500]
    control.book(name="A", email="a@x.example")
    control.book(name="B", email="b@x.example")

    assert control.wait_idle(ignore_retries=True)
    assert [row["outcome"] for row in control.deliveries()] == ["failed", "delivered"]
    subscription = control.webhooks()["subscriptions"][0]
    assert (subscription["state"], bool(subscription["retry_started_at"])) == ("active", True)
    control.flush()
    assert control.wait_idle()
    assert len(receiver.got) == 3


def test_what_stays_broken_is_disabled_and_then_sends_nothing(control, receiver, subscribe):
    made = subscribe()
    control.settings(webhook_give_up_after=0)
    receiver.statuses = [500]
    control.book(name="A", email="a@x.example")
    assert control.wait_idle()
    control.book(name="B", email="b@x.example")
    assert control.wait_idle()

    subscription = control.webhooks()["subscriptions"][0]
    assert subscription["state"] == "disabled"
    assert subscription["updated_at"] > made["updated_at"]
    assert len(receiver.got) == 1


def test_a_receiver_that_is_gone_is_a_failure(control, receiver, subscribe):
    subscribe(url="http://127.0.0.1:1/nobody")
    control.settings(webhook_give_up_after=0)
    control.book(name="A", email="a@x.example")
    assert control.wait_idle()

    assert control.deliveries()[0]["error"] == "ConnectionError"


def test_a_duplicate_is_sent_twice(control, receiver, subscribe):
    subscribe()
    control.add_fault("webhooks", "duplicate", copies=3)
    control.book(name="A", email="a@x.example")
    assert control.wait_idle()

    assert len({body for _, body in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_a_dropped_webhook_never_comes(control, receiver, subscribe):
    subscribe()
    control.add_fault("webhooks", "drop", match={"body_contains": "lost@x.example"})
    control.book(name="A", email="a@x.example")
    control.book(name="L", email="lost@x.example")
    assert control.wait_idle()

    assert len(receiver.got) == 1
    assert control.deliveries()[-1]["outcome"] in {"delivered", "dropped"}


def test_a_reordered_webhook_comes_after_the_next(control, receiver, subscribe):
    subscribe()
    control.add_fault("webhooks", "reorder", messages=1)
    invitee = control.book(name="A", email="a@x.example")
    control.cancel(invitee["uri"])
    assert control.wait_idle()

    assert events(receiver) == ["invitee.canceled", "invitee.created"]


def test_a_delayed_webhook_comes_later(control, receiver, subscribe):
    subscribe()
    control.add_fault("webhooks", "delay", seconds=0.5)
    control.book(name="A", email="a@x.example")
    control.book(name="B", email="b@x.example")
    assert control.wait_idle()

    first = [json.loads(body)["payload"]["name"] for _, body in receiver.got]
    assert first == ["B", "A"]


def test_signatures_can_be_spoiled(control, receiver, subscribe):
    subscribe()
    control.add_fault("webhooks", "stale_signature", seconds=600)
    control.book(name="A", email="a@x.example")
    assert control.wait_idle()

    stamp = receiver.got[0][0]["Calendly-Webhook-Signature"].partition(",")[0]
    assert int(stamp.removeprefix("t=")) <= time.time() - 599


def test_a_subscription_can_be_disabled_and_only_made_anew(control, calendly, subscribe, receiver):
    made = subscribe()

    assert control.disable_subscriptions(url_contains="/hook") == 1
    control.book(name="A", email="a@x.example")
    assert control.wait_idle()
    path = made["uri"].removeprefix("https://api.calendly.com")
    seen = calendly.get(path).json()["resource"]["state"]
    assert calendly.delete(path).status_code == 204
    subscribe()
    control.book(name="B", email="b@x.example")
    assert control.wait_idle()

    assert seen == "disabled"
    assert len(receiver.got) == 1


def test_a_subscription_never_shows_its_key(subscribe, calendly, organization):
    made = subscribe()
    listed = calendly.get(
        "/webhook_subscriptions", organization=organization, scope="organization"
    ).json()["collection"]

    assert listed == [made]
    assert "signing_key" not in made
    assert made["state"] == "active"


@pytest.mark.parametrize(
    ("changes", "status", "parameter"),
    [
        ({"url": "nowhere"}, 400, "url"),
        ({"scope": "world"}, 400, "scope"),
        ({"events": ["invitee.rescheduled"]}, 400, "events"),
        ({"organization": ""}, 400, "organization"),
        ({"scope": "user"}, 400, "user"),
        ({"scope": "user", "events": ["routing_form_submission.created"]}, 400, "events"),
        ({"events": ["meeting_recap.created"]}, 400, "events"),
    ],
)
def test_a_wrong_subscription_is_refused(calendly, organization, changes, status, parameter):
    body = {
        "url": "http://127.0.0.1:1/",
        "events": ["invitee.created"],
        "organization": organization,
        "scope": "organization",
    }

    refused = calendly.post("/webhook_subscriptions", **(body | changes))

    assert refused.status_code == status
    assert refused.json()["details"][0]["parameter"] == parameter


def test_the_same_url_twice_is_a_conflict(calendly, organization, subscribe, receiver):
    subscribe()
    refused = calendly.post(
        "/webhook_subscriptions",
        url=receiver.url,
        events=["invitee.canceled"],
        organization=organization,
        scope="organization",
    )

    assert (refused.status_code, refused.json()["title"]) == (409, "Already Exists")


def test_an_ordinary_user_cannot_subscribe_the_organization(calendly_as, organization):
    refused = calendly_as("sandbox-calendly-pat-user").post(
        "/webhook_subscriptions",
        url="http://127.0.0.1:1/",
        events=["invitee.created"],
        organization=organization,
        scope="organization",
    )

    assert refused.status_code == 403


def test_sample_data_is_a_bare_envelope(calendly, control, organization):
    control.book(name="A", email="a@x.example")

    sample = calendly.get(
        "/sample_webhook_data",
        event="invitee.created",
        organization=organization,
        scope="organization",
    ).json()

    assert set(sample) == {"event", "created_at", "created_by", "payload"}


def test_retired_event_types_are_announced(control, receiver, subscribe):
    subscribe(events=["event_type.updated", "event_type.deleted"])
    control.edit_event_type("interview", {"name": "Talk"})
    control.edit_event_type("interview", {"deleted": True})
    assert control.wait_idle()

    assert events(receiver) == ["event_type.updated", "event_type.deleted"]

"""The webhook's door: what is stored, what is refused, and what is answered."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import InboundWebhook, SignatureTally
from integrations.sources.calendly.signature import sign
from tests.integrations.bodies import envelope, invitee

pytestmark = pytest.mark.django_db

KEY = "a-very-secret-signing-key"


@pytest.fixture
def post(client, subscription):
    def send(body, *, header=None, key=KEY, age=0, slash="", token=subscription.token):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed_at = timezone.now() - timedelta(seconds=age)
        headers = {
            "Calendly-Webhook-Signature": sign(raw, key, signed_at) if header is None else header
        }
        return client.post(
            f"/webhooks/calendly/{token}{slash}", raw, content_type="application/json",
            headers={name: value for name, value in headers.items() if value},
        )  # fmt: skip

    return send


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_signed_delivery_is_stored_as_its_bytes(post, slash):
    body = json.dumps(
        envelope("invitee.created", invitee(name="Zoë \u2028")), ensure_ascii=False
    ).encode()

    assert post(body, slash=slash).status_code == 200

    webhook = InboundWebhook.objects.get()
    assert bytes(webhook.body) == body
    assert (webhook.state, webhook.verified_by) == ("received", "current")
    assert "Calendly-Webhook-Signature" in webhook.headers


def test_an_acknowledgement_costs_two_statements(post):
    with CaptureQueriesContext(connection) as queries:
        post(envelope("invitee.created", invitee()))

    assert len([q for q in queries if "SAVEPOINT" not in q["sql"]]) == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_bytes_again_are_counted_not_stored(post):
    body = envelope("invitee.created", invitee())

    answers = [post(body) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert InboundWebhook.objects.get().times_seen == 3


@pytest.mark.parametrize(
    ("request_with", "outcome"),
    [
        ({"header": ""}, "missing"),
        ({"header": "nonsense"}, "malformed"),
        ({"header": "t=abc,v1=00"}, "malformed"),
        ({"header": "t=1,v1=ünïcode"}, "wrong"),
        ({"key": "another key"}, "wrong"),
        ({"age": 24 * 3600 + 600}, "too_old"),
    ],
)
def test_what_is_not_rightly_signed_is_refused_and_only_counted(post, request_with, outcome):
    assert post(envelope("invitee.created", invitee()), **request_with).status_code == 401

    assert not InboundWebhook.objects.exists()
    tally = SignatureTally.objects.get()
    assert (tally.outcome, tally.count) == (outcome, 1)


def test_a_late_retry_is_taken_and_counted(post):
    assert post(envelope("invitee.created", invitee()), age=3600).status_code == 200

    assert SignatureTally.objects.get().outcome == "late"


def test_both_keys_fit_while_they_rotate(post, subscription):
    subscription.set_signing_keys(current="new key", previous=KEY)
    subscription.save()

    post(envelope("invitee.created", invitee()))
    post(envelope("invitee.canceled", invitee()), key="new key")

    assert set(InboundWebhook.objects.values_list("verified_by", flat=True)) == {
        "previous",
        "current",
    }


def test_a_body_over_the_limit_is_refused_before_it_is_read(post, settings):
    settings.WEBHOOK_MAX_BODY_BYTES = 1000

    assert post(b"x" * 1001).status_code == 413

    assert not InboundWebhook.objects.exists()


def test_a_body_at_the_limit_of_a_mebibyte_is_stored(post):
    assert post(b" " * 1_048_576).status_code == 200
    assert post(b" " * 1_048_577).status_code == 413


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b'{"event": "wombat.created"}', b"\xff\xfe"]
)
def test_a_signed_body_nobody_understands_is_stored_all_the_same(post, body):
    assert post(body).status_code == 200

    assert bytes(InboundWebhook.objects.get().body) == body


def test_a_url_of_nobody_is_not_found(post):
    assert post({}, token="00000000-0000-4000-8000-000000000000").status_code == 404


def test_a_retired_url_is_taken_for_as_long_as_calendly_tries(post, subscription, settings):
    """After that its key, which may have been changed because somebody else has it, opens nothing."""
    day = timedelta(seconds=settings.WEBHOOK_TOLERANCE_SECONDS)
    subscription.retired_at = timezone.now() - day + timedelta(minutes=1)
    subscription.save()
    soon = post(envelope("invitee.created", invitee()))
    subscription.retired_at = timezone.now() - day
    subscription.save()

    late = post(envelope("invitee.canceled", invitee()))

    assert (soon.status_code, late.status_code) == (200, 404)
    assert InboundWebhook.objects.count() == 1


def test_a_subscription_answers_only_under_its_own_provider(client, subscription):
    assert client.post(f"/webhooks/slack/{subscription.token}").status_code == 404


def test_a_get_is_refused(client, subscription):
    assert client.get(f"/webhooks/calendly/{subscription.token}").status_code == 405


def test_the_answer_is_given_without_a_broker(post):
    assert post(envelope("invitee.created", invitee())).status_code == 200

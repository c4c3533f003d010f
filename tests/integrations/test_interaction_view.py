"""The door for presses of buttons: what is stored, what is refused, and what is answered."""

import json
import re
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import Interaction
from integrations.sandbox.slack.presses import sign
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

SECRET = "a-very-secret-signing-secret"
RESPONSE_URL = "https://hooks.slack.com/actions/T1/1/very-secret"


def payload(**changes):
    return {
        "type": "block_actions", "trigger_id": "1.2.abc", "team": {"id": "T1"},
        "user": {"id": "U1", "name": "olivia"}, "channel": {"id": "C1"}, "response_url": RESPONSE_URL,
        "actions": [{"action_id": "calsync:mark_no_show", "value": "17", "action_ts": "9.1"}],
        **changes,
    }  # fmt: skip


def form(content):
    return urlencode({"payload": json.dumps(content)}).encode()


@pytest.fixture
def slack(db):
    return ConnectionFactory.create(secrets={"bot_token": "xoxb-1", "signing_secret": SECRET})


@pytest.fixture
def post(client, slack):
    def send(content=None, *, age=0, secret=SECRET, at=None, slash="", **headers):
        body = content if isinstance(content, bytes) else form(content or payload())
        signed = sign(body, secret, int(timezone.now().timestamp()) - age)
        given = {name: value for name, value in {**signed, **headers}.items() if value is not None}
        return client.post(
            f"/interactions/{at or f'slack/{slack.pk}'}{slash}", body,
            content_type=given.pop("Content-Type"), headers=given,
        )  # fmt: skip

    return send


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_signed_press_is_stored_and_waits(post, slack, slash):
    assert post(slash=slash).status_code == 200

    row = Interaction.objects.get()
    assert (row.connection, row.action, row.ids, row.state) == (slack, "mark_no_show", (17,), "received")  # fmt: skip
    assert (row.organization, row.presser_id, row.presser_name) == ("T1", "U1", "olivia")
    assert row.due_at
    assert row.reply["response_url"] == RESPONSE_URL
    assert "very-secret" not in row.sealed_reply


def test_an_answer_costs_two_statements(post):
    with CaptureQueriesContext(connection) as queries:
        post()

    plain = [q["sql"] for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN"))]  # fmt: skip
    assert len(plain) == 2, plain


def test_the_same_press_again_is_known(post):
    assert [post().status_code for _ in range(3)] == [200, 200, 200]

    assert Interaction.objects.count() == 1


def test_another_press_is_another_row(post):
    post()
    post(payload(trigger_id="1.2.other"))

    assert Interaction.objects.count() == 2


@pytest.mark.parametrize(
    "how",
    [
        {"X-Slack-Signature": None}, {"X-Slack-Request-Timestamp": None}, {"X-Slack-Signature": "v0=ünïcode"},
        {"X-Slack-Request-Timestamp": "yesterday"}, {"X-Slack-Request-Timestamp": "9" * 5_000}, {"secret": "another"},
        {"age": 301}, {"age": -310},
    ],
)  # fmt: skip
def test_what_is_not_rightly_signed_is_refused_and_not_kept(post, how):
    assert post(**how).status_code == 401

    assert not Interaction.objects.exists()


@pytest.mark.parametrize(
    "body", [b"", b"payload=", b"payload=no+json", b"other=1", b"payload=[]", b"payload=7&" * 30]
)
def test_what_is_signed_and_none_of_ours_is_answered_and_not_kept(post, body):
    assert post(body).status_code == 200

    assert not Interaction.objects.exists()


def test_a_link_button_is_answered_and_not_kept(post):
    pressed = [{"action_id": "calsync:open", "url": "https://calsync.example"}]

    assert post(payload(actions=pressed)).status_code == 200
    assert not Interaction.objects.exists()


def test_longer_names_than_a_column_holds_are_cut(post):
    user = {"id": "U" * 2_000, "name": "n\x00" * 2_000}

    assert post(payload(user=user, team={"id": "T" * 2_000})).status_code == 200

    row = Interaction.objects.get()
    assert (len(row.presser_id), len(row.organization)) == (128, 128)
    assert "\x00" not in row.presser_name


@pytest.mark.parametrize("at", ["slack/0", "calendly/{}", "salesforce/{}", "nobody/{}"])
def test_a_url_of_nobody_is_not_found(post, slack, at):
    assert post(at=at.format(slack.pk)).status_code == 404


def test_without_a_signing_secret_nothing_is_taken(post, slack):
    slack.set_secrets({"bot_token": "xoxb-1"})
    slack.save()

    assert post().status_code == 404
    assert post(secret="").status_code == 404


def test_a_body_over_the_limit_is_refused_before_it_is_read(post, settings):
    settings.WEBHOOK_MAX_BODY_BYTES = 1_000

    assert post(b"x" * 1_001).status_code == 413


def test_a_get_is_refused(client, slack):
    assert client.get(f"/interactions/slack/{slack.pk}").status_code == 405


def test_the_door_is_not_redirected_to_https(settings):
    assert any(re.search(known, "interactions/slack/7") for known in settings.SECURE_REDIRECT_EXEMPT)  # fmt: skip

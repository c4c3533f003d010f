"""The sandbox's receiver of signed messages, judged by the reference library."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import requests
import standardwebhooks

BODY = json.dumps({"type": "booking.booked", "data": {}})


def post(
    sandbox, *, secret="", age=timedelta(0), body=BODY, message_id="msg_1", path="own", **headers
):
    at = datetime.now(UTC) - age
    signer = standardwebhooks.Webhook(secret or sandbox.state.config.receiver_secret)
    signed = {
        "webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signer.sign(message_id, at, body), **headers,
    }  # fmt: skip
    return requests.post(f"{sandbox.url}/webhook/{path}", body, headers=signed, timeout=10)


def test_a_signed_message_is_taken_and_kept_by_endpoint(sandbox, control):
    assert post(sandbox).json() == {"taken": "msg_1"}
    post(sandbox, path="other/place", message_id="msg_2")

    assert [row["id"] for row in control.webhook_messages()] == ["msg_1", "msg_2"]
    (kept,) = control.webhook_messages("other/place")
    assert (kept["body"], kept["raw"]) == (json.loads(BODY), BODY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "whsec_" + "A" * 32}, {"age": timedelta(minutes=6)}, {"age": timedelta(minutes=-6)},
        {"webhook-signature": "v1,AAAA"}, {"webhook-signature": "nonsense"}, {"webhook-signature": "v2,AAAA v1a,BBBB"},
        {"webhook-id": "msg_other"}, {"webhook-id": ""}, {"webhook-timestamp": "yesterday"}, {"webhook-signature": ""},
    ],
)  # fmt: skip
def test_what_is_not_signed_now_by_who_holds_the_secret_is_refused(sandbox, control, wrong):
    answer = post(sandbox, **wrong)

    assert answer.status_code == 401
    assert answer.json()["error"]
    assert control.webhook_messages() == []


@pytest.mark.parametrize("body", ["", "[1]", "{", '"text"'])
def test_what_is_no_object_is_refused(sandbox, control, body):
    assert post(sandbox, body=body).status_code == 400
    assert control.webhook_messages() == []


def test_its_secret_can_be_changed(sandbox, control):
    secret = "whsec_" + "B" * 32
    control.settings(receiver_secret=secret)

    assert post(sandbox, secret=secret).ok
    control.reset()
    assert post(sandbox, secret=secret).status_code == 401


def test_an_endpoint_answers_as_it_is_told_until_it_is_told_otherwise(sandbox, control):
    control.webhook_answer("own", 307, headers={"Location": "https://example.com/"})

    refused = requests.post(f"{sandbox.url}/webhook/own", BODY, allow_redirects=False, timeout=10)
    assert (refused.status_code, refused.headers["Location"]) == (307, "https://example.com/")
    assert post(sandbox, path="other").ok
    control.webhook_answer("own")
    assert post(sandbox).ok


def test_it_takes_nothing_but_posts(sandbox):
    assert requests.get(f"{sandbox.url}/webhook/own", timeout=10).status_code == 405

"""Signed messages: who may trust them, what stays the same when they are sent again, and what an answer means."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import time_machine

from integrations.connectors.base import Applied, Skip
from integrations.connectors.webhook import signing
from integrations.connectors.webhook.connector import PING, WebhookConnector
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from integrations.http import LONGEST_WAIT
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harness import Driver
from tests.connectors.harnesses.webhook import ENDPOINT

OTHER_SECRET = signing.PREFIX + base64.b64encode(b"another secret of 32 bytes ....!").decode()
NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def driver(sandbox):
    return Driver("webhook", sandbox)


@pytest.fixture
def traveling_driver(own_sandbox):
    return Driver("webhook", own_sandbox)


def received(driver):
    return driver.server.state.webhook.messages


def headers_of(message):
    return {
        "webhook-id": message["id"],
        "webhook-timestamp": str(message["timestamp"]),
        "webhook-signature": message["signature"],
    }


def test_the_specifications_example_is_signed_as_it_says():
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signature = signing.sign(
        b'{"test": 2432232314}', message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, keys=[key]
    )  # fmt: skip

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret",
    [
        "", "whsec_", "sandbox-secret", "WHSEC_" + "A" * 32, "whsec_" + "A" * 28, "whsec_" + "A" * 88, "whsec_not base64 at all, is it",
        "whsec_" + "A" * 31, " whsec_" + "A" * 32, "whsec_" + "A" * 32 + "\n", "whsec_" + "ü" * 32,
    ],
)  # fmt: skip
def test_a_secret_that_is_none_is_refused_with_how_to_make_one(secret):
    problem = WebhookConnector.check_secret("signing_secret", secret)

    assert "openssl rand -base64 32" in problem
    assert not secret[6:] or secret[6:] not in problem


@pytest.mark.parametrize("length", [24, 32, 64])
def test_a_secret_of_a_usual_length_may_be_entered(length):
    secret = "whsec_" + base64.b64encode(b"\xff" * length).decode()

    assert WebhookConnector.check_secret("signing_secret", secret) == ""


def test_the_reference_library_accepts_every_message(driver):
    verifier = standardwebhooks.Webhook(driver.secrets["signing_secret"])
    meeting = make_meeting(name="Vorgespräch 😀", key="key.with.dots/and more")
    later = moved(meeting, days=1)
    story = [
        ("booked", meeting), ("updated", meeting), ("rescheduled", later), ("no_show", later), ("no_show_removed", later),
        ("canceled", canceled(later)),
    ]  # fmt: skip

    for event_id, (kind, state) in enumerate(story, start=1):
        driver.deliver(state, kind=kind, event_id=event_id)
    driver.connector().check()

    assert len(received(driver)) == len(story) + 1
    for message in received(driver):
        assert "." not in message["id"]
        assert verifier.verify(message["raw"], headers_of(message)) == message["body"]


def test_the_receiver_of_the_documentation_tells_what_is_genuine(driver):
    page = (Path(__file__).parents[2] / "docs" / "connectors" / "webhook.md").read_text()
    written: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], written)
    is_genuine, secret = written["is_genuine"], driver.secrets["signing_secret"]
    driver.secrets["previous_signing_secret"] = OTHER_SECRET

    driver.deliver()

    (message,) = received(driver)
    raw, headers = message["raw"].encode(), headers_of(message)
    assert is_genuine(raw, headers, secret)
    assert is_genuine(raw, headers, OTHER_SECRET)
    assert not is_genuine(raw + b" ", headers, secret)
    assert not is_genuine(raw, headers, "whsec_" + "A" * 32)
    assert not is_genuine(raw, {**headers, "webhook-timestamp": "1614265330"}, secret)


def test_while_a_secret_is_changed_either_is_accepted(driver):
    old = driver.secrets["signing_secret"]
    driver.secrets |= {"signing_secret": OTHER_SECRET, "previous_signing_secret": old}

    driver.deliver()

    (message,) = received(driver)
    assert len(message["signature"].split(" ")) == 2
    for secret in (old, OTHER_SECRET):
        standardwebhooks.Webhook(secret).verify(message["raw"], headers_of(message))


def test_a_receiver_with_another_secret_needs_a_person(driver):
    driver.secrets = {"signing_secret": OTHER_SECRET}

    with pytest.raises(ConfigurationError, match="answered 401") as caught:
        driver.deliver()

    assert "Compare the signing secret" in caught.value.hint
    assert received(driver) == []


@pytest.mark.parametrize("name", ["signing_secret", "previous_signing_secret"])
def test_a_secret_that_cannot_sign_needs_a_person_and_is_not_told(driver, name):
    driver.secrets[name] = "whsec_opensesame"

    with pytest.raises(ConfigurationError) as caught:
        driver.deliver()

    assert "opensesame" not in caught.value.answer
    assert driver.requests() == []


def test_sent_again_a_message_has_the_same_id_and_a_new_timestamp(traveling_driver):
    with time_machine.travel(NOW) as clock:
        traveling_driver.break_write("drop_after")
        with pytest.raises(TemporaryError) as caught:
            traveling_driver.deliver(look_first=False)
        clock.shift(timedelta(hours=2))
        traveling_driver.deliver(look_first=True)

    first, second = received(traveling_driver)
    assert caught.value.ambiguous
    assert first["id"] == second["id"]
    assert first["raw"] == second["raw"]
    assert second["timestamp"] - first["timestamp"] == 7200
    assert first["signature"] != second["signature"]


def test_each_event_and_each_rule_has_an_id_of_its_own(driver):
    ids = {
        driver.connector().plan(driver.task(event_id=event_id, rule_id=1)).payload.id
        for event_id in range(1, 6)
    }

    assert len(ids) == 5


def test_a_later_event_of_the_meeting_is_another_message(driver):
    meeting = make_meeting()

    driver.deliver(meeting)
    again = driver.deliver(meeting)
    other = driver.deliver(moved(meeting, days=1), kind="rescheduled", event_id=2)

    assert again == Skip(reason="already equal")
    assert isinstance(other, Applied)
    assert [row["body"]["data"]["sequence"] for row in received(driver)] == [1, 2]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_success(driver, status):
    driver.server.control.webhook_answer(ENDPOINT, status)

    assert driver.deliver().summary == f"127.0.0.1 answered {status}."
    assert len(driver.memory.records) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, ConfigurationError), (302, ConfigurationError), (304, ConfigurationError), (307, ConfigurationError),
        (308, ConfigurationError), (400, PermanentError), (401, ConfigurationError), (403, ConfigurationError),
        (404, ConfigurationError), (405, ConfigurationError), (408, TemporaryError), (409, PermanentError),
        (410, ConfigurationError), (413, PermanentError), (422, PermanentError), (425, TemporaryError),
        (429, ThrottledError), (500, TemporaryError), (502, TemporaryError), (503, TemporaryError), (504, TemporaryError),
    ],
)  # fmt: skip
def test_an_answer_means_what_happens_next(driver, status, error):
    driver.server.control.webhook_answer(
        ENDPOINT, status, headers={"Location": f"{driver.server.url}/webhook/elsewhere"}
    )

    with pytest.raises(error, match=f"answered {status}") as caught:
        driver.deliver()

    assert type(caught.value) is error
    assert caught.value.hint
    assert getattr(caught.value, "ambiguous", False) is (status >= 500)
    assert driver.memory.records == ()
    assert driver.requests() == [f"POST /webhook/{ENDPOINT}"]


@pytest.mark.parametrize("status", [408, 429, 503])
@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("7", 7), ("0", 0), ("99999999999", LONGEST_WAIT), ("9" * 400, LONGEST_WAIT), ("soon", None), ("-5", None),
        ("\u00b2", None), ("Fri, 1 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Tue, 01 Dec 2026 12:00:30 GMT", 30), ("Tue, 01 Dec 2099 12:00:00 GMT", LONGEST_WAIT),
    ],
)  # fmt: skip
def test_a_wish_to_wait_is_honoured_up_to_a_day(traveling_driver, status, asked, waited):
    traveling_driver.server.control.webhook_answer(ENDPOINT, status, headers={"Retry-After": asked})

    with time_machine.travel(NOW, tick=False), pytest.raises(TemporaryError) as caught:
        traveling_driver.deliver()

    assert caught.value.retry_after == waited


def test_the_check_sends_a_signed_message_that_is_about_no_meeting(driver):
    checked = driver.connector().check()

    (message,) = received(driver)
    assert message["body"]["type"] == PING
    assert message["body"]["data"] == {}
    assert message["id"].startswith("ping_")
    assert PING in checked.summary


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://example.com", "http://example.com/hook", "https://169.254.169.254/", "https://user:pw@example.com/",
        "https://10.0.0.8/hook", "https://example.com:22/",
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_called_is_refused_when_it_is_entered(url):
    with pytest.raises(ValueError, match=r"address|internet|port|Port|called"):
        WebhookConnector.settings_model.model_validate({"url": url})


def test_an_address_is_judged_again_whenever_something_is_sent(driver, settings):
    driver.settings["url"] = f"{driver.server.url}/webhook/{ENDPOINT}".replace(
        "127.0.0.1", "localhost"
    )
    driver.deliver()
    settings.OUTBOUND_ALLOWED_HOSTS = ()

    with pytest.raises(
        ConfigurationError, match="setting url is wrong: localhost would be called without"
    ):
        driver.deliver(event_id=2)

    assert len(received(driver)) == 1


def test_a_rule_with_an_option_that_there_is_not_is_the_rules_fault(driver):
    driver.options = {"include_everything": True}

    with pytest.raises(RuleError, match="include_everything"):
        driver.plan()


def test_no_secret_and_no_signature_is_recorded_or_told(driver):
    driver.secrets["previous_signing_secret"] = OTHER_SECRET
    errors = []
    for status in (None, 401, 404, 422, 500):
        driver.server.control.webhook_answer(ENDPOINT, status)
        try:
            driver.deliver(event_id=len(driver.recorder.exchanges) + 1)
        except (ConfigurationError, PermanentError, TemporaryError) as error:
            errors.append(f"{error!r} {error.answer}")

    told = (
        json.dumps(driver.recorder.exchanges) + "".join(errors) + repr(driver.connector().account)
    )
    keys = [secret.removeprefix("whsec_") for secret in driver.secrets.values()]
    assert len(errors) == 4
    assert [key for key in keys if key in told] == []
    assert received(driver)[0]["signature"].split(",")[1] not in told

"""What holds for every connector in `settings.CONNECTORS`, against a sandbox that misbehaves."""

import json
from dataclasses import replace

import pytest
from django.conf import settings as django_settings

from integrations.connectors.base import Applied, Send, Skip, connector_class
from integrations.errors import ConfigurationError, RuleError, TemporaryError, ThrottledError
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harness import Driver

PROVIDERS = sorted(django_settings.CONNECTORS)


@pytest.fixture(params=PROVIDERS)
def driver(request, sandbox):
    return Driver(request.param, sandbox)


@pytest.fixture(params=PROVIDERS)
def waiting_driver(request, own_sandbox):
    return Driver(request.param, own_sandbox)


def test_a_booking_becomes_one_object(driver):
    applied = driver.deliver()

    assert isinstance(applied, Applied)
    assert applied.changed
    assert applied.summary
    assert len(driver.objects()) == 1


def test_what_now_exists_is_remembered_with_a_link(driver):
    driver.deliver()

    assert driver.memory.records
    assert all(record.remote_id for record in driver.memory.records)
    assert any(record.url.startswith("http") for record in driver.memory.records)


def test_planning_asks_nobody(driver):
    decision = driver.plan()

    assert isinstance(decision, Send)
    assert decision.summary
    assert driver.requests() == []


def test_planning_twice_decides_the_same(driver):
    assert driver.plan() == driver.plan()


def test_twice_is_once(driver):
    driver.deliver()
    before = driver.requests()

    again = driver.deliver()

    assert again == Skip(reason="already equal")
    assert driver.requests() == before
    assert len(driver.objects()) == 1


def test_writing_again_without_a_memory_but_with_a_look_leaves_one_object(driver):
    driver.deliver()
    driver.memory.kept.clear()

    driver.deliver(look_first=True)

    assert len(driver.objects()) == 1


def test_a_chain_is_one_object_whatever_happens_to_it(driver):
    meeting = make_meeting()
    later = moved(meeting, days=1)
    story = [
        ("booked", meeting),
        ("rescheduled", later),
        ("canceled", canceled(later)),
        ("no_show", canceled(later)),
    ]

    for event_id, (kind, state) in enumerate(story, start=1):
        driver.deliver(state, kind=kind, event_id=event_id)

    assert len(driver.objects()) == 1


def test_429_carries_the_providers_wish(driver):
    driver.break_write("rate_limited", retry_after=30)

    with pytest.raises(ThrottledError) as caught:
        driver.deliver()

    assert caught.value.retry_after == 30
    assert not caught.value.ambiguous


def test_429_without_a_wish_is_a_throttle_too(driver):
    driver.break_write("rate_limited")

    with pytest.raises(ThrottledError) as caught:
        driver.deliver()

    assert caught.value.retry_after is None


@pytest.mark.parametrize(("status", "body"), [(500, "json"), (503, "html"), (502, "html")])
def test_a_servers_failure_is_temporary_and_perhaps_took_effect(driver, status, body):
    driver.break_write("error", status=status, body=body)

    with pytest.raises(TemporaryError) as caught:
        driver.deliver()

    assert type(caught.value) is TemporaryError
    assert caught.value.ambiguous
    assert caught.value.hint


def test_a_time_out_is_temporary_and_perhaps_took_effect(waiting_driver):
    waiting_driver.break_write("timeout", seconds=3)

    with pytest.raises(TemporaryError) as caught:
        waiting_driver.deliver()

    assert caught.value.ambiguous


def test_a_connection_dropped_before_the_write_is_repeated_once(driver):
    driver.break_write("drop_before")

    with pytest.raises(TemporaryError):
        driver.deliver()
    assert driver.objects() == []
    driver.deliver(look_first=True)

    assert len(driver.objects()) == 1


@pytest.mark.parametrize("kind", ["drop_after", "timeout"])
def test_a_write_whose_answer_was_lost_is_not_made_twice(waiting_driver, kind):
    waiting_driver.break_write(kind, take_effect=True, seconds=3)

    with pytest.raises(TemporaryError) as caught:
        waiting_driver.deliver()
    assert caught.value.ambiguous
    assert len(waiting_driver.objects()) == 1
    waiting_driver.deliver(look_first=True)

    assert len(waiting_driver.objects()) == 1
    assert waiting_driver.deliver() == Skip(reason="already equal")


def test_a_refused_connection_is_temporary_and_wrote_nothing(driver, settings):
    settings.SALESFORCE_LOGIN_URL = "http://127.0.0.1:9/salesforce"
    settings.SLACK_API_URL = "http://127.0.0.1:9/slack/api/"

    with pytest.raises(TemporaryError) as caught:
        driver.deliver()

    assert not caught.value.ambiguous


def test_an_expired_token_heals_or_needs_a_person(driver):
    driver.deliver()
    driver.break_request("token_expired", match={})
    meeting = make_meeting(name="Other")

    if driver.harness.heals_expired_token:
        assert isinstance(driver.deliver(meeting, kind="updated", event_id=2), Applied)
    else:
        with pytest.raises(ConfigurationError):
            driver.deliver(meeting, kind="updated", event_id=2)
    assert len(driver.objects()) == 1


def test_a_revoked_token_needs_a_person(driver):
    driver.break_request("token_revoked", match={})

    with pytest.raises(ConfigurationError) as caught:
        driver.deliver()

    assert caught.value.hint
    assert driver.objects() == []


def test_missing_secrets_need_a_person_and_ask_nobody(driver):
    driver.secrets = {}

    with pytest.raises(ConfigurationError) as caught:
        driver.deliver()

    assert caught.value.hint
    assert driver.requests() == []


def test_a_credential_is_never_sent_to_an_address_that_is_not_allowed(driver, settings):
    settings.OUTBOUND_ALLOWED_HOSTS = ("slack.com",)

    with pytest.raises(ConfigurationError):
        driver.deliver()

    assert driver.requests() == []


def test_an_unknown_action_is_the_rules_fault(driver):
    task = replace(driver.task(), action="brew_coffee")

    with pytest.raises(RuleError):
        driver.connector().plan(task)


def test_every_exchange_is_recorded_and_holds_no_secret(driver):
    driver.deliver()

    recorded = json.dumps(driver.recorder.exchanges, default=str)
    assert len(driver.recorder.exchanges) == len(driver.requests())
    assert all(item["status"] == 200 or item["status"] == 201 for item in driver.recorder.exchanges)
    for secret in driver.secrets.values():
        assert secret not in recorded
    assert "Bearer" not in recorded


def test_a_lost_answer_is_recorded_too(driver):
    driver.break_write("drop_after")

    with pytest.raises(TemporaryError):
        driver.deliver()

    last = driver.recorder.exchanges[-1]
    assert last["status"] is None
    assert last["error"]


def test_the_check_says_who_we_are_and_changes_nothing(driver):
    checked = driver.connector().check()

    assert checked.summary
    assert not checked.changed
    assert driver.objects() == []


def test_the_check_sees_a_revoked_token(driver):
    driver.break_request("token_revoked", match={})

    with pytest.raises(ConfigurationError) as caught:
        driver.connector().check()

    assert caught.value.hint


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_secret_and_action_is_explained(provider):
    found = connector_class(provider)

    assert found.label
    assert all(found.actions.values())
    assert all(found.secret_fields.values())

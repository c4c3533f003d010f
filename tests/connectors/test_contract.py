"""What holds for every connector in `settings.CONNECTORS`, against a sandbox that misbehaves."""

import json
from dataclasses import replace

import pytest
from django.conf import settings as django_settings

from integrations.connectors.base import (
    Applied,
    Notice,
    NoticeLine,
    NoticeSection,
    Send,
    Skip,
    connector_class,
)
from integrations.errors import ConfigurationError, RuleError, TemporaryError, ThrottledError
from integrations.http import NOT_SENT
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harness import Driver, harness_of, harnesses

PROVIDERS = sorted(django_settings.CONNECTORS)
EVERYONE = harnesses()
FINDERS = [name for name in EVERYONE if harness_of(name).finds]
TELLERS = [name for name in EVERYONE if connector_class(harness_of(name).provider or name).notifies]
EVIL = (
    "<!channel> <script>alert(1)</script>\r\nBcc: all@evil.example\r\n <https://evil.example|bank>"
)


@pytest.fixture(params=EVERYONE)
def driver(request, sandbox):
    return Driver(request.param, sandbox)


@pytest.fixture(params=FINDERS)
def finder(request, sandbox):
    """One that makes no second object where an answer was lost."""
    return Driver(request.param, sandbox)


@pytest.fixture(params=TELLERS)
def teller(request, sandbox):
    """One that tells staff what belongs to no meeting."""
    return Driver(request.param, sandbox)


@pytest.fixture(params=[name for name in TELLERS if name in FINDERS])
def finding_teller(request, sandbox):
    return Driver(request.param, sandbox)


@pytest.fixture(params=EVERYONE)
def waiting_driver(request, own_sandbox):
    return Driver(request.param, own_sandbox)


@pytest.fixture(params=FINDERS)
def waiting_finder(request, own_sandbox):
    return Driver(request.param, own_sandbox)


def test_a_booking_becomes_one_object(driver):
    applied = driver.deliver()

    assert isinstance(applied, Applied)
    assert applied.changed
    assert applied.summary
    assert len(driver.objects()) == 1


def test_what_now_exists_is_remembered_with_a_link_where_it_can_be_opened(driver):
    driver.deliver()

    links = [record.url for record in driver.memory.records if record.url]
    assert driver.memory.records
    assert all(record.remote_id for record in driver.memory.records)
    assert all(link.startswith("http") for link in links)
    assert bool(links) is driver.harness.has_links


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


def test_writing_again_without_a_memory_but_with_a_look_leaves_one_object(finder):
    finder.deliver()
    finder.memory.kept.clear()

    finder.deliver(look_first=True)

    assert len(finder.objects()) == 1


def test_a_chain_is_one_object_or_each_event_is_one(driver):
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

    assert len(driver.objects()) == (len(story) if driver.harness.tells else 1)


def test_429_carries_the_providers_wish(driver):
    driver.break_write("rate_limited", retry_after=30)

    with pytest.raises(ThrottledError) as caught:
        driver.deliver()

    assert caught.value.retry_after == (30 if driver.harness.tells_how_long else None)
    assert not caught.value.ambiguous


def test_429_without_a_wish_is_a_throttle_too(driver):
    driver.break_write("rate_limited")

    with pytest.raises(ThrottledError) as caught:
        driver.deliver()

    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("provider", "failure"), [(name, item) for name in EVERYONE for item in harness_of(name).failures]
)  # fmt: skip
def test_a_servers_failure_is_temporary_and_perhaps_took_effect(sandbox, provider, failure):
    driver = Driver(provider, sandbox)
    driver.break_write("error", **failure)

    with pytest.raises(TemporaryError) as caught:
        driver.deliver()

    assert type(caught.value) is TemporaryError
    assert caught.value.ambiguous == driver.harness.failure_is_ambiguous
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
def test_a_write_whose_answer_was_lost_is_not_made_twice(waiting_finder, kind):
    waiting_finder.break_write(kind, take_effect=True, seconds=3)

    with pytest.raises(TemporaryError) as caught:
        waiting_finder.deliver()
    assert caught.value.ambiguous
    assert len(waiting_finder.objects()) == 1
    waiting_finder.deliver(look_first=True)

    assert len(waiting_finder.objects()) == 1
    assert waiting_finder.deliver() == Skip(reason="already equal")


def test_a_refused_connection_is_temporary_and_wrote_nothing(driver, settings):
    driver.lead_nowhere(settings)

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
    assert all(item["status"] in driver.harness.good for item in driver.recorder.exchanges)
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


def test_a_dry_run_asks_and_tells_but_writes_nothing(driver):
    task, connector = driver.task(), driver.connector(dry_run=True)

    applied = connector.apply(task, connector.plan(task), remember=print, forget=print)

    held = [row for row in driver.recorder.exchanges if row["error"] == NOT_SENT]
    assert held
    assert all(row["request"] and row["status"] is None for row in held)
    assert applied.steps
    assert driver.objects() == []


def test_a_dry_run_of_a_change_leaves_what_is_there(driver):
    driver.deliver()
    before = [dict(row) for row in driver.objects()]
    task = driver.task(moved(make_meeting(), hours=1), kind="rescheduled", event_id=2)
    connector = driver.connector(dry_run=True)

    connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert driver.objects() == before


def notify(driver, words="2 deliveries failed", *, options=None, look_first=False, dry_run=False):
    line = NoticeLine(text=words, detail=words, url="https://calsync.example/1")
    notice = Notice(key="7:test:1", title="News", sections=(NoticeSection(heading=words, lines=(line,)),))  # fmt: skip
    chosen = driver.harness.notice_options if options is None else options
    return driver.connector(dry_run=dry_run).notify(notice, options=chosen, look_first=look_first)


def told(driver):
    return driver.harness.notices(driver.server)


def test_a_notice_is_told_and_named(teller):
    record = notify(teller)

    (shown,) = told(teller)
    assert "2 deliveries failed" in shown
    assert record.remote_id


def test_a_notice_whose_answer_was_lost_is_told_once(finding_teller):
    finding_teller.break_write("drop_after")
    with pytest.raises(TemporaryError) as caught:
        notify(finding_teller)
    assert caught.value.ambiguous

    notify(finding_teller, look_first=True)

    assert len(told(finding_teller)) == 1


def test_words_in_a_notice_call_nobody_and_run_nothing(teller):
    notify(teller, EVIL)

    (shown,) = told(teller)
    for mark in ("<!channel>", "<script>", "<https://evil.example|", "\nBcc:"):
        assert mark not in shown
    assert "https://calsync.example/1" in shown


@pytest.mark.parametrize("options", [{"nowhere": "x"}, {"channel": 7, "to": "everybody"}])
def test_where_a_notice_goes_is_the_channels_fault(teller, options):
    with pytest.raises(RuleError) as caught:
        notify(teller, options=options)

    assert "channel" in caught.value.hint
    assert teller.requests() == []


def test_telling_is_throttled_as_writing_is(teller):
    teller.break_write("rate_limited")

    with pytest.raises(ThrottledError):
        notify(teller)

    assert told(teller) == []


def test_a_revoked_token_tells_nobody_and_needs_a_person(teller):
    teller.break_request("token_revoked", match={})

    with pytest.raises(ConfigurationError):
        notify(teller)


def test_a_dry_run_of_a_notice_tells_nobody(teller):
    notify(teller, dry_run=True)

    assert told(teller) == []
    assert any(row["error"] == NOT_SENT for row in teller.recorder.exchanges)

"""The REST connector against the sandbox's store: who calls, what is sent, and what may never be sent twice."""

import base64
import json

import pytest

from integrations.connectors.base import Applied, Send, Skip
from integrations.connectors.rest.planning import UNSURE
from integrations.errors import (
    AccessError,
    ConfigurationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from integrations.http import LONGEST_WAIT, NOT_SENT
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harness import Driver
from tests.connectors.harnesses.rest import KEY, things

POST = {"method": "POST", "path_contains": "/things"}
PATCH = {"method": "PATCH"}
CREATE = {"method": "POST", "path": "/things", "body": {"name": "{{ booking.status }}", "key": KEY}}


@pytest.fixture
def to_rest(sandbox):
    """A driver that says who it is with a fixed token."""
    driver = Driver("rest", sandbox)
    driver.settings = {"base_url": f"{sandbox.url}/rest/api", "check_path": "/me"}
    driver.secrets = {"token": sandbox.state.config.rest_token}
    return driver


@pytest.fixture
def unsure(to_rest):
    """A driver whose request may not be sent twice, with nothing to find it again by."""
    to_rest.options = {"object": "thing", "create": CREATE, "id": "data.id"}
    return to_rest


def sent(driver):
    return driver.server.requests(service="rest")


def lose(driver, **more):
    driver.break_request("drop_after", match=POST)
    with pytest.raises(PermanentError) as caught:
        driver.deliver(**more)
    return caught.value


WAYS = [
    ("bearer", {}, {"token": "sandbox-rest-token"}),
    ("basic", {}, {"username": "sandbox-rest-user", "password": "sandbox-rest-password"}),
    ("header", {"header_name": "X-Api-Key"}, {"header_value": "sandbox-rest-api-key"}),
    ("oauth2_client_credentials", {"scope": "things"}, {"client_id": "sandbox-rest-client", "client_secret": "sandbox-rest-secret"}),
    ("oauth2_client_credentials", {"client_auth": "body"}, {"client_id": "sandbox-rest-client", "client_secret": "sandbox-rest-secret"}),
]  # fmt: skip


def enter(driver, auth, given, secrets):
    driver.settings = {
        "base_url": f"{driver.server.url}/rest/api", "auth": auth, "check_path": "/me",
        "token_url": f"{driver.server.url}/rest/oauth/token", **given,
    }  # fmt: skip
    driver.secrets = dict(secrets)


@pytest.mark.parametrize(("auth", "given", "secrets"), WAYS)
def test_the_interface_knows_who_calls(to_rest, auth, given, secrets):
    enter(to_rest, auth, given, secrets)

    checked = to_rest.connector().check()

    assert checked.summary == "GET /me was answered with HTTP 200."
    assert isinstance(to_rest.deliver(), Applied)


@pytest.mark.parametrize(("auth", "given", "secrets"), WAYS)
def test_a_wrong_or_missing_secret_needs_a_person(to_rest, auth, given, secrets):
    enter(to_rest, auth, given, dict.fromkeys(secrets, "wrong-secret"))
    with pytest.raises(ConfigurationError) as wrong:
        to_rest.deliver()
    asked = len(sent(to_rest))

    to_rest.secrets = {}
    with pytest.raises(ConfigurationError) as missing:
        to_rest.deliver()

    assert wrong.value.hint
    assert auth in missing.value.hint
    assert len(sent(to_rest)) == asked


@pytest.mark.parametrize(("auth", "given", "secrets"), WAYS)
def test_no_secret_is_kept_or_told_even_where_the_interface_repeats_it(
    to_rest, auth, given, secrets
):
    enter(to_rest, auth, given, secrets)
    to_rest.options = {
        "create": {"method": "POST", "path": "/echo", "body": {"a": 1}},
        "success": {"path": "data.ok"},
    }

    with pytest.raises(PermanentError) as caught:
        to_rest.deliver()

    kept = json.dumps(to_rest.recorder.exchanges) + str(caught.value)
    pair = f"{secrets.get('username')}:{secrets.get('password')}"
    used = [
        *secrets.values(),
        base64.b64encode(pair.encode()).decode(),
        *to_rest.server.state.rest.tokens,
    ]
    assert "[secret]" in kept
    assert not [secret for secret in used if secret in kept]


def test_a_token_url_that_repeats_who_called_is_not_quoted(to_rest):
    enter(to_rest, *WAYS[3])
    pair = base64.b64encode(":".join(WAYS[3][2].values()).encode()).decode()
    to_rest.break_request(
        "rest_error", match={"path_contains": "/token"}, status=401, body={"message": f"Not {pair}"}
    )

    with pytest.raises(ConfigurationError) as caught:
        to_rest.deliver()

    assert "Not [secret]" in str(caught.value)
    assert pair not in json.dumps(to_rest.recorder.exchanges)


def test_a_wish_to_wait_for_years_is_a_day(to_rest):
    to_rest.break_request("rate_limited", match={"method": "POST"}, retry_after=99_999_999_999)

    with pytest.raises(ThrottledError) as caught:
        to_rest.deliver()

    assert caught.value.retry_after == LONGEST_WAIT


def test_a_token_is_fetched_once_and_renewed_before_it_ends(to_rest):
    enter(to_rest, *WAYS[3])
    to_rest.deliver()
    to_rest.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)

    asked = [entry for entry in sent(to_rest) if entry.path.endswith("/token")]
    assert len(asked) == 1

    to_rest.server.state.config.rest_token_seconds = 20
    to_rest.server.state.rest.tokens.clear()
    to_rest.deliver(event_id=3)
    to_rest.deliver(moved(make_meeting(), days=2), kind="rescheduled", event_id=4)

    assert len([entry for entry in sent(to_rest) if entry.path.endswith("/token")]) == 3
    assert len([entry for entry in sent(to_rest) if entry.status == 401]) == 1


@pytest.mark.parametrize(
    ("kind", "params", "error"),
    [
        ("rate_limited", {"retry_after": 7}, ThrottledError),
        ("error", {"status": 503, "body": "html"}, TemporaryError),
        ("error", {"status": 400}, ConfigurationError),
        ("drop_before", {}, TemporaryError),
        ("broken_json", {}, ConfigurationError),
    ],
)
def test_a_token_that_cannot_be_had_is_never_a_doubt_about_a_write(to_rest, kind, params, error):
    enter(to_rest, *WAYS[3])
    to_rest.break_request(kind, match={"path_contains": "/oauth/token"}, **params)

    with pytest.raises(error) as caught:
        to_rest.deliver()

    assert not getattr(caught.value, "ambiguous", False)
    assert things(to_rest.server) == []


def test_a_refused_scope_is_told(to_rest):
    enter(to_rest, WAYS[3][0], {"scope": "refused"}, WAYS[3][2])

    with pytest.raises(ConfigurationError, match="invalid_scope") as caught:
        to_rest.connector().check()

    assert "scope" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "body", "error", "told"),
    [
        (401, {}, ConfigurationError, "HTTP 401"),
        (403, {"message": "Read only."}, AccessError, "HTTP 403: Read only"),
        (404, {"error": "nothing"}, RuleError, "HTTP 404: nothing"),
        (409, {"detail": "exists"}, PermanentError, "HTTP 409: exists"),
        (422, {"errors": [{"message": "name is too long"}]}, PermanentError, "HTTP 422: name is too long"),
        (400, {"error": {"message": "no"}}, PermanentError, "HTTP 400: no"),
        (302, {}, ConfigurationError, "HTTP 302"),
        (408, {}, TemporaryError, "HTTP 408"),
        (425, {}, TemporaryError, "HTTP 425"),
        (500, {"title": "Oh"}, TemporaryError, "HTTP 500: Oh"),
    ],
)  # fmt: skip
def test_an_answer_says_what_happens_next(to_rest, status, body, error, told):
    to_rest.options = {**to_rest.options, "find": None}
    to_rest.options["create"] = {**to_rest.options["create"], "repeatable": True}
    to_rest.break_write("rest_error", status=status, body=body)

    with pytest.raises(error, match=told) as caught:
        to_rest.deliver()

    assert caught.value.hint


def test_the_requests_values_are_not_in_an_error(to_rest):
    to_rest.options = {"create": {"method": "POST", "path": "/echo", "query": {"mail": "{{ invitee.email }}"}}, "success": {"statuses": [201]}}  # fmt: skip

    with pytest.raises(PermanentError) as caught:
        to_rest.deliver()

    assert "mail=" not in str(caught.value)


@pytest.mark.parametrize(
    ("success", "ends"),
    [({"path": "data.name", "equals": "booked"}, True), ({"path": "data.name", "equals": "no"}, False), ({"statuses": [201]}, True), ({"statuses": [200]}, False)],
)  # fmt: skip
def test_the_rule_says_what_success_is(to_rest, success, ends):
    to_rest.options = {"create": CREATE, "id": "data.id", "success": success}

    if ends:
        assert isinstance(to_rest.deliver(), Applied)
    else:
        with pytest.raises(PermanentError):
            to_rest.deliver()


def test_a_meeting_is_made_changed_and_canceled(to_rest):
    meeting = make_meeting()
    to_rest.deliver(meeting)
    to_rest.deliver(moved(meeting, days=1), kind="rescheduled", event_id=2)
    (thing,) = things(to_rest.server)
    assert thing["name"] == "rescheduled: Product demo"
    assert thing["starts"] == "2026-12-02T09:00:00Z"
    assert thing["minutes"] == 30

    to_rest.deliver(canceled(moved(meeting, days=1)), kind="canceled", event_id=3)
    again = to_rest.deliver(canceled(moved(meeting, days=1)), kind="no_show", event_id=4)

    (thing,) = things(to_rest.server)
    assert thing["name"] == "Canceled"
    assert again == Skip(reason="already equal")


def test_a_late_booking_of_a_canceled_meeting_makes_nothing(to_rest):
    told = to_rest.deliver(canceled(make_meeting()))

    assert told == Skip(reason="The meeting was canceled before anything was made of it.")


def test_a_rule_without_an_update_says_so(unsure):
    unsure.deliver()

    told = unsure.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)

    assert told == Skip(reason="The rule has no request for update: nothing is sent.")


def test_a_cancellation_without_a_request_of_its_own_is_an_update(to_rest):
    to_rest.options = {**to_rest.options, "cancel": None}
    to_rest.deliver()

    to_rest.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert things(to_rest.server)[0]["name"] == "canceled: Product demo"


def test_a_deleted_rule_keeps_nothing(to_rest):
    assert isinstance(to_rest.plan(rule_id=0), Skip)


def test_two_rules_make_two_objects(to_rest):
    to_rest.deliver(rule_id=1)
    to_rest.deliver(rule_id=2)

    assert len(things(to_rest.server)) == 2


def test_an_object_for_each_event(to_rest):
    to_rest.options = {"each": "event", "create": CREATE, "id": "data.id"}
    to_rest.deliver()
    to_rest.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    again = to_rest.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert [row["name"] for row in things(to_rest.server)] == ["booked", "canceled"]
    assert again == Skip(reason="already equal")


def test_what_is_gone_is_made_anew(to_rest):
    to_rest.deliver()
    to_rest.server.state.rest.table("things").clear()

    to_rest.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)

    (thing,) = things(to_rest.server)
    assert to_rest.memory.records[0].remote_id == thing["id"]


def test_what_is_made_anew_without_an_answer_is_not_made_twice(to_rest):
    to_rest.deliver()
    to_rest.server.state.rest.table("things").clear()
    later = moved(make_meeting(), days=1)
    to_rest.break_write("drop_after")
    with pytest.raises(TemporaryError):
        to_rest.deliver(later, kind="rescheduled", event_id=2)

    to_rest.deliver(later, kind="rescheduled", event_id=2, look_first=True)

    (thing,) = things(to_rest.server)
    assert to_rest.memory.records[0].remote_id == thing["id"]


def test_what_is_found_and_gone_again_is_made_anew(to_rest):
    to_rest.deliver()
    to_rest.break_request("rest_error", match=PATCH, status=404)

    to_rest.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2, look_first=True)

    assert len(things(to_rest.server)) == 2


def test_a_token_is_of_no_use_to_another_address(to_rest):
    enter(to_rest, *WAYS[3])
    to_rest.deliver()
    to_rest.settings["base_url"] += "/"

    to_rest.deliver(event_id=2, rule_id=2)

    assert len([entry for entry in sent(to_rest) if entry.path.endswith("/token")]) == 2


def test_what_is_gone_stays_gone_where_the_rule_says_so(to_rest):
    to_rest.options = {**to_rest.options, "recreate": False}
    to_rest.deliver()
    to_rest.server.state.rest.table("things").clear()

    with pytest.raises(RuleError, match="HTTP 404"):
        to_rest.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)


def test_canceling_what_is_gone_is_done(to_rest):
    to_rest.options = {
        **to_rest.options,
        "cancel": {"method": "DELETE", "path": "/things/{{ record.id }}"},
    }
    to_rest.deliver()
    to_rest.server.state.rest.table("things").clear()

    told = to_rest.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert isinstance(told, Applied)
    assert not told.changed
    assert things(to_rest.server) == []


def test_a_key_is_the_same_for_a_repetition_and_another_for_a_change(to_rest):
    to_rest.break_write("error", status=503)
    with pytest.raises(TemporaryError):
        to_rest.deliver()
    to_rest.deliver()
    to_rest.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)
    to_rest.deliver(make_meeting(), kind="rescheduled", event_id=3)

    keys = [entry.headers["Idempotency-Key"] for entry in sent(to_rest) if entry.method != "GET"]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_key_that_is_honoured_makes_one_object_of_two_requests(to_rest):
    to_rest.server.state.config.rest_honours_keys = True
    to_rest.options = {"create": {**CREATE, "repeatable": True}, "id": "data.id"}
    to_rest.break_write("drop_after")
    with pytest.raises(TemporaryError):
        to_rest.deliver()

    to_rest.deliver(look_first=True)

    assert len(things(to_rest.server)) == 1


@pytest.mark.parametrize("name", ["X-Request-Id", ""])
def test_the_keys_header_has_the_name_that_the_rule_gives(to_rest, name):
    to_rest.options = {**to_rest.options, "idempotency_header": name}

    to_rest.deliver()

    (entry,) = [entry for entry in sent(to_rest) if entry.method == "POST"]
    assert ("X-Request-Id" in entry.headers) is bool(name)
    assert "Idempotency-Key" not in entry.headers


def test_a_lost_request_that_may_not_be_repeated_is_a_question_to_a_person(unsure):
    error = lose(unsure)

    assert "may not be sent twice" in str(error)
    assert "Look there" in error.hint
    assert unsure.task().record(UNSURE, "1")


def test_a_person_who_retries_has_looked(unsure):
    lose(unsure)

    unsure.deliver(look_first=True)

    assert len(things(unsure.server)) == 2
    assert unsure.task().record(UNSURE, "1") is None
    assert unsure.deliver(look_first=True) == Skip(reason="already equal")


def test_another_event_is_no_answer_of_a_person(unsure):
    unsure.options["update"] = {"method": "PATCH", "path": "/things/{{ record.id }}"}
    lose(unsure)
    later = moved(make_meeting(), days=1)

    with pytest.raises(PermanentError, match="An earlier request"):
        unsure.deliver(later, kind="rescheduled", event_id=2, look_first=True)
    assert len(things(unsure.server)) == 1
    unsure.deliver(later, kind="rescheduled", event_id=2, look_first=True)

    assert len(things(unsure.server)) == 2


def test_a_worker_that_was_killed_while_sending_leaves_a_question(unsure):
    class Killed(BaseException):
        pass

    def die(record):
        unsure.memory.remember(record)
        raise Killed

    task, connector = unsure.task(), unsure.connector()
    decision = connector.plan(task)
    assert isinstance(decision, Send)
    with pytest.raises(Killed):
        connector.apply(task, decision, remember=die, forget=unsure.memory.forget)

    with pytest.raises(PermanentError, match="An earlier request"):
        unsure.deliver(look_first=True)


@pytest.mark.parametrize(
    ("kind", "params"),
    [("rate_limited", {}), ("rest_error", {"status": 422}), ("rest_error", {"status": 403})],
)
def test_an_answer_that_refuses_leaves_no_question(unsure, kind, params):
    unsure.break_write(kind, **params)
    with pytest.raises(Exception, match="HTTP 4"):
        unsure.deliver()

    unsure.deliver()

    assert len(things(unsure.server)) == 1
    assert unsure.task().record(UNSURE, "1") is None


def test_a_canceled_meeting_with_a_lost_request_says_where_to_look(unsure):
    lose(unsure)

    told = unsure.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert isinstance(told, Skip)
    assert "look there" in told.reason


def test_an_answer_without_the_id_that_later_requests_need_is_a_question(to_rest):
    to_rest.options = {**to_rest.options, "id": "data.uuid", "find": None}

    with pytest.raises(RuleError, match=r"no data\.uuid"):
        to_rest.deliver()
    with pytest.raises(PermanentError, match="An earlier request"):
        to_rest.deliver(event_id=2)

    assert len(things(to_rest.server)) == 1


def test_an_id_that_nobody_needs_may_be_missing(to_rest):
    to_rest.options = {"create": CREATE, "id": "data.uuid"}

    to_rest.deliver()

    assert to_rest.deliver() == Skip(reason="already equal")


def test_a_conflict_is_looked_up(to_rest):
    to_rest.deliver()
    to_rest.memory.kept.clear()
    to_rest.break_write("rest_error", status=409, body={"message": "exists"})

    told = to_rest.deliver()

    assert isinstance(told, Applied)
    assert len(things(to_rest.server)) == 1


@pytest.mark.parametrize("kind", ["drop_before", "rate_limited", "error"])
def test_a_failed_look_up_makes_nothing(to_rest, kind):
    to_rest.break_request(kind, match={"method": "GET"})

    with pytest.raises(TemporaryError) as caught:
        to_rest.deliver(look_first=True)

    assert not caught.value.ambiguous
    assert things(to_rest.server) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [({"rows": []}, "no list at data"), ({"data": [], "hasMore": True}, "there are more"), ({"data": [{"id": 1}, {"id": 2}]}, "2 that fit"), ({"data": [{"name": "x"}]}, "has no id")],
)  # fmt: skip
def test_a_look_up_that_cannot_tell_makes_nothing(to_rest, answer, told):
    find = {**to_rest.options["find"], "more": "hasMore"}
    to_rest.options = {**to_rest.options, "find": find}
    to_rest.break_request("rest_error", match={"method": "GET"}, status=200, body=answer)

    with pytest.raises(PermanentError, match=told):
        to_rest.deliver(look_first=True)

    assert things(to_rest.server) == []


def test_an_empty_value_never_asks_for_everybody(to_rest):
    to_rest.options = {
        "lookup": {"path": "/things", "query": {"email": "{{ invitee.email }}"}, "items": "data"},
        "create": {"method": "POST", "path": "/things", "body": {"at": "{{ found.id }}"}},
        "id": "data.id",
    }

    with pytest.raises(PermanentError, match="would find anybody"):
        to_rest.deliver(make_meeting(email=""))

    assert sent(to_rest) == []


def test_an_answer_that_broke_off_is_looked_for(to_rest):
    to_rest.break_write("broken_json")
    with pytest.raises(TemporaryError, match="no JSON") as caught:
        to_rest.deliver()

    to_rest.deliver(look_first=True)

    assert caught.value.ambiguous
    assert len(things(to_rest.server)) == 1
    assert to_rest.deliver() == Skip(reason="already equal")


def test_more_than_the_id_can_be_kept(to_rest):
    to_rest.options = {
        "create": CREATE, "id": "data.id", "keep": {"place": "{{ response.data.url }}"},
        "update": {"method": "PATCH", "path": "/things/{{ record.id }}", "body": {"was": "{{ record.place }}", "name": "{{ booking.status }}"}},
    }  # fmt: skip
    to_rest.deliver()

    to_rest.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)

    (thing,) = things(to_rest.server)
    assert thing["was"] == thing["url"]


@pytest.mark.parametrize("body", ["<html>", '{"data": {"id": {"a": 1}}}'])
def test_an_answer_of_another_shape_is_no_crash(to_rest, body):
    to_rest.options = {"create": {"method": "POST", "path": "/things", "body": {"x": 1}}}
    to_rest.break_write(
        "broken_json" if body == "<html>" else "rest_error", status=200, body=[body]
    )

    assert isinstance(to_rest.deliver(), Applied)


def test_a_form_arrives_as_a_form(to_rest):
    to_rest.options = {
        "create": {"method": "POST", "path": "/things", "body": {"who": "{{ invitee.name }}"}},
        "encoding": "form", "id": "data.id",
    }  # fmt: skip

    to_rest.deliver(make_meeting(invitee_name="a&b=c"))

    (entry,) = [entry for entry in sent(to_rest) if entry.method == "POST"]
    assert entry.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert entry.body == {"who": "a&b=c"}


def test_a_strangers_name_reaches_nothing_but_its_segment(to_rest):
    to_rest.options = {"create": {"method": "PUT", "path": "/things/{{ invitee.name }}", "body": {"x": 1}, "headers": {"X-Who": "{{ invitee.name }}"}, "query": {"q": "{{ invitee.name }}"}}, "id": "data.id"}  # fmt: skip
    name = "../../oauth?a=b\r\nX-Evil: é"

    to_rest.deliver(make_meeting(invitee_name=name))

    (entry,) = sent(to_rest)
    assert entry.method == "PUT"
    assert things(to_rest.server)[0]["id"] == name
    assert entry.query["q"] == name
    assert entry.headers["X-Who"] == "../../oauth?a=b X-Evil: %C3%A9"
    assert "X-Evil" not in entry.headers


def test_a_dry_run_shows_the_request_that_would_be_sent(to_rest):
    task, connector = to_rest.task(), to_rest.connector(dry_run=True)

    applied = connector.apply(task, connector.plan(task), remember=print, forget=print)

    (held,) = [row for row in to_rest.recorder.exchanges if row["error"] == NOT_SENT]
    assert held["method"] == "POST"
    assert held["url"] == f"{to_rest.server.url}/rest/api/things"
    assert held["request"]["body"]["person"] == {
        "name": "Ida Invitee",
        "email": "ida@customer.example",
    }
    assert held["request"]["headers"]["Idempotency-Key"]
    assert applied.summary == "The thing (new) was made."
    assert sent(to_rest) == []


def test_a_dry_run_of_a_request_that_may_not_be_repeated_leaves_no_mark(unsure):
    task, connector = unsure.task(), unsure.connector(dry_run=True)

    connector.apply(task, connector.plan(task), remember=unsure.memory.remember, forget=print)

    assert unsure.task().record(UNSURE, "1") is None


def test_a_check_without_a_path_says_that_nothing_was_asked(to_rest):
    to_rest.settings = {"base_url": f"{to_rest.server.url}/rest/api"}

    assert "Nothing was asked" in to_rest.connector().check().summary


def test_settings_that_cannot_work_pause_the_connection(to_rest):
    to_rest.settings = {"base_url": "nowhere"}

    with pytest.raises(ConfigurationError, match="base_url"):
        to_rest.deliver()


def test_options_that_cannot_work_are_the_rules_fault(to_rest):
    to_rest.options = {"create": {"method": "POST", "path": "/x", "body": {"a": "{{ nobody }}"}}}

    with pytest.raises(RuleError, match=r"create\.body\.a: The template names 'nobody'"):
        to_rest.plan()

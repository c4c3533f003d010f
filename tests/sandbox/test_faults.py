"""Fault switches do to every service what they say, and the log tells of it."""

import time

import pytest
import requests

EXT = "Calendly_Invitee_UUID__c"
PERSON = {"LastName": "Lovelace", "Company": "Engines"}


def post_to_slack(sandbox, text="hello"):
    return requests.post(
        f"{sandbox.url}/slack/api/chat.postMessage",
        json={"channel": "#sales", "text": text},
        headers={"Authorization": "Bearer xoxb-sandbox"},
        timeout=5,
    )


def test_latency_delays_the_answer(calendly, control, sandbox):
    control.add_fault("calendly", "latency", seconds=0.1)

    started = time.perf_counter()
    answer = calendly.get("/users/me")

    assert answer.ok
    assert time.perf_counter() - started >= 0.1
    assert sandbox.requests()[-1].fault == "latency"


@pytest.mark.parametrize("retry_after", [None, 7])
def test_rate_limits_come_with_and_without_retry_after(
    sandbox, calendly, salesforce, control, retry_after
):
    given = {} if retry_after is None else {"retry_after": retry_after}
    for service in ("calendly", "salesforce", "slack"):
        control.add_fault(service, "rate_limited", **given)

    answers = [calendly.get("/users/me"), salesforce.get("/limits"), post_to_slack(sandbox)]

    wanted = None if retry_after is None else str(retry_after)
    assert [answer.status_code for answer in answers] == [429, 429, 429]
    assert [answer.headers.get("Retry-After") for answer in answers] == [wanted] * 3
    assert answers[0].headers["X-RateLimit-Remaining"] == "0"
    assert answers[2].json() == {"ok": False, "error": "ratelimited"}


@pytest.mark.parametrize("status", [500, 503])
def test_errors_come_as_json_or_html(sandbox, calendly, salesforce, control, status):
    for service in ("calendly", "salesforce", "slack"):
        control.add_fault(service, "error", status=status)
        control.add_fault(service, "error", status=status, body="html")

    both = [
        [calendly.get("/users/me") for _ in range(2)],
        [salesforce.get("/limits") for _ in range(2)],
        [post_to_slack(sandbox) for _ in range(2)],
    ]

    for plain, page in both:
        assert (plain.status_code, page.status_code) == (status, status)
        assert plain.headers["Content-Type"].startswith("application/json")
        assert page.text.startswith("<!DOCTYPE html>")
    assert post_to_slack(sandbox).ok


def test_a_timeout_ends_without_an_answer(salesforce, control, sandbox):
    control.add_fault("salesforce", "timeout", seconds=0.1)

    with pytest.raises(requests.ConnectionError):
        salesforce.post("/sobjects/Lead", **PERSON)

    assert len(control.salesforce_records("Lead")) == 1
    assert (sandbox.requests()[-1].status, sandbox.requests()[-1].fault) == ("dropped", "timeout")


def test_stopping_does_not_wait_for_a_held_request(sandbox, control):
    control.add_fault("slack", "timeout", seconds=60)
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{sandbox.url}/slack/api/auth.test", timeout=0.1)

    started = time.perf_counter()
    sandbox.stop()

    assert time.perf_counter() - started < 1


def test_a_connection_dropped_before_did_nothing(salesforce, control):
    control.add_fault("salesforce", "drop_before", match={"method": "PATCH"})

    with pytest.raises(requests.ConnectionError):
        salesforce.patch(f"/sobjects/Lead/{EXT}/a", **PERSON)

    assert len(control.salesforce_records("Lead")) == 1


def test_a_connection_dropped_after_took_effect(sandbox, salesforce, control):
    for service in ("salesforce", "slack"):
        control.add_fault(service, "drop_after")

    with pytest.raises(requests.ConnectionError):
        salesforce.patch(f"/sobjects/Lead/{EXT}/a", **PERSON)
    with pytest.raises(requests.ConnectionError):
        post_to_slack(sandbox)

    assert control.salesforce_records("Lead")[-1]["LastName"] == "Lovelace"
    assert len(control.slack_messages("sales")) == 1


def test_an_expired_salesforce_session_heals_by_a_login(sandbox, salesforce, control):
    control.add_fault("salesforce", "token_expired", match={"path_contains": "/data/"})

    refused = salesforce.get("/limits")
    again = salesforce.get("/limits")
    token = requests.post(
        f"{sandbox.url}/salesforce/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=("sandbox-salesforce-client", "sandbox-salesforce-secret"),
        timeout=5,
    ).json()
    salesforce.session.headers["Authorization"] = f"Bearer {token['access_token']}"

    assert (refused.status_code, again.status_code) == (401, 401)
    assert salesforce.get("/limits").ok


def test_a_revoked_token_stays_so_until_cleared(sandbox, salesforce, control):
    control.add_fault("salesforce", "token_revoked")
    control.add_fault("slack", "token_revoked")

    statuses = [salesforce.get("/limits").status_code for _ in range(2)]
    said = post_to_slack(sandbox).json()["error"]
    control.clear_faults(service="salesforce")

    assert statuses == [401, 401]
    assert said == "token_revoked"
    assert salesforce.get("/limits").ok
    assert not post_to_slack(sandbox).json()["ok"]


def test_a_personal_token_is_refused_for_the_requests_asked_for(calendly, control):
    control.add_fault("calendly", "token_expired", times=2)

    assert [calendly.get("/users/me").status_code for _ in range(3)] == [401, 401, 200]


def test_chosen_errors_are_answered(sandbox, salesforce, control):
    control.add_fault(
        "salesforce",
        "salesforce_error",
        errorCode="UNABLE_TO_LOCK_ROW",
        message="busy",
        status=400,
    )
    control.add_fault("slack", "slack_error", code="fatal_error")

    assert salesforce.get("/limits").json() == [
        {"message": "busy", "errorCode": "UNABLE_TO_LOCK_ROW"}
    ]
    assert post_to_slack(sandbox).json()["error"] == "fatal_error"


def test_a_switch_waits_for_its_match_and_counts_down(sandbox, control):
    control.add_fault("slack", "slack_error", times=2, match={"body_contains": "bad"}, code="x")

    answers = [post_to_slack(sandbox, text).json()["ok"] for text in ("bad", "good", "bad", "bad")]

    assert answers == [False, True, False, True]
    assert control.faults() == []


def test_a_switch_without_an_end_is_cleared(calendly, control):
    control.add_fault("calendly", "error", times=0)

    assert [calendly.get("/users/me").status_code for _ in range(3)] == [500] * 3
    control.clear_faults()
    assert calendly.get("/users/me").ok


@pytest.mark.parametrize(
    ("service", "kind", "match"),
    [
        ("calendar", "error", None),
        ("slack", "salesforce_error", None),
        ("slack", "error", {"colour": "red"}),
    ],
)
def test_an_unknown_switch_is_refused(control, service, kind, match):
    with pytest.raises(RuntimeError, match=r"no service|knows no fault|cannot match"):
        control.add_fault(service, kind, match=match)


def test_the_log_hides_secrets_and_can_be_searched(sandbox, salesforce, control):
    salesforce.post("/sobjects/Lead", **PERSON)
    post_to_slack(sandbox)

    login, made, said = control.requests()
    assert "sandbox-salesforce-secret" not in str(login)
    assert made["body"] == PERSON
    assert made["headers"]["Authorization"].startswith("sha256:")
    assert (made["status"], made["path"].startswith("/salesforce/services/data")) == (201, True)
    assert control.requests(service="slack") == [said]
    assert control.requests(method="post", since=made["seq"]) == [said]
    assert [e.seq for e in sandbox.requests(path_contains="sobjects")] == [made["seq"]]


def test_a_reset_brings_everything_back(sandbox, salesforce, control):
    salesforce.post("/sobjects/Lead", **PERSON)
    control.settings(salesforce_daily_limit=1)
    control.add_fault("slack", "error", times=0)
    control.book(name="A", email="a@x.example")

    control.reset()

    assert len(control.salesforce_records("Lead")) == 1
    assert control.faults() == []
    assert control.requests() == []
    assert control.calendly()["events"] == []
    assert control.settings()["salesforce_daily_limit"] == 15000

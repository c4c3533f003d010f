"""What can go wrong with Calendly alone: tokens of pages, broken bodies, plans, lost answers."""

import json

import pytest
import requests

HOST = "https://api.calendly.com"
LIMITS = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}


@pytest.fixture
def pages(calendly, control, organization):
    """Ask for a page of one of three meetings."""
    for number in range(3):
        control.book(name=f"G{number}", email=f"g{number}@x.example")

    def page(token=None):
        params = {"organization": organization, "count": 1, "page_token": token}
        return calendly.get("/scheduled_events", **params)

    return page


def next_token(answer):
    return answer.json()["pagination"]["next_page_token"]


def test_a_page_token_expires_and_a_new_walk_goes_through(pages, control):
    control.add_fault("calendly", "page_token_expired")

    first = pages()
    refused = pages(next_token(first))
    again = pages(next_token(pages()))

    assert first.ok, "a first page has no token that could expire"
    assert refused.status_code == 400
    assert refused.json()["title"] == "Invalid Argument"
    assert refused.json()["details"][0]["parameter"] == "page_token"
    assert pages(next_token(first)).status_code == 400, "it stays expired"
    assert again.ok


def test_a_switch_can_wait_for_the_second_page(pages, control):
    control.add_fault("calendly", "error", match={"query_contains": "page_token="}, status=424)

    first = pages()
    second = pages(next_token(first))

    assert first.ok
    assert (second.status_code, second.json()["title"]) == (424, "External Calendar Error")


def test_an_answer_may_be_unreadable(calendly, control):
    control.add_fault("calendly", "broken_json")

    answer = calendly.get("/users/me")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)
    assert calendly.get("/users/me").json()["resource"]


def test_one_object_of_a_collection_may_be_broken(calendly, control, organization, pages):
    control.add_fault("calendly", "broken_object", index=1)

    broken, whole = (
        calendly.get("/scheduled_events", organization=organization).json()["collection"]
        for _ in range(2)
    )

    assert ["start_time" in row for row in broken] == [True, False, True]
    assert all("start_time" in row for row in whole), "only the answer was broken"


def test_a_chosen_error_has_its_title_and_text(calendly, control):
    control.add_fault(
        "calendly", "calendly_error", status=403, message="Please upgrade to a paid account."
    )

    refused = calendly.get("/users/me")

    assert refused.status_code == 403
    assert refused.json() == {
        "title": "Permission Denied",
        "message": "Please upgrade to a paid account.",
    }


def test_refusals_carry_the_budget_and_draw_on_it(calendly, calendly_as, control):
    control.add_fault("calendly", "error", status=500)
    control.add_fault("calendly", "rate_limited")

    failed, limited = calendly.get("/users/me"), calendly.get("/users/me")
    fine, unknown = calendly.get("/users/me"), calendly_as("nonsense").get("/users/me")

    assert all(answer.headers.keys() >= LIMITS for answer in (failed, limited, fine, unknown))
    assert (failed.headers["X-RateLimit-Remaining"], fine.headers["X-RateLimit-Remaining"]) == (
        "499",
        "498",
    )
    assert limited.headers["X-RateLimit-Key"] == fine.headers["X-RateLimit-Key"]


def test_tokens_of_one_user_share_a_budget_and_users_do_not(calendly_as, control):
    def left(token):
        return int(calendly_as(token).get("/users/me").headers["X-RateLimit-Remaining"])

    first, second = control.make_token(), control.make_token()
    other = control.make_token(user="admin")

    assert [left(first), left(second), left(other)] == [499, 498, 499]


def test_limits_change_while_it_runs(calendly, control):
    control.settings(calendly_requests_per_minute=50)

    assert calendly.get("/users/me").headers["X-RateLimit-Limit"] == "50"


def test_a_plan_may_not_include_webhooks(calendly, control, organization):
    control.settings(calendly_plan_allows_webhooks=False)

    refused = calendly.post(
        "/webhook_subscriptions",
        url="http://127.0.0.1:1/",
        events=["invitee.created"],
        organization=organization,
        scope="organization",
    )

    assert refused.status_code == 403
    assert refused.json()["message"] == "Please upgrade your Calendly account to Professional"
    assert control.webhooks()["subscriptions"] == []


def test_a_subscription_may_be_made_though_the_answer_was_lost(calendly, control, organization):
    body = {
        "url": "http://127.0.0.1:1/",
        "events": ["invitee.created"],
        "organization": organization,
        "scope": "organization",
    }
    control.add_fault(
        "calendly",
        "drop_after",
        match={"method": "POST", "path_contains": "/webhook_subscriptions"},
    )

    with pytest.raises(requests.ConnectionError):
        calendly.post("/webhook_subscriptions", **body)

    again = calendly.post("/webhook_subscriptions", **body)
    assert again.status_code == 409
    assert len(control.webhooks()["subscriptions"]) == 1


def test_a_refresh_token_may_be_spent_though_the_answer_was_lost(sandbox, control):
    client = ("sandbox-client", "sandbox-secret")
    base = f"{sandbox.url}/calendly-auth/oauth"
    target = "http://127.0.0.1:1/back"
    asked = {"client_id": client[0], "response_type": "code", "redirect_uri": target}
    sent = requests.get(f"{base}/authorize", params=asked, allow_redirects=False, timeout=5)
    code = sent.headers["Location"].partition("code=")[2]

    def token(**form):
        return requests.post(f"{base}/token", data=form, auth=client, timeout=5)

    pair = token(grant_type="authorization_code", code=code, redirect_uri=target).json()
    control.add_fault("calendly_auth", "drop_after", match={"path_contains": "/oauth/token"})
    with pytest.raises(requests.ConnectionError):
        token(grant_type="refresh_token", refresh_token=pair["refresh_token"])

    refused = token(grant_type="refresh_token", refresh_token=pair["refresh_token"])

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")

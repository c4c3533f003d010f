"""The sandbox's REST interfaces: a store for anything, tokens, and what Brevo, Vitally and Lever say and refuse."""

import time

import pytest
import requests

TOKEN = {"Authorization": "Bearer sandbox-rest-token"}
BREVO = {"api-key": "xkeysib-sandbox"}
CLIENT = ("sandbox-rest-client", "sandbox-rest-secret")


@pytest.fixture
def ask(sandbox):
    def call(method, path, **more):
        return requests.request(method, f"{sandbox.url}/rest{path}", timeout=10, **more)

    return call


def test_a_thing_is_made_changed_replaced_found_and_deleted(ask):
    made = ask("POST", "/api/things", json={"name": "a", "key": "k"}, headers=TOKEN)
    url = f"/api/things/{made.json()['data']['id']}"

    assert made.status_code == 201
    assert ask("PATCH", url, json={"name": "b"}, headers=TOKEN).json()["data"]["key"] == "k"
    assert "key" not in ask("PUT", url, json={"name": "c"}, headers=TOKEN).json()["data"]
    assert ask("GET", "/api/things?name=c", headers=TOKEN).json()["data"][0]["name"] == "c"
    assert ask("GET", "/api/things?name=b", headers=TOKEN).json()["data"] == []
    assert ask("DELETE", url, headers=TOKEN).status_code == 204
    assert ask("GET", url, headers=TOKEN).status_code == 404


@pytest.mark.parametrize(
    "way",
    [
        {"headers": TOKEN},
        {"auth": ("sandbox-rest-user", "sandbox-rest-password")},
        {"headers": {"X-Api-Key": "sandbox-rest-api-key"}},
    ],
)
def test_every_way_to_say_who_calls(ask, control, way):
    assert ask("GET", "/api/me", **way).ok

    control.add_fault("rest", "token_revoked")

    assert ask("GET", "/api/me", **way).status_code == 401


def test_nobody_and_strangers_are_refused(ask):
    assert ask("GET", "/api/me").status_code == 401
    assert ask("GET", "/api/me", headers={"Authorization": "Bearer x"}).status_code == 401
    assert ask("GET", "/api/me", auth=("sandbox-rest-user", "x")).status_code == 401


def test_a_token_is_given_and_ends(ask, control):
    form = {"grant_type": "client_credentials"}
    given = ask("POST", "/oauth/token", data=form, auth=CLIENT).json()
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    assert ask("GET", "/api/me", headers=headers).json() == {"data": {"auth": "oauth"}}

    control.add_fault("rest", "token_expired")

    assert ask("GET", "/api/me", headers=headers).status_code == 401
    assert ask("GET", "/api/me", headers=headers).status_code == 401


def test_a_token_lasts_as_long_as_it_says(ask, control):
    control.settings(rest_token_seconds=0.01)
    given = ask(
        "POST", "/oauth/token", data={"grant_type": "client_credentials"}, auth=CLIENT
    ).json()
    time.sleep(0.02)

    headers = {"Authorization": f"Bearer {given['access_token']}"}
    assert ask("GET", "/api/me", headers=headers).status_code == 401


def test_a_key_that_does_not_end_is_refused_once(ask, control):
    control.add_fault("rest", "token_expired")

    assert [ask("GET", "/api/me", headers=TOKEN).status_code for _ in range(2)] == [401, 200]


@pytest.mark.parametrize(
    ("form", "auth", "status", "error"),
    [
        ({"grant_type": "client_credentials"}, ("x", "y"), 401, "invalid_client"),
        ({"grant_type": "password"}, CLIENT, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "refused"}, CLIENT, 400, "invalid_scope"),
    ],
)
def test_a_token_is_refused(ask, form, auth, status, error):
    refused = ask("POST", "/oauth/token", data=form, auth=auth)

    assert (refused.status_code, refused.json()["error"]) == (status, error)


@pytest.mark.parametrize(("honoured", "count"), [(True, 1), (False, 2)])
def test_a_key_makes_one_thing_where_keys_are_honoured(ask, control, honoured, count):
    control.settings(rest_honours_keys=honoured)
    headers = {**TOKEN, "Idempotency-Key": "k"}

    answers = [ask("POST", "/api/things", json={"n": n}, headers=headers) for n in range(2)]

    assert all(answer.status_code == 201 for answer in answers)
    assert len(control.rest_state()["things"]) == count


def test_an_encoded_slash_belongs_to_its_segment(ask):
    ask("PUT", "/api/things/a%2Fb", json={}, headers=TOKEN)

    assert ask("GET", "/api/things/a%2Fb", headers=TOKEN).json()["data"]["id"] == "a/b"


def test_a_chosen_answer_is_given(ask, control):
    control.add_fault("rest", "rest_error", status=418, body={"why": "tea"})

    answer = ask("GET", "/api/me", headers=TOKEN)

    assert (answer.status_code, answer.json()) == (418, {"why": "tea"})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_parameter"),
        ({"email": "nobody"}, "invalid_parameter"),
        ({"email": "a@b.example", "listIds": [99]}, "invalid_parameter"),
        ({"email": "a@b.example", "listIds": ["2"]}, "invalid_parameter"),
        ({"email": "a@b.example", "attributes": {"SMS": "call me"}}, "invalid_parameter"),
    ],
)
def test_brevo_refuses_a_contact(ask, control, body, code):
    refused = ask("POST", "/brevo/v3/contacts", json=body, headers=BREVO)

    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert control.rest_state()["contacts"] == []


def test_brevo_makes_a_contact_once_and_updates_it_where_that_is_asked(ask):
    body = {"email": "a@b.example", "listIds": [2]}

    made = ask("POST", "/brevo/v3/contacts", json=body, headers=BREVO)
    twice = ask("POST", "/brevo/v3/contacts", json=body, headers=BREVO)
    updated = ask("POST", "/brevo/v3/contacts", json={**body, "updateEnabled": True}, headers=BREVO)

    assert (made.status_code, list(made.json())) == (201, ["id"])
    assert (twice.status_code, twice.json()["code"]) == (400, "duplicate_parameter")
    assert (updated.status_code, updated.content) == (204, b"")


def test_brevo_knows_a_contact_by_address_or_number(ask):
    number = ask("POST", "/brevo/v3/contacts", json={"email": "a@b.example"}, headers=BREVO).json()[
        "id"
    ]

    by_address = ask("GET", "/brevo/v3/contacts/a%40b.example", headers=BREVO).json()

    assert by_address == ask("GET", f"/brevo/v3/contacts/{number}", headers=BREVO).json()
    refused = ask("PUT", "/brevo/v3/contacts/x%40b.example", json={}, headers=BREVO)
    assert (refused.status_code, refused.json()["code"]) == (404, "document_not_found")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"event_name": "a_b", "identifiers": {"email_id": "a@b.example"}}, 204),
        ({"event_name": "a b", "identifiers": {"email_id": "a@b.example"}}, 400),
        ({"event_name": "a_b"}, 400),
    ],
)
def test_brevo_takes_an_event_or_refuses_it(ask, body, status):
    assert ask("POST", "/brevo/v3/events", json=body, headers=BREVO).status_code == status


def test_brevo_tells_the_wait_in_its_own_header(ask, control):
    control.add_fault("rest", "rate_limited", retry_after=9)

    assert ask("GET", "/brevo/v3/account", headers=BREVO).headers["x-sib-ratelimit-reset"] == "9"


def test_vitally_keeps_one_note_for_an_external_id(ask):
    key = ("sk_live_sandbox", "")
    note = {
        "externalId": "e",
        "accountId": "acc-1",
        "note": "x",
        "noteDate": "2026-01-01T00:00:00Z",
    }

    first, second = (
        ask("POST", "/vitally/resources/notes", json=note, auth=key).json() for _ in range(2)
    )

    assert first["id"] == second["id"]
    url = f"/vitally/resources/notes/{first['id']}"
    assert ask("PUT", url, json={"note": "y"}, auth=key).json()["note"] == "y"
    assert ask("POST", "/vitally/resources/notes", json={"note": "x"}, auth=key).status_code == 400
    assert ask("GET", "/vitally/resources/users/search", auth=key).status_code == 400
    assert ask("GET", "/vitally/resources/accounts").status_code == 401


def test_lever_adds_notes_and_changes_none(ask):
    key = ("sandbox-lever-key", "")
    notes = "/lever/v1/opportunities/opp-1/notes"

    made = ask("POST", f"{notes}?perform_as=u", json={"value": "x"}, auth=key)

    assert made.status_code == 201
    assert ask("GET", notes, auth=key).json() == {"data": [made.json()["data"]], "hasNext": False}
    assert ask("PUT", f"{notes}/{made.json()['data']['id']}", json={}, auth=key).status_code == 404
    assert ask("POST", notes, json={}, auth=key).json()["code"] == "BadRequest"
    missing = ask("POST", "/lever/v1/opportunities/none/notes", json={"value": "x"}, auth=key)
    assert missing.json()["code"] == "ResourceNotFound"
    assert ask("DELETE", f"{notes}/{made.json()['data']['id']}", auth=key).status_code == 204


def test_a_reset_brings_back_the_seeds(ask, control):
    ask("POST", "/api/things", json={}, headers=TOKEN)
    control.rest_remove("users", "usr-1")

    control.reset()

    state = control.rest_state()
    assert state["things"] == []
    assert [row["id"] for row in state["users"]] == ["usr-1"]


def test_no_key_is_kept_in_the_log(ask, control):
    ask("GET", "/brevo/v3/account", headers=BREVO)
    ask("GET", "/api/me", headers={"X-Api-Key": "sandbox-rest-api-key"})

    assert "xkeysib-sandbox" not in str(control.requests(service="rest"))
    assert "sandbox-rest-api-key" not in str(control.requests(service="rest"))

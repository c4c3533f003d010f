"""A walk through every operation that the sandbox and Calendly's OpenAPI document share."""

from dataclasses import dataclass
from typing import Any

import requests

from integrations.sandbox import SandboxServer

Json = dict[str, Any]
OWNER, USER = "sandbox-calendly-pat", "sandbox-calendly-pat-user"
BYGONE, SOON = "2020-03-02T10:00:00Z", "2099-03-02T10:00:00Z"
ELSEWHERE = "https://api.calendly.com/organizations/elsewhere"
LOCATIONS = (
    "physical",
    "inbound_call",
    "outbound_call",
    "ask_invitee",
    "custom",
    "google_conference",
    "zoom_conference",
    "microsoft_teams_conference",
    "webex_conference",
    "gotomeeting_conference",
)


@dataclass(frozen=True)
class Answer:
    """What came back for an operation, and the status that the walk meant to provoke."""

    operation: str
    meant: int
    status: int
    body: Any


class Walk:
    """Fill a sandbox, ask it everything, and keep the answers."""

    def __init__(self, server: SandboxServer) -> None:
        self.answers: list[Answer] = []
        self._base = f"{server.url}/calendly"
        self._control = server.control
        self._held = self._control.calendly()
        self._organization = self._held["organization"]["uri"]

    def everything(self) -> list[Answer]:
        """Walk once and return the answers."""
        invitee = self._furnish()
        self._people()
        self._event_types()
        self._meetings(invitee)
        self._no_shows(invitee)
        self._routing()
        self._subscriptions()
        self._removals(invitee)
        return self.answers

    def _ask(
        self,
        operation: str,
        *keys: str,
        meant: int = 200,
        token: str = OWNER,
        json: Json | None = None,
        **query: str,
    ) -> Any:
        method, _, template = operation.partition(" ")
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                self._base + _filled(template, keys),
                params=query,
                json=json,
                headers={"Authorization": f"Bearer {token}"},
                timeout=10,
            )
        body = answer.json() if answer.content else None
        self.answers.append(Answer(operation, meant, answer.status_code, body))
        return body

    def _refusals(self, operation: str, *keys: str, **query: Any) -> None:
        """Ask with a wrong and an expired token, during a fault and, where there is a key, for what does not exist."""
        self._ask(operation, *keys, meant=401, token="unknown", **query)
        if operation not in WITHOUT_500:
            self._control.add_fault("calendly", "error", status=500)
            self._ask(operation, *keys, meant=500, **query)
        self._control.add_fault("calendly", "token_expired")
        self._ask(operation, *keys, meant=401, **query)
        if keys:
            self._ask(operation, *["unknown" for _ in keys], meant=404, **query)

    def _furnish(self) -> Json:
        """Book meetings of every kind and return an invitee with all there can be."""
        for number, kind in enumerate(LOCATIONS):
            place = {"kind": kind, "location": "+49 30 1234", "additional_info": "Second door"}
            name, email = f"Guest {number}", f"guest{number}@client.example"
            self._control.book(name=name, email=email, location=place)
        self._control.book(name="Later", email="later@client.example", conference_delay=60)
        self._control.seed_bookings(30, start="2098-01-01T00:00:00Z", days=5)
        old = self._control.book(
            name="Full Guest",
            email="full@client.example",
            first_name="Full",
            last_name="Guest",
            start_time="2099-03-01T10:00:00Z",
            answers={"Company": "Harbor"},
            guests=["friend@client.example"],
            tracking={"utm_source": "news"},
            payment=PAYMENT,
        )
        self._control.reschedule(old["uri"], start_time=SOON)
        return self._control.book(
            name="Plain", email="plain@client.example", event_type="interview", start_time=SOON
        )

    def _people(self) -> None:
        me = key_of(self._held["users"][0]["uri"])
        self._ask("GET /users/me")
        self._refusals("GET /users/me")
        self._ask("GET /users/{uuid}", me)
        self._ask("GET /users/{uuid}", me, meant=403, token=USER)
        self._refusals("GET /users/{uuid}", me)
        listing = "GET /organization_memberships"
        rows = self._ask(listing, organization=self._organization, count="2")["collection"]
        self._ask(listing, meant=400)
        self._ask(listing, organization=self._organization, meant=403, token=USER)
        self._refusals(listing)
        one, key = "GET /organization_memberships/{uuid}", key_of(rows[0]["uri"])
        self._ask(one, key)
        self._ask(one, key, meant=403, token=USER)
        self._refusals(one, key)

    def _event_types(self) -> None:
        listing, one = "GET /event_types", "GET /event_types/{uuid}"
        self._ask(listing, organization=self._organization)
        self._ask(listing, meant=400)
        self._ask(listing, organization=ELSEWHERE, meant=403)
        self._refusals(listing)
        for row in self._held["event_types"]:
            self._ask(one, key_of(row["uri"]))
        self._refusals(one, key_of(self._held["event_types"][0]["uri"]))

    def _meetings(self, invitee: Json) -> None:
        people = {row["role"]: row["uri"] for row in self._held["users"]}
        uma = people["user"]
        listing, one = "GET /scheduled_events", "GET /scheduled_events/{uuid}"
        everyone: dict[str, Any] = {"organization": self._organization}
        for sort in ("start_time:asc", "start_time:desc"):
            rows = self._ask(listing, **everyone, count="100", sort=sort)["collection"]
        token = self._ask(listing, **everyone, count="5")["pagination"]["next_page_token"]
        self._ask(listing, **everyone, count="5", page_token=token)
        self._ask(listing, **everyone, page_token="unknown", meant=400)
        self._ask(listing, user=uma, meant=403)
        self._ask(listing, **everyone, user=f"{uma}-unknown", meant=403)
        self._refusals(listing)
        for row in rows:
            self._ask("GET /scheduled_events/{uuid}/invitees", key_of(row["uri"]))
        hosts = {row["event_memberships"][0]["user"]: key_of(row["uri"]) for row in rows}
        for operation in (one, f"{one}/invitees"):
            self._meeting(operation, key_of(invitee["event"]), foreign=hosts[people["owner"]])
        person = "GET /scheduled_events/{event_uuid}/invitees/{invitee_uuid}"
        self._ask(person, key_of(invitee["event"]), key_of(invitee["uri"]))
        self._refusals(person, key_of(invitee["event"]), key_of(invitee["uri"]))

    def _meeting(self, operation: str, key: str, *, foreign: str) -> None:
        self._ask(operation, key)
        self._ask(operation, foreign, meant=403, token=USER)
        self._refusals(operation, key)

    def _no_shows(self, invitee: Json) -> None:
        make = "POST /invitee_no_shows"
        wanted = {"invitee": invitee["uri"]}
        key = key_of(self._ask(make, json=wanted, meant=201)["resource"]["uri"])
        self._ask(make, json=wanted, meant=400)
        self._ask(make, json={}, meant=400)
        self._ask(make, json={"invitee": f"{invitee['uri']}-unknown"}, meant=404)
        self._refusals(make)
        self._ask("GET /invitee_no_shows/{uuid}", key)
        self._refusals("GET /invitee_no_shows/{uuid}", key)
        parts = (key_of(invitee["event"]), key_of(invitee["uri"]))
        self._ask("GET /scheduled_events/{event_uuid}/invitees/{invitee_uuid}", *parts)
        self._refusals("DELETE /invitee_no_shows/{uuid}", key)
        self._ask("DELETE /invitee_no_shows/{uuid}", key, meant=204)

    def _routing(self) -> None:
        form = self._held["routing_forms"][0]["uri"]
        for result in RESULTS:
            made = self._control.submit_form({"Email": "a@client.example"}, result=result)
        one_form, one = "GET /routing_forms/{uuid}", "GET /routing_form_submissions/{uuid}"
        self._ask("GET /routing_forms", organization=self._organization)
        self._ask("GET /routing_forms", meant=400)
        self._ask("GET /routing_forms", organization=self._organization, meant=403, token=USER)
        self._refusals("GET /routing_forms")
        self._ask(one_form, key_of(form))
        self._refusals(one_form, key_of(form))
        self._ask("GET /routing_form_submissions", form=form)
        self._ask("GET /routing_form_submissions", meant=400)
        self._refusals("GET /routing_form_submissions")
        self._ask(one, key_of(made["uri"]))
        self._refusals(one, key_of(made["uri"]))

    def _subscriptions(self) -> None:
        make, one = "POST /webhook_subscriptions", "GET /webhook_subscriptions/{webhook_uuid}"
        listing, end = "GET /webhook_subscriptions", one.replace("GET", "DELETE")
        keys = [self._subscribe(number, more) for number, more in enumerate(self._scopes())]
        whole: Json = {"organization": self._organization, "scope": "organization"}
        self._ask(make, json=subscription(0, whole), meant=409)
        self._ask(make, json=subscription(9, whole) | {"events": ["x"]}, meant=400)
        self._ask(make, json=subscription(9, whole), meant=403, token=USER)
        self._control.settings(calendly_plan_allows_webhooks=False)
        self._ask(make, json=subscription(9, whole), meant=403)
        self._refusals(make)
        for scope in self._scopes():
            self._ask(listing, **scope)
        self._ask(listing, organization=self._organization, meant=400)
        self._ask(listing, **whole, meant=403, token=USER)
        self._refusals(listing)
        for operation in (one, end):
            self._ask(operation, keys[0], meant=403, token=USER)
            self._refusals(operation, keys[0])
        self._ask(one, keys[0])
        self._ask(end, keys[0], meant=204)

    def _scopes(self) -> list[Json]:
        base = {"organization": self._organization}
        return [
            base | {"scope": "organization"},
            base | {"scope": "user", "user": self._held["users"][0]["uri"]},
            base | {"scope": "group", "group": self._held["groups"][0]["uri"]},
        ]

    def _subscribe(self, number: int, scope: Json) -> str:
        body = self._ask("POST /webhook_subscriptions", json=subscription(number, scope), meant=201)
        return key_of(body["resource"]["uri"])

    def _removals(self, invitee: Json) -> None:
        cancel, key = "POST /scheduled_events/{uuid}/cancellation", key_of(invitee["event"])
        self._ask(cancel, key, json={"reason": 7}, meant=400)
        self._refusals(cancel, key)
        self._ask(cancel, key, json={"reason": "Ill"}, meant=201)
        self._ask(cancel, key, json={}, meant=403)
        past = self._control.book(name="P", email="p@client.example", start_time=BYGONE)
        self._ask(cancel, key_of(past["event"]), json={}, meant=403)
        self._ask("GET /scheduled_events/{uuid}", key)
        end = "DELETE /organization_memberships/{uuid}"
        rows = self._ask("GET /organization_memberships", organization=self._organization)
        members = {row["role"]: key_of(row["uri"]) for row in rows["collection"]}
        self._ask(end, members["user"], meant=403, token=USER)
        self._ask(end, members["owner"], meant=403)
        self._refusals(end, members["user"])
        self._ask(end, members["user"], meant=204)


#: The document knows no 500 of these. Nor does it know of scopes, which came in 2026.
WITHOUT_500 = (
    "POST /webhook_subscriptions",
    "GET /webhook_subscriptions",
    "GET /webhook_subscriptions/{webhook_uuid}",
    "GET /invitee_no_shows/{uuid}",
)
PAYMENT = {
    "external_id": "ch_1",
    "provider": "stripe",
    "amount": 12.5,
    "currency": "EUR",
    "terms": None,
    "successful": True,
}
RESULTS = (
    None,
    {"type": "external_url", "value": "https://harbor.example/next"},
    {"type": "custom_message", "value": {"headline": "Thanks", "body": "We will call."}},
)


def subscription(number: int, scope: Json) -> Json:
    """Return what to send for a subscription."""
    events = ["invitee.created", "invitee.canceled", "invitee_no_show.created"]
    return {"url": f"http://127.0.0.1:1/{number}", "events": events, **scope}


def key_of(uri: str) -> str:
    """Return the last part of a URI."""
    return uri.rpartition("/")[-1]


def _filled(template: str, keys: tuple[str, ...]) -> str:
    parts = iter(keys)
    return "/".join(next(parts) if part.startswith("{") else part for part in template.split("/"))

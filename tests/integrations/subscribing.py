"""What tests of subscriptions do at the sandbox: subscribe past Calsync, grant by OAuth, and look."""

from collections import Counter
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import requests
from django.utils import timezone

from integrations.models import WebhookSubscription
from tests.factories import ConnectionFactory

BACK = "http://127.0.0.1:9/back"
PUBLIC = "https://calsync.example"


def later(**ahead):
    """Return a moment after now, five minutes on unless told otherwise."""
    return timezone.now() + timedelta(**ahead or {"minutes": 5})


def connect(sandbox, *, user="owner", scopes=None, **fields):
    """Make a connection with a personal token of its own."""
    token = sandbox.make_token(user=user, scopes=scopes)
    return ConnectionFactory.create(provider="calendly", secrets={"access_token": token}, **fields)


def connect_by_oauth(sandbox, **fields):
    """Make a connection with tokens that the sandbox's app was granted."""
    query = {
        "client_id": "sandbox-client", "response_type": "code", "redirect_uri": BACK, "state": "s",
        "scope": "users:read organizations:read groups:read event_types:read scheduled_events:read "
        "routing_forms:read webhooks:read webhooks:write",
    }  # fmt: skip
    auth = f"{sandbox.url}/calendly-auth/oauth"
    back = requests.get(f"{auth}/authorize", params=query, allow_redirects=False, timeout=5)
    (code,) = parse_qs(urlsplit(back.headers["Location"]).query)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    pair = requests.post(
        f"{auth}/token", data=form, auth=("sandbox-client", "sandbox-secret"), timeout=5
    ).json()
    tokens = {name: pair[name] for name in ("access_token", "refresh_token")}
    return ConnectionFactory.create(
        provider="calendly", secrets=tokens, token_expires_at=later(hours=2), **fields
    )


class There:
    """Calendly as its own pages would show it."""

    def __init__(self, sandbox):
        self.sandbox = sandbox

    def all(self):
        """Return every subscription."""
        return self.sandbox.webhooks()["subscriptions"]

    def urls(self):
        """Return the subscribed URLs."""
        return {row["callback_url"] for row in self.all()}

    def purposes(self):
        """Count the subscriptions by what their events are about."""
        return Counter(row["events"][0].partition(".")[0] for row in self.all())

    def posts(self):
        """Count the attempts to subscribe."""
        return len(
            self.sandbox.requests(
                service="calendly", method="POST", path_contains="/webhook_subscriptions"
            )
        )

    def subscribe(self, url, *, scope="organization", events=("invitee.created",)):
        """Subscribe a URL past Calsync; return the subscription."""
        organization = self.sandbox.calendly()["organization"]["uri"]
        body = {"url": url, "events": list(events), "organization": organization, "scope": scope, "signing_key": "k"}  # fmt: skip
        return self._call("POST", "/webhook_subscriptions", json=body)["resource"]

    def delete(self, uri):
        """Delete a subscription past Calsync."""
        self._call("DELETE", f"/webhook_subscriptions/{uri.rpartition('/')[2]}")

    def _call(self, method, path, **more):
        headers = {"Authorization": f"Bearer {self.sandbox.make_token()}"}
        answer = requests.request(
            method, f"{self.sandbox.url}/calendly{path}", headers=headers, timeout=5, **more
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None


def meetings(connection):
    """Return the connection's rows for meetings, oldest first."""
    return list(connection.subscriptions.filter(purpose="meetings").order_by("id"))


def live(connection):
    """Return the purposes of the rows that are not retired, as often as there are any."""
    rows = WebhookSubscription.objects.filter(connection=connection, retired_at=None)
    return sorted(rows.values_list("purpose", flat=True))

"""The whole road in one process: a sandbox, connections to it, and a signed body at the door."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations import inbox, outbox, refetch
from integrations.deliver import deliver
from integrations.models import Connection, WebhookSubscription
from integrations.sandbox.control_client import SandboxControl
from integrations.sandbox.server import SandboxServer
from integrations.sources.calendly.signature import sign
from tests.factories import ConnectionFactory, RuleFactory, WebhookSubscriptionFactory

KEY = "road-signing-key"
EVERY_KIND = ["booked", "rescheduled", "canceled", "no_show", "no_show_removed", "updated"]


@pytest.fixture(scope="session")
def sandbox_server():
    """One sandbox for every test of the road."""
    with SandboxServer(port=0) as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server, settings):
    """An empty sandbox that the settings point to."""
    settings.CALENDLY_API_URL = f"{sandbox_server.url}/calendly"
    settings.SALESFORCE_LOGIN_URL = f"{sandbox_server.url}/salesforce"
    settings.SLACK_API_URL = f"{sandbox_server.url}/slack/api/"
    with SandboxControl(sandbox_server.url) as control:
        control.reset()
        yield control


@dataclass
class Road:
    """Put bodies in at the door and let the stations work, until nothing is left to do."""

    subscription: WebhookSubscription
    salesforce: Connection
    slack: Connection

    def receive(self, body: Any) -> int:
        """Post one signed delivery and return the status of the answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return (
            Client()
            .post(
                f"/webhooks/calendly/{self.subscription.token}",
                raw,
                content_type="application/json",
                headers={"Calendly-Webhook-Signature": sign(raw, KEY, timezone.now())},
            )
            .status_code
        )

    def work(self, *, ahead: timedelta = timedelta(0)) -> None:
        """Drain inbox, refetches and outbox as the workers do; `ahead` turns the clock on."""
        now = timezone.now() + ahead
        until = now + timedelta(hours=1)
        inbox.drain(until=until, clock=lambda: now)
        refetch.drain(until=until, clock=lambda: now)
        self.send(now)

    def send(self, now: datetime) -> None:
        """Carry out the deliveries that are due."""
        for connection in (self.salesforce, self.slack):
            sent: list[object] = [True]
            while any(sent):
                due = outbox.due(connection.pk, now=now, limit=50)
                sent = [deliver(delivery_id, clock=lambda: now) for delivery_id in due]


@pytest.fixture
def road(db, sandbox):
    """Calendly, Salesforce and Slack connected to the sandbox, every kind of event carried to both."""
    calendly = ConnectionFactory.create(
        provider="calendly", name="Calendly", secrets={"access_token": "sandbox-calendly-pat"}
    )
    salesforce = ConnectionFactory.create(
        provider="salesforce",
        name="Salesforce",
        secrets={
            "client_id": "sandbox-salesforce-client",
            "client_secret": "sandbox-salesforce-secret",
        },
    )
    slack = ConnectionFactory.create(
        provider="slack", name="Slack", secrets={"bot_token": "xoxb-sandbox"}
    )
    RuleFactory.create(connection=salesforce, action="sync_meeting", kinds=EVERY_KIND)
    RuleFactory.create(
        connection=slack, action="post_card", kinds=EVERY_KIND, options={"channel": "#sales"}
    )
    subscription = WebhookSubscriptionFactory.create(connection=calendly, signing_key=KEY)
    return Road(subscription=subscription, salesforce=salesforce, slack=slack)

"""What a person would set up first: a staff user, three connections, the rules, and Calendly's subscription."""

import secrets
from contextlib import closing
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.urls import reverse

from bookings.models import BookingEvent
from integrations.http import HttpClient
from integrations.models import Connection, Rule, WebhookSubscription
from integrations.sandbox.config import SandboxConfig
from integrations.sources.calendly.client import CalendlyClient

USERNAME = "demo"
CALENDLY_TOKEN = "sandbox-calendly-pat"  # noqa: S105  # the sandbox's own, known to everybody
_EVENTS = [
    "invitee.created",
    "invitee.canceled",
    "invitee_no_show.created",
    "invitee_no_show.deleted",
    "routing_form_submission.created",
]
_CARRIED = [kind for kind in BookingEvent.Kind if kind != BookingEvent.Kind.ROUTING_FORM_SUBMITTED]


def make_staff_user() -> str:
    """Make the demo's administrator and return the password."""
    password = secrets.token_urlsafe(9)
    get_user_model().objects.create_superuser(USERNAME, f"{USERNAME}@harbor.example", password)
    return password


def connect_everything() -> None:
    """Connect Calendly, Salesforce and Slack to the sandbox, with a rule for each target."""
    sandbox = SandboxConfig()
    calendly = _connect("calendly", "Calendly", secrets={"access_token": CALENDLY_TOKEN})
    salesforce = _connect(
        "salesforce", "Salesforce",
        secrets={
            "client_id": sandbox.salesforce_client_id,
            "client_secret": sandbox.salesforce_client_secret,
        },
    )  # fmt: skip
    slack = _connect("slack", "Slack", secrets={"bot_token": sandbox.slack_bot_token})
    _rule("Salesforce: person and event", salesforce, "sync_meeting", position=1)
    _rule("Slack: card in #sales", slack, "post_card", position=2, options={"channel": "#sales"})
    subscribe(calendly)


def subscribe(connection: Connection) -> WebhookSubscription:
    """Make a subscription with a fresh signing key and a URL of its own, at Calendly and here."""
    key = secrets.token_urlsafe(32)
    subscription = WebhookSubscription(connection=connection, scope="organization", events=_EVENTS)
    subscription.set_signing_keys(current=key)
    subscription.save()
    path = reverse("webhook", args=[connection.provider, subscription.token])
    with closing(HttpClient()) as http:
        client = CalendlyClient(token=connection.secrets["access_token"], http=http)
        made = client.create_webhook_subscription(
            url=f"{settings.CALSYNC_PUBLIC_URL}{path}", events=_EVENTS, scope="organization",
            organization=client.me().text("current_organization"), signing_key=key,
        )  # fmt: skip
    subscription.uri = made.text("uri")
    subscription.save(update_fields=["uri"])
    return subscription


def _connect(provider: str, name: str, *, secrets: dict[str, str]) -> Connection:
    connection = Connection(provider=provider, name=f"{name} (sandbox)")
    connection.set_secrets(secrets)
    connection.save()
    return connection


def _rule(
    name: str, connection: Connection, action: str, *, position: int, options: Any = None
) -> None:
    Rule.objects.create(
        name=name,
        connection=connection,
        action=action,
        kinds=_CARRIED,
        options=options or {},
        position=position,
    )

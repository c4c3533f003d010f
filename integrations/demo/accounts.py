"""What a person would set up first: the connections, the rules, a channel, and Calendly's subscriptions."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from bookings.models import BookingEvent
from integrations import accounts, backfill, drift, notifications, profiles, subscriptions
from integrations.demo import installing
from integrations.demo.staff import SUPERUSER
from integrations.models import (
    BackfillRun,
    Connection,
    DriftRun,
    FieldMapping,
    MappedField,
    Notification,
    NotificationChannel,
    Rule,
)
from integrations.models.rule import ANCHORS
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.control_client import SandboxControl

CALENDLY_TOKEN = "sandbox-calendly-pat"  # noqa: S105  # the sandbox's own, known to everybody
#: Each kind of meeting has its channel. By its name, which each webhook tells; Calsync knows the slug once it has read the event type.
_CARDS = {
    "channel": "#sales",
    "routes": [
        {"when": {"event_type": "Interview"}, "channel": "#recruiting"},
        {"when": {"event_type": "Consulting session"}, "channel": "#consulting"},
        {"when": {"event_type": "Group workshop"}, "channel": "#consulting"},
    ],
    "show_answers": True,
}
#: What a new lead's description says.
_WISH = 'Asked for: {{ event_type.name }}. Campaign: {{ utm.campaign|default:"none" }}.'
_TOLD_TO_HOSTS = ["booked", "rescheduled", "canceled"]
_CARRIED = [
    kind
    for kind in BookingEvent.Kind
    if kind not in {BookingEvent.Kind.ROUTING_FORM_SUBMITTED, *ANCHORS}
]


def connect_everything(*, sandbox_url: str, mail_port: int) -> None:
    """Connect Calendly, Salesforce, Slack, mail, Brevo and a receiver of webhooks to the sandbox, with a rule for each target."""
    sandbox = SandboxConfig()
    calendly = _connect("calendly", "Calendly", secrets={"access_token": CALENDLY_TOKEN})
    salesforce = _connect(
        "salesforce", "Salesforce",
        secrets={
            "client_id": sandbox.salesforce_client_id,
            "client_secret": sandbox.salesforce_client_secret,
        },
        settings={"person_owner": "host_on_create"},
    )  # fmt: skip
    _map_fields(salesforce)
    slack = _connect(
        "slack", "Slack",
        secrets={
            "bot_token": sandbox.slack_bot_token,
            "signing_secret": sandbox.slack_signing_secret,
        },
    )  # fmt: skip
    synced = _rule(
        "Salesforce: person and event", salesforce, "sync_meeting", position=1, besides="sales"
    )
    _rule(
        "Slack: card by event type", slack, "post_card", position=2, options=_CARDS,
        waits_for=synced, besides="sales",
    )  # fmt: skip
    receiver = _connect(
        "webhook", "Webhook", secrets={"signing_secret": sandbox.receiver_secret},
        settings={"url": f"{sandbox_url}/webhook/calsync"},
    )  # fmt: skip
    _rule("Webhook: every event", receiver, "send_event", position=3, besides="consulting")
    mail = _connect(
        "email", "E-mail", secrets={"password": sandbox.mail_password},
        settings={
            "host": "127.0.0.1", "port": mail_port, "security": "none", "username": sandbox.mail_username,
            "from_address": "meetings@harbor.example", "from_name": "Harbor meetings",
        },
    )  # fmt: skip
    told = {"template": "host_notice", "to": ["host"]}
    _rule(
        "E-mail: tell the host", mail, "send_email", position=4, options=told, kinds=_TOLD_TO_HOSTS,
        besides="recruiting",
    )  # fmt: skip
    keys = {
        "brevo": {"header_value": sandbox.rest_brevo_key},
        "vitally": {"username": sandbox.rest_vitally_key},
        "lever": {"username": sandbox.rest_lever_key},
    }
    interfaces = {name: _interface(name, sandbox_url, secrets=key) for name, key in keys.items()}
    installing.install_all(
        {
            "crm": salesforce, "chat": slack, "mail": mail, "internal": receiver, "marketing": interfaces["brevo"],
            "success": interfaces["vitally"], "ats": interfaces["lever"],
        },
        now=timezone.now(),
    )  # fmt: skip
    profiles.refresh(calendly, now=timezone.now())
    subscriptions.ensure(calendly, now=timezone.now())


def _interface(name: str, sandbox_url: str, *, secrets: dict[str, str]) -> Connection:
    """Connect a REST interface as the recipe of its name says, at the sandbox."""
    begun, path = installing.beginning(name)
    settings = {**begun.settings, "base_url": f"{sandbox_url}/rest/{path}"}
    return _connect("rest", begun.name, secrets=secrets, settings=settings)


def take_presses(sandbox: SandboxControl) -> None:
    """Tell the sandbox's Slack where presses of buttons go, as its app's page would be told."""
    slack = Connection.objects.get(provider="slack")
    path = reverse("interaction", args=[slack.provider, slack.pk])
    sandbox.settings(slack_interactivity_url=f"{settings.CALSYNC_PUBLIC_URL}{path}")


def read_history(*, days: int) -> BackfillRun:
    """Ask for a backfill of what was booked before Calsync was connected; a worker does it."""
    now = timezone.now()
    return backfill.start(
        Connection.objects.get(provider="calendly"),
        window_from=now - timedelta(days=days),
        window_to=now + timedelta(days=365),
        trigger=BackfillRun.Trigger.COMMAND,
        now=now,
    )


def compare() -> DriftRun:
    """Ask what Salesforce holds of what was written; a worker does it."""
    return drift.start(
        Connection.objects.get(provider="salesforce"), now=timezone.now(), requested_by=SUPERUSER
    )


def open_channel() -> None:
    """Have staff told in Slack's #sales, from now on."""
    NotificationChannel.objects.create(
        name="Staff in #sales", connection=Connection.objects.get(provider="slack"), options={"channel": "#sales"},
        sends_health=True, sends_alerts=True, tells_nothing=True,
    )  # fmt: skip


def tell_staff() -> None:
    """Have today's agenda, the report and what has failed told now; a worker does it."""
    now = timezone.now()
    notifications.plan(now=now)
    for channel in NotificationChannel.objects.all():
        for kind in (Notification.Kind.AGENDA, Notification.Kind.HEALTH):
            notifications.by_hand(channel, kind, now=now)


def _connect(
    provider: str, name: str, *, secrets: dict[str, str], settings: dict[str, Any] | None = None
) -> Connection:
    connection = Connection(provider=provider, name=f"{name} (sandbox)", settings=settings or {})
    connection.set_secrets(secrets)
    connection.save()
    return connection


def _map_fields(salesforce: Connection) -> None:
    """Fill new leads as by default, and one field more, as staff would choose it."""
    usual = [
        row
        for row in accounts.connector(salesforce).default_mappings()
        if row.object_type == "Lead"
    ]
    own = MappedField(
        object_type="Lead", field="Description", source="template", argument=_WISH, write_mode="if_empty"
    )  # fmt: skip
    FieldMapping.objects.bulk_create(
        FieldMapping(connection=salesforce, position=position, **asdict(row))
        for position, row in enumerate([*usual, own])
    )


def _rule(
    name: str,
    connection: Connection,
    action: str,
    *,
    position: int,
    options: Any = None,
    kinds: Sequence[str] = _CARRIED,
    waits_for: Rule | None = None,
    besides: str = "",
) -> Rule:
    return Rule.objects.create(
        name=name,
        connection=connection,
        action=action,
        kinds=list(kinds),
        options=options or {},
        conditions=installing.others(besides) if besides else {},
        position=position,
        waits_for=waits_for,
    )

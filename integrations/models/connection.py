"""A configured account at a provider, its health, and what we know exists over there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from integrations import vault


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedField:
    """Say what fills one field over there; see `FieldMapping`."""

    object_type: str
    field: str
    source: str
    argument: str = ""
    write_mode: str = "if_empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTemplate:
    """Hold the words of a message as staff or Calsync wrote them; see `EmailTemplate`."""

    name: str
    label: str
    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Hold what a source or connector needs of its connection; secrets never appear in its `repr`.

    `is_stored` says that the secrets are the connection's own, rather than ones that are on trial. `templates` are staff's own, by name, for connectors that make messages.
    """

    connection_id: int
    name: str
    settings: Mapping[str, Any]
    profile: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_stored: bool = False
    mappings: tuple[MappedField, ...] = ()
    templates: Mapping[str, MailTemplate] = field(default_factory=dict)


class ConnectionQuerySet(models.QuerySet["Connection"]):
    """Filters over connections."""

    def open_at(self, now: datetime) -> "ConnectionQuerySet":
        """Keep the connections that may send now: not paused, not throttled, breaker closed or due for a probe."""
        return self.exclude(state=Connection.State.PAUSED).filter(
            Q(not_before__isnull=True) | Q(not_before__lte=now)
        )

    def of_account(self, account: str) -> "ConnectionQuerySet":
        """Keep the connection that the mirror names like this: `calendly:7`."""
        _, _, number = account.partition(":")
        return self.filter(pk=int(number) if number.isdigit() else 0)


class Connection(models.Model):
    """A configured account at a provider: a source, or what a connector carries to.

    `settings` holds what may be shown; secrets live encrypted in `sealed_secrets` and are read by `secrets`.
    """

    class State(models.TextChoices):
        """Whether deliveries flow."""

        HEALTHY = "healthy", "healthy"
        DEGRADED = "degraded", "degraded"
        PAUSED = "paused", "paused"

    provider = models.CharField(max_length=32, help_text="Which system it is an account of.")
    name = models.CharField(max_length=100, unique=True)
    settings = models.JSONField(default=dict, blank=True)
    sealed_secrets = models.TextField(blank=True, editable=False)
    profile = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="Who we are over there, as the provider said when it was last asked.",
    )
    requirements = models.JSONField(
        default=dict, blank=True, editable=False,
        help_text='What our settings need over there, as last looked at: {"at": "...", "items": [{"name": str, "ok": bool, '
        '"detail": str, "hint": str}]}.',
    )  # fmt: skip
    last_check = models.JSONField(
        default=dict, blank=True, editable=False,
        help_text='What the last test of the connection found, until it is changed: {"at": "...", "ok": bool, "said": str}.',
    )  # fmt: skip
    token_expires_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the OAuth access token ends; empty for other secrets.",
    )
    sealed_session = models.TextField(
        blank=True, editable=False,
        help_text="What the provider gave at the last log-in, sealed; any process may use it until it is refused.",
    )  # fmt: skip
    renewing_until = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="Until when one process alone may use the single-use refresh token.",
    )  # fmt: skip
    subscribing_until = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="Until when one process alone may make and delete webhook subscriptions.",
    )  # fmt: skip
    state = models.CharField(max_length=16, choices=State, default=State.HEALTHY)
    state_reason = models.TextField(blank=True, help_text="Why it is not healthy.")
    state_hint = models.TextField(blank=True, help_text="What a person can do about it.")
    state_changed_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.CharField(
        max_length=150, blank=True, editable=False,
        help_text="The person who paused it; empty where an error did.",
    )  # fmt: skip
    not_before = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Nothing is sent before: throttled, or the breaker is open.",
    )
    consecutive_failures = models.PositiveIntegerField(default=0)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    usage = models.JSONField(
        default=dict, blank=True, editable=False,
        help_text='The provider\'s request allowance as it last told: {"used": int, "limit": int, "at": "..."}.',
    )  # fmt: skip
    parallelism = models.PositiveSmallIntegerField(
        default=8, help_text="How many deliveries are sent at once, by all workers together."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["provider", "name"]
        permissions: ClassVar = [
            ("operate_connection", "Can test, pause, resume and compare connections")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["healthy", "degraded", "paused"]),
                name="connection_state_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def secrets(self) -> dict[str, str]:
        """Return the decrypted secrets.

        Raises:
            ConfigurationError: no configured key opens them.
        """
        return vault.unseal(self.sealed_secrets)

    def set_secrets(self, secrets: Mapping[str, str]) -> None:
        """Seal the secrets into the row, without saving it."""
        self.sealed_secrets = vault.seal(secrets)

    def open_account(self) -> Account:
        """Return the connection as values, its secrets decrypted.

        Raises:
            ConfigurationError: no configured key opens them.
        """
        return Account(
            connection_id=self.pk,
            name=self.name,
            settings=self.settings,
            profile=self.profile,
            secrets=self.secrets,
            is_stored=True,
        )

    def mapped_fields(self) -> tuple[MappedField, ...]:
        """Return what staff mapped, as values."""
        return tuple(
            MappedField(
                object_type=row.object_type, field=row.field, source=row.source,
                argument=row.argument, write_mode=row.write_mode,
            )
            for row in self.field_mappings.all()
        )  # fmt: skip

    @property
    def account(self) -> str:
        """Return how the mirror names this account: `calendly:7`."""
        return f"{self.provider}:{self.pk}"


class RemoteRecord(models.Model):
    """Something of a chain that exists at a connection: a Salesforce Event, a Slack message."""

    #: What of `data` is a person's: the values we keep true over there, and those that were found instead.
    HELD: ClassVar = ("kept", "found")

    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="remote_records"
    )
    chain = models.ForeignKey(
        "bookings.Invitee", on_delete=models.CASCADE, related_name="remote_records"
    )
    object_type = models.CharField(
        max_length=64, help_text="Event, Lead, Contact, message, reply, ..."
    )
    key = models.CharField(
        max_length=128,
        blank=True,
        help_text="Tells apart several of a type: the Slack channel, say.",
    )
    remote_id = models.CharField(max_length=255)
    url = models.CharField(max_length=1024, blank=True)
    content_hash = models.CharField(
        max_length=64, blank=True, help_text="Of what was last written."
    )
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "chain", "object_type", "key"],
                name="remoterecord_once_per_chain",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["connection", "remote_id"], name="remoterecord_remote_id"),
        ]

    def __str__(self) -> str:
        return f"{self.object_type} {self.remote_id}"

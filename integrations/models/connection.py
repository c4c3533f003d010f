"""A configured account at a provider, its health, and what we know exists over there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from integrations import vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Hold what a source or connector needs of its connection; secrets never appear in its `repr`."""

    connection_id: int
    name: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class ConnectionQuerySet(models.QuerySet["Connection"]):
    """Filters over connections."""

    def open_at(self, now: datetime) -> "ConnectionQuerySet":
        """Keep the connections that may send now: not paused, not throttled, breaker closed or due for a probe."""
        return self.exclude(state=Connection.State.PAUSED).filter(
            Q(not_before__isnull=True) | Q(not_before__lte=now)
        )


class Connection(models.Model):
    """A configured account at a provider (Calendly, Salesforce, Slack, ...).

    `settings` holds what may be shown; secrets live encrypted in `sealed_secrets` and are read by `secrets`.
    """

    class State(models.TextChoices):
        """Whether deliveries flow."""

        HEALTHY = "healthy", "healthy"
        DEGRADED = "degraded", "degraded"
        PAUSED = "paused", "paused"

    provider = models.CharField(max_length=32, help_text="calendly, salesforce, slack, ...")
    name = models.CharField(max_length=100, unique=True)
    settings = models.JSONField(default=dict, blank=True)
    sealed_secrets = models.TextField(blank=True, editable=False)
    state = models.CharField(max_length=16, choices=State, default=State.HEALTHY)
    state_reason = models.TextField(blank=True, help_text="Why it is not healthy.")
    state_hint = models.TextField(blank=True, help_text="What a person can do about it.")
    state_changed_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Nothing is sent before: throttled, or the breaker is open.",
    )
    consecutive_failures = models.PositiveIntegerField(default=0)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    parallelism = models.PositiveSmallIntegerField(
        default=8, help_text="How many deliveries are sent at once, by all workers together."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["provider", "name"]
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
            connection_id=self.pk, name=self.name, settings=self.settings, secrets=self.secrets
        )

    @property
    def account(self) -> str:
        """Return how the mirror names this account: `calendly:7`."""
        return f"{self.provider}:{self.pk}"


class RemoteRecord(models.Model):
    """Something of a chain that exists at a connection: a Salesforce Event, a Slack message."""

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

    def __str__(self) -> str:
        return f"{self.object_type} {self.remote_id}"

"""What came in: subscriptions, the bytes they delivered, and a tally of what was refused."""

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations import vault
from integrations.models.connection import Connection


class WebhookSubscriptionQuerySet(models.QuerySet["WebhookSubscription"]):
    """Filters over subscriptions."""

    def taken_at(self, now: datetime) -> "WebhookSubscriptionQuerySet":
        """Keep those whose deliveries are taken: a retired one's for as long as a provider tries, no longer."""
        late = timedelta(seconds=settings.WEBHOOK_TOLERANCE_SECONDS)
        return self.filter(Q(retired_at=None) | Q(retired_at__gt=now - late))

    def in_trouble(self) -> "WebhookSubscriptionQuerySet":
        """Keep those in use through which not everything arrives, or may not for long."""
        well = {"state": WebhookSubscription.State.ACTIVE, "retry_started_at": None, "problem": ""}
        return self.filter(retired_at=None).exclude(**well)

    def with_last_received(self) -> models.QuerySet[Any]:
        """Add when the newest webhook was last seen to come through each, as `last_received_at`."""
        # Not by id: PostgreSQL would go through the whole table for one through which nothing ever came.
        through = InboundWebhook.objects.filter(subscription=models.OuterRef("pk"))
        newest = through.order_by("-received_at")
        return self.annotate(last_received_at=models.Subquery(newest.values("last_seen_at")[:1]))


class WebhookSubscription(models.Model):
    """A URL of our own that one connection's provider delivers to, with the keys that sign the deliveries."""

    class State(models.TextChoices):
        """The provider's own state of the subscription."""

        ACTIVE = "active", "active"
        DISABLED = "disabled", "disabled"
        MISSING = "missing", "not there"

    class Purpose(models.TextChoices):
        """Why it exists: events with different scopes need subscriptions of their own."""

        MEETINGS = "meetings", "bookings, cancels and no-shows"
        EVENT_TYPES = "event_types", "event types"
        ROUTING_FORMS = "routing_forms", "routing form submissions"

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="subscriptions"
    )
    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    uri = models.CharField(
        max_length=512, blank=True, help_text="The provider's name of the subscription."
    )
    callback_url = models.CharField(
        max_length=1024, blank=True, editable=False,
        help_text="The URL that was subscribed. Another one than today's: the public URL changed, or this is a copy.",
    )  # fmt: skip
    purpose = models.CharField(max_length=16, choices=Purpose, default=Purpose.MEETINGS)
    scope = models.CharField(max_length=32, blank=True, help_text="organization, user or group.")
    target = models.CharField(
        max_length=512, blank=True, help_text="The URI of the organization, user or group."
    )
    events = models.JSONField(default=list, blank=True)
    managed = models.BooleanField(
        default=False,
        help_text="Made by Calsync, which watches and replaces it; one entered by hand is left alone.",
    )
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    sealed_keys = models.TextField(
        blank=True,
        editable=False,
        help_text="Encrypted signing keys: current, and previous while rotating.",
    )
    retry_started_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when the provider has failed to deliver to us."
    )
    checked_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider was last asked about it."
    )
    well_at = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="When the provider was last seen to have delivered everything: a gap begins no earlier.",
    )  # fmt: skip
    problem = models.TextField(blank=True, help_text="What is wrong with it, and what to do.")
    retired_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When another took its place; what was under way is taken for a day.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WebhookSubscriptionQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.connection} {self.token}"

    @property
    def signing_keys(self) -> dict[str, str]:
        """Return the keys by name, `current` first, then `previous` while a rotation lasts."""
        return vault.unseal(self.sealed_keys)

    @property
    def is_outgoing(self) -> bool:
        """Tell whether another has taken its place, and it stays only until what is under way has arrived."""
        if not self.managed or self.retired_at or self.state != self.State.ACTIVE:
            return False
        later = WebhookSubscription.objects.filter(
            connection_id=self.connection_id, purpose=self.purpose, managed=True, retired_at=None,
            state=self.State.ACTIVE, pk__gt=self.pk,
        )  # fmt: skip
        return later.exclude(uri="").exists()

    def set_signing_keys(self, *, current: str, previous: str = "") -> None:
        """Seal the keys into the row, without saving it; an empty `previous` ends a rotation."""
        keys = {"current": current, "previous": previous}
        self.sealed_keys = vault.seal({name: key for name, key in keys.items() if key})


class SignatureTally(models.Model):
    """How often a subscription's deliveries were refused, by reason, or taken although late; no body is kept."""

    class Outcome(models.TextChoices):
        """What the signature check found."""

        MISSING = "missing", "no signature header"
        MALFORMED = "malformed", "signature header not understood"
        WRONG = "wrong", "wrong signature"
        TOO_OLD = "too_old", "signature older than the retry window"
        LATE = "late", "taken, but older than three minutes"

    subscription = models.ForeignKey(
        WebhookSubscription, on_delete=models.CASCADE, related_name="tallies"
    )
    outcome = models.CharField(max_length=16, choices=Outcome)
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subscription", "outcome"], name="signaturetally_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}: {self.count}"


class InboundWebhook(models.Model):
    """One verified delivery, its bytes as they came, and what became of it."""

    class State(models.TextChoices):
        """received -> processed | duplicate | ignored | failed; an operator's replay makes it received again."""

        RECEIVED = "received", "received"
        PROCESSED = "processed", "processed"
        DUPLICATE = "duplicate", "duplicate"
        IGNORED = "ignored", "ignored"
        FAILED = "failed", "failed"

    subscription = models.ForeignKey(
        WebhookSubscription,
        on_delete=models.PROTECT,
        related_name="inbound_webhooks",
        db_index=False,
    )
    body = models.BinaryField()
    body_sha256 = models.CharField(max_length=64)
    headers = models.JSONField(default=dict)
    verified_by = models.CharField(
        max_length=16, help_text="Which signing key fitted: current or previous."
    )
    signed_at = models.DateTimeField(help_text="The signature's own timestamp.")
    received_at = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)
    last_seen_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVED)
    kind = models.CharField(
        max_length=64, blank=True, help_text="The envelope's event, such as invitee.created."
    )
    delivery_key = models.CharField(
        max_length=64,
        blank=True,
        help_text="Hash of event, invitee URI and no-show URI; kept for ever.",
    )
    booking = models.ForeignKey(
        "bookings.Booking",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="inbound_webhooks",
    )
    outcome = models.TextField(blank=True, help_text="What it became, or why it became nothing.")
    error = models.TextField(blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="inbound_waiting", condition=Q(state="received")),
            models.Index(fields=["state", "-id"], name="inbound_by_state"),
            models.Index(fields=["delivery_key"], name="inbound_by_delivery_key"),
            models.Index(fields=["booking", "id"], name="inbound_by_booking"),
            models.Index(fields=["subscription", "-received_at"], name="inbound_by_subscription"),
            models.Index(fields=["kind", "-id"], name="inbound_by_kind"),
            models.Index(fields=["received_at", "id"], name="inbound_by_received"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subscription", "body_sha256"], name="inbound_once_per_body"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind or 'webhook'} #{self.pk}"

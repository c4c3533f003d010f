"""What is to go out: the deliveries that rules plan, and every attempt at one."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from bookings.models import BookingEvent
from integrations.causes import LONGEST_CAUSE
from integrations.models.connection import Connection
from integrations.models.rule import Rule

#: Characters of the reason for which a failure is ignored.
LONGEST_REASON = 300


class Delivery(models.Model):
    """One event to be carried out at one connection for one rule.

    Only the oldest unsettled delivery of a chain and connection is due, but for those that are held: they hold back their
    own rule alone. One at a time is being sent, of a chain and of a person.
    """

    class State(models.TextChoices):
        """waiting -> sending (lease) -> delivered | skipped | waiting (not_before) | failed (class)."""

        WAITING = "waiting", "waiting"
        SENDING = "sending", "sending"
        DELIVERED = "delivered", "delivered"
        SKIPPED = "skipped", "skipped"
        FAILED = "failed", "failed"

    class FailureClass(models.TextChoices):
        """What a failed delivery needs."""

        CONFIGURATION = "configuration", "configuration: mend the rule or the connection"
        PERMANENT = "permanent", "permanent: the provider will never take it"
        EXHAUSTED = "exhausted", "exhausted: every retry failed"
        CRASHED = "crashed", "crashed: a fault of ours"
        REVIEW = "review", "review: a person chooses the record"

    UNSETTLED: ClassVar = (State.WAITING, State.SENDING)

    event = models.ForeignKey(BookingEvent, on_delete=models.CASCADE, related_name="deliveries")
    rule = models.ForeignKey(
        Rule, null=True, on_delete=models.SET_NULL, related_name="deliveries", db_index=False
    )
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    chain = models.ForeignKey(
        "bookings.Invitee", on_delete=models.CASCADE, related_name="deliveries"
    )
    serial_key = models.CharField(
        max_length=64,
        help_text="Of the person: two meetings of one new person at once would make the person twice.",
    )
    action = models.CharField(max_length=64)
    options = models.JSONField(default=dict, blank=True)
    can_wait = models.BooleanField(
        default=False,
        help_text="Nobody waits for it (a backfill found it): it goes last, in batches, and is held when the provider's allowance is short.",
    )
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    failure_class = models.CharField(max_length=16, choices=FailureClass, blank=True)
    not_before = models.DateTimeField()
    held_until = models.DateTimeField(
        null=True, blank=True,
        help_text="Until when it waits on purpose before it is first sent: for further changes, or for another rule.",
    )  # fmt: skip
    waits_for = models.ForeignKey(
        Rule, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False,
        help_text="The rule whose delivery of the same event goes first; empty once it has ended.",
    )  # fmt: skip
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    attempt_count = models.PositiveIntegerField(default=0, help_text="Every attempt made.")
    retry_count = models.PositiveIntegerField(
        default=0, help_text="How far along the retry schedule it is."
    )
    result = models.TextField(blank=True, help_text="What was done, or why nothing was.")
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    cause = models.CharField(
        max_length=LONGEST_CAUSE, blank=True, editable=False,
        help_text="What the failure has in common with others: the error without what tells one meeting from another.",
    )  # fmt: skip
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(
        null=True, blank=True, help_text="When a person said that they have seen the failure."
    )
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledged_reason = models.CharField(
        max_length=LONGEST_REASON, blank=True, help_text="Why nothing is done about the failure."
    )

    class Meta:
        verbose_name_plural = "deliveries"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["connection", "can_wait", "not_before", "id"],
                name="delivery_due",
                condition=Q(state="waiting"),
            ),
            models.Index(
                fields=["chain", "connection", "id"],
                name="delivery_unsettled",
                condition=Q(state__in=["waiting", "sending"]),
            ),
            models.Index(
                fields=["lease_expires_at"], name="delivery_leased", condition=Q(state="sending")
            ),
            models.Index(
                fields=["chain", "rule"],
                name="delivery_held",
                condition=Q(state="waiting", held_until__isnull=False),
            ),
            models.Index(fields=["state", "-id"], name="delivery_by_state"),
            models.Index(fields=["chain", "id"], name="delivery_by_chain"),
            models.Index(fields=["connection", "serial_key"], name="delivery_by_person"),
            models.Index(fields=["settled_at", "state"], name="delivery_by_settled"),
            models.Index(
                "connection",
                Coalesce("held_until", "created_at"),
                name="delivery_behind",
                condition=Q(state__in=["waiting", "sending"]),
            ),
            models.Index(fields=["connection", "-id"], name="delivery_by_connection"),
            models.Index(fields=["rule", "-id"], name="delivery_by_rule"),
            models.Index(fields=["created_at", "id"], name="delivery_by_created"),
            models.Index(
                fields=["connection", "failure_class", "cause", "id", "settled_at"],
                name="delivery_by_cause",
                condition=Q(state="failed", acknowledged_at__isnull=True),
            ),
            models.Index(
                fields=["connection", "failure_class", "cause", "id", "settled_at"],
                name="delivery_ignored_by_cause",
                condition=Q(state="failed", acknowledged_at__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["event", "rule"], name="delivery_once_per_event_and_rule"
            ),
            models.UniqueConstraint(
                fields=["chain", "connection"],
                condition=Q(state="sending"),
                name="delivery_one_in_flight_per_chain",
            ),
            models.UniqueConstraint(
                fields=["connection", "serial_key"],
                condition=Q(state="sending"),
                name="delivery_one_in_flight_per_person",
            ),
            models.CheckConstraint(
                condition=Q(state="sending", lease_expires_at__isnull=False)
                | (~Q(state="sending") & Q(lease_expires_at__isnull=True)),
                name="delivery_lease_while_sending",
            ),
            models.CheckConstraint(
                condition=Q(state="failed") ^ Q(failure_class=""), name="delivery_failed_has_class"
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at=None) | Q(state="failed"),
                name="delivery_acknowledged_is_failed",
            ),
        ]

    def __str__(self) -> str:
        return f"delivery #{self.pk}"


class DeliveryAttempt(models.Model):
    """One try at a delivery: written before anything is sent, completed by what came back; append-only."""

    class Outcome(models.TextChoices):
        """How the try ended."""

        SENDING = "sending", "being sent"
        DELIVERED = "delivered", "delivered"
        SKIPPED = "skipped", "nothing to do"
        TEMPORARY = "temporary", "temporary failure"
        FAILED = "failed", "failed"
        PAUSED = "paused", "paused"
        LOST = "lost", "worker lost"

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.SENDING)
    ambiguous = models.BooleanField(
        default=False, help_text="Something may have been written although no answer came."
    )
    steps = models.JSONField(
        default=list, help_text='What was decided: [{"name": str, "detail": str}].'
    )
    exchanges = models.JSONField(
        default=list,
        help_text="Requests and responses, secrets removed; see integrations.http.Recorder.",
    )
    changes = models.JSONField(
        default=dict,
        help_text='Fields before and after: {"Event 00U...": {"Subject": [before, after]}}.',
    )
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "number"], name="attempt_number_once"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of delivery #{self.delivery_id}"

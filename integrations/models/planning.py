"""What rules left alone, and what the clock brought."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from bookings.models import BookingEvent
from integrations.models.rule import Rule


class EventPlan(models.Model):
    """Say which rules that ask for an event's kind did not act on it, and why; written once, with its deliveries."""

    event = models.OneToOneField(
        BookingEvent, primary_key=True, on_delete=models.CASCADE, related_name="plan"
    )
    withheld = models.JSONField(
        default=list,
        help_text='[{"rule": int, "name": str, "reason": str, "silent": bool}], in the order of the rules; no "silent" is false.',
    )

    def __str__(self) -> str:
        return f"plan of event #{self.event_id}"


class ClockEntry(models.Model):
    """A moment that came for one rule and one meeting, and what was done about it; a moved meeting has another moment."""

    class State(models.TextChoices):
        """Whether the rule acted."""

        FIRED = "fired", "fired"
        SKIPPED = "skipped", "skipped"

    #: Emptied rather than deleted with the rule: the admin's page would list and load every one of them.
    rule = models.ForeignKey(
        Rule, null=True, on_delete=models.SET_NULL, related_name="clock_entries"
    )
    chain = models.ForeignKey(
        "bookings.Invitee", on_delete=models.CASCADE, related_name="clock_entries"
    )
    kind = models.CharField(max_length=16, help_text="starting or ended.")
    anchor_at = models.DateTimeField(help_text="The start or end that it was counted from.")
    due_at = models.DateTimeField(help_text="The moment itself.")
    state = models.CharField(max_length=16, choices=State)
    reason = models.TextField(blank=True, help_text="Why the rule did not act, or acted otherwise.")
    event = models.OneToOneField(
        BookingEvent, null=True, on_delete=models.CASCADE, related_name="clock_entry"
    )
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "clock entries"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["rule", "-id"], name="clockentry_with_reason", condition=~Q(reason="")
            )
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule", "chain", "kind", "anchor_at"], name="clockentry_once"
            ),
            models.CheckConstraint(
                condition=Q(state="fired", event__isnull=False)
                | Q(state="skipped", event__isnull=True) & ~Q(reason=""),
                name="clockentry_skipped_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.chain_id} for {self.rule or 'a deleted rule'}"

"""What a rule would have done about past bookings, as a simulation found it."""

from typing import ClassVar

from django.db import models

from bookings.models import BookingEvent
from integrations.models.bulk import BulkOperation


class SimulationResult(models.Model):
    """Say what a rule would do about one booking; nothing of it was written anywhere else."""

    class Verdict(models.TextChoices):
        """What would happen, the most first; `ACT` where nobody was asked."""

        CREATE = "create", "would be made or sent"
        UPDATE = "update", "would be changed"
        EQUAL = "equal", "equal already"
        SKIP = "skip", "would be skipped"
        FAIL = "fail", "would fail"
        ACT = "act", "rule would act"
        LEFT = "left", "rule would not act"
        NOTHING = "nothing", "nothing happened that it asks for"

    #: Of which the rule decided, without the connection: their reasons name nobody.
    DECIDED: ClassVar = (Verdict.ACT, Verdict.LEFT, Verdict.NOTHING)

    operation = models.ForeignKey(BulkOperation, on_delete=models.CASCADE, related_name="results")
    chain = models.ForeignKey("bookings.Invitee", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(
        max_length=32, choices=BookingEvent.Kind, blank=True, help_text="What happened to it."
    )
    happened_at = models.DateTimeField(null=True, help_text="When, or the moment of the clock.")
    verdict = models.CharField(max_length=16, choices=Verdict)
    reason = models.TextField(blank=True, help_text="Why, or what would be done.")
    hint = models.TextField(blank=True)
    changes = models.JSONField(
        default=dict,
        help_text='Fields before and after: {"Event 00U...": {"Subject": [before, after]}}.',
    )
    is_backfilled = models.BooleanField(
        default=False, help_text="Only a backfill told of it; it is judged as if a webhook had."
    )

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["operation", "verdict", "id"], name="simulation_by_verdict")
        ]

    def __str__(self) -> str:
        return f"result #{self.pk} of simulation #{self.operation_id}"

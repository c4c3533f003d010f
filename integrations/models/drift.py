"""What a read-back of our own writes found changed over there."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from integrations.models.connection import Connection
from integrations.models.delivery import Delivery


class DriftRun(models.Model):
    """One read-back of a connection, batch by batch; the row holds how to go on after a crash."""

    class State(models.TextChoices):
        """waiting -> running (lease) -> done | failed."""

        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="drift_runs")
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    requested_by = models.CharField(max_length=150, blank=True)
    checkpoint = models.BigIntegerField(default=0, help_text="The last record compared.")
    compared = models.PositiveIntegerField(default=0)
    differing = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0, help_text="Gone over there.")
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "drift report"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(state__in=["waiting", "running"]),
                name="drift_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"drift report #{self.pk}"


class DriftFinding(models.Model):
    """One record that is not as we wrote it; `fields` is `{"Subject": [ours, theirs]}`, empty where it is gone."""

    class State(models.TextChoices):
        """What a person, or the connection's settings, decided."""

        FOUND = "found", "found"
        REPAIR = "repair", "written again"
        ACCEPTED = "accepted", "accepted as it is over there"

    run = models.ForeignKey(DriftRun, on_delete=models.CASCADE, related_name="findings")
    chain = models.ForeignKey(
        "bookings.Invitee", on_delete=models.CASCADE, related_name="drift_findings"
    )
    object_type = models.CharField(max_length=64)
    key = models.CharField(max_length=128, blank=True)
    remote_id = models.CharField(max_length=255)
    url = models.CharField(max_length=1024, blank=True)
    gone = models.BooleanField(default=False)
    fields = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.FOUND)
    decided_by = models.CharField(max_length=150, blank=True)
    delivery = models.ForeignKey(
        Delivery, null=True, on_delete=models.SET_NULL, related_name="+",
        help_text="The delivery that writes it again.",
    )  # fmt: skip
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "difference"
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "object_type", "remote_id"], name="drift_once_per_record"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object_type} {self.remote_id}"

"""What is done to many rows at once: which, how far it came, and how to go on after a crash."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class BulkOperation(models.Model):
    """One thing done to many rows, a slice after the other; what a slice did and `cursor` commit together.

    Which rows, is settled when it starts: those that fit `choice` then, up to the id `upto`.
    """

    class State(models.TextChoices):
        """waiting -> running (lease) -> done | failed | stopping -> stopped; failed and stopped -> (resume) waiting."""

        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        STOPPING = "stopping", "stopping"
        STOPPED = "stopped", "stopped"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    UNFINISHED: ClassVar = (State.WAITING, State.RUNNING, State.STOPPING)
    #: Rows are counted no further than this before it starts.
    MOST_COUNTED: ClassVar = 100_000

    kind = models.CharField(max_length=32, help_text="What is done: a name in integrations.bulk.")
    choice = models.JSONField(
        default=dict, help_text="Which rows: the filter, as integrations.bulk.choosing reads it."
    )
    options = models.JSONField(
        default=dict, blank=True, help_text='What the kind needs besides: {"reason": str}.'
    )
    label = models.CharField(max_length=200, help_text="What it does, for people.")
    upto = models.BigIntegerField(help_text="The last id there was when it started.")
    total = models.PositiveIntegerField(
        default=0, help_text=f"Rows when it started; not counted past {MOST_COUNTED:,}."
    )
    done = models.PositiveIntegerField(default=0, help_text="Rows looked at.")
    changed = models.PositiveIntegerField(default=0, help_text="Rows it did something to.")
    errors = models.PositiveIntegerField(default=0, help_text="Rows it could not be done to.")
    cursor = models.BigIntegerField(default=0, help_text="The last id that was looked at.")
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    error = models.TextField(blank=True)
    requested_by = models.CharField(max_length=150)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["id"],
                name="bulk_unfinished",
                condition=Q(state__in=["waiting", "running", "stopping"]),
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_live(self) -> bool:
        """Tell whether it goes on."""
        return self.state in self.UNFINISHED

    @property
    def is_counted(self) -> bool:
        """Tell whether `total` is all there is, rather than where the counting ended."""
        return self.total < self.MOST_COUNTED

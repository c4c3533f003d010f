"""Backfills: which window of a source is read again, how far it came, and what it found."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from bookings.models import BookingEvent, EventType, Host
from integrations.models.connection import Connection


class BackfillRun(models.Model):
    """One reading of a connection's objects, page by page; the row holds how to go on after a crash.

    Whoever works on it holds a lease; `lease_token` tells its holder from one that lost it.
    """

    class State(models.TextChoices):
        """waiting -> running (lease) -> done | partial | failed | stopped -> (resume) waiting."""

        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        PARTIAL = "partial", "partial: some objects could not be read"
        STOPPED = "stopped", "stopped"
        FAILED = "failed", "failed"

    class Trigger(models.TextChoices):
        """Who asked for it."""

        OPERATOR = "operator", "a person, in the admin"
        COMMAND = "command", "a person, by command"
        NIGHTLY = "nightly", "the nightly run"
        GAP = "gap", "the watchdog, after a gap"

    class Invitees(models.TextChoices):
        """Which bookings' invitees are read: editing an answer or marking a no-show moves nothing else."""

        CHANGED = "changed", "of bookings that differ"
        PAST = "past", "of past bookings too, for no-shows"
        ALL = "all", "of every booking, for edited answers"

    UNFINISHED: ClassVar = (State.WAITING, State.RUNNING)

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="backfill_runs"
    )
    trigger = models.CharField(max_length=16, choices=Trigger)
    requested_by = models.CharField(max_length=150, blank=True)
    window_from = models.DateTimeField(help_text="Bookings that start from then on (UTC).")
    window_to = models.DateTimeField(help_text="Bookings that start before then (UTC).")
    host = models.ForeignKey(
        Host, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    event_type = models.ForeignKey(
        EventType, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    dry_run = models.BooleanField(
        default=False, help_text="Only say what would change; the mirror stays as it is."
    )
    invitees = models.CharField(
        max_length=16, choices=Invitees, default=Invitees.CHANGED,
        help_text="Whose invitees are read; each booking costs a request.",
    )  # fmt: skip
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    phase = models.CharField(max_length=32, blank=True, help_text="What is being read.")
    checkpoint = models.JSONField(
        default=dict, blank=True, help_text="Where the phase goes on: the source's own cursor."
    )
    pages = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    directory = models.PositiveIntegerField(
        default=0, help_text="Users, groups, event types and forms read."
    )
    bookings = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0, help_text="Bookings that differed.")
    vanished = models.PositiveIntegerField(default=0)
    missed = models.PositiveIntegerField(
        default=0, help_text="Facts that a webhook should have told of and did not."
    )
    errors = models.PositiveIntegerField(default=0, help_text="Objects skipped.")
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(
        null=True, blank=True, help_text="Waits until then for the request budget or the provider."
    )
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Failures in a row of the page that is being read."
    )
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "backfill"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["connection", "id"],
                name="backfill_unfinished",
                condition=Q(state__in=["waiting", "running"]),
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection"], condition=Q(state="running"), name="backfill_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(window_from__lt=models.F("window_to")), name="backfill_window_forward"
            ),
        ]

    def __str__(self) -> str:
        return f"backfill #{self.pk}"


class BackfillFinding(models.Model):
    """One fact that a backfill found and the mirror did not hold; a dry run writes these alone."""

    class Verdict(models.TextChoices):
        """Why no webhook had told of it."""

        MISSED = "missed", "missed: a webhook should have told of it"
        UNANNOUNCED = "unannounced", "the provider sends no webhook for it"
        HISTORY = "history", "older than the subscription"
        FRESH = "fresh", "its webhook may be on its way"

    run = models.ForeignKey(BackfillRun, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=32, help_text="A kind of booking event, or `vanished`.")
    verdict = models.CharField(max_length=16, choices=Verdict)
    booking_uri = models.CharField(max_length=512)
    event = models.ForeignKey(BookingEvent, null=True, on_delete=models.SET_NULL, related_name="+")
    occurred_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["run", "verdict"], name="finding_by_verdict")]

    def __str__(self) -> str:
        return f"{self.kind}, {self.verdict}"


class BackfillProblem(models.Model):
    """One object that a backfill could not read and skipped."""

    run = models.ForeignKey(BackfillRun, on_delete=models.CASCADE, related_name="problems")
    uri = models.CharField(max_length=512, blank=True)
    error = models.TextField()
    hint = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.uri}: {self.error}"

"""Where a connector could not tell who an invitee is over there, and what a person answered."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from integrations.models.connection import Connection


class MatchReview(models.Model):
    """One question to a person, for one invitee at one connection; the answer holds for all their meetings.

    The person is named by `serial_key`, as in `Delivery`. The newest answered review is what is remembered.
    """

    class State(models.TextChoices):
        """open -> answered | withdrawn (nothing asks any more)."""

        OPEN = "open", "open"
        ANSWERED = "answered", "answered"
        WITHDRAWN = "withdrawn", "withdrawn"

    class Verdict(models.TextChoices):
        """What was answered."""

        USE = "use", "use this record"
        CREATE = "create", "create a new record"
        NOBODY = "nobody", "write the meeting without a person"

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="match_reviews"
    )
    chain = models.ForeignKey(
        "bookings.Invitee", on_delete=models.CASCADE, related_name="match_reviews"
    )
    serial_key = models.CharField(max_length=64, help_text="Of the person; see Delivery.")
    question = models.TextField(help_text="Why it could not be decided.")
    candidates = models.JSONField(
        default=list,
        help_text='[{"object_type": str, "remote_id": str, "label": str, "detail": str, "url": str}]',
    )
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    verdict = models.CharField(max_length=16, choices=Verdict, blank=True)
    object_type = models.CharField(max_length=64, blank=True)
    remote_id = models.CharField(max_length=255, blank=True)
    url = models.CharField(max_length=1024, blank=True)
    decided_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["state", "-id"], name="review_by_state"),
            models.Index(fields=["connection", "serial_key"], name="review_by_person"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "serial_key"],
                condition=Q(state="open"),
                name="review_open_once_per_person",
            ),
            models.CheckConstraint(
                condition=Q(state="answered") ^ Q(verdict=""), name="review_answered_has_verdict"
            ),
            models.CheckConstraint(
                condition=~Q(verdict="use") | ~Q(remote_id=""), name="review_use_names_a_record"
            ),
        ]

    def __str__(self) -> str:
        return f"match review #{self.pk}"

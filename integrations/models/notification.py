"""What is told to staff and belongs to no single meeting: where to, and every message."""

from datetime import time
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from bookings.models import EventType, Group, Host
from integrations.models.connection import Connection
from integrations.models.delivery import Delivery


class NotificationChannel(models.Model):
    """A place where staff are told: an agenda and a report each day, and what needs a person when it happens."""

    name = models.CharField(max_length=100, unique=True)
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="notification_channels",
        help_text="Through which it is told.",
    )  # fmt: skip
    enabled = models.BooleanField(default=True, help_text="Off: nothing is told here.")
    options = models.JSONField(default=dict, blank=True, help_text="Where and how over there.")
    sends_agenda = models.BooleanField(
        "daily agenda", default=True, help_text="Today's meetings, once a day."
    )
    sends_health = models.BooleanField(
        "daily report", default=False,
        help_text="How the connections are, what was delivered and what failed, once a day.",
    )  # fmt: skip
    sends_alerts = models.BooleanField(
        "alerts", default=False, help_text="What needs a person, when it happens, and when it is over."
    )  # fmt: skip
    at = models.TimeField(default=time(7, 30), help_text="When the day's messages go, by the clock of the time zone.")  # fmt: skip
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="Whose day it is, such as Europe/Berlin."
    )
    weekdays_only = models.BooleanField(default=False, help_text="No daily message on Saturdays and Sundays.")  # fmt: skip
    tells_nothing = models.BooleanField(
        "say when nothing is booked", default=False,
        help_text="Off: a day without meetings has no agenda.",
    )  # fmt: skip
    host = models.ForeignKey(
        Host, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="Only this host's meetings stand in the agenda.",
    )  # fmt: skip
    group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name="team",
        help_text="Only the meetings of this Calendly group's members.",
    )  # fmt: skip
    event_type = models.ForeignKey(
        EventType, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="Only meetings of this type.",
    )  # fmt: skip
    told_from = models.DateTimeField(
        default=timezone.now, editable=False,
        help_text="When it was made or last switched on: what happened before is not told.",
    )  # fmt: skip
    looked_at = models.DateTimeField(
        default=timezone.now, editable=False,
        help_text="When it was last looked for something to tell.",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Notification(models.Model):
    """One message to one channel; `key` names it for ever, so that it is told once."""

    class Kind(models.TextChoices):
        """What is told."""

        AGENDA = "agenda", "agenda"
        HEALTH = "health", "daily report"
        ALERT = "alert", "alert"
        RECOVERY = "recovery", "recovery"
        TEST = "test", "test"

    class State(models.TextChoices):
        """waiting -> sending (lease) -> sent | skipped | waiting (not_before) | failed (class)."""

        WAITING = "waiting", "waiting"
        SENDING = "sending", "sending"
        SENT = "sent", "sent"
        SKIPPED = "skipped", "skipped"
        FAILED = "failed", "failed"

    channel = models.ForeignKey(
        NotificationChannel, on_delete=models.CASCADE, related_name="notifications"
    )
    about = models.ForeignKey(
        Connection, null=True, blank=True, on_delete=models.CASCADE, related_name="+",
        help_text="The connection that it is about, if it is about one.",
    )  # fmt: skip
    kind = models.CharField(max_length=16, choices=Kind)
    key = models.CharField(max_length=200)
    content = models.JSONField(
        default=dict, blank=True,
        help_text="What the words are made from when it is sent: ids and times, nobody's name.",
    )  # fmt: skip
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    failure_class = models.CharField(max_length=16, choices=Delivery.FailureClass, blank=True)
    not_before = models.DateTimeField()
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Nobody wants to read it after that; empty: however late."
    )
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    attempt_count = models.PositiveIntegerField(default=0, help_text="Every attempt made.")
    retry_count = models.PositiveIntegerField(
        default=0, help_text="How far along the retry schedule it is."
    )
    ambiguous = models.BooleanField(
        default=False,
        help_text="It may have been told without an answer: the next try looks before it tells.",
    )
    remote_id = models.CharField(max_length=255, blank=True)
    url = models.CharField(max_length=1024, blank=True)
    result = models.TextField(blank=True, help_text="What was done, or why nothing was.")
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    steps = models.JSONField(default=list, blank=True)
    exchanges = models.JSONField(
        default=list, blank=True, help_text="What was said at the last try, without secrets."
    )
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["not_before", "id"], name="notification_due", condition=Q(state="waiting")),
            models.Index(fields=["lease_expires_at"], name="notification_leased", condition=Q(state="sending")),
            models.Index(fields=["state", "-id"], name="notification_by_state"),
            models.Index(fields=["about", "channel", "id"], name="notification_by_subject"),
        ]  # fmt: skip
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "key"], name="notification_once_per_key"),
            models.CheckConstraint(
                condition=Q(state="sending", lease_expires_at__isnull=False)
                | (~Q(state="sending") & Q(lease_expires_at__isnull=True)),
                name="notification_lease_while_sending",
            ),
            models.CheckConstraint(
                condition=Q(state="failed") ^ Q(failure_class=""), name="notification_failed_has_class"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"notification #{self.pk}"

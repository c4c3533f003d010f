"""Which events go where, how and when: what staff decide."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from integrations.models.connection import Connection

#: The longest that a rule may hold what it planned, seconds.
LONGEST_HOLD = 3600
#: The usual patience with another rule, seconds.
WAITS_AT_MOST = 120
#: How many rules may wait for each other in a row.
MOST_WAITS = 10
#: The kinds of event that the clock brings, and the column of a booking that each is counted from.
ANCHORS = {"starting": "start_at", "ended": "end_at"}
#: The furthest that the clock looks ahead, and the longest after its moment that it still acts, minutes.
LONGEST_OFFSET = 60 * 24 * 30
LONGEST_GRACE = 60 * 24
#: What is said of a rule that lets no time pass: it would never act.
NO_GRACE = "A minute at least: the clock is never looked at in the very moment."


class Rule(models.Model):
    """Which kinds of event are carried to which connection, by which action, and under which conditions.

    A paused rule goes on planning; what it planned waits, and holds back no other rule. Kinds of the clock (`starting`,
    `ended`) come `offset_minutes` before the meeting's start or after its end.
    """

    class LatePolicy(models.TextChoices):
        """What to do about a meeting that was booked when the moment for it had passed already."""

        SEND = "send", "send at once"
        SKIP = "skip", "do nothing"
        OTHER = "other", "act by another rule instead"

    name = models.CharField(max_length=100, unique=True)
    enabled = models.BooleanField(default=True)
    kinds = models.JSONField(
        default=list, help_text='Kinds of event it acts on: ["booked", "canceled"].'
    )
    conditions = models.JSONField(
        default=dict,
        blank=True,
        help_text="What has to be true beside; empty for always. See `integrations.conditions`.",
    )
    stops = models.BooleanField(
        default=False,
        help_text="Rules further down do not act on an event that this one acts on.",
    )
    offset_minutes = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(LONGEST_OFFSET)],
        help_text="Minutes before the start, or after the end, for kinds of the clock.",
    )
    late_policy = models.CharField(max_length=8, choices=LatePolicy, default=LatePolicy.SEND)
    late_rule = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="late_for",
        help_text="The rule that acts instead, such as one that tells the host.",
    )  # fmt: skip
    grace_minutes = models.PositiveIntegerField(
        default=60,
        validators=[MaxValueValidator(LONGEST_GRACE)],
        help_text="Minutes after its moment that something of the clock is still sent; later it is left, and says so.",
    )
    clock_since = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="Moments before are none of the rule's business: it was not there, off, or said something else.",
    )  # fmt: skip
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="rules")
    action = models.CharField(
        max_length=64, help_text="One of the actions of the connection's connector."
    )
    options = models.JSONField(default=dict, blank=True, help_text="The action's own options.")
    position = models.PositiveIntegerField(default=0)
    acts_on_backfill = models.BooleanField(
        default=False,
        help_text="Act on what only a backfill told of, too. Otherwise a backfill fills the mirror and sends nothing.",
    )
    backfill_max_age_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Days since it happened, at most; empty for any age."
    )
    debounce_seconds = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(LONGEST_HOLD)],
        help_text="Wait so long after an event, and send one message for all that happens meanwhile.",
    )
    waits_for = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="waited_for_by",
        help_text="Send after this rule has ended with the same event, so that what it made can be linked.",
    )
    waits_at_most = models.PositiveIntegerField(
        default=WAITS_AT_MOST,
        validators=[MaxValueValidator(LONGEST_HOLD)],
        help_text="Seconds to wait for the other rule.",
    )
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    paused_reason = models.TextField(blank=True, editable=False)
    paused_hint = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        permissions: ClassVar = [("operate_rule", "Can resume paused rules")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(waits_for=models.F("id")), name="rule_waits_for_another"
            ),
            models.CheckConstraint(
                condition=Q(debounce_seconds__lte=LONGEST_HOLD, waits_at_most__lte=LONGEST_HOLD),
                name="rule_holds_an_hour_at_most",
            ),
            models.CheckConstraint(
                condition=Q(paused_at__isnull=False) | Q(paused_reason="", paused_hint=""),
                name="rule_reason_while_paused",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, unless the rule would wait for itself in the end.

        A rule that the clock is new to begins with now; a new one without a place goes last.

        Raises:
            ValidationError: it would, by way of the rules that are named.
        """
        self.check_waits()
        if self._state.adding and not self.position:
            last = Rule.objects.aggregate(last=models.Max("position"))["last"]
            self.position = (last or 0) + 1
        if self._begins_anew():
            self.clock_since = timezone.now()
            if (names := kwargs.get("update_fields")) is not None:
                kwargs["update_fields"] = {*names, "clock_since"}
        super().save(*args, **kwargs)

    @transaction.atomic
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete, locked before what it planned loses its rule: whoever looks at the clock takes them in this order, too."""
        Rule.objects.select_for_update(of=("self",), no_key=True).filter(pk=self.pk).first()
        return super().delete(*args, **kwargs)

    @property
    def clock_kinds(self) -> list[str]:
        """Return those of its kinds that the clock brings."""
        return [kind for kind in ANCHORS if kind in self.kinds]

    def _begins_anew(self) -> bool:
        """Tell whether the rule asks the clock for something that it did not ask for before, or was off."""
        if not (self.enabled and self.clock_kinds):
            return False
        before = Rule.objects.filter(pk=self.pk).first() if self.pk else None
        if before is None:
            return self.clock_since is None
        return (
            not before.enabled
            or before.clock_kinds != self.clock_kinds
            or before.offset_minutes != self.offset_minutes
        )

    def clean(self) -> None:
        """Say in a form, too, that rules cannot wait for each other in a circle."""
        self.check_waits()

    def check_waits(self) -> None:
        """Refuse a circle of rules that wait for each other.

        Raises:
            ValidationError: there is one; the message names the rules on it.
        """
        awaited, names = self.waits_for, [self.name]
        while awaited is not None and len(names) <= MOST_WAITS:
            names.append(awaited.name)
            if awaited.pk == self.pk:
                break
            awaited = awaited.waits_for
        else:
            if awaited is None:
                return
        told = " waits for ".join(f"\u201c{name}\u201d" for name in names)
        raise ValidationError(
            {
                "waits_for": f"Rules cannot wait for each other in a circle or without end: {told}. Choose another rule."
            }
        )

"""The mirror: what Calendly says is true, and the events that changes of it became.

Rows are written by `bookings.reconcile` alone. Columns exist for what is filtered, joined or shown; the rest
of the provider's object stays in `raw`. Provider spellings are kept.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from bookings.querysets import BookingQuerySet, InviteeQuerySet


class MirrorRow(models.Model):
    """Carry what every mirrored object has: its URI, its version at the source, and its raw JSON."""

    #: Columns that may hold personal data; blank for good once `erased_at` is set.
    PERSONAL: ClassVar[tuple[str, ...]] = ()

    uri = models.CharField(max_length=512, unique=True)
    source_updated_at = models.DateTimeField(
        null=True, help_text="The object's `updated_at` at the source; empty for a mere mention."
    )
    observed_at = models.DateTimeField(
        null=True,
        help_text="When the source told us: settles two versions with an equal `updated_at`.",
    )
    content_hash = models.CharField(max_length=64, blank=True)
    raw = models.JSONField(default=dict, blank=True)
    erased_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When its personal data was erased; nothing the source says fills it again.",
    )
    mirrored_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.uri

    def touch(self) -> None:
        """Move `mirrored_at` to now, which `bulk_update` does not do by itself."""
        self.mirrored_at = timezone.now()


class SourceObject(MirrorRow):
    """Carry what an object has that the source can be asked about by its URI alone."""

    account = models.CharField(
        max_length=64,
        blank=True,
        help_text="Which account of which source can be asked about it: `calendly:7`.",
    )
    vanished_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the source said that it does not exist (any more); the row is kept.",
    )

    class Meta:
        abstract = True


class Host(SourceObject):
    """A Calendly user who takes meetings."""

    PERSONAL: ClassVar = ("name", "email")

    name = models.CharField(max_length=255, blank=True)
    email = models.CharField(max_length=320, blank=True, db_index=True)
    timezone = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return self.name or self.email or self.uri


class OrganizationMembership(SourceObject):
    """A host's place in a Calendly organization; `vanished_at` once they were removed."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="memberships")
    organization_uri = models.CharField(max_length=512)
    role = models.CharField(max_length=32, blank=True, help_text="owner, admin or user.")

    def __str__(self) -> str:
        return f"{self.host}, {self.role}"


class Group(SourceObject):
    """A Calendly group: some of an organization's members, administered together."""

    name = models.CharField(max_length=255, blank=True)
    organization_uri = models.CharField(max_length=512, blank=True)
    members = models.ManyToManyField(
        OrganizationMembership, through="GroupRelationship", related_name="groups"
    )

    def __str__(self) -> str:
        return self.name or self.uri


class GroupRelationship(SourceObject):
    """A member's or an administrator's place in a group."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="relationships")
    membership = models.ForeignKey(
        OrganizationMembership, null=True, on_delete=models.CASCADE, related_name="relationships",
        help_text="Empty for who was invited and has not joined.",
    )  # fmt: skip
    role = models.CharField(max_length=32, blank=True)

    def __str__(self) -> str:
        return f"{self.membership or 'invited'} in {self.group}"


class EventType(SourceObject):
    """The template a booking was made from; a retired one is kept."""

    name = models.CharField(max_length=255, blank=True)
    slug = models.CharField(max_length=255, blank=True)
    kind = models.CharField(max_length=32, blank=True)
    pooling_type = models.CharField(max_length=32, blank=True)
    active = models.BooleanField(default=True)
    duration_minutes = models.PositiveIntegerField(null=True, blank=True)
    scheduling_url = models.CharField(max_length=1024, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name or self.uri


class Status(models.TextChoices):
    """Calendly's status of a scheduled event and of an invitee."""

    ACTIVE = "active", "active"
    CANCELED = "canceled", "canceled"


class Booking(SourceObject):
    """A Calendly scheduled event; its invitees are the meetings that are carried on."""

    PERSONAL: ClassVar = ("name", "location_text", "canceled_by", "cancel_reason", "search_text")

    name = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=16, choices=Status)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    created_at = models.DateTimeField(help_text="When it was booked, by the source's clock.")
    event_type = models.ForeignKey(
        EventType, null=True, blank=True, on_delete=models.PROTECT, related_name="bookings"
    )
    hosts = models.ManyToManyField(Host, through="BookingHost", related_name="bookings")
    location_type = models.CharField(max_length=64, blank=True)
    location_status = models.CharField(max_length=32, blank=True)
    location_text = models.TextField(blank=True)
    join_url = models.CharField(max_length=2048, blank=True)
    guests = models.JSONField(default=list, blank=True, help_text="E-mail addresses of guests.")
    invitees_total = models.PositiveIntegerField(null=True, blank=True)
    invitees_active = models.PositiveIntegerField(null=True, blank=True)
    invitees_limit = models.PositiveIntegerField(null=True, blank=True)
    canceled_by = models.CharField(max_length=255, blank=True)
    cancel_reason = models.TextField(blank=True)
    canceler_type = models.CharField(max_length=32, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    invitees_read_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the source was last asked for all its invitees.",
    )
    search_text = models.TextField(
        blank=True,
        editable=False,
        help_text="What staff find it by, folded: its name, its invitees, their addresses and answers.",
    )

    objects = BookingQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-start_at", "-id"]
        permissions: ClassVar = [
            ("cancel_booking", "Can cancel bookings at Calendly"),
            ("export_booking", "Can export bookings"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-start_at", "-id"], name="booking_by_start"),
            models.Index(fields=["status", "-start_at"], name="booking_by_status_start"),
            models.Index(fields=["status", "end_at"], name="booking_by_status_end"),
            models.Index(fields=["event_type", "-start_at"], name="booking_by_type_start"),
            models.Index(fields=["account", "start_at"], name="booking_by_account_start"),
            models.Index(
                fields=["-start_at", "-id"],
                name="booking_vanished",
                condition=Q(vanished_at__isnull=False),
            ),
            models.Index(fields=["created_at", "id"], name="booking_by_created"),
            models.Index(fields=["mirrored_at"], name="booking_by_mirrored"),
            models.Index(
                fields=["-start_at", "-id"],
                name="booking_erased",
                condition=Q(erased_at__isnull=False),
            ),
            models.Index(
                fields=["-start_at", "-id"],
                name="booking_mentioned",
                condition=Q(source_updated_at__isnull=True),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="booking_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'Booking'} {self.start_at:%Y-%m-%d %H:%M} UTC"


class BookingHost(models.Model):
    """One of a booking's hosts (Calendly: `event_memberships`), in Calendly's order."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="booking_hosts")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="booking_hosts")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["booking", "host"], name="booking_host_once"),
        ]

    def __str__(self) -> str:
        return str(self.host)


class Invitee(MirrorRow):
    """One person's place in a booking; the unit that is booked, moved, canceled or a no-show.

    Calendly reschedules by canceling one invitee and making another. All invitees of such a chain are one meeting
    and share `chain`, the chain's first as it was announced.
    """

    PERSONAL: ClassVar = (
        "email", "email_folded", "name", "first_name", "last_name", "text_reminder_number", "answers", "tracking",
        "canceled_by", "cancel_reason", "cancel_url", "reschedule_url",
    )  # fmt: skip

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="invitees")
    chain = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="chain_members",
        help_text="The first invitee of the reschedule chain; empty until it is known.",
    )  # fmt: skip
    status = models.CharField(max_length=16, choices=Status)
    created_at = models.DateTimeField(help_text="When it was booked, by the source's clock.")
    email = models.CharField(max_length=320, blank=True)
    email_folded = models.CharField(
        max_length=320,
        blank=True,
        db_index=True,
        help_text="The e-mail address, case-folded for matching.",
    )
    name = models.CharField(max_length=255, blank=True)
    first_name = models.CharField(max_length=255, blank=True)
    last_name = models.CharField(max_length=255, blank=True)
    timezone = models.CharField(max_length=64, blank=True)
    text_reminder_number = models.CharField(max_length=64, blank=True)
    answers = models.JSONField(
        default=list, blank=True, help_text='[{"question": str, "answer": str, "position": int}]'
    )
    tracking = models.JSONField(
        default=dict, blank=True, help_text="UTM values and salesforce_uuid, if set."
    )
    rescheduled = models.BooleanField(default=False)
    old_invitee_uri = models.CharField(max_length=512, blank=True)
    new_invitee_uri = models.CharField(max_length=512, blank=True)
    canceled_by = models.CharField(max_length=255, blank=True)
    cancel_reason = models.TextField(blank=True)
    canceler_type = models.CharField(max_length=32, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    no_show_uri = models.CharField(max_length=512, blank=True)
    no_show_at = models.DateTimeField(null=True, blank=True)
    no_show_observed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Version of the no-show: it does not move the invitee's own.",
    )
    cancel_url = models.CharField(max_length=1024, blank=True)
    reschedule_url = models.CharField(max_length=1024, blank=True)
    routing_submission_uri = models.CharField(max_length=512, blank=True)
    vanished_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the source no longer listed it with its booking; the row is kept.",
    )

    announced_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When its first event was made; empty while it waits for its partner.",
    )
    cancel_announced_at = models.DateTimeField(null=True, blank=True)
    no_show_announced = models.BooleanField(default=False)
    unpaired_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When waiting for the other half of its reschedule was given up.",
    )

    objects = InviteeQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        permissions: ClassVar = [
            (
                "view_personal_data",
                "Can see names, addresses, answers and whatever else names a person",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["chain", "created_at"], name="invitee_by_chain"),
            models.Index(
                fields=["old_invitee_uri"], name="invitee_by_old", condition=~Q(old_invitee_uri="")
            ),
            models.Index(fields=["created_at", "id"], name="invitee_by_created"),
            models.Index(fields=["mirrored_at", "id"], name="invitee_by_mirrored"),
            models.Index(
                fields=["booking"], name="invitee_no_show", condition=Q(no_show_uri__gt="")
            ),
            models.Index(
                fields=["-id"], name="invitee_vanished", condition=Q(vanished_at__isnull=False)
            ),
            models.Index(
                fields=["-id"], name="invitee_erased", condition=Q(erased_at__isnull=False)
            ),
            models.Index(
                fields=["-id"],
                name="invitee_mentioned",
                condition=Q(source_updated_at__isnull=True),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="invitee_status_known"
            ),
            models.CheckConstraint(
                condition=Q(announced_at=None) | Q(chain__isnull=False),
                name="invitee_announced_has_chain",
            ),
        ]

    def __str__(self) -> str:
        if self.erased_at is not None:
            return "somebody erased"
        return self.name or self.email or self.uri

    @property
    def is_canceled(self) -> bool:
        """Tell whether this place is canceled (a moved one is too)."""
        return self.status == Status.CANCELED

    @property
    def is_no_show(self) -> bool:
        """Tell whether the invitee is marked as a no-show now."""
        return bool(self.no_show_uri)


class RoutingForm(SourceObject):
    """A Calendly routing form and its questions."""

    name = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=32, blank=True, help_text="draft or published.")
    organization_uri = models.CharField(max_length=512, blank=True)
    questions = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return self.name or self.uri


class RoutingSubmission(MirrorRow):
    """One submission of a Calendly routing form."""

    PERSONAL: ClassVar = ("answers", "tracking", "result_value")

    routing_form_uri = models.CharField(max_length=512, blank=True)
    created_at = models.DateTimeField()
    answers = models.JSONField(default=list, blank=True)
    tracking = models.JSONField(default=dict, blank=True)
    result_type = models.CharField(max_length=32, blank=True)
    result_value = models.TextField(blank=True)
    submitter_uri = models.CharField(max_length=512, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["routing_form_uri", "-created_at"], name="submission_by_form"),
        ]

    def __str__(self) -> str:
        return f"form submission {self.created_at:%Y-%m-%d %H:%M} UTC"


class BookingEvent(models.Model):
    """A change of a meeting's state, with what was before and after and what caused it; never edited."""

    class Kind(models.TextChoices):
        """What happened, named as on the wire of the rules."""

        BOOKED = "booked", "booked"
        RESCHEDULED = "rescheduled", "rescheduled"
        CANCELED = "canceled", "canceled"
        NO_SHOW = "no_show", "no-show"
        NO_SHOW_REMOVED = "no_show_removed", "no-show removed"
        UPDATED = "updated", "updated"
        STARTING = "starting", "starting"
        ENDED = "ended", "ended"
        ROUTING_FORM_SUBMITTED = "routing_form_submitted", "routing form submitted"

    class Cause(models.TextChoices):
        """Which door the snapshot came through."""

        WEBHOOK = "webhook", "webhook"
        REFETCH = "refetch", "refetch"
        BACKFILL = "backfill", "backfill"
        CLOCK = "clock", "clock"

    kind = models.CharField(max_length=32, choices=Kind)
    booking = models.ForeignKey(Booking, null=True, on_delete=models.CASCADE, related_name="events")
    invitee = models.ForeignKey(Invitee, null=True, on_delete=models.CASCADE, related_name="events")
    chain = models.ForeignKey(
        Invitee, null=True, on_delete=models.CASCADE, related_name="chain_events"
    )
    routing_submission = models.ForeignKey(
        RoutingSubmission, null=True, on_delete=models.CASCADE, related_name="events"
    )
    changes = models.JSONField(
        default=dict, help_text='{"start_at": [before, after]}; times in ISO 8601, UTC.'
    )
    cause = models.CharField(max_length=16, choices=Cause)
    cause_id = models.BigIntegerField(
        null=True, help_text="The row behind the cause, such as the inbound webhook."
    )
    silent = models.BooleanField(
        default=False,
        help_text="Found by a backfill, and no webhook has told of it: only rules that ask for such act on it.",
    )
    occurred_at = models.DateTimeField(help_text="When it happened, by the source's clock.")
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["chain", "id"], name="bookingevent_by_chain"),
            models.Index(fields=["cause", "cause_id"], name="bookingevent_by_cause"),
            models.Index(fields=["kind", "id"], name="bookingevent_by_kind"),
            models.Index(fields=["invitee"], name="bookingevent_silent", condition=Q(silent=True)),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["invitee", "kind"],
                condition=Q(kind__in=["booked", "canceled"]),
                name="bookingevent_once_per_invitee",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"


class RefetchRequest(models.Model):
    """An object that the source should be asked about again, and why; gone once it is settled.

    Written in the transaction that found the need, so that no crash forgets it.
    """

    class Reason(models.TextChoices):
        """Why the mirror wants another look."""

        PREDECESSOR = "predecessor", "the booking it was rescheduled from is unknown"
        SUCCESSOR = "successor", "the booking it was rescheduled to is unknown"
        COUNTERPART = "counterpart", "it was rescheduled, but its cancel has not arrived"
        CONFERENCE_LINK = "conference_link", "its conference link was still being made"
        DETAILS = "details", "a webhook named it without its details"
        NO_SHOW = "no_show", "two no-show messages of the same second disagree"
        OPERATOR = "operator", "asked for by a person"

    object_uri = models.CharField(
        max_length=512, help_text="What to ask about: a booking, a host, an event type."
    )
    reason = models.CharField(max_length=16, choices=Reason)
    subject_uri = models.CharField(
        max_length=512, help_text="The object that waits for the answer."
    )
    account = models.CharField(max_length=64, blank=True)
    due_at = models.DateTimeField(
        null=True, help_text="Empty when it was given up; the error says why."
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True)
    silent = models.BooleanField(
        default=False, help_text="Found by a backfill: what the answer tells is silent too."
    )
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="refetch_due", condition=Q(due_at__isnull=False)),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["object_uri", "reason", "subject_uri"], name="refetch_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object_uri}: {self.get_reason_display()}"


class ErasedAddress(models.Model):
    """The tombstone of a person whose data was erased: a digest of the e-mail address, and until when it holds.

    What was booked before `erased_at` is never mirrored again; what the person books afterwards is.
    """

    digest = models.CharField(max_length=64, unique=True)
    erased_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "erased addresses"

    def __str__(self) -> str:
        return f"{self.digest[:12]}… erased {self.erased_at:%Y-%m-%d}"

"""Factories with sane defaults: one call makes a row with everything it stands on.

An invitee is the first of its chain and announced unless told otherwise; a delivery belongs to its event's chain.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission, User
from factory.declarations import (
    LazyAttribute,
    LazyAttributeSequence,
    LazyFunction,
    SelfAttribute,
    Sequence,
    SubFactory,
    Trait,
)
from factory.django import DjangoModelFactory
from factory.helpers import lazy_attribute, post_generation

from bookings.models import (
    Booking,
    BookingEvent,
    BookingHost,
    EventType,
    Host,
    Invitee,
    RefetchRequest,
    RoutingSubmission,
    Status,
)
from integrations import vault
from integrations.causes import cause_of
from integrations.models import (
    BackfillFinding,
    BackfillRun,
    Connection,
    Delivery,
    DeliveryAttempt,
    InboundWebhook,
    Notification,
    NotificationChannel,
    RemoteRecord,
    Rule,
    SignatureTally,
    WebhookSubscription,
)

#: When everything happens unless a test says otherwise.
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
API = "https://api.calendly.com"


class HostFactory(DjangoModelFactory[Host]):
    class Meta:
        model = Host

    uri = Sequence(lambda n: f"{API}/users/HOST{n:06}")
    name = Sequence(lambda n: f"Harper Host {n}")
    email = Sequence(lambda n: f"host{n}@example.com")
    timezone = "Europe/Berlin"
    source_updated_at = NOW
    observed_at = NOW


class EventTypeFactory(DjangoModelFactory[EventType]):
    class Meta:
        model = EventType

    uri = Sequence(lambda n: f"{API}/event_types/TYPE{n:06}")
    name = Sequence(lambda n: f"Intro call {n}")
    slug = Sequence(lambda n: f"intro-call-{n}")
    kind = "solo"
    duration_minutes = 30
    source_updated_at = NOW
    observed_at = NOW


class BookingFactory(DjangoModelFactory[Booking]):
    """`hosts=[...]` names the hosts in their order; left out, one is made."""

    class Meta:
        model = Booking
        skip_postgeneration_save = True

    uri = Sequence(lambda n: f"{API}/scheduled_events/BOOKING{n:06}")
    name = "Intro call"
    status = Status.ACTIVE
    start_at = NOW + timedelta(days=2)
    end_at = LazyAttribute(lambda o: o.start_at + timedelta(minutes=30))
    created_at = NOW
    event_type = SubFactory(EventTypeFactory)
    location_type = "zoom"
    location_status = "pushed"
    join_url = "https://zoom.example.com/j/123456789"
    source_updated_at = NOW
    observed_at = NOW
    raw = LazyAttribute(lambda o: {"uri": o.uri, "name": o.name})

    @post_generation
    def hosts(self: Booking, create: bool, given: list[Host] | None, **_: Any) -> None:
        if create:
            hosts: list[Host] = [HostFactory.create()] if given is None else given
            for position, host in enumerate(hosts):
                BookingHost.objects.create(booking=self, host=host, position=position)


class InviteeFactory(DjangoModelFactory[Invitee]):
    """`chain=first` puts it into a chain; `chain=None, announced_at=None` makes it wait for its partner."""

    class Meta:
        model = Invitee

    class Params:
        canceled = Trait(
            status=Status.CANCELED,
            canceler_type="invitee",
            canceled_at=NOW,
            cancel_announced_at=NOW,
        )
        no_show = Trait(
            no_show_uri=LazyAttribute(lambda o: o.uri.replace("/invitees/", "/no_shows/")),
            no_show_at=NOW,
            no_show_announced=True,
        )

    booking = SubFactory(BookingFactory)
    uri = LazyAttributeSequence(lambda o, n: f"{o.booking.uri}/invitees/INVITEE{n:06}")
    status = Status.ACTIVE
    created_at = NOW
    email = Sequence(lambda n: f"invitee{n}@example.com")
    email_folded = LazyAttribute(lambda o: o.email.casefold())
    name = Sequence(lambda n: f"Ines Invitee {n}")
    timezone = "America/New_York"
    answers = LazyFunction(
        lambda: [{"question": "What shall we talk about?", "answer": "Pricing", "position": 0}]
    )
    tracking = LazyFunction(lambda: {"utm_source": "newsletter"})
    cancel_url = LazyAttribute(
        lambda o: f"https://calendly.com/cancellations/{o.uri.rsplit('/', 1)[-1]}"
    )
    reschedule_url = LazyAttribute(
        lambda o: f"https://calendly.com/reschedulings/{o.uri.rsplit('/', 1)[-1]}"
    )
    source_updated_at = NOW
    observed_at = NOW
    announced_at = NOW

    @classmethod
    def _create(cls, model_class: type[Invitee], *args: Any, **kwargs: Any) -> Invitee:
        announced_at = kwargs.pop("announced_at")
        chain = kwargs.pop("chain", ...)
        invitee = model_class.objects.create(*args, **kwargs)
        invitee.chain = invitee if chain is ... else chain
        invitee.announced_at = announced_at
        invitee.save(update_fields=["chain", "announced_at"])
        return invitee


class RoutingSubmissionFactory(DjangoModelFactory[RoutingSubmission]):
    class Meta:
        model = RoutingSubmission

    uri = Sequence(lambda n: f"{API}/routing_form_submissions/SUBMISSION{n:06}")
    routing_form_uri = f"{API}/routing_forms/FORM000001"
    created_at = NOW
    answers = LazyFunction(
        lambda: [{"question": "Company size?", "answer": "51-200", "position": 0}]
    )
    result_type = "event_type"
    result_value = f"{API}/event_types/TYPE000001"


class BookingEventFactory(DjangoModelFactory[BookingEvent]):
    class Meta:
        model = BookingEvent

    kind = BookingEvent.Kind.BOOKED
    invitee = SubFactory(InviteeFactory)
    booking = SelfAttribute("invitee.booking")
    chain = SelfAttribute("invitee.chain")
    cause = BookingEvent.Cause.WEBHOOK
    occurred_at = NOW
    created_at = SelfAttribute("occurred_at")


class ConnectionFactory(DjangoModelFactory[Connection]):
    """`secrets={...}` seals other secrets than the default token."""

    class Meta:
        model = Connection

    class Params:
        secrets: dict[str, str] = {"access_token": "a-very-secret-token"}

    provider = "slack"
    name = Sequence(lambda n: f"Slack {n}")
    state_changed_at = NOW

    @lazy_attribute
    def sealed_secrets(self: Any) -> str:
        return vault.seal(self.secrets)


class WebhookSubscriptionFactory(DjangoModelFactory[WebhookSubscription]):
    """`signing_key="..."` seals another key than the default one."""

    class Meta:
        model = WebhookSubscription

    class Params:
        signing_key = "a-very-secret-signing-key"

    connection = SubFactory(
        ConnectionFactory, provider="calendly", name=Sequence(lambda n: f"Calendly {n}")
    )
    uri = Sequence(lambda n: f"{API}/webhook_subscriptions/SUBSCRIPTION{n:06}")
    scope = "organization"
    events = LazyFunction(lambda: ["invitee.created", "invitee.canceled"])

    @lazy_attribute
    def sealed_keys(self: Any) -> str:
        return vault.seal({"current": self.signing_key})


class SignatureTallyFactory(DjangoModelFactory[SignatureTally]):
    class Meta:
        model = SignatureTally

    subscription = SubFactory(WebhookSubscriptionFactory)
    outcome = SignatureTally.Outcome.WRONG
    count = 3
    last_at = NOW


class InboundWebhookFactory(DjangoModelFactory[InboundWebhook]):
    """`payload={...}` becomes the body unless `body=b"..."` is given."""

    class Meta:
        model = InboundWebhook

    class Params:
        payload = Sequence(lambda n: {"event": "invitee.created", "payload": {"number": n}})

    subscription = SubFactory(WebhookSubscriptionFactory)
    body = LazyAttribute(lambda o: json.dumps(o.payload).encode())
    body_sha256 = LazyAttribute(lambda o: hashlib.sha256(o.body).hexdigest())
    headers = LazyFunction(lambda: {"Content-Type": "application/json"})
    verified_by = "current"
    signed_at = SelfAttribute("received_at")
    received_at = NOW
    last_seen_at = SelfAttribute("received_at")
    state = InboundWebhook.State.PROCESSED
    kind = "invitee.created"
    delivery_key = SelfAttribute("body_sha256")
    outcome = "booked"
    processed_at = LazyAttribute(lambda o: o.received_at + timedelta(seconds=1))


class RuleFactory(DjangoModelFactory[Rule]):
    class Meta:
        model = Rule

    name = Sequence(lambda n: f"Rule {n}")
    kinds = LazyFunction(lambda: ["booked", "rescheduled", "canceled"])
    connection = SubFactory(ConnectionFactory)
    action = "post_message"


class DeliveryFactory(DjangoModelFactory[Delivery]):
    """A waiting delivery; the traits `delivered`, `skipped` and `failed` settle it."""

    class Meta:
        model = Delivery

    class Params:
        delivered = Trait(
            state=Delivery.State.DELIVERED,
            settled_at=NOW,
            attempt_count=1,
            result="Message posted.",
        )
        skipped = Trait(
            state=Delivery.State.SKIPPED, settled_at=NOW, attempt_count=1, result="Already equal."
        )
        failed = Trait(
            state=Delivery.State.FAILED,
            failure_class=Delivery.FailureClass.PERMANENT,
            settled_at=NOW,
            attempt_count=1,
            error="Slack answered: channel_not_found.",
            hint="Check the channel in the rule, then retry.",
        )

    event = SubFactory(BookingEventFactory)
    rule = SubFactory(RuleFactory)
    connection = SelfAttribute("rule.connection")
    chain = SelfAttribute("event.chain")
    serial_key = Sequence(lambda n: f"person {n}")
    action = SelfAttribute("rule.action")
    state = Delivery.State.WAITING
    error = ""
    cause = LazyAttribute(lambda o: cause_of(o.error) if o.state == Delivery.State.FAILED else "")
    not_before = NOW
    created_at = NOW


class DeliveryAttemptFactory(DjangoModelFactory[DeliveryAttempt]):
    class Meta:
        model = DeliveryAttempt

    delivery = SubFactory(DeliveryFactory)
    number = 1
    outcome = DeliveryAttempt.Outcome.DELIVERED
    steps = LazyFunction(lambda: [{"name": "channel", "detail": "#sales, from the rule"}])
    exchanges = LazyFunction(
        lambda: [
            {
                "method": "POST",
                "url": "https://slack.com/api/chat.postMessage",
                "request": {"channel": "C1", "text": "Booked"},
                "status": 200,
                "response": {"ok": True, "ts": "1.2"},
                "milliseconds": 52,
                "error": "",
            }
        ]
    )
    started_at = NOW
    finished_at = LazyAttribute(lambda o: o.started_at + timedelta(milliseconds=60))


class RemoteRecordFactory(DjangoModelFactory[RemoteRecord]):
    class Meta:
        model = RemoteRecord

    connection = SubFactory(ConnectionFactory)
    chain = SubFactory(InviteeFactory)
    object_type = "message"
    remote_id = Sequence(lambda n: f"1700000000.{n:06}")
    url = LazyAttribute(lambda o: f"https://example.slack.com/archives/C1/p{o.remote_id}")


class RefetchRequestFactory(DjangoModelFactory[RefetchRequest]):
    class Meta:
        model = RefetchRequest

    object_uri = Sequence(lambda n: f"{API}/scheduled_events/BOOKING{n:06}")
    reason = RefetchRequest.Reason.COUNTERPART
    subject_uri = LazyAttribute(lambda o: f"{o.object_uri}/invitees/INVITEE000001")
    due_at = NOW
    created_at = NOW


class BackfillRunFactory(DjangoModelFactory[BackfillRun]):
    """A run that waits, 30 days back and a year ahead; `ended=True` with a state makes it one that has ended."""

    class Meta:
        model = BackfillRun

    class Params:
        ended = Trait(
            state=BackfillRun.State.DONE,
            started_at=NOW,
            finished_at=NOW + timedelta(seconds=90),
        )

    connection = SubFactory(
        ConnectionFactory, provider="calendly", name=Sequence(lambda n: f"Calendar {n}")
    )
    trigger = BackfillRun.Trigger.OPERATOR
    window_from = NOW - timedelta(days=30)
    window_to = NOW + timedelta(days=365)
    created_at = NOW


class BackfillFindingFactory(DjangoModelFactory[BackfillFinding]):
    class Meta:
        model = BackfillFinding

    run = SubFactory(BackfillRunFactory)
    kind = "booked"
    verdict = BackfillFinding.Verdict.MISSED
    booking_uri = Sequence(lambda n: f"{API}/scheduled_events/FOUND{n:06}")
    occurred_at = NOW


class NotificationChannelFactory(DjangoModelFactory[NotificationChannel]):
    """A channel that is told everything from `NOW` on."""

    class Meta:
        model = NotificationChannel

    name = Sequence(lambda n: f"Channel {n}")
    connection = SubFactory(ConnectionFactory)
    options = LazyFunction(lambda: {"channel": "#sales"})
    sends_health = True
    sends_alerts = True
    told_from = NOW
    looked_at = SelfAttribute("told_from")


class NotificationFactory(DjangoModelFactory[Notification]):
    class Meta:
        model = Notification

    channel = SubFactory(NotificationChannelFactory)
    kind = Notification.Kind.TEST
    key = Sequence(lambda n: f"test:{n}")
    not_before = NOW
    created_at = NOW


@cache
def hashed_password() -> str:
    """Return the hash of "password", made once: hashing is slow on purpose."""
    return make_password("password")


class StaffUserFactory(DjangoModelFactory[User]):
    """`permissions=["integrations.change_delivery"]` grants them; without any, staff see nothing."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = Sequence(lambda n: f"staff{n}")
    email = LazyAttribute(lambda o: f"{o.username}@example.com")
    password = LazyFunction(hashed_password)
    is_staff = True

    @post_generation
    def permissions(self: User, create: bool, given: list[str] | None, **_: Any) -> None:
        for name in given or () if create else ():
            app, codename = name.split(".")
            self.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )

"""Every address of the admin, found by walking the URL resolver, filled in with one story whose people are marked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Group as StaffGroup
from django.contrib.auth.models import Permission, User
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse

from bookings.models import (
    Group,
    GroupRelationship,
    OrganizationMembership,
    RoutingForm,
)
from integrations.models import (
    ApiToken,
    BackfillProblem,
    BulkOperation,
    DriftFinding,
    DriftRun,
    EmailTemplate,
    ErasureRequest,
    Interaction,
    MatchReview,
    SimulationResult,
)
from tests.factories import (
    API,
    NOW,
    BackfillFindingFactory,
    BackfillRunFactory,
    BookingEventFactory,
    BookingFactory,
    ConnectionFactory,
    DeliveryAttemptFactory,
    DeliveryFactory,
    HostFactory,
    InboundWebhookFactory,
    InviteeFactory,
    NotificationChannelFactory,
    NotificationFactory,
    RefetchRequestFactory,
    RoutingSubmissionFactory,
    StaffUserFactory,
)

MARK = "zqmark"


@dataclass
class Marks:
    """Hand out words that stand nowhere else, and remember which column each was put into."""

    given: dict[str, str] = field(default_factory=dict)

    def word(self, column: str) -> str:
        mark = f"{MARK}{len(self.given):03}q"
        self.given[mark] = column
        return mark

    def email(self, column: str) -> str:
        return f"{self.word(column)}@example.com"

    def found_in(self, text: str) -> set[str]:
        return {column for mark, column in self.given.items() if mark in text}


@dataclass(frozen=True)
class Page:
    """One address, by the name of its route."""

    name: str
    url: str

    def answer(self, user: Any) -> int:
        """Return the status that this person is answered, without drawing the page: that is most of the time."""
        request = RequestFactory().get(self.url)
        request.user, request.session = user, SessionStore()
        request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
        view, args, kwargs = resolve(request.path)
        try:
            return int(view(request, *args, **kwargs).status_code)
        except PermissionDenied:
            return 403
        except Http404:
            return 404


@dataclass
class Story:
    """One row of every model that the admin shows, and the marks in them."""

    marks: Marks
    rows: dict[str, Any] = field(default_factory=dict)

    def add(self, *rows: Any) -> None:
        for row in rows:
            self.rows[row._meta.label_lower] = row

    def row(self, label: str) -> Any:
        assert label in self.rows, f"Add a row of {label} to the story in tests/admin/crawling.py."
        return self.rows[label]


def tell() -> Story:
    """Make the story: a person books, everything fails, and everybody has an opinion."""
    marks = Marks()
    story = Story(marks=marks)
    say = marks.word
    host = HostFactory.create(
        name=say("host.name"), email=marks.email("host.email"), raw={"name": say("host.raw")}
    )
    story.add(host)
    _tell_directory(story, host)
    booking = BookingFactory.create(
        name=say("booking.name"), hosts=[host], status="canceled", canceled_at=NOW, location_text=say("booking.location_text"),
        guests=[marks.email("booking.guests")], canceled_by=say("booking.canceled_by"),
        cancel_reason=say("booking.cancel_reason"), raw={"name": say("booking.raw")},
        join_url=f"https://zoom.example.com/{say('booking.join_url')}",
    )  # fmt: skip
    people = {
        name: say(f"invitee.{name}")
        for name in (
            "name", "first_name", "last_name", "text_reminder_number", "canceled_by", "cancel_reason", "cancel_url",
            "reschedule_url",
        )
    }  # fmt: skip
    invitee = InviteeFactory.create(
        **people, booking=booking, email=marks.email("invitee.email"), status="canceled", canceler_type="invitee",
        canceled_at=NOW, cancel_announced_at=NOW, tracking={"utm_source": say("invitee.tracking")},
        answers=[{"question": "Why?", "answer": say("invitee.answers"), "position": 0}],
        raw={"name": say("invitee.raw")},
    )  # fmt: skip
    story.add(booking, booking.event_type, invitee)
    simulation = BulkOperation.objects.create(kind="simulate", label="Simulate", upto=1, requested_by="ann", created_at=NOW)  # fmt: skip
    SimulationResult.objects.create(
        operation=simulation, chain=invitee, kind="booked", verdict="fail", reason=say("result.reason"),
        changes={"Lead 00Q1": {"Name": ["", say("result.changes")]}},
    )  # fmt: skip
    story.add(simulation)
    story.add(ApiToken.objects.create(name="Report", user=StaffUserFactory.create(), digest="d", prefix="cs_1", created_at=NOW))  # fmt: skip
    _tell_traffic(story)
    _tell_staff(story)
    return story


def _tell_directory(story: Story, host: Any) -> None:
    say = story.marks.word
    member = OrganizationMembership.objects.create(
        uri=f"{API}/memberships/1", host=host, role="user"
    )
    group = Group.objects.create(uri=f"{API}/groups/1", name="Sales", raw={"who": say("group.raw")})
    GroupRelationship.objects.create(uri=f"{API}/places/1", group=group, membership=member)
    form = RoutingForm.objects.create(uri=f"{API}/routing_forms/FORM000001", name="Contact us")
    submission = RoutingSubmissionFactory.create(
        answers=[{"question": "Who?", "answer": say("submission.answers"), "position": 0}],
        result_value=say("submission.result_value"), tracking={"utm_source": say("submission.tracking")},
    )  # fmt: skip
    story.add(member, group, form, submission)


def _tell_traffic(story: Story) -> None:
    say, email = story.marks.word, story.marks.email
    invitee, host = story.row("bookings.invitee"), story.row("bookings.host")
    booking = story.row("bookings.booking")
    webhook = InboundWebhookFactory.create(
        booking=booking, payload={"name": say("inbound.body")}, headers={"X": say("inbound.headers")},
        error=say("inbound.error"), outcome=say("inbound.outcome"),
    )  # fmt: skip
    event = BookingEventFactory.create(
        invitee=invitee, cause_id=webhook.pk, changes={"name": [say("event.changes"), ""]}
    )
    delivery = DeliveryFactory.create(
        event=event, failed=True, result=say("delivery.result"), error=say("delivery.error"), hint=say("delivery.hint"),
        cause=say("delivery.cause"), rule__paused_at=NOW, rule__paused_reason=say("rule.paused_reason"),
    )  # fmt: skip
    DeliveryFactory.create(
        event=event,
        failed=True,
        acknowledged_at=NOW,
        acknowledged_reason=say("delivery.acknowledged_reason"),
    )
    DeliveryFactory.create(
        event=event,
        rule__connection__state="paused",
        rule__connection__state_reason=say("connection.state_reason"),
    )
    said = {"method": "POST", "url": "https://slack.com/api/x", "status": 200, "milliseconds": 1}
    exchanges = [{**said, "request": {"to": say("exchange.request")}, "response": {"to": say("exchange.response")}}]  # fmt: skip
    DeliveryAttemptFactory.create(
        delivery=delivery, outcome="failed", error=say("attempt.error"), exchanges=exchanges,
        steps=[{"name": "person", "detail": say("attempt.steps")}],
        changes={"Lead 00Q1": {"Name": ["", say("attempt.changes")]}},
    )  # fmt: skip
    connection = delivery.connection
    connection.profile = {
        "user_uri": "U1", "user_name": say("connection.user_name"), "user_email": email("connection.user_email"),
        "organization_uri": "T1",
    }  # fmt: skip
    connection.last_error, connection.last_error_at = say("connection.last_error"), NOW
    connection.last_check = {
        "at": NOW.isoformat(),
        "ok": False,
        "said": say("connection.last_check"),
    }
    connection.save()
    calendar = ConnectionFactory.create(provider="calendly", profile=dict(connection.profile))
    run = BackfillRunFactory.create(
        ended=True, connection=calendar, host=host, state="partial", error=say("backfill.error"), errors=1
    )  # fmt: skip
    BackfillFindingFactory.create(run=run, event=event, booking_uri=booking.uri)
    BackfillProblem.objects.create(run=run, uri="x", error=say("problem.error"), created_at=NOW)
    told = {"name": "channel", "detail": say("notification.steps")}
    channel = NotificationChannelFactory.create(host=host, group=story.row("bookings.group"))
    notification = NotificationFactory.create(
        channel=channel, state="failed", failure_class="permanent", settled_at=NOW, steps=[told],
        error=say("notification.error"), result=say("notification.result"), exchanges=exchanges,
    )  # fmt: skip
    drift = DriftRun.objects.create(
        connection=connection, state="failed", error=say("drift.error"), created_at=NOW, differing=1
    )
    finding = DriftFinding.objects.create(
        run=drift, chain=invitee, object_type="Lead", remote_id="00Q1", created_at=NOW,
        fields={"Name": [say("drift.ours"), say("drift.theirs")]},
    )  # fmt: skip
    review = MatchReview.objects.create(
        connection=connection, chain=invitee, serial_key=delivery.serial_key, question=say("review.question"),
        candidates=[
            {
                "object_type": "Lead", "remote_id": "00Q1", "url": "https://x.example.com/00Q1",
                "label": say("review.label"), "detail": say("review.detail"),
            }
        ],
        created_at=NOW,
    )  # fmt: skip
    press = Interaction.objects.create(
        connection=connection, key="1", action="mark_no_show", value={"ids": [invitee.pk]}, presser_id="U1",
        presser_name=say("press.name"), presser_email=email("press.email"), state="done", finished_at=NOW,
        result=say("press.result"), error=say("press.error"), received_at=NOW,
    )  # fmt: skip
    refetch = RefetchRequestFactory.create(last_error=say("refetch.last_error"))
    template = EmailTemplate.objects.create(
        name="ours", label="Ours", subject="Hello", text="Hello"
    )
    story.add(
        webhook, webhook.subscription, delivery, delivery.rule, connection, run, channel, notification, drift, finding,
        review, press, refetch, template, ErasureRequest.objects.create(digest="0", created_at=NOW),
    )  # fmt: skip


def _tell_staff(story: Story) -> None:
    staff = StaffUserFactory.create()
    invitee = story.row("bookings.invitee")
    LogEntry.objects.log_actions(
        user_id=staff.pk, queryset=[invitee], action_flag=ADDITION, change_message="Done."
    )
    entry = LogEntry.objects.get()
    entry.object_repr = story.marks.word("log.object_repr")
    entry.save()
    story.add(staff, StaffGroup.objects.create(name="Some"), entry)


def pages(story: Story) -> Iterator[Page]:
    """Yield every address of the admin, each route once; a choice of people that is offered while typing, for each field."""
    for pattern in _patterns(get_resolver().url_patterns):
        if pattern.name == "autocomplete":
            yield from _autocompletes()
        elif pattern.name and (url := _filled(pattern, story)):
            yield Page(name=pattern.name, url=url)


def _patterns(entries: Any, *, inside: bool = False) -> Iterator[URLPattern]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            is_admin = inside or entry.namespace == admin.site.name
            yield from _patterns(entry.url_patterns, inside=is_admin)
        elif inside:
            yield entry


def _autocompletes() -> Iterator[Page]:
    for model, shown in admin.site._registry.items():
        for name in shown.autocomplete_fields:
            query = f"app_label={model._meta.app_label}&model_name={model._meta.model_name}&field_name={name}"
            yield Page(name="autocomplete", url=f"{reverse('admin:autocomplete')}?{query}")


def _filled(pattern: URLPattern, story: Story) -> str:
    """Return the route's address with the story's rows in it."""
    name = str(pattern.name)
    wanted = set(pattern.pattern.regex.groupindex) | set(pattern.pattern.converters)
    given = {parameter: _value(name, parameter, story) for parameter in wanted}
    return reverse(f"admin:{name}", kwargs=given)


def _value(route: str, parameter: str, story: Story) -> Any:
    fixed = {
        "app_label": "bookings",
        "name": "invitation",
        "recipe": "sales",
        "content_type_id": 0,
        "url": "nowhere",
    }
    if parameter in fixed:
        return fixed[parameter]
    if parameter == "delivery_id":
        return story.row("integrations.delivery").pk
    if route in {"view_on_site", "auth_user_password_change"}:
        return story.row("auth.user").pk
    return story.row(".".join(route.split("_")[:2])).pk


def staff_with(permissions: Iterable[Permission]) -> User:
    """Return somebody with just these permissions."""
    user: User = StaffUserFactory.create()
    user.user_permissions.set(permissions)
    return user

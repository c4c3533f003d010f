"""Erase a person's address wherever else it stands: in hosts, routing forms, bodies, and any text of any table.

Tables are read in chunks by primary key, filtered in SQL first where the column is text; each chunk is one
transaction of the caller's, and doing it again finds nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial, reduce
from operator import or_
from typing import Any, TypeVar

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import models
from django.db.models import Q, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone

from bookings import searching
from bookings.models import (
    Booking,
    BookingEvent,
    Host,
    Invitee,
    OrganizationMembership,
    RoutingSubmission,
)
from bookings.personal import Wording
from integrations.erasure.places import empty_bodies, erase_submissions, scrub_log
from integrations.erasure.subject import Subject
from integrations.models import (
    Connection,
    DeliveryAttempt,
    DriftFinding,
    ErasureRequest,
    FieldMapping,
    InboundWebhook,
    Interaction,
    NotificationChannel,
    RemoteRecord,
    Rule,
    SimulationResult,
)

Row = TypeVar("Row", bound=models.Model)

_CHUNK = 500
#: Each may be a megabyte.
_CHUNK_OF_BODIES = 100
#: Setup that staff entered, and what is no text of anybody's.
_LEFT_ALONE: dict[type[models.Model], frozenset[str]] = {
    Connection: frozenset({"name", "settings", "profile"}),
}
_LEFT_TABLES = (Rule, FieldMapping, NotificationChannel, ErasureRequest)
_LEFT_COLUMNS = frozenset({"requested_by", "digest", "content_hash", "checkpoint"})
#: When a row was made, where the person may have made it after the erasure was asked for.
_MADE = ("started_at", "received_at", "created_at")
_MADE_BY_SETUP = frozenset({"Connection", "WebhookSubscription", "RemoteRecord", "BackfillRun"})

Step = Callable[[], Counter[str]]


def steps(subject: Subject, *, reason: str, now: datetime) -> Iterator[Step]:
    """Yield what is to be done, one transaction's worth at a time."""
    wording = Wording(frozenset({subject.address}))
    for host in _rows(hosts(subject)):
        for bookings in _chunks(host.bookings.all()):
            yield partial(_scrub_taken, bookings, _as_host(host, subject))
        yield partial(_erase_host, host, _as_host(host, subject), now=now)
    for forms in _chunks(_submissions(subject, wording)):
        yield partial(_erase_submissions, [f for f in forms if _names(f, wording)], now=now)
    for webhooks in _chunks(_bodies(subject), size=_CHUNK_OF_BODIES):
        if gone := [row.pk for row in webhooks if wording.is_in_body(bytes(row.body))]:
            yield partial(_empty_bodies, gone, reason=reason)
    for presses in _chunks(_presses(subject)):
        yield partial(_forget_presser, presses)
    for model in _tables():
        for rows in _chunks(_holding(model, subject, wording)):
            yield partial(_scrub, rows, wording)


def waiting_bodies(subject: Subject) -> bool:
    """Tell whether a webhook that names the person is still to be read: it must be, for it may tell of others too."""
    wording = Wording(frozenset({subject.address}))
    received = InboundWebhook.objects.filter(
        state=InboundWebhook.State.RECEIVED, received_at__lt=subject.until
    )
    chunks = _chunks(received, size=_CHUNK_OF_BODIES)
    return any(wording.is_in_body(bytes(row.body)) for rows in chunks for row in rows)


def hosts(subject: Subject) -> QuerySet[Host]:
    """Return the rows of the person as a host that are not erased yet."""
    return Host.objects.filter(email__iexact=subject.address, erased_at=None)


def submissions(subject: Subject) -> list[RoutingSubmission]:
    """Return the routing form submissions that name the address."""
    wording = Wording(frozenset({subject.address}))
    rows = (row for chunk in _chunks(_submissions(subject, wording)) for row in chunk)
    return [row for row in rows if _names(row, wording)]


def _chunks(rows: QuerySet[Row], size: int = _CHUNK) -> Iterator[list[Row]]:
    last = 0
    while chunk := list(rows.filter(pk__gt=last).order_by("pk")[:size]):
        yield chunk
        last = chunk[-1].pk


def _rows(rows: QuerySet[Row]) -> Iterator[Row]:
    return (row for chunk in _chunks(rows) for row in chunk)


def _as_host(host: Host, subject: Subject) -> Wording:
    return Wording(frozenset({subject.address}), frozenset({host.name} - {""}))


def _scrub_taken(rows: list[Booking], wording: Wording) -> Counter[str]:
    """Take a host out of the bookings that they take, and out of what was announced, sent and compared of these."""
    count = 0
    for booking in rows:
        after = {"name": wording.scrub(booking.name), "raw": wording.scrub(booking.raw)}
        count += Booking.objects.filter(pk=booking.pk).update(**after, mirrored_at=timezone.now())
    searching.refresh([booking.pk for booking in rows])
    events = BookingEvent.objects.filter(booking__in=[booking.pk for booking in rows])
    for event in events.filter(changes__has_key="hosts"):
        hosts = {"hosts": wording.scrub(event.changes["hosts"])}
        BookingEvent.objects.filter(pk=event.pk).update(changes=event.changes | hosts)
    chains = Invitee.objects.filter(booking__in=[booking.pk for booking in rows]).values("chain")
    for said in (
        DeliveryAttempt.objects.filter(delivery__event__in=events),
        RemoteRecord.objects.filter(chain__in=chains),
        DriftFinding.objects.filter(chain__in=chains),
        SimulationResult.objects.filter(chain__in=chains),
    ):
        for row in _rows(said):
            _scrub_row(row, wording)
    return Counter(bookings_taken=count)


def _erase_host(host: Host, wording: Wording, *, now: datetime) -> Counter[str]:
    named = {"uri": f"urn:calsync:erased:{host.pk}"} if host.uri.startswith("mailto:") else {}
    Host.objects.filter(pk=host.pk).update(
        name="",
        email="",
        raw={},
        content_hash="",
        erased_at=now,
        mirrored_at=timezone.now(),
        **named,
    )
    OrganizationMembership.objects.filter(host=host).update(raw={}, erased_at=now)
    return Counter(hosts=1, admin_log=scrub_log(Host, {host.pk}, wording))


def _erase_submissions(rows: list[RoutingSubmission], *, now: datetime) -> Counter[str]:
    return Counter(routing_submissions=erase_submissions(rows, now=now))


def _empty_bodies(pks: list[int], *, reason: str) -> Counter[str]:
    return Counter(webhooks=empty_bodies(pks, reason=reason))


def _presses(subject: Subject) -> QuerySet[Interaction]:
    """Return what the person pressed at other systems; the address stands there since the provider told it."""
    rows = Interaction.objects.filter(received_at__lt=subject.until)
    return rows.filter(presser_email__iexact=subject.address)


def _forget_presser(rows: list[Interaction]) -> Counter[str]:
    """Keep what was pressed and what became of it, not by whom."""
    pressed = Interaction.objects.filter(pk__in=[row.pk for row in rows])
    unnamed = {"presser_id": "", "presser_name": "", "presser_email": "", "sealed_reply": ""}
    return Counter(presses=pressed.update(**unnamed))


def _submissions(subject: Subject, wording: Wording) -> QuerySet[RoutingSubmission]:
    rows = RoutingSubmission.objects.filter(created_at__lt=subject.until, erased_at=None)
    return _mentioning(rows, ("answers", "tracking", "result_value", "raw"), wording)


def _names(row: RoutingSubmission, wording: Wording) -> bool:
    content = [row.answers, row.tracking, row.result_value, row.raw]
    return bool(wording.scrub(content) != content)


def _bodies(subject: Subject) -> QuerySet[InboundWebhook]:
    rows = InboundWebhook.objects.filter(received_at__lt=subject.until).exclude(body=b"")
    return rows.exclude(state=InboundWebhook.State.RECEIVED).only("pk", "body")


def _tables() -> Iterator[type[models.Model]]:
    for label in ("bookings", "integrations"):
        for model in apps.get_app_config(label).get_models():
            if model not in _LEFT_TABLES:
                yield model
    yield LogEntry


def _columns(model: type[models.Model]) -> tuple[str, ...]:
    left = _LEFT_COLUMNS | _LEFT_ALONE.get(model, frozenset())
    return tuple(
        field.name
        for field in model._meta.concrete_fields  # noqa: SLF001  # Django's documented API
        if isinstance(field, models.CharField | models.TextField | models.JSONField)
        and not (field.unique or field.choices or field.name in left or field.name.startswith("sealed_"))
    )  # fmt: skip


def _holding(
    model: type[models.Model], subject: Subject, wording: Wording
) -> QuerySet[models.Model]:
    rows = model._default_manager.order_by()  # noqa: SLF001  # Django's documented name
    names = {field.name for field in model._meta.concrete_fields}  # noqa: SLF001
    made = next((name for name in _MADE if name in names), None)
    if made and model.__name__ not in _MADE_BY_SETUP:
        rows = rows.filter(**{f"{made}__lt": subject.until})
    if model is Invitee:
        rows = rows.exclude(email_folded=subject.address)  # by which they are found again
    return _mentioning(rows, _columns(model), wording)


def _mentioning(rows: QuerySet[Row], columns: tuple[str, ...], wording: Wording) -> QuerySet[Row]:
    """Keep the rows whose columns, as text, hold what every spelling of the address holds."""
    if not columns:
        return rows.none()
    texts = {f"text_of_{name}": Cast(name, models.TextField()) for name in columns}
    asked = [
        Q(*[(f"{name}__icontains", part) for part in parts])
        for name in texts
        for parts in wording.anchors
    ]
    kept: QuerySet[Row] = rows.alias(**texts).filter(reduce(or_, asked))
    return kept


def _scrub(rows: list[models.Model], wording: Wording) -> Counter[str]:
    return Counter(other_rows=sum(_scrub_row(row, wording) for row in rows))


def _scrub_row(row: models.Model, wording: Wording) -> int:
    model: Any = type(row)
    before = {name: getattr(row, name) for name in _columns(model)}
    after = {name: wording.scrub(value) for name, value in before.items()}
    stale = {name: value for name, value in after.items() if value != before[name]}
    if isinstance(row, Booking) and "guests" in stale:
        stale["guests"] = [guest for guest in row.guests if not wording.is_in(str(guest))]
    if isinstance(row, RemoteRecord) and "data" in stale:
        # A comparison would bring back what still stands over there.
        for name in RemoteRecord.HELD:
            stale["data"].pop(name, None)
    rows = model._default_manager.filter(pk=row.pk)  # noqa: SLF001  # Django's documented name
    if isinstance(row, DriftFinding) and stale:
        rows.delete()  # to accept it would keep what we put there instead
        return 1
    return int(rows.update(**stale)) if stale else 0

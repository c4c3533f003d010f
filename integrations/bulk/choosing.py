"""Which rows: a filter that can be written into a row as JSON, and read again by the worker."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import QuerySet

from bookings.models import Invitee
from integrations.models import Delivery, InboundWebhook, WebhookSubscription
from integrations.outbox import latest_deliveries

Choice = TypeVar("Choice", bound="DeliveryChoice | WebhookChoice | BookingChoice")

#: How the names of moments end.
_MOMENTS = ("_from", "_to")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChoice:
    """Choose deliveries; what is not given does not matter.

    `latest` leaves out those that a later delivery of the same meeting and rule has replaced. `..._to` is not included.
    """

    pks: tuple[int, ...] = ()
    state: str = ""
    acknowledged: bool | None = None
    latest: bool = False
    failure_class: str = ""
    connection: int | None = None
    rule: int | None = None
    kind: str = ""
    cause: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    settled_from: datetime | None = None
    settled_to: datetime | None = None

    def rows(self) -> QuerySet[Delivery]:
        """Return what is chosen."""
        rows = latest_deliveries() if self.latest else Delivery.objects.all()
        if self.acknowledged is not None:
            rows = rows.filter(state=Delivery.State.FAILED, acknowledged_at__isnull=not self.acknowledged)  # fmt: skip
        return rows.filter(**_given(self, {
            "pks": "pk__in", "state": "state", "failure_class": "failure_class", "connection": "connection",
            "rule": "rule", "kind": "event__kind", "cause": "cause", "created_from": "created_at__gte",
            "created_to": "created_at__lt", "settled_from": "settled_at__gte", "settled_to": "settled_at__lt",
        }))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChoice:
    """Choose inbound webhooks; what is not given does not matter. `received_to` is not included."""

    pks: tuple[int, ...] = ()
    state: str = ""
    kind: str = ""
    connection: int | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None

    def rows(self) -> QuerySet[InboundWebhook]:
        """Return what is chosen, without the bodies."""
        rows = InboundWebhook.objects.defer("body").filter(**_given(self, {
            "pks": "pk__in", "state": "state", "kind": "kind", "received_from": "received_at__gte",
            "received_to": "received_at__lt",
        }))  # fmt: skip
        return rows if self.connection is None else rows.filter(subscription__in=subscriptions_of(self.connection))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingChoice:
    """Choose bookings by the first places of their chains, which stay the same when they are moved."""

    pks: tuple[int, ...] = ()

    def rows(self) -> QuerySet[Invitee]:
        """Return what is chosen."""
        return Invitee.objects.filter(pk__in=self.pks)


def subscriptions_of(connection_id: int) -> list[int]:
    """Return a connection's subscriptions: they are few, and by their ids an index finds their webhooks in order."""
    rows = WebhookSubscription.objects.filter(connection=connection_id)
    return list(rows.values_list("pk", flat=True))


def _given(choice: DeliveryChoice | WebhookChoice, lookups: Mapping[str, str]) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(choice)}
    values = {name: getattr(choice, name) for name in lookups}
    return {lookups[name]: value for name, value in values.items() if value != defaults[name]}


def written(choice: DeliveryChoice | WebhookChoice | BookingChoice) -> dict[str, Any]:
    """Return a choice as JSON, without what does not matter."""
    found: dict[str, Any] = {}
    for field in fields(choice):
        value = getattr(choice, field.name)
        if value != field.default:
            found[field.name] = value.isoformat() if isinstance(value, datetime) else value
    return found


def read(kind: type[Choice], given: Mapping[str, Any]) -> Choice:
    """Return a choice from its JSON.

    Raises:
        ValueError: it holds what nobody knows; to leave that out would choose more than was asked for.
    """
    known = {field.name for field in fields(kind) if field.default is not MISSING}
    if unknown := set(given) - known:
        raise ValueError(f"This filter is not known: {', '.join(sorted(unknown))}.")
    return kind(**{name: _value(name, value) for name, value in given.items()})


def _value(name: str, value: Any) -> Any:
    if name.endswith(_MOMENTS):
        return datetime.fromisoformat(value)
    return tuple(value) if name == "pks" else value

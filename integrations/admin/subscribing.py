"""The operations of a source's connection that make, renew and delete its webhook subscriptions."""

from collections.abc import Callable, Iterable
from datetime import datetime

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from integrations import profiles, subscriptions
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.errors import IntegrationError
from integrations.models import Connection
from integrations.subscriptions import Ensured, Outcome

_NOTHING = "nothing is subscribed."


class SubscribingAdmin(OperatedAdmin):
    """Offer to subscribe the accounts of sources, to rotate their keys, and to unsubscribe them."""

    subscribing = (
        Operation(name="subscribe", label="Subscribe", icon="notifications_active"),
        Operation(name="rotate_key", label="Rotate signing key", icon="key"),
        Operation(
            name="unsubscribe",
            label="Unsubscribe",
            icon="notifications_off",
            costs=(
                "Its webhook subscriptions are deleted. No booking arrives by itself until it is subscribed again; a "
                "backfill then reads what was missed. What is here stays."
            ),
        ),
    )

    @admin.action(description="Subscribe", permissions=["operate"])
    def subscribe(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Subscribe what each connection should have."""
        self._each(request, queryset, _subscribe, note="Subscribed.")

    @admin.action(description="Unsubscribe", permissions=["operate"])
    def unsubscribe(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Delete what Calsync subscribed."""
        self._each(request, queryset, subscriptions.unsubscribe, note="Unsubscribed.")

    @admin.action(description="Rotate signing key", permissions=["operate"])
    def rotate_key(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Change the signing keys; the ones before stay valid."""
        self._each(request, queryset, subscriptions.rotate, note="Signing key rotated.")

    def subscribing_operations(self, row: Connection) -> Iterable[Operation]:
        """Return what makes sense for a connection: subscribe with a token, the others where there is something."""
        subscribe, *others = self.subscribing
        if row.provider not in settings.SOURCES or not row.sealed_secrets:
            return
        yield subscribe
        if row.subscriptions.filter(managed=True, retired_at=None).exists():
            yield from others

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Connection],
        act: Callable[..., list[Ensured]],
        *,
        note: str,
    ) -> None:
        for connection in queryset:
            if connection.provider not in settings.SOURCES:
                messages.error(request, f"{connection}: bookings do not come from there.")
            elif _act(request, connection, act, now=timezone.now()):
                self.log(request, [connection], note)


def _subscribe(connection: Connection, *, now: datetime) -> list[Ensured]:
    """Subscribe by what the person may do today, which is asked first."""
    profiles.refresh(connection, now=now)
    return subscriptions.ensure(connection, now=now)


def _act(
    request: HttpRequest,
    connection: Connection,
    act: Callable[..., list[Ensured]],
    *,
    now: datetime,
) -> bool:
    """Do it and say what came of it; return whether it could be done."""
    try:
        found = act(connection, now=now)
    except IntegrationError as error:
        messages.error(request, f"{connection}: {error.answer}")
        return False
    for item in found:
        is_doubtful = item.outcome in {Outcome.REFUSED, Outcome.SAME_KEY}
        level = messages.WARNING if is_doubtful else messages.SUCCESS
        messages.add_message(request, level, f"{connection}, {item}")
    if not found:
        messages.info(request, f"{connection}: {_NOTHING}")
    return True

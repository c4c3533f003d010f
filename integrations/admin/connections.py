"""Connections: their health, settings and secrets; pausing, resuming and testing them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from bookings.browsing import display
from integrations import breaker, deliver, refetch, tasks
from integrations.admin.connection_form import NewConnectionForm, connection_form
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.subscriptions import SubscriptionInline
from integrations.admin.words import TONES
from integrations.destinations import latest_deliveries
from integrations.errors import IntegrationError
from integrations.models import Connection, Delivery


class CountingChangeList(ChangeList):
    """Count what waits and what failed for all connections at once."""

    def get_results(self, request: HttpRequest) -> None:
        """Give each connection its counts."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        waiting = _count(Delivery.objects.filter(state__in=Delivery.UNSETTLED))
        failed = _count(latest_deliveries().filter(state=Delivery.State.FAILED))
        for row in rows:
            row.waiting, row.failed = waiting[row.pk], failed[row.pk]
        self.result_list = rows


@admin.register(Connection)
class ConnectionAdmin(OperatedAdmin):
    """The configured accounts at providers."""

    operations = (
        Operation(name="test", label="Test connection", icon="network_check"),
        Operation(name="pause", label="Pause", icon="pause"),
        Operation(name="resume", label="Resume", icon="play_arrow"),
    )
    actions = ("test", "pause", "resume")
    list_display = (
        "name",
        "provider",
        "badge",
        "why",
        "last_success_at",
        "is_waiting",
        "has_failed",
    )
    list_filter = ("state", "provider")
    search_fields = ("name",)
    inlines = (SubscriptionInline,)
    health = ("provider", "state", "state_reason", "state_hint", "not_before", "last_success_at", "last_error_at", "last_error")  # fmt: skip

    @admin.action(description="Test connection", permissions=["operate"])
    def test(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Call each provider harmlessly and say what it answered."""
        for connection in queryset:
            try:
                said = _check(connection)
            except IntegrationError as error:
                messages.error(request, f"{connection}: {error} {error.hint}")
            except KeyError:
                messages.error(request, f"{connection}: {connection.provider} is not installed.")
            else:
                messages.success(request, f"{connection}: {said}")

    @admin.action(description="Pause", permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Stop sending; what comes is queued."""
        rows = list(queryset)
        reason = f"Paused by {request.user.get_username()}."
        for connection in rows:
            breaker.pause(
                connection, now=timezone.now(), reason=reason, hint="Resume it when ready."
            )
        self.log(request, rows, "Paused.")
        messages.success(
            request, f"Paused: {_names(rows)}. What comes is queued and sent after resuming."
        )

    @admin.action(description="Resume", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Send again, beginning with what waited."""
        rows = list(queryset)
        for connection in rows:
            breaker.resume(connection, now=timezone.now())
            tasks.nudge_connection(connection.pk)
        self.log(request, rows, "Resumed.")
        messages.success(request, f"Resumed: {_names(rows)}. What waited is sent now.")

    def offered(self, row: Connection) -> Iterable[Operation]:
        """Offer to resume what is paused, and to pause what is not."""
        hidden = "pause" if row.state == Connection.State.PAUSED else "resume"
        return [operation for operation in self.operations if operation.name != hidden]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that counts."""
        return CountingChangeList

    def get_form(
        self,
        request: HttpRequest,
        obj: Connection | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[Any]:
        """Return the form for a new connection, or for this one's provider."""
        kwargs["form"] = connection_form(obj) if obj else NewConnectionForm
        form: type[Any] = super().get_form(request, obj, change, **kwargs)
        return form

    def get_readonly_fields(
        self, request: HttpRequest, obj: Connection | None = None
    ) -> tuple[str, ...]:
        """Show the health of an existing connection."""
        return tuple(name for name in self.health if getattr(obj, name, None))

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        """Put health, settings and secrets apart."""
        if obj is None:
            return [(None, {"fields": ["provider", "name"]})]
        secrets = [name for name in connection_form(obj).base_fields if name.startswith("secret_")]
        if not self.has_change_permission(request, obj):
            secrets = []
        sections = [
            ("Health", list(self.get_readonly_fields(request, obj))),
            ("Settings", ["name", "settings", "parallelism"]),
            ("Secrets", secrets),
        ]
        return [(title, {"fields": fields}) for title, fields in sections if fields]

    def get_inlines(self, request: HttpRequest, obj: Connection | None) -> list[Any]:
        """Show subscriptions where there are any."""
        return [SubscriptionInline] if obj and obj.subscriptions.exists() else []

    def has_delete_permission(self, request: HttpRequest, obj: Connection | None = None) -> bool:
        """Allow to delete what never carried anything: deleting takes its history along. Others are paused."""
        used = obj is None or obj.deliveries.exists() or obj.subscriptions.exists()
        return not used and bool(super().has_delete_permission(request, obj))

    def response_add(
        self,
        request: HttpRequest,
        obj: Connection,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Go on to the new connection's settings and secrets."""
        messages.success(request, f"{obj} was added. Now enter its settings and secrets.")
        return HttpResponseRedirect(reverse("admin:integrations_connection_change", args=[obj.pk]))

    @display(description="state", ordering="state", label=TONES)
    def badge(self, connection: Connection) -> tuple[str, str]:
        """Show the state."""
        return connection.state, connection.get_state_display()

    @display(description="why, and what to do", header=True)
    def why(self, connection: Connection) -> list[str]:
        """Show why it is not healthy over what a person can do."""
        return [connection.state_reason or "-", connection.state_hint]

    @display(description="waiting")
    def is_waiting(self, connection: Any) -> int:
        """Show how many deliveries wait."""
        return int(connection.waiting)

    @display(description="failed")
    def has_failed(self, connection: Any) -> int:
        """Show how many deliveries failed and were not repaired since."""
        return int(connection.failed)


def _count(deliveries: QuerySet[Delivery]) -> Counter[int]:
    counted = deliveries.order_by().values_list("connection_id").annotate(Count("id"))
    return Counter(dict(counted))


def _names(connections: Iterable[Connection]) -> str:
    return ", ".join(map(str, connections))


def _check(connection: Connection) -> str:
    if connection.provider in settings.CONNECTORS:
        return deliver.check_connection(connection).summary
    return refetch.check_connection(connection)

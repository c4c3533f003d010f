"""Connections: their health, settings and secrets; pausing, resuming and testing them."""

from collections.abc import Iterable
from copy import copy
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from bookings.browsing import DiscreetAdmin, display
from bookings.covering import cover
from bookings.discretion import Discretion
from integrations import allowance, breaker, connecting, deliver, drift, grants, profiles, tasks
from integrations.admin import recipes
from integrations.admin.cards import choose
from integrations.admin.connect import ConnectingAdmin, awaits_grant
from integrations.admin.connection_form import (
    ConnectionForm,
    NewConnectionForm,
    connection_form,
)
from integrations.admin.connection_list import CountingChangeList
from integrations.admin.connection_panel import panel
from integrations.admin.connection_sections import connection_sections
from integrations.admin.connection_starts import connection_choices
from integrations.admin.connector_panel import connector_panel
from integrations.admin.mappings import MappingsAdmin
from integrations.admin.operations import Operation
from integrations.admin.providers import get_provider, provider_choices
from integrations.admin.subscribing import SubscribingAdmin
from integrations.admin.words import TONES, told_settings
from integrations.errors import IntegrationError
from integrations.models import Connection

#: Keeping a connection running, which takes less than changing its settings and secrets.
OPERATE = "integrations.operate_connection"

_TOKEN_FIELD = "secret_access_token"  # noqa: S105  # the name of a field


@admin.register(Connection)
class ConnectionAdmin(ConnectingAdmin, SubscribingAdmin, MappingsAdmin, DiscreetAdmin):
    """The configured accounts at providers."""

    operations = (
        Operation(name="test", label="Test connection", icon="network_check", permission=OPERATE),
        Operation(name="pause", label="Pause", icon="pause", permission=OPERATE),
        Operation(name="resume", label="Resume", icon="play_arrow", permission=OPERATE),
        Operation(name="compare", label="Compare now", icon="difference", permission=OPERATE),
        ConnectingAdmin.disconnecting,
        *SubscribingAdmin.subscribing,
    )
    actions = ("test", "pause", "resume")
    when_empty = (
        "Begin with Calendly, where bookings come from; then the systems that they are carried to."
    )
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
    change_form_outer_before_template = "admin/integrations/connection/panel.html"
    health = ("system", "state", "state_reason", "state_hint", "not_before", "request_allowance", "last_success_at", "last_error_at", "last_error")  # fmt: skip

    @admin.action(description="Test connection")
    def test(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Call each provider harmlessly and say what it answered."""
        for connection in queryset:
            try:
                said = _check(connection, Discretion.of(request.user))
            except IntegrationError as error:
                messages.error(request, f"{connection}: {error.answer}")
            except KeyError:
                messages.error(request, f"{connection}: {connection.provider} is not installed.")
            else:
                messages.success(request, f"{connection}: {said}")

    @admin.action(description="Pause")
    def pause(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Stop sending; what comes is queued."""
        rows = list(queryset)
        reason = f"Paused by {request.user.get_username()}."
        for connection in rows:
            breaker.pause(
                connection, now=timezone.now(), reason=reason, hint="Resume it when ready.",
                by=request.user.get_username(),
            )  # fmt: skip
        self.log(request, rows, "Paused.")
        messages.success(
            request, f"Paused: {_names(rows)}. What comes is queued and sent after resuming."
        )

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Send again, beginning with what waited."""
        rows = list(queryset)
        for connection in rows:
            breaker.resume(connection, now=timezone.now())
            tasks.nudge_connection(connection.pk)
        self.log(request, rows, "Resumed.")
        messages.success(request, f"Resumed: {_names(rows)}. What waited is sent now.")

    @admin.action(description="Compare now")
    def compare(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Read back what was written, and show what was changed over there."""
        for connection in queryset.filter(provider__in=drift.comparable()):
            run = drift.start(
                connection, now=timezone.now(), requested_by=request.user.get_username()
            )
            tasks.nudge_drift(connection.pk)
            page = reverse("admin:integrations_driftrun_change", args=[run.pk])
            told = format_html('{} is compared. <a href="{}">See the report</a>.', connection, page)
            messages.success(request, told)

    def offered(self, row: Connection) -> Iterable[Operation]:
        """Offer to resume what is paused, to pause what is not, and to connect what a person grants access to."""
        other = "pause" if row.state == Connection.State.PAUSED else "resume"
        hidden = {
            other,
            *(() if row.provider in drift.comparable() else ("compare",)),
            self.disconnecting.name,
            *(item.name for item in self.subscribing),
        }
        if awaits_grant(row):
            return [item for item in self.connecting_operations(row) if item.name == "connect"]
        usual = [operation for operation in self.operations if operation.name not in hidden]
        return [*usual, *self.connecting_operations(row), *self.subscribing_operations(row)]

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
        data = request.POST if request.method == "POST" else None
        kwargs["form"] = connection_form(obj, data) if obj else NewConnectionForm
        form: type[Any] = super().get_form(request, obj, change, **kwargs)
        return form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask first what is to be connected, then for a name."""
        asked = request.GET.get("provider", "") or recipes.connection_initial(request).get("provider", "")  # fmt: skip
        if request.method == "GET" and asked not in dict(provider_choices()):
            return choose(
                request, self, title="Add a connection: to what?", groups=connection_choices(),
                recipe_starts=recipes.connection_starts(),
            )  # fmt: skip
        about = {"new_provider": get_provider(asked), "is_new": True} if asked else {}
        return super().add_view(request, form_url, {**about, **(extra_context or {})})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in the provider or the recipe that was asked for."""
        asked = dict(super().get_changeform_initial_data(request))
        label = get_provider(request.GET.get("provider", "")).label
        is_free = not Connection.objects.filter(name=label).exists()
        return recipes.connection_initial(request) or {"name": label if is_free else "", **asked}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a source's connection below a panel that tells how it is and what comes next."""
        connection = self.get_object(request, object_id)
        context = _panel(connection, request=request) if connection else {}
        response = super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
        token = _entered_token(request)
        if connection and token and isinstance(response, HttpResponseRedirect):
            return self._adopt(request, connection, token=token)
        return response

    def get_readonly_fields(
        self, request: HttpRequest, obj: Connection | None = None
    ) -> tuple[str, ...]:
        """Show the health of an existing connection; a source's stands in its panel."""
        if obj and obj.provider in settings.SOURCES:
            return ()
        return tuple(name for name in self.health if obj and self._is_known(obj, name))

    def _is_known(self, connection: Connection, name: str) -> bool:
        column = {"request_allowance": "usage", "system": "provider"}.get(name, name)
        return bool(getattr(connection, column, None))

    @display(description="provider")
    def system(self, connection: Connection) -> str:
        """Show what the provider is called for people."""
        return get_provider(connection.provider).label

    @display(description="request allowance")
    def request_allowance(self, connection: Connection) -> str:
        """Show how much of the provider's allowance is used, and what follows from it."""
        return allowance.in_words(connection, now=timezone.now())

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        """Put health, settings and secrets apart."""
        if obj is None:
            return [(None, {"fields": ["provider", "name"]})]
        return connection_sections(
            obj, health=self.get_readonly_fields(request, obj),
            may_change=self.has_change_permission(request, obj),
        )  # fmt: skip

    @display(description="settings")
    def settings_told(self, connection: Connection) -> str:
        """Show the settings to who may not change them."""
        return told_settings(get_provider(connection.provider).settings_model, connection.settings)

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        """Save what was entered and nothing else: tokens may have been renewed while the page was open."""
        if not change:
            obj.settings = dict(recipes.connection_settings(request, obj.provider))
            return super().save_model(request, obj, form, change)
        entered = form.entered_secrets
        if entered or form.forgotten_secrets or obj.settings != form.initial.get("settings"):
            obj.last_check = {}  # it was about what is no longer so
        obj.save(update_fields=[*ConnectionForm.Meta.fields, "last_check"])
        if obj.provider in settings.SOURCES:
            entered.pop("access_token", None)
        if entered or form.forgotten_secrets:
            grants.enter(obj.pk, entered, forgotten=form.forgotten_secrets)
        return None

    def _adopt(self, request: HttpRequest, connection: Connection, *, token: str) -> HttpResponse:
        """Take a personal token once the form is saved: no transaction is open while the provider is asked."""
        if connection.provider in settings.SOURCES:
            try:
                profile = connecting.adopt_token(connection, token=token, now=timezone.now())
            except IntegrationError as error:
                said = f"The token was not stored. {error.answer} What else was entered is saved."
                messages.error(request, said)
            else:
                self.log(request, [connection], "Connected by a personal token.")
                messages.success(request, f"Connected as {profile.user_name}.")
        page = reverse("admin:integrations_connection_change", args=[connection.pk])
        return HttpResponseRedirect(page)

    def has_delete_permission(self, request: HttpRequest, obj: Connection | None = None) -> bool:
        """Allow to delete what never carried anything: deleting takes its history along. Others are paused."""
        used = obj is None or obj.deliveries.exists() or obj.subscriptions.exists()
        return not used and bool(super().has_delete_permission(request, obj))

    def response_change(self, request: HttpRequest, obj: Connection) -> HttpResponse:
        """Leave it to what becomes of an entered token to say how it went; stay until it was seen to work."""
        if obj.provider in settings.SOURCES and _entered_token(request):
            return HttpResponseRedirect(request.path)
        is_seen_to_work = obj.last_check.get("ok") or obj.last_success_at
        if obj.provider in settings.CONNECTORS and "_save" in request.POST and not is_seen_to_work:
            messages.success(request, f"{obj} is saved. Below is what comes next.")
            return HttpResponseRedirect(request.path)
        return super().response_change(request, obj)

    def response_add(
        self,
        request: HttpRequest,
        obj: Connection,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Go on to the new connection's settings and secrets."""
        messages.success(request, f"{obj} was added. {_next_words(obj)}")
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


def _entered_token(request: HttpRequest) -> str:
    return request.POST.get(_TOKEN_FIELD, "").strip()


def _panel(connection: Connection, *, request: HttpRequest) -> dict[str, Any]:
    connection = copy(connection)  # what is shown may be covered, and the row itself is worked with
    cover(connection, Discretion.of(request.user))
    about = {"provider": get_provider(connection.provider)}
    if connection.provider not in settings.SOURCES:
        may_add = request.user.has_perm("integrations.add_rule")
        return {"connector": connector_panel(connection, may_add_rules=may_add), **about}
    may_start = request.user.has_perm("integrations.add_backfillrun")
    page = f"{reverse('admin:integrations_backfillrun_add')}?connection={connection.pk}"
    return {
        "panel": panel(connection, now=timezone.now()),
        "backfill_url": page if may_start else "",
        **about,
    }


def _next_words(connection: Connection) -> str:
    if connection.provider in settings.SOURCES:
        return "Now connect it."
    return "Now enter its settings and secrets, then test it."


def _names(connections: Iterable[Connection]) -> str:
    return ", ".join(map(str, connections))


def _check(connection: Connection, discretion: Discretion) -> str:
    if connection.provider in settings.CONNECTORS:
        return deliver.check_connection(connection, now=timezone.now()).summary
    profile = profiles.refresh(connection, now=timezone.now())
    name, email = discretion.name(profile.user_name), discretion.email(profile.user_email)
    return f"Connected as {name} <{email}>."

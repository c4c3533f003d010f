"""Connecting an account in the browser: away to the provider, back with a code, and disconnecting again."""

from collections.abc import Iterable

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_GET, require_POST

from integrations import accounts, connecting, grants, tasks
from integrations.admin.connector_panel import connector_oauth
from integrations.admin.operations import OperatedAdmin, Operation, note
from integrations.errors import IntegrationError
from integrations.granting import OAuth
from integrations.models import Connection
from integrations.sources.base import get_source


class ConnectingAdmin(OperatedAdmin):
    """Offer to connect and to disconnect accounts that a person grants access to."""

    disconnecting = Operation(
        name="disconnect", label="Disconnect", icon="link_off",
        costs=(
            "What was granted is revoked, its tokens are forgotten, and it pauses: what is to be sent waits. A calendar's webhook "
            "subscriptions are deleted, so that no booking arrives until it is connected and subscribed again; a backfill then "
            "reads what was missed. What is here stays."
        ),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Add the address that the button to connect POSTs to: it leads to the provider, not back to the page."""
        view = self.admin_site.admin_view(require_POST(self.connect))
        route = path("<path:object_id>/connect/", view, name="integrations_connection_connect")
        return [route, *super().get_urls()]

    def connect(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the browser to the provider."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        connection = self.get_object(request, object_id)
        if connection is None or _oauth(connection) is None:
            raise Http404
        try:
            url = connecting.begin(connection, session=request.session, now=timezone.now())
        except IntegrationError as error:
            messages.error(request, error.answer)
            url = _page(connection.pk)
        return HttpResponseRedirect(url)

    @admin.action(description="Disconnect", permissions=["operate"])
    def disconnect(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Unsubscribe from a source, revoke what was granted, forget the tokens, and pause."""
        by = request.user.get_username()
        for connection in filter(_can_disconnect, queryset):
            try:
                connecting.disconnect(connection, by=by, now=timezone.now())
            except IntegrationError as error:
                messages.error(request, f"{connection}: {error.answer}")
            else:
                self.log(request, [connection], "Disconnected.")
                messages.success(request, f"{connection} is disconnected. {connection.state_hint}")

    def connecting_operations(self, connection: Connection) -> Iterable[Operation]:
        """Return what can be done about an account that a person grants access to, as it is."""
        oauth = _oauth(connection)
        if oauth and not oauth.missing_settings:
            label = f"Connect with {accounts.label(connection.provider)}"
            yield Operation(name="connect", label=label, icon="link")
        if _can_disconnect(connection):
            yield self.disconnecting

    def operation_url(self, object_id: object, name: str) -> str:
        """Return the address that starts an operation on a row."""
        if name == "connect":
            return reverse("admin:integrations_connection_connect", args=[object_id])
        return super().operation_url(object_id, name)


@require_GET
def connected(request: HttpRequest, provider: str) -> HttpResponse:
    """Take the provider's callback: the session that began it ends it, as staff who may change connections.

    A callback that this browser did not begin keeps its address, for it may have been begun on the command line.
    """
    if not accounts.is_installed(provider):
        raise Http404
    if not _may_connect(request):
        return _elsewhere(request, "You are not signed in here as staff who may connect accounts.")
    connection_id, now = connecting.begun(request.session), timezone.now()
    try:
        connection = connecting.complete(
            session=request.session, params=request.GET.dict(), now=now
        )
    except connecting.UnknownStateError as error:
        return _elsewhere(request, error.answer)
    except IntegrationError as error:
        messages.error(request, error.answer)
        return HttpResponseRedirect(_page(connection_id))
    note(request, [connection], "Connected by OAuth.")
    _welcome(request, connection)
    if connection.provider in settings.CONNECTORS:
        tasks.nudge_connection(connection.pk)
    return HttpResponseRedirect(_page(connection.pk))


def connecting_help(connection: Connection) -> str:
    """Say what to set before this account can be connected by OAuth, and what its app has to know."""
    oauth = _oauth(connection)
    if oauth is None:
        return ""
    address = connecting.redirect_uri(connection.provider)
    missing = oauth.missing_settings
    if not missing:
        return format_html("The app's redirect URI is <code>{}</code>.", address)
    return format_html(
        "To connect by OAuth, set {} to what the app was given, and register <code>{}</code> as its redirect URI.",
        format_html_join(", ", "<code>{}</code>", ((name,) for name in missing)),
        address,
    )


def awaits_grant(connection: Connection) -> bool:
    """Tell whether nothing can be done before somebody connects this account."""
    if connection.provider in settings.SOURCES:
        return not grants.has_token(connection)
    return connector_oauth(connection) is not None and not grants.has_token(connection)


def _oauth(connection: Connection) -> OAuth | None:
    if connection.provider in settings.SOURCES:
        return get_source(connection.provider).oauth
    return connector_oauth(connection)


def _can_disconnect(connection: Connection) -> bool:
    if connection.provider in settings.SOURCES:
        return bool(connection.sealed_secrets)
    return accounts.is_granted(connection)


def _may_connect(request: HttpRequest) -> bool:
    user = request.user
    return user.is_active and user.is_staff and user.has_perm("integrations.change_connection")


def _elsewhere(request: HttpRequest, why: str) -> HttpResponse:
    return render(request, "admin/calsync/connect_elsewhere.html", {"why": why}, status=403)


def _welcome(request: HttpRequest, connection: Connection) -> None:
    who = connection.profile.get("user_name") or connection.profile.get("user_email")
    messages.success(request, f"{connection} is connected as {who}.")
    if missing := connecting.missing_scopes(connection):
        messages.warning(
            request,
            f"Not granted: {', '.join(missing)}. Connect again and allow everything that is asked for.",
        )


def _page(connection_id: int | None) -> str:
    return reverse("admin:integrations_connection_change", args=[connection_id])

"""Notification channels: where staff are told what, tried out and previewed. And every message, with a retry."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bookings.browsing import DiscreetAdmin, ReadOnlyAdmin, display, list_link
from bookings.discretion import Discretion
from integrations import notifications, tasks
from integrations.admin.cards import choose
from integrations.admin.notification_form import (
    NotificationChannelForm,
    channel_choices,
    notice_shape,
)
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.people import may_see_exchanges
from integrations.admin.typed_form import Shape, posted_values, sections, typed_form
from integrations.admin.words import TONES, short, told_settings
from integrations.connectors.base import Skip
from integrations.models import Notification, NotificationChannel

State = Notification.State
Kind = Notification.Kind

#: Sending a message again, or one beside the daily ones; a channel's settings take more.
_SEND = "integrations.change_notification"
_WHERE = (
    "An alert about a connection cannot go through that very connection: it waits there. Have a second channel through another "
    "connection for these."
)
_EXPERT = "The same options as they are stored. The fields above count, unless you change this JSON: then the JSON counts."
#: What makes a channel begin anew: nothing from before is told.
_SWITCHES = frozenset({"enabled", "sends_alerts"})


@admin.register(NotificationChannel)
class NotificationChannelAdmin(OperatedAdmin, DiscreetAdmin):
    """Where staff are told."""

    operations = (
        Operation(name="test", label="Send a test", icon="send", permission=_SEND),
        Operation(name="send_now", label="Send today's digest now", icon="today", permission=_SEND),
    )
    when_empty = (
        "A channel is where staff are told: today's meetings each morning, how the connections are, and what needs "
        "a person. Connect Slack or another system that can, then add one."
    )
    change_form_outer_before_template = "admin/integrations/notificationchannel/panel.html"
    list_display = ("name", "enabled", "connection", "tells", "when", "sent")
    list_filter = ("enabled", "connection")
    list_select_related = ("connection",)
    search_fields = ("name",)
    autocomplete_fields = ("host", "group", "event_type")

    def get_fieldsets(self, request: HttpRequest, obj: NotificationChannel | None = None) -> Any:
        """Put apart where, what and when; the options have fields of their own."""
        may_change = self.has_change_permission(request, obj) if obj else True
        typed = [
            name
            for _, names in sections("options", self._shape(request, obj), heading="Where")
            for name in names
        ]
        where = ("connection", *(typed if may_change else ["options_told"]))
        parts = (
            (None, ("name", "enabled"), "", ()), ("Where", where, _WHERE, ()),
            ("What", ("sends_agenda", "sends_health", "sends_alerts"), "", ()),
            ("When, for the daily ones", ("at", "time_zone", "weekdays_only"), "", ()),
            ("The agenda", ("tells_nothing", "host", "group", "event_type"), "", ()),
            ("Options as JSON, for experts", ("options",) if may_change else (), _EXPERT, ("collapse",)),
        )  # fmt: skip
        return [
            (title, {"fields": names, "description": about, "classes": classes})
            for title, names, about, classes in parts
            if names
        ]

    def get_form(
        self, request: HttpRequest, obj: NotificationChannel | None = None, change: bool = False, **kwargs: Any
    ) -> type[Any]:  # fmt: skip
        """Return the form with the options of the connection that is chosen."""
        values = obj.options if obj else {}
        if request.method == "POST":
            values = posted_values(request.POST, "options", stored=values)
        kwargs["form"] = typed_form(NotificationChannelForm, self._shape(request, obj), values=values)  # fmt: skip
        form: type[Any] = super().get_form(request, obj, change, **kwargs)
        return form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask first where staff are to be told: what else there is to say depends on it."""
        if request.method == "GET" and not request.GET.get("connection"):
            title, nothing = "Add a channel: where are staff told?", "No connection can tell staff something yet"  # fmt: skip
            return choose(request, self, title=title, groups=channel_choices(), nothing=nothing)
        return super().add_view(request, form_url, extra_context)

    def _shape(self, request: HttpRequest, channel: NotificationChannel | None) -> Shape:
        return notice_shape(request.POST if request.method == "POST" else request.GET, channel)

    @display(description="options")
    def options_told(self, channel: NotificationChannel) -> str:
        """Show the options to who may not change them."""
        return told_settings(notice_shape({}, channel).model, channel.options)

    @admin.action(description="Send a test")
    def test(self, request: HttpRequest, queryset: QuerySet[NotificationChannel]) -> None:
        """Tell each channel that it is reached, and say what came of it."""
        for channel in queryset:
            self._send(request, channel, [Kind.TEST])

    @admin.action(description="Send today's digest now")
    def send_now(self, request: HttpRequest, queryset: QuerySet[NotificationChannel]) -> None:
        """Send what the channel is told each day, beside the daily one."""
        for channel in queryset:
            asked = {Kind.AGENDA: channel.sends_agenda, Kind.HEALTH: channel.sends_health}
            self._send(request, channel, [kind for kind, wanted in asked.items() if wanted])

    def offered(self, row: NotificationChannel) -> Iterable[Operation]:
        """Offer the digest where there is a daily one."""
        is_daily = row.sends_agenda or row.sends_health
        return self.operations if is_daily else self.operations[:1]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a channel with its digests as they would be now."""
        channel = self.get_object(request, object_id)
        # A digest names people and what failed for them.
        is_clear = Discretion.of(request.user).is_clear
        context = {"previews": list(_previews(channel))} if channel and is_clear else {}
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def save_model(
        self, request: HttpRequest, obj: NotificationChannel, form: Any, change: bool
    ) -> None:
        """Save; switched on, it begins now."""
        if _SWITCHES & set(form.changed_data):
            obj.told_from = obj.looked_at = timezone.now()
        super().save_model(request, obj, form, change)

    def has_delete_permission(
        self, request: HttpRequest, obj: NotificationChannel | None = None
    ) -> bool:
        """Allow to delete what never told anything: deleting takes its history along. Others are switched off."""
        used = obj is None or obj.notifications.exists()
        return not used and bool(super().has_delete_permission(request, obj))

    @display(description="tells")
    def tells(self, channel: NotificationChannel) -> str:
        """Show what is told here."""
        told = {"agenda": channel.sends_agenda, "report": channel.sends_health, "alerts": channel.sends_alerts}  # fmt: skip
        return ", ".join(name for name, wanted in told.items() if wanted)

    @display(description="daily at", ordering="at")
    def when(self, channel: NotificationChannel) -> str:
        """Show when the daily messages go."""
        days = ", weekdays" if channel.weekdays_only else ""
        return f"{channel.at:%H:%M} {channel.time_zone}{days}"

    @display(description="messages")
    def sent(self, channel: NotificationChannel) -> object:
        """Link to what was told here."""
        return list_link(Notification, "show", channel__id__exact=channel.pk)

    def _send(
        self, request: HttpRequest, channel: NotificationChannel, kinds: Iterable[Notification.Kind]
    ) -> None:
        for kind in kinds:
            row = notifications.by_hand(channel, kind, now=timezone.now())
            sent = notifications.send(row.pk, clock=timezone.now)
            row.refresh_from_db()
            _say(request, channel, row, was_tried=sent is not None)
        self.log(request, [channel], f"Asked for: {', '.join(kinds)}.")


def _previews(channel: NotificationChannel) -> Iterable[dict[str, Any]]:
    """Yield the channel's daily messages as they would be now."""
    asked = {Kind.AGENDA: channel.sends_agenda, Kind.HEALTH: channel.sends_health}
    for kind in (kind for kind, wanted in asked.items() if wanted):
        found = notifications.preview(channel, kind, now=timezone.now())
        is_empty = isinstance(found, Skip)
        yield {
            "label": kind.label, "zone": channel.time_zone,
            "notice": None if is_empty else found, "reason": found.reason if isinstance(found, Skip) else "",
        }  # fmt: skip


def _say(
    request: HttpRequest, channel: NotificationChannel, row: Notification, *, was_tried: bool
) -> None:
    """Say how one message went."""
    name = f"{channel}, {row.get_kind_display()}"
    if row.state == State.SENT and row.steps:
        messages.warning(request, f"{name}: {row.result}")
    elif row.state == State.SENT:
        where = (
            format_html(' <a href="{}" rel="noreferrer">See it</a>.', row.url) if row.url else ""
        )
        messages.success(request, format_html("{}: sent.{}", name, where))
    elif row.state == State.SKIPPED:
        messages.warning(request, f"{name}: not sent. {row.result}")
    elif was_tried:
        again = "It is tried again by itself." if row.state == State.WAITING else ""
        messages.error(request, f"{name}: {row.error} {row.hint} {again}".strip())
    else:
        messages.warning(request, f"{name}: it waits, for {channel.connection} cannot be used now. Look at the connection.")  # fmt: skip


@admin.register(Notification)
class NotificationAdmin(OperatedAdmin, ReadOnlyAdmin):
    """Every message to staff, newest first."""

    operations = (Operation(name="retry", label="Retry", icon="replay"),)
    actions = ("retry",)
    when_empty = (
        "Nothing was told yet: add a notification channel, and press Send a test on its page."
    )
    list_display = ("created", "channel", "kind", "about", "badge", "attempt_count", "trouble")
    list_filter = ("state", "kind", "channel")
    list_select_related = ("channel", "about")
    ordering = ("-id",)
    fields = (
        "channel", "kind", "about", "standing", "link", "result", "error", "hint", "attempt_count", "not_before",
        "expires_at", "created_at", "settled_at", "key", "content", "said",
    )  # fmt: skip
    readonly_fields = ("standing", "link", "said")

    def get_fields(self, request: HttpRequest, obj: Notification | None = None) -> Any:
        """Return the fields, with the last try word for word for who may see such."""
        may_see = may_see_exchanges(request.user)
        return [name for name in self.fields if may_see or name != "said"]

    @admin.action(description="Retry", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """Send failed and skipped ones again."""
        rows = list(queryset)
        chosen = Notification.objects.filter(pk__in=[row.pk for row in rows])
        count = notifications.retry(chosen, now=timezone.now(), by=request.user.get_username())
        self.log(request, rows, "Retried.")
        tasks.nudge_notifications()
        if count:
            messages.success(request, f"{count} will be sent again now.")
        else:
            messages.warning(request, "Only failed and skipped ones can be sent again.")

    def offered(self, row: Notification) -> Iterable[Operation]:
        """Offer a retry where there is something to retry."""
        return self.operations if row.state in {State.FAILED, State.SKIPPED} else ()

    @display(description="created", ordering="id")
    def created(self, row: Notification) -> str:
        """Show when it was planned."""
        return f"{row.created_at:%d %b %Y, %H:%M:%S} UTC"

    @display(description="state", ordering="state", label={**TONES, "sent": "success"})
    def badge(self, row: Notification) -> tuple[str, str]:
        """Show the state."""
        return row.state, row.get_state_display()

    @display(description="state")
    def standing(self, row: Notification) -> str:
        """Say the state where a badge is none: on the message's own page."""
        return row.get_failure_class_display() if row.failure_class else row.get_state_display()

    @display(description="result or error")
    def trouble(self, row: Notification) -> str:
        """Show the error with its hint at hand, or what was done."""
        return format_html('<span title="{}">{}</span>', row.hint, short(row.error or row.result))

    @display(description="over there")
    def link(self, row: Notification) -> str:
        """Link to the message."""
        if not row.url:
            return row.remote_id or "-"
        return format_html('<a class="text-primary-600 hover:underline" href="{}" rel="noreferrer">{}</a>', row.url, row.remote_id)  # fmt: skip

    @display(description="last try")
    def said(self, row: Notification) -> SafeString:
        """Show what was asked and answered at the last try."""
        context = {"exchanges": row.exchanges}
        return render_to_string("admin/integrations/notification/said.html", context)

"""Webhook subscriptions: the URL that a provider delivers to, how it is over there, its keys, and what was refused."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.widgets import UnfoldBooleanSwitchWidget

from bookings.browsing import display
from integrations import subscriptions
from integrations.admin.fields import SecretField
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.words import TONES, short
from integrations.errors import ConfigurationError, IntegrationError
from integrations.models import InboundWebhook, WebhookSubscription
from integrations.subscriptions import Checked, webhook_url


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Take a new signing key; the one before it stays valid until the rotation is ended."""

    signing_key = SecretField(
        about="The key that Calendly signs with. A new one is used beside the one before it. Empty keeps it."
    )
    end_rotation = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Forget the previous key: deliveries signed with it are refused from now on.",
    )

    class Meta:
        model = WebhookSubscription
        fields = ("connection", "scope", "uri")

    def save(self, commit: bool = True) -> WebhookSubscription:
        """Seal the keys: a new one becomes current, the one that was current becomes previous."""
        keys = stored_keys(self.instance)
        current, previous = keys.get("current", ""), keys.get("previous", "")
        if new := self.cleaned_data.get("signing_key"):
            current, previous = new, current
        if self.cleaned_data.get("end_rotation"):
            previous = ""
        if current:
            self.instance.set_signing_keys(current=current, previous=previous)
        saved: WebhookSubscription = super().save(commit=commit)
        return saved


@admin.register(WebhookSubscription)
class WebhookSubscriptionAdmin(OperatedAdmin):
    """The subscriptions of every connection."""

    form = SubscriptionForm
    operations = (
        Operation(
            name="self_test",
            label="Self-test",
            icon="troubleshoot",
            permission="integrations.operate_connection",
        ),
        Operation(
            name="delete_there",
            label="Delete",
            icon="delete",
            costs=(
                "It is deleted at Calendly and retired here: nothing arrives through it any more. What came through it "
                "stays. To have one again, press Subscribe on the connection."
            ),
        ),
    )
    actions = ("self_test",)
    when_empty = "Press Subscribe on the page of a Calendly connection: that makes them."
    list_display = ("connection", "about", "badge", "why", "last_delivery", "checked_at", "keys")
    list_filter = ("state", "purpose", ("retired_at", admin.EmptyFieldListFilter), "connection")
    list_select_related = ("connection",)
    ordering = (F("retired_at").desc(nulls_first=True), "connection", "id")
    readonly_fields = (
        "url", "purpose", "target", "told_of", "state", "failing_since", "checked_at", "problem",
        "managed", "retired_at", "created_at", "last_delivery", "keys", "refused",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("connection", "url", "purpose", "managed", "retired_at", "created_at")}),
        (
            "At the provider",
            {
                "fields": (
                    "state", "problem", "failing_since", "checked_at", "scope", "target", "told_of", "uri",
                )
            },
        ),
        ("Deliveries", {"fields": ("last_delivery", "refused")}),
        ("Signature", {"fields": ("keys", "signing_key", "end_rotation")}),
    )  # fmt: skip

    @admin.action(description="Self-test")
    def self_test(self, request: HttpRequest, queryset: QuerySet[WebhookSubscription]) -> None:
        """Check all that a delivery needs, and say what was found."""
        for subscription in queryset.select_related("connection"):
            for check in subscriptions.self_test(subscription, now=timezone.now()):
                level = messages.SUCCESS if check.ok else messages.ERROR
                messages.add_message(request, level, _told(check))

    @admin.action(description="Delete", permissions=["operate"])
    def delete_there(self, request: HttpRequest, queryset: QuerySet[WebhookSubscription]) -> None:
        """Delete a subscription at the provider and retire it here; what came through it is kept."""
        for subscription in queryset.select_related("connection"):
            try:
                subscriptions.remove(subscription, now=timezone.now())
            except IntegrationError as error:
                messages.error(request, error.answer)
            else:
                self.log(request, [subscription], "Deleted at the provider, retired here.")
                messages.success(request, "Deleted. What is still on its way is taken.")

    def offered(self, row: WebhookSubscription) -> tuple[Operation, ...]:
        """Offer nothing for one that is retired."""
        return () if row.retired_at else self.operations

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the subscriptions with their tallies and when something last came through them."""
        came = InboundWebhook.objects.filter(subscription=OuterRef("pk"))
        latest = came.exclude(kind=subscriptions.PROBE).order_by("-id").values("last_seen_at")[:1]
        rows = super().get_queryset(request).annotate(last_delivery_at=Subquery(latest))
        return rows.prefetch_related("tallies")

    def get_readonly_fields(
        self, request: HttpRequest, obj: WebhookSubscription | None = None
    ) -> tuple[str, ...]:
        """Leave to the provider what it says of a managed one."""
        fixed = ("connection", "scope", "uri") if obj and obj.managed else ()
        return (*self.readonly_fields, *fixed)

    def get_fieldsets(self, request: HttpRequest, obj: WebhookSubscription | None = None) -> Any:
        """Show to who adds one what can be entered, and the key's field to who may set it."""
        if obj is None:
            return [(None, {"fields": ("connection", "scope", "uri", "signing_key")})]
        keys = ["keys"]
        if self.has_change_permission(request, obj):
            keys += ["end_rotation"] if obj.managed else ["signing_key", "end_rotation"]
        return (*self.fieldsets[:-1], ("Signature", {"fields": keys}))

    def has_delete_permission(
        self, request: HttpRequest, obj: WebhookSubscription | None = None
    ) -> bool:
        """Allow to delete what nothing came through and the provider does not have: what came in is kept."""
        there = bool(obj and obj.managed and obj.uri and not obj.retired_at)
        used = obj is None or there or obj.inbound_webhooks.exists()
        return not used and bool(super().has_delete_permission(request, obj))

    @display(description="webhook URL")
    def url(self, subscription: WebhookSubscription) -> str:
        """Show the full URL to give to the provider."""
        return format_html("<code>{}</code>", webhook_url(subscription)) if subscription.pk else "-"

    @display(description="signing keys")
    def keys(self, subscription: WebhookSubscription) -> str:
        """Show which keys are stored, never what they are."""
        return ", ".join(stored_keys(subscription)) or "none: every delivery is refused"

    @display(description="refused or late")
    def refused(self, subscription: WebhookSubscription) -> str:
        """Show how often deliveries were refused and why."""
        rows = subscription.tallies.all() if subscription.pk else ()
        told = ((t.get_outcome_display(), t.count, _moment(t.last_at)) for t in rows)
        return format_html_join("", "<div>{}: {} times, last on {}</div>", told) or "never"

    @display(description="for", header=True)
    def about(self, subscription: WebhookSubscription) -> list[str]:
        """Show what it is for over its scope."""
        scope = subscription.scope or "scope not known"
        return [subscription.get_purpose_display().capitalize(), scope]

    @display(
        description="state",
        ordering="state",
        label={**TONES, "failing": "warning", "outgoing": "info"},
    )
    def badge(self, subscription: WebhookSubscription) -> tuple[str, str]:
        """Show the state."""
        if subscription.retired_at:
            return "retired", "retired"
        if subscription.retry_started_at:
            return "failing", "failing"
        if not subscription.problem and subscription.is_outgoing:
            return "outgoing", "being replaced"
        return subscription.state, subscription.get_state_display()

    @display(description="what is wrong, and what to do")
    def why(self, subscription: WebhookSubscription) -> str:
        """Show the problem."""
        return short(subscription.problem) or "-"

    @display(description="events")
    def told_of(self, subscription: WebhookSubscription) -> str:
        """Show what it tells of."""
        return ", ".join(subscription.events) or "-"

    @display(description="failing since")
    def failing_since(self, subscription: WebhookSubscription) -> str:
        """Show since when the provider has failed to deliver to us."""
        since = subscription.retry_started_at
        return f"Calendly has been failing to deliver since {_moment(since)}." if since else "-"

    @display(description="last delivery received")
    def last_delivery(self, subscription: Any) -> str:
        """Show when something last came, probes of our own aside."""
        at = subscription.last_delivery_at
        return _moment(at) if at else "nothing yet"


def stored_keys(subscription: WebhookSubscription) -> dict[str, str]:
    """Return the keys that can be read; sealed with a lost key, they have to be entered again."""
    try:
        return subscription.signing_keys
    except ConfigurationError:
        return {}


def _told(check: Checked) -> str:
    return f"{check.name}: {check.detail} {check.hint}".strip()


def _moment(at: datetime) -> str:
    return f"{at:%d %b %Y, %H:%M} UTC"

"""Webhook subscriptions: the URL that a provider delivers to, its signing key, and what was refused."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.widgets import UnfoldBooleanSwitchWidget

from bookings.browsing import ModelAdmin, TabularInline, display
from integrations.admin.fields import SecretField
from integrations.admin.words import TONES
from integrations.errors import ConfigurationError
from integrations.models import WebhookSubscription


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
        fields = ("connection", "state", "scope", "uri")

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


class Shown:
    """Show a subscription's address, keys and tallies."""

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
        told = (
            (t.get_outcome_display(), t.count, f"{t.last_at:%d %b %Y, %H:%M} UTC") for t in rows
        )
        return format_html_join("", "<div>{}: {} times, last on {}</div>", told) or "never"


class SubscriptionInline(Shown, TabularInline):
    """List a connection's subscriptions on its page."""

    model = WebhookSubscription
    extra = 0
    can_delete = False
    show_change_link = True
    fields = readonly_fields = ("url", "state", "keys", "refused")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: subscriptions have a page of their own."""
        return False


@admin.register(WebhookSubscription)
class WebhookSubscriptionAdmin(Shown, ModelAdmin):
    """The subscriptions of every connection."""

    form = SubscriptionForm
    list_display = ("connection", "url", "badge", "keys", "refused")
    list_filter = ("state", "connection")
    list_select_related = ("connection",)
    readonly_fields = ("url", "keys", "refused", "events", "created_at")
    fieldsets = (
        (None, {"fields": ("connection", "url", "state", "scope", "uri", "events", "created_at")}),
        ("Signature", {"fields": ("keys", "signing_key", "end_rotation", "refused")}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the subscriptions with their tallies."""
        return super().get_queryset(request).prefetch_related("tallies")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave the key's field out for who may not set it."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return (self.fieldsets[0], ("Signature", {"fields": ("keys", "refused")}))

    def has_delete_permission(
        self, request: HttpRequest, obj: WebhookSubscription | None = None
    ) -> bool:
        """Allow to delete what nothing came through: what came in is kept."""
        used = obj is None or obj.inbound_webhooks.exists()
        return not used and bool(super().has_delete_permission(request, obj))

    @display(description="state", ordering="state", label=TONES)
    def badge(self, subscription: WebhookSubscription) -> tuple[str, str]:
        """Show the state."""
        return subscription.state, subscription.get_state_display()


def webhook_url(subscription: WebhookSubscription) -> str:
    """Return the full URL that the provider delivers to."""
    args = [subscription.connection.provider, subscription.token]
    return f"{settings.CALSYNC_PUBLIC_URL}{reverse('webhook', args=args)}"


def stored_keys(subscription: WebhookSubscription) -> dict[str, str]:
    """Return the keys that can be read; sealed with a lost key, they have to be entered again."""
    try:
        return subscription.signing_keys
    except ConfigurationError:
        return {}

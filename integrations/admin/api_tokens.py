"""Keys to the REST API: made for a user, shown once, revoked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from bookings.browsing import display
from integrations import tokens
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.models import ApiToken

_TONES = {"active": "success", "expired": "warning", "revoked": "default"}


class ApiTokenForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Take what a new token is for, whose permissions it has, and until when."""

    class Meta:
        model = ApiToken
        fields = ("name", "user", "expires_at")

    def clean_expires_at(self) -> Any:
        """Refuse a token that could never be used."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at and expires_at <= timezone.now():
            raise forms.ValidationError("This is in the past. Choose a later time, or leave it empty for never.")  # fmt: skip
        return expires_at


@admin.register(ApiToken)
class ApiTokenAdmin(OperatedAdmin):
    """The tokens, never their keys."""

    form = ApiTokenForm
    operations = (
        Operation(
            name="revoke", label="Revoke", icon="block",
            costs="Whoever uses it is refused from now on. To let them in again, make another token.",
        ),
    )  # fmt: skip
    actions = ("revoke",)
    when_empty = "Nobody reads by a token. Add one for each program that does."
    list_display = ("name", "badge", "user", "begins_with", "last_used_at", "expires_at", "created_by")  # fmt: skip
    list_filter = ("user",)
    list_select_related = ("user",)
    search_fields = ("name", "prefix")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: a token is revoked, and another one made."""
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Ask for the little that a new token needs; show all that is known of one that is there."""
        asked = ("name", "user", "expires_at")
        known = ("begins_with", "created_by", "created_at", "last_used_at", "revoked_at")
        return (*asked, *known) if obj else asked

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let nothing be changed of a token that is there."""
        return self.get_fields(request, obj) if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer everybody to a superuser, and to others themselves: a token must not raise its maker's permissions."""
        users = db_field.remote_field.model.objects.filter(is_active=True)
        own = {} if request.user.is_superuser else {"pk": request.user.pk}
        shown = {"queryset": users.filter(**own), "initial": request.user.pk}
        return super().formfield_for_foreignkey(db_field, request, **{**options, **shown})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Make the token's key, and keep it for this answer alone."""
        obj.key = tokens.issue(obj, by=request.user.get_username(), now=timezone.now())

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:  # fmt: skip
        """Show the key, this once: it is in no message, no session and no address."""
        context = {
            **self.admin_site.each_context(request), "title": "The new token", "opts": self.opts, "token": obj,
            "api_url": request.build_absolute_uri("/api/v1/bookings"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/integrations/apitoken/made.html", context)

    @admin.action(description="Revoke", permissions=["operate"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Let the chosen tokens in no more."""
        ended = [token for token in queryset if tokens.revoke(token, now=timezone.now())]
        self.log(request, ended, "Revoked.")
        messages.success(request, f"Revoked: {', '.join(map(str, ended)) or 'nothing'}.")

    def offered(self, row: ApiToken) -> tuple[Operation, ...]:
        """Offer nothing for one that is revoked."""
        return () if row.revoked_at else self.operations

    @display(description="state", label=_TONES)
    def badge(self, token: ApiToken) -> str:
        """Show whether it lets anybody in."""
        return token.state_at(timezone.now())

    @display(description="begins with", ordering="prefix")
    def begins_with(self, token: ApiToken) -> str:
        """Show enough of the key to recognise it."""
        return f"{token.prefix}…"
